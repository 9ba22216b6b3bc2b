"""What `visit` shows of a page, written by a language model: evidence and summary for a goal.

Used by 03_distill, 06_dapo and 07_evaluate when a summariser is named. In: the text of a page (or one window of a long
one) and a goal; out: two texts for `web.tools.Tools`. As in the paper, where Qwen-2.5-72B has this role. Departures: a
reply that cannot be read is sent back once and then falls back on the rule of `web.tools.extract`, because an episode
should not end for it; and markup in the page is made harmless before the model sees it.
"""

from pydantic import BaseModel, field_validator

from webdancer.agent import structured
from webdancer.core import prompts
from webdancer.web.inert import inert
from webdancer.web.tools import Summarise, extract


class Seen(BaseModel):
    """What a summariser has to answer; other fields (`rational`) are passed over. Evidence may be a list of sentences.

    >>> Seen(evidence=["It rains.", "It pours."], summary="Rain.").evidence
    'It rains.\\nIt pours.'
    """

    evidence: str
    summary: str

    @field_validator("evidence", mode="before")
    @classmethod
    def _joined(cls, value: object) -> object:
        listed = isinstance(value, list) and all(isinstance(v, str) for v in value)
        return "\n".join(value) if listed else value


def summariser(llm: structured.Chats, repairs: int = 1) -> Summarise:
    """The async function (text, goal) -> (evidence, summary) that `Tools(summarise=...)` wants.

    Args:
        llm: the model.
        repairs: how often a reply that cannot be read is sent back before the rule takes its place; each is a request
            with the whole page in it.

    Raises (the function): EndpointError if the model cannot be asked; `Tools` turns it into an observation.
    """

    async def summarise(text: str, goal: str) -> tuple[str, str]:
        asked = prompts.summarise(inert(text), inert(goal))
        try:
            seen = await structured.ask(llm, asked, Seen, seed=0, repairs=repairs)
        except structured.Unusable:
            return extract(text, goal)
        return seen.evidence, seen.summary

    return summarise
