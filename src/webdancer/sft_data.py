"""Stage 05, the data: trajectories as token ids and masks, batches of like length, packed rows, other names.

In: trajectories and a tokenizer. Out: `Example` records, and batches of them as tensors; `sft.py` trains on these.
Shown in 05_sft. The paper publishes neither batch size nor packing; what is ours and why stands in `sft.py`.
"""

import hashlib
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from webdancer.agent import tokens
from webdancer.core import prompts
from webdancer.core.schema import Trajectory


@dataclass(frozen=True)
class Example:
    """A trajectory ready for training: `ids` and `mask` (True where the loss acts) of equal length, `hops` of its
    question.
    """

    ids: tuple[int, ...]
    mask: tuple[bool, ...]
    hops: int


def prepare(
    trajectories: Sequence[Trajectory],
    tokenizer: Any,
    *,
    prompt_style: str = "brief",
    date: str = "",
    max_length: int = 1024,
) -> tuple[list[Example], int]:
    """Tokens and masks of the trajectories.

    Args:
        prompt_style: `brief` or `released` re-heads each trajectory as `prompts.restyle` does, `keep` leaves it as it
            is.
        max_length: trajectories with more tokens are left out.

    Returns:
        the examples, and how many were too long.

    Raises:
        ValueError: nothing is left to train on.
    """
    examples = []
    for trajectory in trajectories:
        messages = list(trajectory.messages)
        if prompt_style != "keep":
            messages = prompts.restyle(messages, prompt_style, date)
        done = tokens.render(tokenizer, messages)
        if len(done.ids) <= max_length:
            examples.append(Example(tuple(done.ids), tuple(done.mask), trajectory.hops))
    if not examples:
        raise ValueError(
            f"got {len(trajectories)} trajectories, none of at most {max_length} tokens; wanted at least one: "
            "keep more in 04_filter or raise max_length"
        )
    return examples, len(trajectories) - len(examples)


def batches(examples: Sequence[Example], size: int, seed: int, packed: bool = False) -> Iterator[list[Example]]:
    """Endless batches of at most about `size` tokens, in random order.

    Each pass over the data shuffles, sorts by length within a small jitter, cuts into batches and shuffles those, so
    that episodes of like length come together and little is padded. If the batches will be `packed`, nothing is padded
    and nothing sorted: an epoch is a plain shuffle, cut by number of tokens.
    """
    stream = random.Random(f"batches-{seed}")
    while True:
        if packed:
            order = stream.sample(examples, len(examples))
        else:
            order = sorted(examples, key=lambda e: len(e.ids) * stream.uniform(0.9, 1.1))
        cut = list(next_parts(order, size, packed))
        stream.shuffle(cut)
        yield from cut


def next_parts(batch: Sequence[Example], size: int, packed: bool = False) -> Iterator[list[Example]]:
    """Split a batch into parts of at most `size` tokens (a longer example is a part of its own).

    Padding counts, unless the parts will be `packed`, where there is none.
    """
    part: list[Example] = []
    for example in batch:
        if part and _room([*part, example], packed) > size:
            yield part
            part = []
        part.append(example)
    yield part


def _room(batch: Sequence[Example], packed: bool) -> int:
    """Tokens that a batch takes up in memory."""
    lengths = [len(e.ids) for e in batch]
    return sum(lengths) if packed else max(lengths) * len(batch)


def evenly(batch: Sequence[Example], count: int) -> list[list[Example]]:
    """`batch` in at most `count` parts of about as many tokens, its order kept.

    >>> [len(part) for part in evenly([Example((1,) * n, (True,) * n, 1) for n in (4, 2, 2, 2, 2)], 2)]
    [2, 3]
    """
    whole = sum(len(e.ids) for e in batch)
    parts: list[list[Example]] = [[] for _ in range(count)]
    before = 0
    for example in batch:
        middle = before + len(example.ids) / 2
        parts[min(count - 1, int(count * middle / whole))].append(example)
        before += len(example.ids)
    return [part for part in parts if part]


def digest(examples: Sequence[Example]) -> str:
    """A short fingerprint of ids and masks in their order, by which a checkpoint knows its data."""
    state = hashlib.sha256()
    for example in examples:
        state.update(np.asarray((example.ids, example.mask), dtype=np.int32).tobytes() + b"|")
    return state.hexdigest()[:16]


