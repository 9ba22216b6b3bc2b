"""DAPO's arithmetic as pure tensor functions: advantage, clipped surrogate, aggregation, log-probabilities.

Stage 06. In: rewards of a group, token log-probabilities, masks. Out: numbers that `dapo.py` sums and differentiates.
Shown in notebooks/06_dapo.ipynb on literals before the run.

Departures from the DAPO paper (arXiv 2503.14476), each an option or a line here:
1. Advantage divides by the sample standard deviation (`ddof=1`) plus 1e-6, as verl, TRL, SkyRL and slime do; the paper
   writes std without saying which. `ddof=0` is the other reading.
2. `token_mean` divides by the tokens of everything that one update sees (verl, TRL); `group_token_mean` is the paper's
   eq. 8, tokens of a group first and then the mean over groups.
3. The log-ratio is kept within [-20, 20] before `exp` (verl does the same), so that one absurd token gives a large
   number and not Inf. There is no KL term, as in the paper, and no second bound on the ratio of
   tokens with a negative advantage (verl's dual clip, 10 in its recipe; TRL's option `delta`).
4. `leave_one_out` (RLOO) is an option that the paper does not have: R minus the mean of the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from webdancer.agent import policy, prefixes

AGGREGATIONS = ("token_mean", "group_token_mean")
ADVANTAGES = ("group", "leave_one_out")
MAX_LOG_RATIO = 20.0


def is_live(correct: Sequence[bool]) -> bool:
    """Whether a group can teach: some answers right and some wrong. Decided on answers, never on the shaped reward.

    >>> is_live([True, False]), is_live([True, True]), is_live([False, False])
    (True, False, False)
    """
    return 0 < sum(correct) < len(correct)


def group_advantage(rewards: Sequence[float] | Tensor, ddof: int = 1, eps: float = 1e-6) -> Tensor:
    """How much better each rollout did than its group: (R - mean) / (std + eps). DAPO paper, eq. 9.

    Args:
        rewards: [G], the rewards of the rollouts of one question.
        ddof: 1 for the sample standard deviation (verl, TRL), 0 for the population's.
        eps: keeps the quotient finite.

    Returns:
        [G] float32; all zeros when all rewards are equal: such a group is dead and teaches nothing.

    Raises:
        ValueError: no rewards, more than one dimension, a reward that is not finite, or `ddof` other than 0 and 1.

    >>> [round(a, 3) for a in group_advantage([1, 0, 0, 0, 0, 0, 0, 0]).tolist()[:2]]
    [2.475, -0.354]
    """
    values = _rewards(rewards)
    if ddof not in (0, 1):
        raise ValueError(f"got ddof={ddof}, wanted 1 (sample) or 0 (population)")
    if values.max() == values.min():
        return torch.zeros(len(values))
    return ((values - values.mean()) / (values.std(correction=ddof) + eps)).float()


def leave_one_out(rewards: Sequence[float] | Tensor) -> Tensor:
    """How much better each rollout did than the others of its group: R - mean of the other rewards (RLOO).

    The difference to `group_advantage`: a rollout is no part of its own baseline, and nothing is divided by, so that a
    group with one lucky hit does not weigh more than one with half of them right.

    Args:
        rewards: [G], G at least 2.

    Returns:
        [G] float32.

    Raises:
        ValueError: fewer than two rewards, more than one dimension, or one that is not finite.

    >>> leave_one_out([1, 0, 0, 0]).tolist()[:2]
    [1.0, -0.3333333432674408]
    """
    values = _rewards(rewards)
    if len(values) < 2:
        raise ValueError("got one reward, wanted at least two: nothing is left when it is left out")
    return (values - (values.sum() - values) / (len(values) - 1)).float()


def _rewards(rewards: Sequence[float] | Tensor) -> Tensor:
    """Rewards as [G] float64; `ValueError` for another shape, none, or one that is not finite."""
    values = torch.as_tensor(rewards, dtype=torch.float64)
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"got rewards of shape {tuple(values.shape)}, wanted one dimension with at least one rollout")
    if not torch.isfinite(values).all():
        raise ValueError(f"got rewards {values.tolist()}, wanted finite numbers: look at the reward function")
    return values


def soft_overlong(length: int, longest: int, buffer: int) -> float:
    """What a long episode loses: nothing up to `longest - buffer` tokens, then linearly more, 1 at `longest`. Eq. 13.

    Args:
        length: tokens. longest, buffer: the paper's L_max and L_cache (16,384 and 4,096); a buffer of 0 is no penalty.

    Returns:
        A number from -1 to 0.

    >>> [soft_overlong(n, 100, 20) for n in (80, 85, 100, 120)], soft_overlong(100, 100, 0)
    ([0.0, -0.25, -1.0, -1.0], 0.0)
    """
    if buffer == 0 or length <= longest - buffer:
        return 0.0
    return max(-1.0, (longest - buffer - length) / buffer)


@dataclass(frozen=True)
class Surrogate:
    """Per trained token, all [K]: `loss` to minimise, `ratio` new / old, and where the clip stopped the gradient.

    `high`: the ratio passed 1 + eps_high on a token worth more (advantage > 0). `low`: it passed 1 - eps_low on a token
    worth less (advantage < 0).
    """

    loss: Tensor
    ratio: Tensor
    low: Tensor
    high: Tensor


def surrogate(
    logp: Tensor, old_logp: Tensor, advantage: Tensor, eps_low: float = 0.2, eps_high: float = 0.28
) -> Surrogate:
    """The clip-higher surrogate, -min(r A, clip(r, 1 - eps_low, 1 + eps_high) A) with r = exp(logp - old_logp), eq. 8.

    Args:
        logp: [K] log-probabilities under the weights being trained, natural log, with gradient.
        old_logp: [K] under the weights that sampled the tokens, without gradient.
        advantage: [K], or one number for all.
        eps_low, eps_high: the clip range; `eps_high` larger leaves unlikely good tokens room to grow.

    Returns:
        A `Surrogate`; only `loss` carries a gradient.

    Raises:
        ValueError: shapes differ, or the clip range is not 0 <= eps_low < 1 and 0 <= eps_high.
    """
    if logp.shape != old_logp.shape or advantage.shape not in (logp.shape, torch.Size([])):
        shapes = [tuple(t.shape) for t in (logp, old_logp, advantage)]
        raise ValueError(f"got shapes {shapes} of logp, old_logp, advantage; wanted the same for all three")
    if not 0 <= eps_low < 1 or eps_high < 0:
        raise ValueError(f"got eps_low={eps_low}, eps_high={eps_high}; wanted 0 <= eps_low < 1 and eps_high >= 0")
    ratio = (logp - old_logp.detach()).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()
    clipped = ratio.clamp(1 - eps_low, 1 + eps_high)
    loss = -torch.minimum(ratio * advantage, clipped * advantage)
    with torch.no_grad():
        low = (advantage < 0) & (ratio < 1 - eps_low)
        high = (advantage > 0) & (ratio > 1 + eps_high)
    return Surrogate(loss, ratio.detach(), low, high)


def token_weights(tokens: Sequence[int], groups: Sequence[int], aggregation: str = "token_mean") -> list[float]:
    """What one token of each episode weighs, so that the loss is the plain sum of weight x token loss.

    Because the weights are fixed before the forward pass, any split into micro-batches adds up to the same gradient.

    Args:
        tokens: trained tokens of each episode of one update.
        groups: the group of each episode.
        aggregation: "token_mean", 1 / all tokens; or "group_token_mean", 1 / (tokens of the group x groups).

    Returns:
        One weight an episode; sum of weight x tokens is 1.

    Raises:
        ValueError: lengths differ, no tokens at all, or an unknown aggregation.

    >>> token_weights([1, 3, 4], [0, 0, 1], "group_token_mean")
    [0.125, 0.125, 0.125]
    """
    if len(tokens) != len(groups) or sum(tokens) == 0:
        raise ValueError(
            f"got {len(tokens)} episodes with {sum(tokens)} tokens and {len(groups)} groups, wanted tokens"
        )
    if aggregation not in AGGREGATIONS:
        raise ValueError(f"got aggregation {aggregation!r}, wanted one of {', '.join(AGGREGATIONS)}")
    if aggregation == "token_mean":
        return [1 / sum(tokens)] * len(tokens)
    of_group: dict[int, int] = {}
    for count, group in zip(tokens, groups, strict=True):
        of_group[group] = of_group.get(group, 0) + count
    live = sum(1 for count in of_group.values() if count)
    return [1 / (of_group[g] * live) if of_group[g] else 0.0 for g in groups]


def buckets(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Indices in batches of similar length; a batch holds at most `max_tokens` with its padding (or one episode).

    >>> buckets([5, 100, 6, 90], 200)
    [[1, 3], [2, 0]]
    """
    batches: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda j: (-lengths[j], j)):
        if batches and lengths[batches[-1][0]] * (len(batches[-1]) + 1) <= max_tokens:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


