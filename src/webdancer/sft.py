"""Stage 05: teach a policy the kept trajectories, with a loss on what the assistant wrote and on nothing else.

Reads `kept`, writes the model folders `base/` (untrained) and `sft/` and a log; shown in 05_sft. The loss is the paper's: cross-entropy summed
over assistant tokens, divided by their number in the whole batch.

Departures from the paper, which publishes no learning rate, batch, epochs or length (all values here are ours): (1) the tiny
policy starts from random weights, with Muon; (2) batches hold a number of tokens, episodes of like length together, padded on the
right; (3) easy questions first (`curriculum`).
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm.auto import tqdm

from webdancer.agent import optim, tokens
from webdancer.agent.policy import Policy, trained_logits
from webdancer.core import prompts
from webdancer.core.record import atomic_path
from webdancer.core.schema import Trajectory

# Until this share of the steps only questions of at most so many hops are shown; measured, not published.
CURRICULUM = ((0.30, 1), (0.55, 2))


@dataclass(frozen=True)
class Example:
    """A trajectory ready for training: `ids` and `mask` (True where the loss acts) of equal length, `hops` of its question."""

    ids: tuple[int, ...]
    mask: tuple[bool, ...]
    hops: int


def prepare(
    trajectories: Sequence[Trajectory], tokenizer: Any, *, prompt_style: str = "brief", date: str = "", max_length: int = 1024
) -> tuple[list[Example], int]:
    """Tokens and masks of the trajectories.

    Args:
        prompt_style: `brief` or `released` re-heads each trajectory as `prompts.restyle` does, `keep` leaves it as it is.
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


def name_groups(tokenizer: Any, titles: Sequence[str], common: float = 0.02) -> list[list[int]]:
    """Token ids that make up names, in groups within which one may stand for another.

    Groups are the capitalised words of `titles`, their lower-case words, and four-digit numbers (years). A word in more than a
    share `common` of the titles ("University") says what kind of thing is named and stays.
    """
    counts = Counter(i for title in titles for i in set(tokens.encode(tokenizer, title)))
    words = {i: tokenizer.convert_ids_to_tokens(i).lstrip(tokens.START) for i in counts}
    whole = [i for i in sorted(counts) if len(words[i]) > 2 and counts[i] <= common * len(titles)]
    upper = [i for i in whole if words[i].isalpha() and words[i][0].isupper()]
    lower = [i for i in whole if words[i].isalpha() and words[i].islower()]
    years = [i for w, i in sorted(tokenizer.get_vocab().items()) if len(w) == 5 and w[1:].isdigit()]
    return [group for group in (upper, lower, years) if len(group) > 1]


def rename(example: Example, groups: Sequence[Sequence[int]], stream: random.Random, vocabulary: int) -> Example:
    """The same episode about other names: within each group the ids are permuted at random, everywhere in the episode alike.

    A policy that starts from random weights would rather learn which surname follows which first name than to copy names
    from where they stand; with new names in every episode, copying is all that helps.
    """
    swap = list(range(vocabulary))
    for group in groups:
        for old, new in zip(group, stream.sample(group, len(group)), strict=True):
            swap[old] = new
    return Example(tuple(swap[i] for i in example.ids), example.mask, example.hops)


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
    """Summed cross-entropy in nats over the trained tokens, and their number; divide one by the other for the paper's loss."""
    logits, targets = trained_logits(model, ids, mask)
    return torch.nn.functional.cross_entropy(logits, targets, reduction="sum"), len(targets)


def allowed(examples: Sequence[Example], share: float) -> list[Example]:
    """What the curriculum shows when `share` of the steps is done (all of it when nothing is easy enough)."""
    limit = next((hops for until, hops in CURRICULUM if share < until), None)
    easy = [e for e in examples if limit is None or e.hops <= limit]
    return easy or list(examples)


