"""Trajectories and token masks as static HTML that a notebook can keep: `<details>`, no script, all text escaped.

In: a `Trajectory` or its messages; tokens with their mask and numbers. Out: an `Html` string, which a notebook shows as
it is. Shown in 03_distill, 04_filter, 05_sft, 06_dapo and 07_evaluate. Thought, call, observation and answer differ in
label, sign, border and colour, because some viewers drop styles and some readers see no colours. The site's explorer
(`site_files/episode.js`) shows the same blocks. Not in the paper.
"""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Any

from webdancer.core.protocol import ProtocolError, Turn, parse_response, parse_turn
from webdancer.core.schema import Trajectory

BLUE, ORANGE = "0,114,178", "230,159,0"  # Okabe and Ito, for positive and negative
# sign, border and colour of each block; the colours have a contrast of 3 or more on white and on black
BLOCKS = {
    "thought": ("&#9675;", "3px dotted", "#9a6fc0"),
    "call": ("&#9654;", "3px solid", "#0b7bc1"),
    "observation": ("&#9633;", "3px dashed", "#84888c"),
    "answer": ("&#9670;", "6px double", "#1a8a55"),
    "off": ("&#10005;", "3px groove", "#cc5a12"),
    "told": ("&#8801;", "1px solid", "#84888c"),
}
_BOX = "margin:3px 0 3px {indent}px;padding:1px 10px;border-left:{border} {colour}"
_TEXT = "white-space:pre-wrap;overflow-wrap:anywhere"
_PRE = "white-space:pre-wrap;overflow-wrap:anywhere;margin:2px 0;font-family:monospace;font-size:90%"


