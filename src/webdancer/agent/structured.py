"""Replies with a form: a JSON object that fits a pydantic model, found in whatever a language model wraps around it.

Part of `agent.llm` (02, 03 and 04). In: chat messages and a schema. Out: an object of the schema. Models fence their
JSON, talk before it, think aloud in JSON first, leave a key out. What does not fit goes back to the model with the
validator's words, a bounded number of times. Not in the paper, whose prompts and parsers are not published.
"""

import json
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from webdancer.agent.completion import Reply

Schema = TypeVar("Schema", bound=BaseModel)
LONGEST = 8000  # characters of an invalid reply that are sent back

# Purpose: send an invalid reply back with what is wrong with it. 02 to 04, wherever an answer must be an object.
REPAIR = """That reply cannot be used: {why}
Reply again, to the same task, with one JSON object and nothing else. It must fit this JSON schema:
{schema}"""


class Unusable(ValueError):
    """No object of the schema came, repairs included. `reply` is the last reply."""

    def __init__(self, message: str, reply: Reply) -> None:
        super().__init__(message)
        self.reply = reply


class Chats(Protocol):
    """What asking needs of a model: `agent.llm.LLM`, or a fake in a test."""

    async def chat(self, messages: list[dict[str, str]], *, seed: int = 0) -> Reply: ...


async def ask(llm: Chats, messages: list[dict[str, str]], schema: type[Schema], *, seed: int, repairs: int) -> Schema:
    """An object of `schema` as the answer to `messages`.

    Args:
        llm: who is asked; `usage["repairs"]`, if it counts at all, counts the repair attempts.
        messages: the task, which has to name the fields: the schema itself is sent with a repair only.
        schema: what the reply has to fit.
        seed: of every request.
        repairs: at most so many times an invalid reply is sent back.

    Raises:
        Unusable: no reply fits.
        EndpointError: the model cannot be asked.
    """
    sent = list(messages)
    for left in range(repairs, -1, -1):
        reply = await llm.chat(sent, seed=seed)
        try:
            return read(reply, schema)
        except ValueError as error:
            why = str(error)
        if left:
            usage = getattr(llm, "usage", {})
            usage["repairs"] = usage.get("repairs", 0) + 1
            sent = list(messages) + complaint(reply, why, schema)
    raise Unusable(f"no reply fits {schema.__name__} after {repairs} repairs: {why}", reply)


def read(reply: Reply, schema: type[Schema]) -> Schema:
    """The last JSON object in the reply that fits the schema; of the reasoning only if there is no content at all.

    Raises:
        ValueError: there is none; the message says what is wrong with the last object, in words for the model.

    >>> class Verdict(BaseModel):
    ...     keep: bool
    >>> read(Reply('<think>{"keep": false}?</think> Sure: ```json\\n{"keep": true}\\n```'), Verdict)
    Verdict(keep=True)
    """
    found = objects(answer(reply.content) if reply.content.strip() else reply.reasoning)
    why = "it was cut before its end: be shorter" if reply.finish == "length" else "it holds no JSON object"
    for data in reversed(found):
        try:
            return schema.model_validate(data)
        except ValidationError as error:
            why = why if data is not found[-1] else _explain(error)
    raise ValueError(why)


def answer(content: str) -> str:
    """The content without its `<think>` block; nothing if the block was never closed.

    >>> answer("<think>hm</think>yes"), answer("hm</think>yes"), answer("<think>hm"), answer("yes")
    ('yes', 'yes', '', 'yes')
    """
    if "</think>" in content:
        return content.rpartition("</think>")[2]
    return "" if content.lstrip().startswith("<think>") else content


def objects(text: str) -> list[dict[str, Any]]:
    """All JSON objects of a text that stand in no other one, in order; what is no JSON is passed over.

    >>> objects('First {"a": {"b": 1}}, then {c} and {"d": 2}.')
    [{'a': {'b': 1}}, {'d': 2}]
    """
    found = []
    decoder = json.JSONDecoder(strict=False)
    start = text.find("{")
    while start >= 0:
        end = start + 1
        try:
            data, end = decoder.raw_decode(text, start)
            found.append(data)
        except (ValueError, RecursionError):
            pass
        start = text.find("{", end)
    return found


def complaint(reply: Reply, why: str, schema: type[BaseModel]) -> list[dict[str, str]]:
    """The two messages that send an invalid reply back."""
    said = answer(reply.content).strip()[:LONGEST] or "(no answer)"
    wanted = json.dumps(schema.model_json_schema(), ensure_ascii=False)
    return [{"role": "assistant", "content": said}, {"role": "user", "content": REPAIR.format(why=why, schema=wanted)}]


def _explain(error: ValidationError) -> str:
    """The validator's words without its links and without what the model wrote."""
    faults = [
        f"{'.'.join(map(str, e['loc'])) or 'the object'}: {e['msg']}" for e in error.errors(include_url=False)[:8]
    ]
    return "; ".join(faults)
