"""Attention for packed rows: episodes laid end to end in one row, none of which sees another.

Stage 05 trains on such rows if `packing` is on; shown in 05_sft. A packed row has no padding. Its attention mask would
be block-diagonal (one causal triangle an episode), and most of it empty; so none is built: each episode is attended to
on its own, and all else (projections, feed-forward, norms) works on the row as a whole. Positions start anew with each
episode. The paper does not say whether it packed.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import AttentionInterface

ATTENTION = "webdancer_packed"


def positions(lengths: Sequence[int], device: Any = "cpu") -> torch.Tensor:
    """Position ids `[1, T]` that count from 0 in each episode.

    >>> positions([2, 3]).tolist()
    [[0, 1, 0, 1, 2]]
    """
    return torch.cat([torch.arange(n, device=device) for n in lengths])[None]


def block_mask(lengths: Sequence[int]) -> torch.Tensor:
    """The mask `[T, T]` that `attend` amounts to: True where a row's token (down) may look (across).

    >>> block_mask([1, 2]).int().tolist()
    [[1, 0, 0], [0, 1, 0], [0, 1, 1]]
    """
    return torch.block_diag(*[torch.ones(n, n).tril() for n in lengths]).bool()


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    lengths: Sequence[int],
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each episode of one packed row; shapes are those of transformers' attention functions.

    Args:
        query: `[1, heads, T, dim]`. key, value: `[1, kv heads, T, dim]`. attention_mask: not used.
        lengths: tokens of each episode, T in all.

    Returns:
        `[1, T, heads, dim]`, and None for the attention weights.
    """
    grouped = query.shape[1] != key.shape[1]
    rows = [
        torch.nn.functional.scaled_dot_product_attention(
            q, k, v, is_causal=True, scale=scaling, dropout_p=dropout, enable_gqa=grouped
        )
        for q, k, v in zip(*(whole.split(list(lengths), dim=2) for whole in (query, key, value)), strict=True)
    ]
    return torch.cat(rows, dim=2).transpose(1, 2).contiguous(), None


AttentionInterface.register(ATTENTION, attend)


@contextmanager
def attending(config: Any) -> Iterator[None]:
    """Let a model attend by `attend` for a while. Its forward then needs `lengths`."""
    before = config._attn_implementation
    config._attn_implementation = ATTENTION
    try:
        yield
    finally:
        config._attn_implementation = before
