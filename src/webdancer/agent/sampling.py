"""Draw tokens from logits, each with a uniform number of its own, so that a sample depends on no other.

Part of `rollout` (stages 06 and 07). Departure from the paper: it used an inference server's sampler.
"""

from collections.abc import Sequence

import torch
from torch.nn import functional

LIKELY = 64  # tokens among which the smallest set of `top_p` is looked for first
WIDE = 64  # tokens that are added up before one is looked for among them


def sample(
    logits: torch.Tensor, draws: torch.Tensor, temperature: float, top_p: float, rows: Sequence[int] = ()
) -> tuple[list[int], list[float]]:
    """Draw tokens by inverting the cumulative distribution of a row at each of `draws`.

    Args:
        logits: `[R, V]` fp32. draws: `[D]` uniform in [0, 1), float64. temperature: 0 takes the largest logit.
        top_p: keep the smallest set of tokens whose probability reaches it.
        rows: the row that each draw is for; left out, there is one draw a row.

    Returns:
        ids and untempered natural log-probabilities, one a draw.
    """
    of = torch.tensor(rows or range(len(draws)), device=logits.device)
    if temperature == 0:
        picked = logits.argmax(dim=-1)[of]
    else:
        weights = _nucleus(logits, temperature, top_p) if top_p < 1 else _weights(logits, temperature)
        picked = _invert(weights, draws, of)
    logp = logits[of, picked] - torch.logsumexp(logits, dim=-1)[of]
    return picked.tolist(), logp.tolist()


def _weights(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """exp((logits - largest) / T): probabilities but for a factor a row."""
    scaled = logits - logits.amax(dim=-1, keepdim=True)
    return scaled.exp_() if temperature == 1 else scaled.div_(temperature).exp_()


def _nucleus(logits: torch.Tensor, temperature: float, top_p: float) -> torch.Tensor:
    """Probabilities, zero outside the smallest set that reaches `top_p`."""
    probabilities = torch.softmax(logits.double() / temperature, dim=-1)
    ordered, _ = probabilities.topk(min(LIKELY, logits.shape[-1]), dim=-1)
    if (ordered.sum(-1) < top_p).any():  # the likely ones do not reach it in every row: sort them all
        ordered, _ = probabilities.sort(dim=-1, descending=True)
    inside = ordered.cumsum(-1) - ordered < top_p
    least = ordered.masked_fill(~inside, 2.0).amin(dim=-1, keepdim=True)
    return probabilities.masked_fill(probabilities < least, 0.0)


def _invert(weights: torch.Tensor, draws: torch.Tensor, of: torch.Tensor) -> torch.Tensor:
    """The first index at which the running sum of row `of` `[D]` of `weights` `[R, V]` passes the share `draws` `[D]`.

    Running sums over a vocabulary cost more than the network of a tiny policy. So blocks of `WIDE` are added up first,
    and only the block in which the index lies is run through.
    """
    rows, vocabulary = weights.shape
    blocks = functional.pad(weights, (0, -vocabulary % WIDE)).view(rows, -1, WIDE)
    sums = blocks.sum(-1).double()
    totals = sums.cumsum(-1)
    sums, totals = sums[of], totals[of]
    aim = draws[:, None] * totals[:, -1:]
    block = _passing(totals, aim)
    before = totals.gather(-1, block) - sums.gather(-1, block)
    inside = before + blocks[of, block[:, 0]].cumsum(-1, dtype=torch.float64)
    return (block * WIDE + _passing(inside, aim)).squeeze(-1)


def _passing(sums: torch.Tensor, aim: torch.Tensor) -> torch.Tensor:
    """Where running sums pass `aim` `[R, 1]`; rounding may put it at their end: then the last that adds something."""
    last = torch.searchsorted(sums, sums[:, -1:].contiguous())
    return torch.minimum(torch.searchsorted(sums, aim, right=True), last)
