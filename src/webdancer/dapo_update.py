"""Stage 06, the updates: log-probabilities of a batch under the trainer, and gradient steps on them.

In: scored rollouts with the log-probabilities that the rollout engine stored. Out: changed weights, and the numbers of
the log. Shown in notebooks/06_dapo.ipynb; the arithmetic is in `dapo_loss.py`, the departures from the papers in
`dapo.py`.
"""

import math
from collections.abc import Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from webdancer import dapo_log, dapo_loss
from webdancer.agent import prefixes
from webdancer.agent.policy import decoder
from webdancer.agent.workers import Workers
from webdancer.dapo_average import snapshot
from webdancer.dapo_batch import Batch, Rollout, Settings, TrainingError, minibatches, seed_of

COLUMNS = ("loss", "entropy", "ratio", "ratio_max", "clip_low", "clip_high", "grad_norm", "logp_gap")


@torch.no_grad()
def trainer_logp(model: Any, rollouts: Sequence[Rollout], micro_tokens: int) -> list[list[float]]:
    """Log-probabilities of the trained tokens as the trainer's forward pass sees them, one list a rollout."""
    result: list[list[float]] = [[] for _ in rollouts]
    ids, mask = [r.episode.ids for r in rollouts], [r.episode.mask for r in rollouts]
    for chosen in _micro_batches(model, ids, micro_tokens):
        logp, _ = _logp(model, [ids[i] for i in chosen], [mask[i] for i in chosen])
        for i, part in zip(chosen, logp.split([sum(mask[i][1:]) for i in chosen]), strict=True):
            result[i] = part.tolist()
    return result


def _micro_batches(model: Any, ids: Sequence[Sequence[int]], most: int, side_by_side: int = 1) -> list[list[int]]:
    """Indices of the rollouts that are computed together: by common beginnings if the model can share them."""
    if prefixes.fits(model):
        return prefixes.parts(ids, most, side_by_side)
    return dapo_loss.buckets(list(map(len, ids)), most)


def _logp(model: Any, ids: Sequence[Sequence[int]], mask: Sequence[Sequence[bool]]) -> tuple[Tensor, Tensor]:
    """Log-probability and entropy of the trained tokens, row by row."""
    if prefixes.fits(model):
        return dapo_loss.shared_logp(model, ids, mask)
    device = model.get_output_embeddings().weight.device
    padded = dapo_loss.pad(ids, 0, torch.long, device), dapo_loss.pad(mask, False, torch.bool, device)
    return dapo_loss.token_logp(model, *padded)


def stored_logp(rollouts: Sequence[Rollout]) -> list[list[float]]:
    """Log-probabilities of the trained tokens as the rollout engine stored them, one list a rollout."""
    return [[p for p, m in zip(r.episode.logp[1:], r.episode.mask[1:], strict=True) if m] for r in rollouts]


def update(
    model: Any,
    optimiser: Any,
    rollouts: Sequence[Rollout],
    old: Sequence[Sequence[float]],
    s: Settings,
    workers: Workers | None = None,
) -> dict[str, float]:
    """One optimiser step on `rollouts`, in micro-batches whose gradients add up exactly.

    Args:
        model: weights to train. rollouts: a mini-batch, each with trained tokens. old: their stored log-probabilities.
        workers: processes that compute micro-batches beside this one, with the weights of `model`.

    Returns:
        Sums over the trained tokens (`tokens, entropy, ratio, low, high`), `ratio_max`, `loss` and `grad_norm`.

    Raises:
        TrainingError: loss or gradient is not finite; no weight was changed.
    """
    tokens = [r.trained for r in rollouts]
    weights = dapo_loss.token_weights(tokens, [r.group for r in rollouts], s.aggregation)
    optimiser.zero_grad(set_to_none=True)
    parts = []
    together = workers.parts if workers is not None else 1
    for chosen in _micro_batches(model, [r.episode.ids for r in rollouts], s.micro_tokens, together):
        few = [rollouts[i] for i in chosen]
        tokens_of = ([r.episode.ids for r in few], [r.episode.mask for r in few])
        parts.append(
            (*tokens_of, [old[i] for i in chosen], [r.advantage for r in few], [weights[i] for i in chosen], s)
        )
    if workers is not None and workers.count:
        found = workers.run(SimpleNamespace(model=model), _part_of, parts, gradients=True)
    else:
        found = [_part(model, *part) for part in parts]
    totals = {name: sum(row[name] for row in found) for name in ("loss", "entropy", "ratio", "low", "high")}
    largest = max(row["ratio_max"] for row in found)
    norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), s.grad_clip))
    if not (math.isfinite(totals["loss"]) and math.isfinite(norm)):
        optimiser.zero_grad(set_to_none=True)
        raise TrainingError(f"got loss {totals['loss']} and gradient norm {norm}, wanted finite numbers: lower lr")
    optimiser.step()
    return {**totals, "ratio_max": largest, "grad_norm": norm, "tokens": float(sum(tokens))}


