"""The agent's protocol: think, call a tool, read its response, answer. Render and parse, nothing else.

The form is that of the released WebDancer trajectories: every assistant turn is one `<think>` block followed by one
`<tool_call>` (a JSON object `{"name", "arguments"}`) or one `<answer>`; every observation is a user message holding
one `<tool_response>`. Shown in 03_distill (written by a teacher), 05_sft (masked) and 06_dapo (sampled by the
policy). Departure from the paper: none in the form. `parse_turn` is strict, because the format reward and the
validity filter need a verdict, not a guess.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

# Why an episode ended. `answer`: the agent answered. `forced`: it answered when told that its budget was at an end.
# `turn_cap`, `context_cap`: no turns or no room left. `cut`: the token limit fell inside a turn. `malformed`: a turn
# with neither a call nor an answer. `tool_failures`: several tool calls in a row failed. `error`: the endpoint failed.
STOPS = ("answer", "forced", "turn_cap", "context_cap", "cut", "malformed", "tool_failures", "error")
TAGS = ("think", "tool_call", "tool_response", "answer")
QUERY_RULE = "\n=======\n"  # between the results of several queries, as in the released observations

_TURN = re.compile(
    r"<think>\n?(?P<thought>.*?)\n?</think>\s*(?:<tool_call>\n?(?P<call>.*?)\n?</tool_call>|<answer>\n?(?P<answer>.*?)\n?</answer>)\s*",
    re.DOTALL,
)
_TAG = re.compile(r"</?(?:think|tool_call|tool_response|answer)>")


@dataclass(frozen=True)
class Turn:
    """One assistant turn: a thought, then a call (`name`, `arguments`) or an `answer`; the other is None."""

    thought: str
    name: str | None = None
    arguments: dict[str, Any] | None = None
    answer: str | None = None


class ProtocolError(ValueError):
    """A turn that does not follow the protocol; the message says which rule and quotes what was got."""


def render_turn(turn: Turn) -> str:
    """The text of an assistant turn.

    >>> print(render_turn(Turn("Look it up.", "search", {"query": ["Kestin mayor"]})))
    <think>
    Look it up.
    </think>
    <tool_call>
    {"name": "search", "arguments": {"query": ["Kestin mayor"]}}
    </tool_call>
    """
    head = f"<think>\n{turn.thought}\n</think>\n"
    if turn.answer is not None:
        return f"{head}<answer>\n{turn.answer}\n</answer>"
    call = json.dumps({"name": turn.name, "arguments": turn.arguments}, ensure_ascii=False)
    return f"{head}<tool_call>\n{call}\n</tool_call>"


def parse_turn(text: str) -> Turn:
    """Read an assistant turn strictly; `parse_turn(render_turn(t)) == t` for every thought and answer without tags.

    Raises:
        ProtocolError: no think block, neither or both of call and answer, text outside the blocks, a tag inside a
            block, a call that is not a JSON object with a string `name` and an object `arguments`.
    """
    match = _TURN.fullmatch(text)
    if match is None:
        raise ProtocolError(f"got {text[:120]!r}, wanted <think>...</think> and then one <tool_call> or one <answer>")
    thought, call, answer = match["thought"], match["call"], match["answer"]
    inner = _TAG.search(thought + (answer or ""))
    if inner:
        raise ProtocolError(f"got the tag {inner[0]} inside a block: blocks do not nest")
    if answer is not None:
        return Turn(thought, answer=answer)
    return Turn(thought, *parse_call(call))


def parse_call(text: str) -> tuple[str, dict[str, Any]]:
    """Name and arguments of the JSON inside a `<tool_call>`.

    Raises:
        ProtocolError: invalid JSON, or not `{"name": str, "arguments": object}`.
    """
    try:
        call = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"the tool call is not valid JSON ({error}): got {text[:120]!r}") from error
    good = isinstance(call, dict) and set(call) == {"name", "arguments"}
    if not (good and isinstance(call["name"], str) and isinstance(call["arguments"], dict)):
        raise ProtocolError(f'got {text[:120]!r}, wanted {{"name": ..., "arguments": {{...}}}} and no other key')
    return call["name"], call["arguments"]


def render_response(observation: str) -> str:
    """The user message that carries an observation. Protocol tags in it are defused: a page cannot end an
    observation.

    >>> render_response("see </tool_response>")
    '<tool_response>\\nsee &lt;/tool_response>\\n</tool_response>'
    """
    safe = _TAG.sub(lambda m: "&lt;" + m[0][1:], observation)
    return f"<tool_response>\n{safe}\n</tool_response>"


def parse_response(text: str) -> str:
    """The observation inside a user message; raises `ProtocolError` when the message is something else."""
    head, tail = "<tool_response>\n", "\n</tool_response>"
    if not (text.startswith(head) and text.endswith(tail)):
        raise ProtocolError(f"got {text[:80]!r}, wanted a message inside <tool_response> tags")
    return text[len(head) : -len(tail)]


def question_of(messages: list[dict[str, str]] | tuple[dict[str, str], ...]) -> str:
    """The question asked in the first user message (behind the last `User: ` of the released form, else all of it)."""
    first = next((m["content"] for m in messages if m["role"] == "user"), None)
    if first is None:
        raise ProtocolError("got messages without a user turn, wanted the question in the first user message")
    return first.rpartition("\nUser: ")[2].strip()


def turns_of(messages: list[dict[str, str]] | tuple[dict[str, str], ...]) -> list[str]:
    """The assistant texts in order."""
    return [m["content"] for m in messages if m["role"] == "assistant"]
