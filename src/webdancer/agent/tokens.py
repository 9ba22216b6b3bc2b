"""Text to token ids and back: a tokenizer trained here, a chat template, and the loss mask.

Stage 05 trains the tokenizer and masks trajectories with `render`; 06 and 07 extend live episodes with `bridge`, so
that text is never tokenised twice: a token the policy sampled is the token it is trained on. Shown in 05_sft.

The tokenizer of the tiny policies is word-level with a byte fall-back (a Unigram model whose pieces are whole words,
protocol pieces and the 256 bytes), so any text survives the round trip, and a name is the same tokens in prose and
inside a URL: the space between two words is implied (`⟨` marks the start of a word), every other space is written
out. Departure from the paper: it used the Qwen tokenizer; a folder of a real model brings its own, and `render` works
with any chat template that keeps messages whole. Qwen3's own does not (it drops the thoughts of earlier turns and moves
a line break), and is refused; `CHATML` takes its place.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

START = "\u27e8"  # marks the start of a word; outside the 256 symbols that stand for bytes
ROLES = ("system", "user", "assistant")
PAD, END = "<|pad|>", "<|end|>"
TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
# ChatML, the form of Qwen's models, with every message whole: for folders whose own template drops earlier thoughts.
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
REMEDY = (
    'use a template that keeps every message whole, for a Qwen folder chat_template="chatml" (policy.load puts '
    "tokens.CHATML in place of the folder's own)"
)
# Fixed stretches of the protocol that become one token each. None begins or ends with a space beside a word.
PIECES = (
    "<think>\n",
    '\n</think>\n<tool_call>\n{"name": "search", "arguments": {"query": ["',
    '\n</think>\n<tool_call>\n{"name": "visit", "arguments": {"url": ["',
    '"]}}\n</tool_call>',
    '"], "goal": "',
    '"}}\n</tool_call>',
    "\n</think>\n<answer>\n",
    "\n</answer>",
    "<tool_response>\nA search for '",
    "<tool_response>\nThe useful information in",
    "\n</tool_response>",
    "' found",
    "results:\n\n## Web Results\n",
    "\nDate published: ",
    "for user goal",
    "as follows: \n\nEvidence in page: \n",
    "\n\nSummary: \n",
    "\n=======\n",
)
_YEAR = r"⟨(?:1[89]|20)[0-9]{2}(?![A-Za-z0-9])"
_WORD = rf"{_YEAR}|⟨?[0-9]{{1,2}}|⟨?[A-Za-z]+"  # a year is one token, any other number goes by two digits


# Pieces of numbers: two digits, or a last one alone; without the mark of a word start they stand inside a number.
NUMBERS = [START + str(n) for n in range(10)] + [f"{start}{n:02d}" for start in (START, "") for n in range(100)]
LEAST = 600  # bytes, specials, pieces of numbers and of the protocol leave room for some words from here on


@dataclass(frozen=True)
class Rendered:
    """A conversation as tokens: `ids` and `mask` of equal length, `mask` True where the assistant wrote.

    `spans` are the half-open token ranges of the assistant turns, the end-of-turn token included.
    """

    ids: list[int]
    mask: list[bool]
    spans: list[tuple[int, int]]


def url_pieces(urls: Iterable[str], minimum: int = 20) -> list[str]:
    """The directory prefixes (`http://host/dir/`) that at least `minimum` of the URLs share, most frequent first."""
    counts = Counter(url.rpartition("/")[0] + "/" for url in urls)
    return [prefix for prefix, n in counts.most_common() if n >= minimum and prefix.count("/") >= 3]


def train_tokenizer(texts: Iterable[str], size: int = 2000, pieces: Sequence[str] = (), max_length: int = 2048) -> Any:
    """Train a word-level tokenizer with byte fall-back on `texts`.

    Args:
        texts: what the policy will read and write.
        size: the largest vocabulary, specials, bytes and numbers included (at least `LEAST`).
        pieces: stretches of text that become one token each, besides `PIECES`.
        max_length: recorded as the model's context, in tokens.

    Returns:
        A `PreTrainedTokenizerFast` with `TEMPLATE` as chat template; `decode(encode(text)) == text` for any text.

    Raises:
        ValueError: `size` leaves no room for words.
    """
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    specials = [PAD, END, *(f"<|{role}|>" for role in ROLES)]
    if size < LEAST:
        raise ValueError(f"got size={size}, wanted at least {LEAST}: bytes, specials and numbers come first")
    frame = Tokenizer(models.Unigram([("a", 0.0)], None))
    _add_text_steps(frame, [*PIECES, *pieces])
    fixed = [frame.normalizer.normalize_str(piece) for piece in (*PIECES, *pieces)] + NUMBERS
    counts: Counter[str] = Counter()
    for text in texts:
        words = frame.pre_tokenizer.pre_tokenize_str(frame.normalizer.normalize_str(text))
        counts.update(word for word, _ in words)
    vocabulary = _vocabulary(counts, dict.fromkeys(fixed), size - len(specials))
    unigram = Tokenizer(models.Unigram(vocabulary, None))
    _add_text_steps(unigram, [*PIECES, *pieces])
    unigram.add_special_tokens(specials)
    return PreTrainedTokenizerFast(
        tokenizer_object=unigram,
        pad_token=PAD,
        eos_token=END,
        chat_template=TEMPLATE,
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
    )


def _vocabulary(counts: Counter[str], fixed: dict[str, None], size: int) -> list[tuple[str, float]]:
    """Unigram pieces with their natural-log scores: fixed pieces, bytes, then words by frequency."""
    from tokenizers.pre_tokenizers import ByteLevel

    single = [*sorted(ByteLevel.alphabet()), START]
    frequent = sorted(((-n, w) for w, n in counts.items() if n > 1 and len(w) > 1 and w not in fixed))
    words = [w for _, w in frequent[: max(0, size - len(single) - len(fixed))]]
    total = math.log(sum(counts.values()) + 1)
    scores = {w: math.log(counts[w] or 1) - total for w in [*fixed, *words]}
    low = min(scores.values(), default=0.0) - 20.0  # a byte is a last resort
    return [*((c, low) for c in single), *scores.items()]


def _add_text_steps(tokenizer: Any, pieces: Sequence[str]) -> None:
    """Set normaliser, pre-tokenizer and decoder: bytes as symbols, word starts marked, spaces between words implied."""
    import re

    from tokenizers import Regex, decoders, normalizers, pre_tokenizers

    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.ByteLevel(),
            normalizers.Replace(Regex(r"(?<![A-Za-z0-9])(?=[A-Za-z0-9])"), START),
            normalizers.Replace(Regex(rf"(?<=[A-Za-z0-9])Ġ{START}"), START),
        ]
    )
    fixed = sorted({tokenizer.normalizer.normalize_str(p) for p in pieces}, key=lambda p: (-len(p), p))
    whole = "|".join(re.escape(p) for p in fixed)
    pattern = rf"{whole}|{_WORD}|(?:(?!{whole})[^A-Za-z0-9⟨])+"
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "isolated")
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Fuse(),
            decoders.Replace(Regex(rf"(?<=[A-Za-z0-9]){START}"), "Ġ"),
            decoders.Replace(START, ""),
            decoders.ByteLevel(),
        ]
    )


def encode(tokenizer: Any, text: str) -> list[int]:
    """Ids of `text` as plain text: a special token spelled out in it stays text."""
    return tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)


def render(tokenizer: Any, messages: Sequence[dict[str, str]], generate: bool = False) -> Rendered:
    """Tokens and loss mask of a conversation, for any chat template that keeps assistant messages whole.

    The template lays out the text; the contents are then encoded apart from the layout, so that nothing written in a
    message can act as a special token, and the ids equal those of a rollout that grew the same episode turn by turn.

    Args:
        tokenizer: a Hugging Face tokenizer with a chat template.
        messages: `{"role", "content"}` in order.
        generate: end with the template's prompt for an assistant turn.

    Raises:
        ValueError: the template changed or dropped a message (it cannot be trained on); the message names it, what the
            template made of it, and a template that can be trained on.
    """
    text = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=generate)
    layout = _layout(tokenizer, [m["role"] for m in messages], generate)
    ids: list[int] = []
    mask: list[bool] = []
    spans: list[tuple[int, int]] = []
    at = 0
    for number, message in enumerate(messages):
        before, content = layout[number], message["content"]
        start = at + len(before)
        if message["role"] != "assistant" and not text.startswith(before + content + layout[number + 1], at):
            content = content.strip()
        if not text.startswith(before + content + layout[number + 1], at):
            raise ValueError(_refusal(number, message, text, at))
        ended = number > 0 and messages[number - 1]["role"] == "assistant"
        _extend(ids, mask, _special(tokenizer, _without_end(tokenizer, before) if ended else before), False)
        begin, written = len(ids), message["role"] == "assistant"
        _extend(ids, mask, encode(tokenizer, content), written)
        if written:
            if layout[number + 1].startswith(tokenizer.eos_token):
                _extend(ids, mask, [tokenizer.eos_token_id], True)
            spans.append((begin, len(ids)))
        at = start + len(content)
    tail = layout[-1]
    ended = bool(messages) and messages[-1]["role"] == "assistant"
    _extend(ids, mask, _special(tokenizer, _without_end(tokenizer, tail) if ended else tail), False)
    return Rendered(ids, mask, spans)


def _layout(tokenizer: Any, roles: Sequence[str], generate: bool) -> list[str]:
    """What the template writes before, between and after messages of these `roles`; contents do not matter here.

    It is found with marks in place of contents, for a content may be any text, also one that the layout holds.
    """
    marks = [f"\ue000{number}\ue001" for number in range(len(roles))]
    shown = [{"role": role, "content": mark} for role, mark in zip(roles, marks, strict=True)]
    text = tokenizer.apply_chat_template(shown, tokenize=False, add_generation_prompt=generate)
    parts = []
    for mark in marks:
        before, found, text = text.partition(mark)
        if not found:
            raise ValueError(
                f"the chat template changed or dropped message {len(parts)} ({roles[len(parts)]}); {REMEDY}"
            )
        parts.append(before)
    return [*parts, text]


def _refusal(number: int, message: dict[str, str], text: str, at: int) -> str:
    """Why a conversation cannot be trained on: what became of the message that was not kept."""
    content = message["content"]
    thought, _, act = content.partition("</think>")
    thought, act = thought.removeprefix("<think>").strip(), act.strip()
    why = "it is not there as it was written"
    if act and act in text[at:]:
        why = "its thought is gone" if thought and thought not in text[at:] else "the space inside it is another"
    return (
        f"the chat template changed or dropped message {number} ({message['role']}): {why}; got "
        f"{text[at : at + 120]!r}, wanted {content[:80]!r} in it; {REMEDY}"
    )


def _special(tokenizer: Any, text: str) -> list[int]:
    """Ids of the template's own text, in which special tokens are special."""
    return tokenizer.encode(text, add_special_tokens=False) if text else []


def _without_end(tokenizer: Any, text: str) -> str:
    """The template's text after an assistant's message, without the end token: that one belongs to the message."""
    return text.removeprefix(tokenizer.eos_token)


def _extend(ids: list[int], mask: list[bool], new: list[int], trained: bool) -> None:
    ids.extend(new)
    mask.extend([trained] * len(new))


def bridge(tokenizer: Any, content: str) -> list[int]:
    """Ids from the end of an assistant turn (its end token excluded) to the start of the next, around a user message.

    Appending them to an episode gives the ids that `render` gives for the longer conversation.
    """
    _, _, head, tail = _layout(tokenizer, ["user", "assistant", "user"], generate=True)
    head = _without_end(tokenizer, head)
    return _special(tokenizer, head) + encode(tokenizer, content) + _special(tokenizer, tail)


def corpus(trajectories: Iterable[Any], pages: Iterable[Any] = ()) -> Iterable[str]:
    """The texts a tiny tokenizer is trained on: every message of the trajectories, and the pages' titles and texts."""
    for trajectory in trajectories:
        for message in trajectory.messages:
            yield message["content"]
    for page in pages:
        yield page.title + "\n" + page.text
