"""What an author has to reply, as pydantic schemas, and how it is asked (part of the stage of 02_synthesize).

In: the messages of an author's prompt. Out: an object of the schema. A reply of another form goes back to the author
with the validator's words (`agent.structured`), at most `REPAIRS` times; an author may also say, by an empty question,
that it found none. Not in the paper, whose prompts are not published.
"""

from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, StrictFloat, StrictInt, StrictStr, model_validator

from webdancer.agent import structured

REPAIRS = 2  # bounds what an author costs that never finds the form; ours, nothing of it is published
Short = StrictStr | StrictInt | StrictFloat  # authors write numbers without quotes
Form = TypeVar("Form", bound=BaseModel)


class Author(Protocol):
    """What the synthesis needs of a model: `agent.llm.LLM`, or a fake in a test."""

    async def chat(self, messages: list[dict[str, str]], *, seed: int = 0) -> Any: ...


class Refused(Exception):
    """No question came of a draft; the message is a key of `checks.REASONS`."""


class Draft(BaseModel):
    """A question with its evidence; all but the question may be left out if that is empty."""

    question: StrictStr
    answer: Short | None = None
    evidence: list[StrictStr] | None = None
    support: list[StrictStr] | None = None
    hops: Any = None  # compared with the number asked for, not mended

    @model_validator(mode="after")
    def _whole(self) -> "Draft":
        return _filled(self, "answer", "evidence", "support")


class Rewritten(BaseModel):
    """A question with a description in the place of an entity, and the sentence that the description comes from."""

    question: StrictStr
    description: StrictStr | None = None
    evidence: StrictStr | None = None
    support: StrictStr | None = None

    @model_validator(mode="after")
    def _whole(self) -> "Rewritten":
        return _filled(self, "description", "evidence", "support")


class Entity(BaseModel):
    """What to replace; empty if there is nothing."""

    entity: StrictStr


class Entities(BaseModel):
    """Everything that a description fits."""

    entities: list[StrictStr]


def _filled(form: Form, *names: str) -> Form:
    """The form, if its question is empty or the fields are there; else ValueError, which pydantic reports."""
    missing = [name for name in names if getattr(form, name) is None]
    if form.question.strip() and missing:
        raise ValueError(f"a question needs also: {', '.join(missing)}")
    return form


async def ask(author: Author, messages: list[dict[str, str]], seed: int, form: type[Form]) -> Form:
    """The author's reply as an object of `form`.

    Raises:
        Refused: "malformed" if no reply fits, repairs included; "refused" if the author left the question empty.
        EndpointError: the author cannot be asked.
    """
    try:
        found = await structured.ask(author, messages, form, seed=seed, repairs=REPAIRS)
    except structured.Unusable:
        raise Refused("malformed") from None
    if not getattr(found, "question", "-").strip():
        raise Refused("refused")
    return found