def _part_of(policy: Any, *part: Any) -> dict[str, float]:
    """`_part` with the policy, as workers call it."""
    return _part(policy.model, *part)


def _part(
    model: Any,
    ids: Sequence[Sequence[int]],
    mask: Sequence[Sequence[bool]],
    old: Sequence[Sequence[float]],
    advantages: Sequence[float],
    weights: Sequence[float],
    s: Settings,
) -> dict[str, float]:
    """Add the gradient of a micro-batch; its sums over trained tokens, its loss, and its largest ratio."""
    with prefixes.attending(decoder(model).config) if prefixes.fits(model) else nullcontext():
        logp, entropy = _logp(model, ids, mask)
        trained = dapo_loss.pad(mask, False, torch.bool, logp.device)
        before = torch.tensor([p for row in old for p in row], device=logp.device)
        part = dapo_loss.surrogate(logp, before, dapo_loss.spread(advantages, trained), s.eps_low, s.eps_high)
        loss = (part.loss * dapo_loss.spread(weights, trained)).sum()
        loss.backward()
    sums = {"loss": loss.detach(), "entropy": entropy.sum(), "ratio": part.ratio.sum()}
    sums |= {"low": part.low.sum(), "high": part.high.sum(), "ratio_max": part.ratio.max()}
    return {name: float(value) for name, value in sums.items()}


def learn(
    model: Any, optimiser: Any, batch: Batch, settings: Settings, step: int, workers: Workers | None = None
) -> dict[str, float]:
    """All updates on one rollout batch; the averages over its trained tokens as columns of the log.

    Raises:
        TrainingError: as `update`, with the step.
    """
    parts = minibatches(batch.live, settings.minibatches, seed_of(settings.seed, "order", step))
    stored = [stored_logp(part) for part in parts]
    nothing = dict.fromkeys(COLUMNS, math.nan)
    row = {**nothing, "used": sum(map(len, parts)), "trained_tokens": 0.0}
    if not parts:
        return row
    if step == 1 or settings.old_logp == "trainer":
        again = [trainer_logp(model, part, settings.micro_tokens) for part in parts]
        row["logp_gap"] = dapo_log.mean_gap(stored, again)
        stored = again if settings.old_logp == "trainer" else stored
    try:
        sums = [update(model, optimiser, part, old, settings, workers) for part, old in zip(parts, stored, strict=True)]
    except TrainingError as error:
        raise TrainingError(f"DAPO stopped at step {step}: {error}") from error
    tokens = sum(s["tokens"] for s in sums)
    for name, key in (("entropy", "entropy"), ("ratio", "ratio"), ("clip_low", "low"), ("clip_high", "high")):
        row[name] = sum(s[key] for s in sums) / tokens
    row["loss"], row["grad_norm"] = (sum(s[k] for s in sums) / len(sums) for k in ("loss", "grad_norm"))
    row["ratio_max"] = max(s["ratio_max"] for s in sums)
    return {**row, "trained_tokens": tokens}


def ratios(model: Any, rollouts: Sequence[Rollout], micro_tokens: int = 2048) -> tuple[list[float], list[float]]:
    """Ratio and advantage of every trained token of `rollouts`: how far `model` went from the policy that sampled."""
    used = [r for r in rollouts if r.trained]
    now, then = trainer_logp(model, used, micro_tokens), stored_logp(used)
    found = [math.exp(a - b) for pair in zip(now, then, strict=True) for a, b in zip(*pair, strict=True)]
    return found, [r.advantage for r, row in zip(used, now, strict=True) for _ in row]


def trial(model: Any, batch: Batch, settings: Settings) -> tuple[dict[str, float], tuple[list[float], list[float]]]:
    """What one step on `batch` would do: its row of the log and, after it, `ratios`. The weights are then put back."""
    before = snapshot(model)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=settings.lr, weight_decay=0.0)
    try:
        row = learn(model, optimiser, batch, settings, 1)
        return row, ratios(model, [r for group in batch.live for r in group], settings.micro_tokens)
    finally:
        model.load_state_dict(before, strict=False)
