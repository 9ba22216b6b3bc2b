"""What `visit` shows of a page, written by a language model: evidence and summary for a goal.

Used by 03_distill, 06_dapo and 07_evaluate when a summariser is named. In: the text of a page (or one window of a long
one) and a goal; out: two texts for `web.tools.Tools`. As in the paper, where Qwen-2.5-72B has this role. Departures: a
reply that cannot be read falls back on the rule of `web.tools.extract`, because an episode should not end for it; and
markup in the page is made harmless before the model sees it.
"""

import json
from typing import Any

from webdancer.agent.judge import Asks
from webdancer.core import prompts
from webdancer.web.inert import inert
from webdancer.web.tools import Summarise, extract


def summariser(llm: Asks) -> Summarise:
    """The async function (text, goal) -> (evidence, summary) that `Tools(summarise=...)` wants.

    Raises (the function): EndpointError if the model cannot be asked; `Tools` turns it into an observation.
    """

    async def summarise(text: str, goal: str) -> tuple[str, str]:
        reply = await llm.chat(prompts.summarise(inert(text), inert(goal)), seed=0)
        return read_summary(reply.content) or extract(text, goal)

    return summarise


def read_summary(reply: str) -> tuple[str, str] | None:
    """Evidence and summary of a summariser's JSON reply, text around the object allowed; None if it has no such object.

    Evidence may be a list of sentences. The last object with both fields counts: some models think aloud in JSON first.

    >>> read_summary('Here: {"rational": "r", "evidence": ["It rains.", "It pours."], "summary": "Rain."}')
    ('It rains.\\nIt pours.', 'Rain.')
    """
    found = None
    start = reply.find("{")
    while start >= 0:
        data, end = _object(reply, start)
        evidence = data.get("evidence")
        if isinstance(evidence, list) and all(isinstance(e, str) for e in evidence):
            evidence = "\n".join(evidence)
        if isinstance(evidence, str) and isinstance(data.get("summary"), str):
            found = evidence, data["summary"]
        start = reply.find("{", end)
    return found


def _object(text: str, start: int) -> tuple[dict[str, Any], int]:
    """The JSON object at `start` and where it ends; an empty one, and the next character, if there is none."""
    try:
        return json.JSONDecoder(strict=False).raw_decode(text, start)
    except (ValueError, RecursionError):
        return {}, start + 1