def train(
    policy: Policy,
    examples: Sequence[Example],
    *,
    steps: int,
    batch_tokens: int = 2048,
    micro_tokens: int = 0,
    optimizer: str = "muon",
    lr: float = 4.0e-3,
    lr_rest: float = 3.0e-3,
    weight_decay: float = 0.1,
    warmup: int = 50,
    flat: float = 0.6,
    clip: float = 1.0,
    curriculum: bool = True,
    reading: float = 0.0,
    names: Sequence[Sequence[int]] = (),
    seed: int = 0,
    log_file: Path | None = None,
    watch: Callable[[int], dict[str, float]] | None = None,
    watch_every: int = 0,
) -> pd.DataFrame:
    """Train in place for `steps` updates.

    Args:
        batch_tokens: tokens an update, padding counted; `micro_tokens` smaller than that splits it, with the same gradient.
        optimizer, lr, lr_rest, weight_decay: as in `optim.build`. warmup, flat: as in `optim.schedule`. clip: gradient norm.
        curriculum: few hops first. watch: called every `watch_every` steps, its numbers join the log.

    Returns:
        one row a step: step, loss (nats a trained token), tokens, trained, lr factor, grad norm, seconds.

    Raises:
        FloatingPointError: the loss is not finite; names step and learning rate.
    """
    device = next(policy.model.parameters()).device
    optimisers = optim.build(policy.model, optimizer, lr, weight_decay, lr_rest)
    peaks = [[g["lr"] for g in o.param_groups] for o in optimisers]
    rows: list[dict[str, float]] = []
    limit, source = None, iter(())
    stream = random.Random(f"names-{seed}")
    started = time.perf_counter()
    for step in tqdm(range(steps), desc="SFT", mininterval=10):
        pool = allowed(examples, step / steps) if curriculum else examples
        if limit != len(pool):
            limit, source = len(pool), batches(pool, batch_tokens, seed + step)
        factor = optim.schedule(step, steps, warmup, flat)
        for optimiser, peak in zip(optimisers, peaks, strict=True):
            for group, high in zip(optimiser.param_groups, peak, strict=True):
                group["lr"] = high * factor
        batch = [rename(e, names, stream, len(policy.tokenizer)) if names else e for e in next(source)]
        if step < reading * steps:
            batch = [Example(e.ids, (True,) * len(e.ids), e.hops) for e in batch]
        row = _update(policy, batch, optimisers, micro_tokens or batch_tokens, clip, device)
        if not torch.isfinite(torch.tensor(row["loss"])):
            raise FloatingPointError(f"loss is {row['loss']} at step {step}, learning rate {lr * factor:.2g}: lower lr")
        row = {"step": step, **row, "lr": factor, "seconds": time.perf_counter() - started}
        if watch and watch_every and (step + 1) % watch_every == 0:
            row |= watch(step)
        rows.append(row)
    log = pd.DataFrame(rows)
    if log_file is not None:
        with atomic_path(log_file) as temporary:
            log.to_csv(temporary, index=False)
    policy.model.eval()
    return log


def _update(
    policy: Policy, batch: list[Example], optimisers: list[Any], micro: int, clip: float, device: Any
) -> dict[str, float]:
    """One optimiser step; gradients of micro-batches add up to that of the batch because all divide by the same number."""
    policy.model.train()
    trained = sum(sum(e.mask[1:]) for e in batch)
    total = 0.0
    for part in next_parts(batch, micro):
        ids, mask = collate(part, policy.tokenizer.pad_token_id, device)
        loss, _ = loss_sum(policy.model, ids, mask)
        (loss / trained).backward()
        total += loss.item()
    norm = torch.nn.utils.clip_grad_norm_(policy.model.parameters(), clip).item()
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
    """Cross-entropy in nats a trained token over `examples`."""
    device = next(policy.model.parameters()).device
    total, count = 0.0, 0
    policy.model.eval()
    with torch.inference_mode():
        for part in next_parts(sorted(examples, key=lambda e: len(e.ids)), batch_tokens):
            loss, n = loss_sum(policy.model, *collate(part, policy.tokenizer.pad_token_id, device))
            total, count = total + loss.item(), count + n
    return total / max(1, count)
