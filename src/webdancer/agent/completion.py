"""What an endpoint answers to one request, read into a `Reply`; and the error for one that could not be asked.

Part of `agent.llm` (02, 03, 04 and 07). In: the JSON body of a chat completion, of any server that calls itself
OpenAI-compatible. Out: a `Reply`. Servers differ in what they leave out or set to null, in where they put reasoning
(`reasoning_content`, `reasoning`, a part of the content), and in whether arguments of a tool call are text or an
object: all of that ends here. `<think>` inside the text stays in the text: `agent.settle` parts it from the answer.
"""

import json
from dataclasses import dataclass
from typing import Any

THOUGHTS = ("thinking", "reasoning")  # types of a content part that is no answer


@dataclass(frozen=True)
class Reply:
    """What a model said. `calls` are hosted tool calls (`{"name", "arguments"}`), `finish` is "length" for a
    cut reply. Token counts are the server's, 0 where it gave none.
    """

    content: str
    reasoning: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    calls: tuple[dict[str, str], ...] = ()
    finish: str = "stop"


class EndpointError(RuntimeError):
    """A model that could not be asked. `status` is the last HTTP status (0: no answer or garbage).

    `fatal` is true when no later request can do better (wrong key, no credit, unknown model), so that a run should end
    at once.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status

    @property
    def fatal(self) -> bool:
        """Whether asking again is pointless."""
        return self.status in (401, 402, 403, 404)


def read(raw: bytes | str) -> Reply:
    """The reply in the body of a chat completion.

    Raises:
        ValueError, TypeError, KeyError, IndexError, AttributeError: the body is none; a `ValueError` shows how it
            begins.
    """
    data = json.loads(raw)
    if not isinstance(data, dict) or not data.get("choices"):
        raise ValueError(f"no choices in {json.dumps(data):.160}")
    choice = data["choices"][0]
    message, usage = choice["message"], data.get("usage") or {}
    content, thought = _parts(message.get("content"))
    return Reply(
        content=content,
        reasoning=_text(message.get("reasoning_content")) or _text(message.get("reasoning")) or thought,
        prompt_tokens=int(usage.get("prompt_tokens") or 0),
        completion_tokens=int(usage.get("completion_tokens") or 0),
        calls=tuple(_calls(message)),
        finish=str(choice.get("finish_reason") or "stop"),
    )


def _parts(content: Any) -> tuple[str, str]:
    """Answer and reasoning in the content: text, null, or a list of parts with a type each."""
    if not isinstance(content, list):
        return _text(content), ""
    thoughts = [p for p in content if isinstance(p, dict) and p.get("type") in THOUGHTS]
    return _text([p for p in content if p not in thoughts]), _text(thoughts)


def _text(value: Any) -> str:
    """The text in a string, a part, or a list of them; "" for null."""
    if isinstance(value, list):
        return "".join(map(_text, value))
    if isinstance(value, dict):
        return next((_text(value[k]) for k in ("text", "content", *THOUGHTS, "refusal") if value.get(k)), "")
    return "" if value is None else str(value)


def _calls(message: dict[str, Any]) -> list[dict[str, str]]:
    """The hosted tool calls with their arguments as text; those of the older `function_call` too."""
    found = [call.get("function") for call in message.get("tool_calls") or ()] + [message.get("function_call")]
    return [
        {"name": str(call.get("name") or ""), "arguments": _arguments(call.get("arguments"))} for call in found if call
    ]


def _arguments(value: Any) -> str:
    """Arguments as JSON text: some servers send the object itself, or null for none."""
    return value if isinstance(value, str) else json.dumps({} if value is None else value, ensure_ascii=False)