class Html(str):
    """HTML text; a notebook renders it when it is the last value of a cell."""

    def _repr_html_(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        """Short: an executed notebook keeps it beside the HTML."""
        return f"<HTML, {len(self):,} characters>"


def html(
    trajectory: Trajectory | Sequence[dict[str, str]],
    *,
    cut: int = 2000,
    open_all: bool = False,
    turns: Mapping[str, Sequence[float]] | None = None,
    reward: float | None = None,
    dropped: str = "",
) -> Html:
    """One episode: thoughts, calls and answers in full, observations and what the agent was told folded.

    Args:
        trajectory: a record, or a list of `{"role", "content"}` messages.
        cut: show at most so many characters of one text. open_all: unfold everything.
        turns: numbers a turn, such as `{"tokens": [31, 25], "seconds": [0.4, 0.3]}`, one for each assistant message.
        reward: of the episode. dropped: the reason why a filter dropped it.
    Raises:
        ValueError: `turns` has not one number for each assistant message.
    """
    record = trajectory if isinstance(trajectory, Trajectory) else None
    messages = record.messages if record else trajectory
    said = sum(m["role"] == "assistant" for m in messages)
    for name, values in (turns or {}).items():
        if len(values) != said:
            raise ValueError(
                f"turns[{name!r}]: got {len(values)} numbers, wanted {said}, one for each assistant message"
            )
    parts, turn = [_facts(record, reward, dropped)], 0
    for m in messages:
        if m["role"] == "assistant":
            parts.append(_turn(m["content"], cut, _spent(turns or {}, turn)))
            turn += 1
        else:
            parts.append(_seen(m["role"], m["content"], cut, open_all))
    return Html("<div>" + "\n".join(filter(None, parts)) + "</div>")


def side_by_side(left: Html, right: Html, titles: tuple[str, str]) -> Html:
    """Two pieces of HTML in a table of two columns, each under its title."""
    heads = "".join(f"<th style='text-align:left'>{escape(t)}</th>" for t in titles)
    cells = "".join(f"<td style='vertical-align:top;text-align:left;width:50%'>{h}</td>" for h in (left, right))
    return Html(f"<table style='width:100%'><tr>{heads}</tr><tr>{cells}</tr></table>")


def tokens_by_turn(mask: Sequence[bool]) -> list[int]:
    """Tokens that the policy wrote in each turn: the lengths of the runs of True, for `html(turns=...)`.

    >>> tokens_by_turn([False, True, True, False, True])
    [2, 1]
    """
    return [len(list(run)) for trained, run in groupby(map(bool, mask)) if trained]


def _facts(record: Trajectory | None, reward: float | None, dropped: str) -> str:
    """The line above an episode: what is known of it as a whole."""
    facts = []
    if record:
        gold = escape(", ".join(name for names in record.answer for name in names))
        facts.append(f"gold <b>{gold}</b>, predicted <b>{escape(record.prediction) or 'nothing'}</b>")
        facts.append(f"{record.n_calls} calls, stop: {escape(record.stop) or 'unknown'}")
        facts += [f"{record.tokens:,} tokens"] if record.tokens else []
    facts += [f"reward <b>{reward:.2f}</b>"] if reward is not None else []
    facts += [f"dropped: <b>{escape(dropped)}</b>"] if dropped else []
    return f"<p>{', '.join(facts)}</p>" if facts else ""


def _spent(turns: Mapping[str, Sequence[float]], turn: int) -> str:
    """What a turn took, for its label.

    >>> _spent({"tokens": [31], "seconds": [0.25]}, 0)
    ', 31 tokens, 0.25 seconds'
    """
    return "".join(f", {values[turn]:.4g} {escape(name)}" for name, values in turns.items())


def _turn(content: str, cut: int, spent: str) -> str:
    """Thought, and call or answer, of one assistant message; as it stands if it is off the protocol."""
    try:
        turn = parse_turn(content)
    except ProtocolError as error:
        return _block("off", f"<b>not in the protocol</b>{spent}: {escape(str(error)[:120])}", content, cut)
    last = (_answer if turn.answer is not None else _call)(turn, cut)
    return _block("thought", f"thought{spent}:", turn.thought, cut) + last


def _answer(turn: Turn, cut: int) -> str:
    return _block("answer", "<b>answer</b>:", turn.answer or "", cut)


def _call(turn: Turn, cut: int) -> str:
    values = [_value(value) for value in (turn.arguments or {}).values()]
    return _block("call", f"call <b>{escape(turn.name or '')}</b>:", "; ".join(values), cut)


def _value(value: Any) -> str:
    """An argument as text; a list of texts with bars between them."""
    texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return " | ".join(value) if texts else str(value)


def _seen(role: str, content: str, cut: int, unfold: bool) -> str:
    """What the agent was given, folded: an observation, or the system's or user's text under its last line."""
    try:
        text = parse_response(content)
    except ProtocolError:
        last = next((line for line in reversed(content.splitlines()) if line.strip()), "")
        return _block("told", f"{escape(role)}: {escape(last[:160])}", content, cut, fold=True, unfold=unfold)
    label = f"observation, {len(text):,} characters"
    return _block("observation", label, text, cut, fold=True, unfold=unfold)


def _block(kind: str, label: str, text: str, cut: int, *, fold: bool = False, unfold: bool = False) -> str:
    """One block. `label` is HTML, `text` is not."""
    sign, border, colour = BLOCKS[kind]
    text = text if len(text) <= cut else f"{text[:cut]}\n... ({len(text) - cut:,} more characters)"
    style = _BOX.format(indent=18 if kind == "observation" else 0, border=border, colour=colour)
    if fold:
        inner = f"<pre style='{_PRE}'>{escape(text)}</pre>"
        return f"<details{' open' if unfold else ''} style='{style}'><summary>{sign} {label}</summary>{inner}</details>"
    return f"<div style='{style}'>{sign} {label} <span style='{_TEXT}'>{escape(text)}</span></div>"


def token_html(
    tokens: Sequence[str],
    mask: Sequence[bool],
    values: Sequence[float] | None = None,
    *,
    label: str = "",
    logp: Sequence[float] | None = None,
) -> Html:
    """Tokens in a row, those of the mask bold and coloured, the others grey.

    Args:
        tokens: text of each token. `mask`: True where the loss counts, same length.
        values: a number a token, such as its advantage: blue above 0, orange and underlined below, deeper when larger;
            on hover. label: what the numbers are.
        logp: natural log-probability of each token under the policy: above those of the mask that it was less sure of
            than one in two.
    Raises:
        ValueError: lengths differ; the message gives them.
    """
    for name, given in (("values", values), ("log-probabilities", logp)):
        if len(tokens) != len(mask) or (given is not None and len(given) != len(tokens)):
            counts = (
                f"{len(tokens)} tokens, {len(mask)} mask entries, {len(given) if given is not None else 'no'} {name}"
            )
            raise ValueError(f"got {counts}: wanted one mask entry (and one value) a token")
    top = max((abs(v) for v in values), default=0.0) if values is not None else 0.0
    spans = []
    for i, (token, trained) in enumerate(zip(tokens, mask, strict=True)):
        number = values[i] if values is not None else None
        spans.append(_token(token, bool(trained), number, top, label, logp[i] if logp is not None else None))
    note = f"<b>bold</b>: {sum(map(bool, mask))} of {len(tokens)} tokens count in the loss; grey: context only"
    if values is not None:
        note += f"; blue: {escape(label) or 'value'} above 0, orange and underlined: below"
    note += "; above a token: its log-probability, if under ln 0.5" if logp is not None else ""
    return Html(f"<p>{note}</p><div style='{_PRE};line-height:1.9'>{''.join(spans)}</div>")


SURE = -0.6931  # ln 0.5


def _token(token: str, trained: bool, number: float | None, top: float, label: str, logp: float | None) -> str:
    """One token as a tag: `<b>` if it counts in the loss, else a grey `<span>`."""
    text = escape(token).replace("\n", "&#9166;\n")
    if not trained:
        return f"<span style='opacity:.72;margin-right:1px'>{text}</span>"
    depth = 0.3 if number is None else 0.6 * abs(number) / (top or 1.0)
    says = [] if number is None else [f"{escape(label)} {number:+.3f}"]
    says += [] if logp is None else [f"log-probability {logp:.3f}"]
    hover = f" title='{', '.join(says)}'" if says else ""
    negative = number is not None and number < 0
    line = ";text-decoration:underline" if negative else ""
    style = f"background:rgba({ORANGE if negative else BLUE},{depth:.2f}){line};margin-right:1px"
    if logp is not None and logp < SURE:
        return f"<ruby><b{hover} style='{style}'>{text}</b><rt style='font-size:75%'>{logp:.1f}</rt></ruby>"
    return f"<b{hover} style='{style}'>{text}</b>"