def pad(rows: Sequence[Sequence[Any]], fill: Any, dtype: torch.dtype, device: Any = "cpu") -> Tensor:
    """Rows of different length as [B, T], filled on the right. A causal model never looks at right padding."""
    width = max(len(row) for row in rows)
    return torch.tensor([[*row, *[fill] * (width - len(row))] for row in rows], dtype=dtype, device=device)


def token_logp(model: Any, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probability and entropy of every trained token (`policy.trained_logits` runs the output head there only).

    Args:
        model: a Hugging Face causal language model whose logits are its head applied to the last hidden state.
        ids: [B, T] right-padded token ids.
        mask: [B, T] bool, True where the model wrote the token; column 0 is ignored, nothing predicts it.

    Returns:
        `logp` [K] with gradient and `entropy` [K] without, row by row, natural log.
    """
    logits, targets = policy.trained_logits(model, ids, mask)
    every = logits.log_softmax(-1)
    logp = every.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    with torch.no_grad():
        entropy = -(every.exp() * every).sum(-1)
    return logp, entropy


def shared_logp(model: Any, ids: Sequence[Sequence[int]], mask: Sequence[Sequence[bool]]) -> tuple[Tensor, Tensor]:
    """As `token_logp`, with what the rows begin with in common computed once (`prefixes`); rows need no padding.

    Args:
        model: one that `prefixes.fits`. ids, mask: a list a row.

    Returns:
        `logp` [K] with gradient and `entropy` [K] without, row by row in the order given, natural log.
    """
    tree = prefixes.lay(ids)
    chosen = [np.flatnonzero(row[1:]) for row in mask]
    before = np.concatenate([path[at] for path, at in zip(tree.paths, chosen, strict=True)])
    nodes, of = np.unique(before, return_inverse=True)
    hidden = prefixes.hidden(model, tree)
    of, targets, nodes = (
        torch.as_tensor(rows, dtype=torch.long, device=hidden.device)
        for rows in (of, [ids[n][t + 1] for n, at in enumerate(chosen) for t in at], nodes)
    )
    every = model.get_output_embeddings()(hidden.index_select(0, nodes)).float().log_softmax(-1)
    logp = every.flatten().index_select(0, of * every.shape[1] + targets)
    with torch.no_grad():
        entropy = -(every.exp() * every).sum(-1)[of]
    return logp, entropy


def spread(values: Sequence[float], mask: Tensor) -> Tensor:
    """One value a row of `mask` [B, T], repeated for each trained token of the row: [K]."""
    counts = mask[:, 1:].sum(1)
    return torch.tensor(values, dtype=torch.float32, device=mask.device).repeat_interleave(counts)
