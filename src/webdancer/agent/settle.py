"""Replies of many shapes, read into one: a thought and one action in the protocol's form.

Used by `react`, so in 03_distill and 07_evaluate, where 03 shows it by hand. In: a `Reply`. Out: the text of an
assistant turn as the released WebDancer trajectories have it, and the names of what had to be changed for that. The
paper does not say how it read its teachers; the rules here are ours:
1. the thought stands in `<think>` tags (the opening one may be missing: some chat templates write it into the prompt),
   in `reasoning_content`, in both, or, with neither, in front of the action. Protocol tags in a thought are defused;
2. the action is the first `<tool_call>` or `<answer>`; what follows it (further calls, an observation made up by the
   model) goes. A code fence around a call, or a call or answer that a stop sequence left open, is mended;
3. without one, it is the first hosted tool call; else a call or answer with which the thought itself ends; else a bare
   JSON object in the form of a call;
4. plain prose is the answer if the model ended by itself and a thought stands beside it. Prose alone is not: nothing
   tells whether it is a thought or an answer;
5. everything else is kept as it came, so that the funnel of 04 sees what the teacher did. JSON is never guessed at.
"""

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from webdancer.agent.llm import Reply
from webdancer.core import protocol

# What `NormalForm.changes` may hold.
CHANGES = (
    "thought before the action",
    "hosted call",
    "code fence",
    "unclosed block",
    "further actions",
    "other keys",
    "action in the thought",
    "untagged call",
    "prose as answer",
)

_TAG = re.compile(rf"<(/?(?:{'|'.join(protocol.TAGS)}))>")
_OPEN = re.compile(r"<(tool_call|answer)>")
_FENCE = re.compile(r"\s*```[a-z_]*\s*")
_FENCE_END = re.compile(r"\s*```[ \t]*")
_FENCE_BEFORE = re.compile(r"```[a-z_]*\s*\Z")
_MORE = re.compile(r"[\s,]*(?:<tool_call>|<answer>|\{)")
_CLOSED = re.compile(r"\s*</tool_call>")
_AT_END = re.compile(r"\s*(?:<|\Z)")


@dataclass(frozen=True)
class NormalForm:
    """A turn as it is stored; `changes` are the names of what was mended, some of `CHANGES`."""

    text: str
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Action:
    """A block found in a text: `text[start:end]`; `inside` is what it holds, calls already in canonical JSON."""

    tag: str
    inside: str
    start: int
    end: int
    changes: tuple[str, ...] = ()


def settle(reply: Reply, style: str) -> str:
    """The text of `normal_form`.

    >>> print(settle(Reply('I look.<tool_call>{"name":"search","arguments":{"query":["a"]}}'), "short"))
    <think>
    I look.
    </think>
    <tool_call>
    {"name": "search", "arguments": {"query": ["a"]}}
    </tool_call>
    """
    return normal_form(reply, style).text


def normal_form(reply: Reply, style: str) -> NormalForm:
    """Read a reply by the rules at the top of this module.

    Args:
        reply: what the model said.
        style: "short": what it wrote counts as its thought before its reasoning does; "long": the other way round.

    Returns:
        Text for `protocol.parse_turn`; it parses unless the model left out the action, was cut off, or wrote a call
        that cannot be read.
    """
    reasoning = _untagged(reply.reasoning)
    thought, rest = _split(reply.content)
    action, thought, rest, reasoning = _action(reply, thought, rest, reasoning)
    changes = action.changes if action else ()
    spoken = thought or ""
    if action and not spoken.strip():
        spoken = _FENCE_BEFORE.sub("", rest[: action.start])
        changes += ("thought before the action",) if spoken.strip() else ()
    if action and _FENCE_BEFORE.search(rest[: action.start]):
        changes += ("code fence",)
    sources = (reasoning, spoken) if style == "long" else (spoken, reasoning)
    said = _defused(next((s.strip() for s in sources if s.strip()), ""))
    head = f"<think>\n{said}\n</think>\n" if said or action else ""
    inside = _defused(action.inside) if action and action.tag == "answer" else action.inside if action else ""
    text = head + (f"<{action.tag}>\n{inside}\n</{action.tag}>" if action else rest.strip())
    # Half a surrogate pair fits into no file.
    return NormalForm(text.encode("utf-8", "replace").decode("utf-8"), tuple(c for c in CHANGES if c in changes))


def _action(
    reply: Reply, thought: str | None, rest: str, reasoning: str
) -> tuple[_Action | None, str | None, str, str]:
    """The action of a reply by rules 2 to 4, and the three texts, shortened where the action was taken from them."""
    found = _find(rest)
    if found is None and reply.calls:
        call = reply.calls[0]
        arguments = call["arguments"] if call["arguments"].strip() else "{}"
        block = f'<tool_call>{{"name": {json.dumps(call["name"])}, "arguments": {arguments}}}</tool_call>'
        more = ("further actions",) if len(reply.calls) > 1 else ()
        hosted = _find(block)
        changes = (*hosted.changes, "hosted call", *more)
        return replace(hosted, start=len(rest), changes=changes), thought, rest, reasoning
    stopped = reply.finish not in ("length", "content_filter")
    if found is None and thought is not None and (ended := _at_end(thought)):
        return ended, thought[: ended.start], rest, reasoning
    if found is None and not rest.strip() and (ended := _at_end(reasoning)):
        return ended, thought, rest, reasoning[: ended.start]
    found = found or _bare_call(rest) or (_left_open(rest) if stopped else None)
    thinks = bool(reasoning.strip() or (thought or "").strip())
    if found is None and stopped and thinks and rest.strip() and not _TAG.search(rest):
        found = _Action("answer", rest.strip(), 0, len(rest), ("prose as answer",))
    return found, thought, rest, reasoning


