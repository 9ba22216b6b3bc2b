"""Stage 05: teach a policy the kept trajectories, with a loss on what the assistant wrote and on nothing else.

Reads `kept`, writes the model folders `base/` (untrained) and `sft/` and a log; shown in 05_sft. The loss is the
paper's: cross-entropy summed over assistant tokens, divided by their number in the whole batch.

Departures from the paper, which publishes no learning rate, batch, epochs or length (all values here are ours): (1)
the tiny policy starts from random weights, with Muon; (2) batches hold a number of tokens, episodes of like length
together, padded on the right; (3) before SFT a policy with random weights learns to read: the same episodes with a loss
on every token (`everything`), which stands in for the pre-training that a real model brings; (4) names change in every
episode (`renamed`), so that it learns to copy them.
"""

import math
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm import tqdm

from webdancer.agent import optim, tokens
from webdancer.agent.policy import Policy, trained_logits
from webdancer.core import prompts
from webdancer.core.record import atomic_path
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


def batches(examples: Sequence[Example], size: int, seed: int) -> Iterator[list[Example]]:
    """Endless batches of about `size` tokens (padding counted), episodes of like length together, in random order.

    Each pass over the data shuffles, sorts by length within a small jitter, cuts into batches and shuffles those.
    """
    stream = random.Random(f"batches-{seed}")
    while True:
        order = sorted(examples, key=lambda e: len(e.ids) * stream.uniform(0.9, 1.1))
        cut: list[list[Example]] = [[]]
        for example in order:
            longest = max([len(example.ids), *(len(e.ids) for e in cut[-1])])
            if cut[-1] and longest * (len(cut[-1]) + 1) > size:
                cut.append([])
            cut[-1].append(example)
        stream.shuffle(cut)
        yield from cut


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


def loss_sum(model: Any, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Summed cross-entropy in nats over the trained tokens, and their number; divide one by the other for the paper's
    loss.
    """
    logits, targets = trained_logits(model, ids, mask)
    return torch.nn.functional.cross_entropy(logits, targets, reduction="sum"), len(targets)


@dataclass(frozen=True)
class Recipe:
    """How to train: all numbers of one run.

    `batch_tokens` a batch, padding counted, and `micro_tokens` (0: the same) the most that are computed at once, with
    the same gradient; optimiser and rates as in `optim.build`; `warmup` steps and `flat` share as in
    `optim.schedule`; `clip` bounds the gradient norm.
    """

    steps: int
    batch_tokens: int = 2048
    micro_tokens: int = 0
    optimizer: str = "muon"
    lr: float = 4.0e-3
    lr_rest: float = 2.0e-2
    weight_decay: float = 0.1
    warmup: int = 50
    flat: float = 0.6
    clip: float = 1.0
    seed: int = 0


def train(
    policy: Policy,
    examples: Sequence[Example],
    recipe: Recipe,
    *,
    names: Sequence[Sequence[int]] = (),
    label: str = "SFT",
    log_file: Path | None = None,
    watch: Callable[[int], dict[str, float]] | None = None,
    watch_every: int = 0,
) -> pd.DataFrame:
    """Train in place.

    Args:
        names: groups of `name_groups`; if given, every episode is `renamed` anew each time it is seen.
        label: of the progress bar. log_file: CSV, written when the training ends.
        watch: called every `watch_every` steps; its numbers join the log.

    Returns:
        one row a step: step, loss (nats a trained token), tokens, trained, grad_norm, lr (share of the peak), seconds.

    Raises:
        FloatingPointError: the loss is not finite; names step and learning rate.
    """
    optimisers = optim.build(policy.model, recipe.optimizer, recipe.lr, recipe.weight_decay, recipe.lr_rest)
    peaks = [[g["lr"] for g in o.param_groups] for o in optimisers]
    source = batches(examples, recipe.batch_tokens, recipe.seed)
    stream = random.Random(f"names-{recipe.seed}")
    rows, started = [], time.perf_counter()
    for step in tqdm(range(recipe.steps), desc=label, mininterval=10):
        factor = optim.schedule(step, recipe.steps, recipe.warmup, recipe.flat)
        _set_rates(optimisers, peaks, factor)
        row = {"step": step, **_update(policy, renamed(next(source), names, stream), optimisers, recipe), "lr": factor}
        if not math.isfinite(row["loss"]):
            raise FloatingPointError(f"loss is {row['loss']} at step {step}, lr {recipe.lr * factor:.2g}: lower lr")
        row["seconds"] = time.perf_counter() - started
        rows.append(row | (watch(step) if watch and watch_every and (step + 1) % watch_every == 0 else {}))
    policy.model.eval()
    log = pd.DataFrame(rows)
    if log_file is not None:
        with atomic_path(log_file) as temporary:
            log.to_csv(temporary, index=False)
    return log


def _set_rates(optimisers: list[Any], peaks: list[list[float]], factor: float) -> None:
    """Learning rates at `factor` of their peaks."""
    for optimiser, highs in zip(optimisers, peaks, strict=True):
        for group, high in zip(optimiser.param_groups, highs, strict=True):
            group["lr"] = high * factor


def _update(policy: Policy, batch: list[Example], optimisers: list[Any], recipe: Recipe) -> dict[str, float]:
    """One optimiser step; gradients of micro-batches add up to the batch's because all divide by the same number."""
    policy.model.train()
    device = next(policy.model.parameters()).device
    trained = sum(sum(e.mask[1:]) for e in batch)
    total = 0.0
    for part in next_parts(batch, recipe.micro_tokens or recipe.batch_tokens):
        loss, _ = loss_sum(policy.model, *collate(part, policy.tokenizer.pad_token_id, device))
        (loss / trained).backward()
        total += loss.item()
    norm = torch.nn.utils.clip_grad_norm_(policy.model.parameters(), recipe.clip).item()
    for optimiser in optimisers:
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    return {"loss": total / trained, "tokens": sum(len(e.ids) for e in batch), "trained": trained, "grad_norm": norm}


def next_parts(batch: list[Example], size: int) -> Iterator[list[Example]]:
    """Split a batch into parts of at most `size` tokens, padding counted (a longer example is a part of its own)."""
    part: list[Example] = []
    for example in batch:
        if part and max(len(e.ids) for e in [*part, example]) * (len(part) + 1) > size:
            yield part
            part = []
        part.append(example)
    yield part


def evaluate_loss(policy: Policy, examples: Sequence[Example], batch_tokens: int = 4096) -> float:
    """Cross-entropy in nats a trained token over `examples`; NaN when there is none."""
    device = next(policy.model.parameters()).device
    total, count = 0.0, 0
    policy.model.eval()
    with torch.inference_mode():
        for part in next_parts(sorted(examples, key=lambda e: len(e.ids)), batch_tokens) if examples else ():
            loss, n = loss_sum(policy.model, *collate(part, policy.tokenizer.pad_token_id, device))
            total, count = total + loss.item(), count + n
    return total / count if count else math.nan