def name_groups(tokenizer: Any, examples: Sequence[Example], titles: Sequence[str]) -> list[list[int]]:
    """Token ids that make up names, in groups within which one may stand for another.

    Groups: first words of `titles` and other words of titles, each by capital or small letter, and the years. A word in
    more than one title of fifty ("University") says what kind of thing is named and stays, and so does a word that the
    assistant uses in more than one episode of ten. The pieces of numbers are groups of their own.
    """
    encoded = [tokens.encode(tokenizer, title) for title in titles]
    first = Counter(ids[0] for ids in encoded if ids)
    later = Counter(i for ids in encoded for i in set(ids[1:]))
    used = Counter(i for e in examples for i in {t for t, m in zip(e.ids, e.mask, strict=True) if m})
    word = {i: tokenizer.convert_ids_to_tokens(i).lstrip(tokens.START) for i in first | later}
    groups: dict[tuple[bool, bool], list[int]] = {}
    for i in sorted(word):
        rare = first[i] + later[i] <= len(titles) / 50 and used[i] <= len(examples) / 10
        if rare and word[i].isalpha() and len(word[i]) > 2:
            groups.setdefault((first[i] > later[i], word[i][0].isupper()), []).append(i)
    return [group for group in (*groups.values(), *_digits(tokenizer)) if len(group) > 1]


def _digits(tokenizer: Any) -> list[list[int]]:
    """Years, and pieces of longer numbers by length and place; a single digit alone is a count and keeps its value."""
    vocabulary = sorted(tokenizer.get_vocab().items())
    forms = (rf"{tokens.START}(1[89]|20)\d\d", rf"{tokens.START}\d\d", r"\d\d", r"\d")
    return [[i for word, i in vocabulary if re.fullmatch(form, word)] for form in forms]


def renamed(batch: Iterable[Example], groups: Sequence[Sequence[int]], stream: random.Random) -> list[Example]:
    """The same episodes about other names: in each episode the ids of a group change places, everywhere alike.

    Left alone, a policy from random weights learns which surname follows which first name; with new names in every
    episode only copying helps. Ours; nothing of the kind is in the paper, whose models can copy.
    """
    done = []
    for example in batch:
        swap = {}
        for group in groups:
            swap.update(zip(group, stream.sample(group, len(group)), strict=True))
        done.append(replace(example, ids=tuple(swap.get(i, i) for i in example.ids)))
    return done


def everything(examples: Sequence[Example]) -> list[Example]:
    """The same episodes with the loss on every token, observations too: for learning to read, not for SFT.

    >>> everything([Example((5, 6), (False, True), 1)])
    [Example(ids=(5, 6), mask=(True, True), hops=1)]
    """
    return [replace(e, mask=(True,) * len(e.ids)) for e in examples]


def collate(batch: Sequence[Example], pad: int, device: Any = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """Ids `[B, T]` padded on the right with `pad`, and mask `[B, T]` False on the padding."""
    width = max(len(e.ids) for e in batch)
    ids = torch.full((len(batch), width), pad, dtype=torch.long)
    mask = torch.zeros(len(batch), width, dtype=torch.bool)
    for row, example in enumerate(batch):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
        mask[row, : len(example.ids)] = torch.tensor(example.mask)
    return ids.to(device), mask.to(device)


def pack(batch: Sequence[Example], device: Any = "cpu") -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """Ids and mask `[1, T]` of a batch laid end to end in one row without padding, and the episodes' lengths.

    The first token of every episode is left out of the loss: what stands before it belongs to another episode. The
    lengths tell `policy.trained_logits` where an episode ends, so that none sees another.

    >>> _, mask, lengths = pack([Example((5, 6), (True, True), 1), Example((7, 8), (True, True), 1)])
    >>> mask.tolist(), lengths
    ([[False, True, False, True]], [2, 2])
    """
    ids = torch.tensor([[i for e in batch for i in e.ids]], device=device)
    mask = torch.tensor([[m and at > 0 for e in batch for at, m in enumerate(e.mask)]], device=device)
    return ids, mask, [len(e.ids) for e in batch]