def _split(content: str) -> tuple[str | None, str]:
    """The thought in `<think>` tags (None without any) and the text behind it.

    A missing opening tag means that the text starts inside the thought; a missing closing one, that the thought goes
    on to the first action.
    """
    opened, closed = content.find("<think>"), content.find("</think>")
    if closed >= 0 and not 0 <= opened < closed:
        return content[:closed], content[closed + len("</think>") :]
    first = _find(content)
    if opened < 0 or (first and first.start < opened):
        return None, content
    start, depth = opened + len("<think>"), 1
    for tag in re.finditer(r"<(/?)think>", content[start:]):  # a thought may speak of thoughts: count the tags
        depth += -1 if tag[1] else 1
        if depth == 0:
            return content[start : start + tag.start()], content[start + tag.end() :]
    closed = content.find("</think>", start)
    if closed >= 0:
        return content[start:closed], content[closed + len("</think>") :]
    inner = _find(content[start:])
    cut = start + inner.start if inner else len(content)
    return content[start:cut], content[cut:]


def _find(text: str) -> _Action | None:
    """The first block of a text that can be told from talk: closed, or a call whose JSON is whole."""
    for opening in _OPEN.finditer(text):
        found = _call(text, opening) if opening[1] == "tool_call" else None
        close = text.find(f"</{opening[1]}>", opening.end())
        if found is None and close >= 0:
            end = close + len(opening[1]) + 3
            found = _Action(opening[1], text[opening.end() : close].strip(), opening.start(), end)
        if found:
            further = _MORE.match(text, found.end) or _OPEN.search(text, found.end)
            more = ("further actions",) if further else ()
            return replace(found, changes=found.changes + more)
    return None


def _call(text: str, opening: re.Match[str]) -> _Action | None:
    """The call behind an opening tag if its JSON is whole and nothing but an end or another call follows it."""
    fence = _FENCE.match(text, opening.end())
    found = _object(text, fence.end() if fence else opening.end())
    if found is None:
        return None
    inside, end, changes = found
    shut = _FENCE_END.match(text, end) if fence else None
    end = shut.end() if shut else end
    closing = _CLOSED.match(text, end)
    if not (closing or _MORE.match(text, end) or _AT_END.match(text, end)):
        return None
    changes += ("code fence",) if fence else ()
    changes += () if closing or _MORE.match(text, end) else ("unclosed block",)
    return _Action("tool_call", inside, opening.start(), closing.end() if closing else end, changes)


def _object(text: str, start: int) -> tuple[str, int, tuple[str, ...]] | None:
    """The JSON call at `start` in canonical form, where it ends, and what was changed; None if there is none."""
    start += len(text[start:]) - len(text[start:].lstrip())
    try:
        value, end = json.JSONDecoder(strict=False).raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    calls = value if isinstance(value, list) else [value]
    if not calls or not isinstance(calls[0], dict):
        return None
    call = _named(calls[0])
    if call is None:
        return None if isinstance(value, list) else (text[start:end], end, ())
    changes = ("other keys",) if call != calls[0] else ()
    changes += ("further actions",) if len(calls) > 1 else ()
    return json.dumps(call, ensure_ascii=False), end, changes


def _named(row: dict[str, Any]) -> dict[str, Any] | None:
    """`{"name", "arguments"}` of a call that may have OpenAI's wrapping, `parameters`, or its arguments as a string."""
    row = row["function"] if isinstance(row.get("function"), dict) else row
    arguments = row.get("arguments", row.get("parameters"))
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            return None
    if not isinstance(row.get("name"), str) or not isinstance(arguments, dict):
        return None
    return {"name": row["name"], "arguments": arguments}


def _at_end(text: str) -> _Action | None:
    """The action with which a thought ends, for a model that forgot to close its thought; talk of one is none."""
    start = max(text.rfind("<tool_call>"), text.rfind("<answer>"))
    found = _find(text[start:]) if start >= 0 else None
    if found is None or text[start + found.end :].strip():
        return None
    return replace(found, start=start, changes=(*found.changes, "action in the thought"))


def _bare_call(text: str) -> _Action | None:
    """A call without tags: the text is, or ends with, a JSON object with a name and arguments (fenced or not)."""
    fenced = list(re.finditer(r"```(?:json)?\s*(?=\{)", text))
    start = fenced[-1].end() if fenced else len(text) - len(text.lstrip())
    found = _object(text, start) if text[start : start + 1] == "{" else None
    if found is None or _FENCE_END.sub("", text[found[1] :]).strip():
        return None
    try:
        protocol.parse_call(found[0])
    except protocol.ProtocolError:
        return None
    changes = (*found[2], "untagged call", *(("code fence",) if fenced else ()))
    return _Action("tool_call", found[0], fenced[-1].start() if fenced else start, len(text), changes)


def _left_open(text: str) -> _Action | None:
    """The last block of a text that ends without its closing tag, as after a stop sequence."""
    opening = next(iter(reversed(list(_OPEN.finditer(text)))), None)
    if opening is None or not text[opening.end() :].strip():
        return None
    inside = text[opening.end() :].partition("<tool_response>")[0].strip()
    return _Action(opening[1], inside, opening.start(), len(text), ("unclosed block",))


def _untagged(reasoning: str) -> str:
    """Reasoning without the `<think>` tags that some servers leave around it."""
    return re.sub(r"\A\s*<think>|</think>\s*\Z", "", reasoning)


def _defused(text: str) -> str:
    """Text in which no protocol tag works, as in `protocol.render_response`."""
    return _TAG.sub(r"&lt;\1>", text)
