"""A key-value cache with one row a slot, in which every row has its own length.

`rollout` keeps an episode's keys and values here across its turns, so that nothing is computed twice. Hugging Face's
own caches append to all rows at once; episodes of different lengths need `[slot, position]` writes instead.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import AttentionInterface
from transformers.cache_utils import Cache
from transformers.integrations.sdpa_attention import sdpa_attention_forward

ATTENTION = "slots"  # name of `attend` for transformers
CHUNK = 8  # rows that look back equally far, the farthest their longest needs


class SlotCache(Cache):
    """Keys and values `[slots, kv heads, capacity, head dim]` a layer, grown on demand, written row by row.

    Before each forward pass `aim` says which slots take part and at which position each of their rows starts; the
    layers then call `update`. Keys beyond a row's length are garbage: the attention mask that `aim` returns hides
    them.
    """

    def __init__(self, config: Any, slots: int, capacity: int, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__(layers=[])
        text = config.get_text_config()
        heads = text.num_key_value_heads
        dim = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        shape = (slots, heads, capacity, dim)
        self.stored = [
            (torch.zeros(shape, dtype=dtype, device=device), torch.zeros(shape, dtype=dtype, device=device))
            for _ in range(text.num_hidden_layers)
        ]
        self.slots, self.capacity, self.device = slots, capacity, device

    def aim(self, rows: list[int], starts: list[int], width: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Choose the rows of the next forward pass over `width` new tokens a row.

        Args:
            rows: slot of each batch row. starts: tokens it already holds. width: new tokens, padded on the right.

        Returns:
            positions `[rows, width]` and a boolean attention mask `[rows, 1, width, span]`, True where a query may
            look.
        """
        first = torch.tensor(starts, device=self.device)
        self.positions = (first[:, None] + torch.arange(width, device=self.device)).clamp_(max=self.capacity - 1)
        self.span = min(self.capacity, max(starts) + width)
        self.all_rows = rows == list(range(self.slots))
        self.rows = torch.tensor(rows, device=self.device)
        mask = (torch.arange(self.span, device=self.device)[None, None, :] <= self.positions[:, :, None])[:, None]
        ends = [min(self.capacity, start + width) for start in starts]
        mask.spans = [max(ends[i : i + CHUNK]) for i in range(0, len(ends), CHUNK)]
        return self.positions, mask

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store `[rows, heads, width, dim]` at the aimed positions and return all keys and values up to the span."""
        keys, values = self.stored[layer_idx]
        where = (self.rows[:, None], slice(None), self.positions)
        keys[where] = key_states.transpose(1, 2)  # advanced indices first: [rows, width, heads, dim]
        values[where] = value_states.transpose(1, 2)
        if self.all_rows:
            return keys[:, :, : self.span], values[:, :, : self.span]
        return keys[self.rows, :, : self.span], values[self.rows, :, : self.span]

    def arrange(self, order: list[int], lengths: list[int]) -> None:
        """Row i becomes what row `order[i]` was, up to `lengths[i]` tokens; rows not in `order` are given up."""
        length = max(lengths)
        for number, stores in enumerate(self.stored):
            moved = [store[order, :, :length] for store in stores]
            self.stored[number] = tuple(store[: len(order)] for store in stores)
            for store, part in zip(self.stored[number], moved, strict=True):
                store[:, :, :length] = part
        self.slots = len(order)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Longest aimed row; transformers asks only to build masks, which `aim` already did."""
        return self.span


def attend(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: torch.Tensor, **more: Any
) -> tuple[torch.Tensor, None]:
    """Attention of one new token a row, a few rows at a time, no further back than the longest of them.

    Episodes differ in length by a factor of ten, and reading keys and values is what decoding spends its time on.
    Shapes and result are those of transformers' attention functions; several new tokens a row go there unchanged.
    """
    spans = getattr(attention_mask, "spans", None)
    if spans is None or query.shape[2] > 1:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **more)
    parts = []
    for first, span in zip(range(0, len(query), CHUNK), spans, strict=True):
        rows = slice(first, first + CHUNK)
        parts.append(
            sdpa_attention_forward(
                module,
                query[rows],
                key[rows, :, :span],
                value[rows, :, :span],
                attention_mask[rows, ..., :span],
                **more,
            )[0]
        )
    return torch.cat(parts), None


AttentionInterface.register(ATTENTION, attend)


@contextmanager
def attending(config: Any) -> Iterator[None]:
    """Let a model that uses torch's attention use `attend` for a while; other attentions stay as they are."""
    before = config._attn_implementation
    config._attn_implementation = ATTENTION if before == "sdpa" else before
    try:
        yield
    finally:
        config._attn_implementation = before
