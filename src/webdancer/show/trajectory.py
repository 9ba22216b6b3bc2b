"""Trajectories and token masks as static HTML that a notebook can keep: `<details>`, no script, all text escaped.

In: a `Trajectory` or its messages; tokens with their mask and numbers. Out: an `Html` string, which a notebook shows as
it is. Shown in 03_distill, 04_filter, 05_sft, 06_dapo and 07_evaluate. What matters is said by tags as well as colours,
because some viewers drop styles. Not in the paper.
"""

from collections.abc import Sequence
from html import escape

from webdancer.core.protocol import ProtocolError, Turn, parse_response, parse_turn
from webdancer.core.schema import Trajectory

BLUE, ORANGE = "0,114,178", "230,159,0"  # Okabe and Ito, for positive and negative
_BOX = "margin:2px 0;padding:2px 8px;border-left:3px solid"
_PRE = "white-space:pre-wrap;margin:2px 0;font-family:monospace;font-size:90%"


class Html(str):
    """HTML text; a notebook renders it when it is the last value of a cell."""

    def _repr_html_(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        """Short: an executed notebook keeps it beside the HTML."""
        return f"<HTML, {len(self):,} characters>"


def html(trajectory: Trajectory | Sequence[dict[str, str]], *, cut: int = 2000, open_all: bool = False) -> Html:
    """One episode, a line a turn; a click opens the text.

    Args:
        trajectory: a record, or a list of `{"role", "content"}` messages.
        cut: show at most so many characters of one message. `open_all`: unfold every turn.
    """
    record = trajectory if isinstance(trajectory, Trajectory) else None
    messages = record.messages if record else trajectory
    parts = [_message(m["role"], m["content"], cut, open_all) for m in messages]
    if record:
        gold = escape(", ".join(name for names in record.answer for name in names))
        says = f"gold <b>{gold}</b>, predicted <b>{escape(record.prediction) or 'nothing'}</b>"
        parts.insert(0, f"<p>{says}, {record.n_calls} calls, stop: {escape(record.stop) or 'unknown'}</p>")
    return Html("<div>" + "\n".join(parts) + "</div>")


def side_by_side(left: Html, right: Html, titles: tuple[str, str]) -> Html:
    """Two pieces of HTML in a table of two columns, each under its title."""
    heads = "".join(f"<th style='text-align:left'>{escape(t)}</th>" for t in titles)
    cells = "".join(f"<td style='vertical-align:top;text-align:left;width:50%'>{h}</td>" for h in (left, right))
    return Html(f"<table style='width:100%'><tr>{heads}</tr><tr>{cells}</tr></table>")


def _message(role: str, content: str, cut: int, unfold: bool) -> str:
    """A `<details>` block for one message: what it is in the summary line, its text inside."""
    head, body, colour = _described(role, content)
    body = body if len(body) <= cut else f"{body[:cut]}\n... ({len(body) - cut:,} more characters)"
    state = " open" if unfold else ""
    text = f"<pre style='{_PRE}'>{escape(body)}</pre>"
    return f"<details{state} style='{_BOX} {colour}'><summary>{head}</summary>{text}</details>"


def _described(role: str, content: str) -> tuple[str, str, str]:
    """Summary line (HTML), body (plain text) and colour of a message."""
    if role == "assistant":
        try:
            turn = parse_turn(content)
        except ProtocolError as error:
            return f"<b>not in the protocol</b> {escape(str(error)[:120])}", content, f"rgb({ORANGE})"
        return _turn_head(turn), turn.thought, f"rgb({BLUE})"
    try:
        seen = parse_response(content)
    except ProtocolError:
        last = next((line for line in reversed(content.splitlines()) if line.strip()), "")
        return f"{escape(role)}: {escape(last[:160])}", content, "#999999"
    return f"observation, {len(seen):,} characters", seen, "#999999"


def _turn_head(turn: Turn) -> str:
    if turn.answer is not None:
        return f"<b>answer</b> {escape(turn.answer[:200])}"
    values = "; ".join(", ".join(v) if _texts(v) else str(v) for v in turn.arguments.values())
    return f"<b>{escape(turn.name)}</b> {escape(values[:200])}"


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def token_html(
    tokens: Sequence[str], mask: Sequence[bool], values: Sequence[float] | None = None, *, label: str = ""
) -> Html:
    """Tokens in a row, those of the mask bold and coloured, the others grey.

    Args:
        tokens: text of each token. `mask`: True where the loss counts, same length.
        values: a number a token, such as its advantage: blue above 0, orange below, deeper when larger; on hover.
        label: what the numbers are.
    Raises:
        ValueError: lengths differ; the message gives them.
    """
    if len(tokens) != len(mask) or (values is not None and len(values) != len(tokens)):
        counts = f"{len(tokens)} tokens, {len(mask)} mask entries, {len(values) if values is not None else 'no'} values"
        raise ValueError(f"got {counts}: wanted one mask entry (and one value) a token")
    top = max((abs(v) for v in values), default=0.0) if values is not None else 0.0
    spans = []
    for i, (token, trained) in enumerate(zip(tokens, mask, strict=True)):
        number = values[i] if values is not None else None
        spans.append(_token(token, bool(trained), number, top, label))
    counted = sum(map(bool, mask))
    note = f"<p><b>bold</b>: {counted} of {len(tokens)} tokens count in the loss; grey: context only</p>"
    return Html(f"{note}<div style='{_PRE};line-height:1.7'>{''.join(spans)}</div>")


def _token(token: str, trained: bool, number: float | None, top: float, label: str) -> str:
    """One token as a tag: `<b>` if it counts in the loss, else a grey `<span>`."""
    text = escape(token).replace("\n", "&#9166;\n")
    if not trained:
        return f"<span style='color:#777;margin-right:1px'>{text}</span>"
    depth = 0.3 if number is None else 0.6 * abs(number) / (top or 1.0)
    hover = "" if number is None else f" title='{escape(label)} {number:+.3f}'"
    colour = ORANGE if number is not None and number < 0 else BLUE
    return f"<b{hover} style='background:rgba({colour},{depth:.2f});margin-right:1px'>{text}</b>"
