"""What `visit` shows of a page, written by a language model: evidence and summary for a goal.

Used by 03_distill when a summariser is named. In: the text of a page and a goal; out: two texts for
`web.tools.Tools`. As in the paper, where Qwen-2.5-72B has this role. Departure: a reply that cannot be read
falls back on the rule of `web.tools.extract`, because an episode should not end for it.
"""

import json
import re

from webdancer.agent.judge import Asks
from webdancer.core import prompts
from webdancer.web.tools import Summarise, extract


def summariser(llm: Asks) -> Summarise:
    """The async function (text, goal) -> (evidence, summary) that `Tools(summarise=...)` wants.

    Raises (the function): EndpointError if the model cannot be asked; `Tools` turns it into an observation.
    """

    async def summarise(text: str, goal: str) -> tuple[str, str]:
        reply = await llm.chat(prompts.summarise(text, goal), seed=0)
        return read_summary(reply.content) or extract(text, goal)

    return summarise


def read_summary(reply: str) -> tuple[str, str] | None:
    """Evidence and summary of a summariser's JSON reply, text around the object allowed; None if it has no such object.

    >>> read_summary('Here: {"rational": "r", "evidence": "It rains.", "summary": "Rain."}')
    ('It rains.', 'Rain.')
    """
    found = re.search(r"\{.*\}", reply, re.DOTALL)
    try:
        data = json.loads(found[0]) if found else {}
    except ValueError:
        return None
    evidence, summary = data.get("evidence"), data.get("summary")
    return (evidence, summary) if isinstance(evidence, str) and isinstance(summary, str) else None
