"""Qwen3's forward pass for rollouts on a CPU: the model's own weights, fused, over a key-value cache with a row a slot.

Part of `rollout` (stages 06 and 07). In: for some rows of the cache, the tokens that come next. Out: logits after the
last token of each. It computes what transformers' Qwen3 computes (the tests compare them), three to four times faster
for a tiny model, because there most of the time goes into padding, copies and the overhead of small operations:

1. tokens of all rows stand in one flat list, so that a row with one new token and a row with two hundred share a pass
   without padding; only attention looks at rows;
2. queries, keys and values come from one matrix product, and so do gate and up; a rotation is one complex product;
3. the rows lie in the cache by length, a few together, and none is read further than the longest of its few;
4. the last block finishes only the last token of each row.

Departure from the paper: it used an inference server. `forward.of` takes this pass where it `fits`, else transformers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

CALL = 300  # tokens of a row that are read in about the time that one more call of an operation takes


@dataclass
class Block:
    """Weights of one decoder block: `[out, in]` matrices, norms as vectors, `heads` `[query + key heads, dim]`."""

    enter: torch.Tensor
    qkv: torch.Tensor
    heads: torch.Tensor
    out: torch.Tensor
    middle: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor


@dataclass
class Reads:
    """Rows that read the cache with one query each, in parts of neighbours.

    `parts`: (first row, last row, tokens of the longest) of each; `place`: where each asking row stands when the parts
    are put one after the other, None if exactly so; `total` rows in all; `mask` `[total * key heads, 1, tokens]`,
    minus infinity where a row may not look.
    """

    parts: list[tuple[int, int, int]]
    place: torch.Tensor | None
    total: int
    mask: torch.Tensor


def fits(model: Any) -> bool:
    """Whether `Qwen3` computes what `model` does: a plain Qwen3 in fp32 on a CPU, nothing wrapped around a layer."""
    config = getattr(model, "config", None)
    if type(model).__name__ != "Qwen3ForCausalLM" or config.hidden_act != "silu" or config.attention_bias:
        return False
    plain = all(type(m) is torch.nn.Linear for n, m in model.named_modules() if n.endswith(("_proj", "lm_head")))
    full = all(kind == "full_attention" for kind in config.layer_types)
    rope = config.rope_parameters.get("rope_type") == "default"
    here = all(p.device.type == "cpu" and p.dtype == torch.float32 for p in model.parameters())
    return plain and full and rope and here


class Qwen3:
    """The weights of a model and a cache of `slots` rows for up to `capacity` tokens each.

    The weights are copied when it is made: make another one after an update.
    """

    sorts = True  # it reads a few neighbours as far as the longest of them: like lengths beside each other save reading

    def __init__(self, model: Any, slots: int, capacity: int) -> None:
        config, base = model.config, model.model
        self.queries, self.keys_heads, self.dim = (
            config.num_attention_heads,
            config.num_key_value_heads,
            config.head_dim,
        )
        self.eps, self.width, self.inner = config.rms_norm_eps, config.hidden_size, config.intermediate_size
        self.embed, self.head, self.last = base.embed_tokens.weight, model.lm_head.weight, base.norm.weight
        self.blocks = [self._block(layer) for layer in base.layers]
        angles = torch.outer(torch.arange(capacity, dtype=torch.float32), base.rotary_emb.inv_freq.float())
        self.turn = torch.polar(torch.ones_like(angles), angles)[:, None]
        self.slots, self.most, self.capacity = slots, capacity, min(capacity, 256)
        self.held = [0] * slots  # tokens that were ever written to each row
        self.keys, self.values = ([self._store() for _ in self.blocks] for _ in range(2))

    def _store(self) -> torch.Tensor:
        """Zeros `[slots, key heads, capacity, dim]`, in memory that the system hands out where it is first written."""
        return torch.from_numpy(np.zeros((self.slots, self.keys_heads, self.capacity, self.dim), np.float32))

    def _grow(self, length: int) -> None:
        """Make room for rows of `length` tokens: few episodes are long, and rows that only follow hold nothing."""
        self.capacity = min(self.most, max(length, 2 * self.capacity))
        for stores in (self.keys, self.values):
            for number, store in enumerate(stores):
                stores[number] = self._store()
                for row, held in enumerate(self.held):
                    if held:
                        stores[number][row, :, :held] = store[row, :, :held]

    def _block(self, layer: Any) -> Block:
        """The weights of a layer; the two halves of each query and key head are interleaved to complex pairs."""
        attention, mlp = layer.self_attn, layer.mlp
        pairs = torch.arange(self.dim).view(2, -1).t().flatten()

        def paired(weight: torch.Tensor) -> torch.Tensor:
            return weight.view(-1, self.dim, self.width)[:, pairs].reshape(-1, self.width)

        norms = [attention.q_norm.weight[pairs]] * self.queries + [attention.k_norm.weight[pairs]] * self.keys_heads
        qkv = torch.cat([paired(attention.q_proj.weight), paired(attention.k_proj.weight), attention.v_proj.weight])
        return Block(
            layer.input_layernorm.weight,
            qkv,
            torch.stack(norms),
            attention.o_proj.weight,
            layer.post_attention_layernorm.weight,
            torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]),
            mlp.down_proj.weight,
        )

    def feed(self, rows: list[int], starts: list[int], new: list[list[int]]) -> torch.Tensor:
        """Append the `new` tokens of each row behind its first `starts` tokens.

        Args:
            rows: rows of the cache, each at most once. starts: tokens they hold. new: at least one token a row.

        Returns:
            Logits `[rows, vocabulary]` after the last new token of each row.
        """
        order = sorted(range(len(rows)), key=lambda i: (len(new[i]) > 1, rows[i]))  # one token first
        rows, starts, new = [rows[i] for i in order], [starts[i] for i in order], [new[i] for i in order]
        counts = torch.tensor([len(tokens) for tokens in new])
        ends = counts.cumsum(0)
        where = torch.tensor(rows).repeat_interleave(counts)
        at = torch.arange(len(where)) + (torch.tensor(starts) - ends + counts).repeat_interleave(counts)
        ids = torch.tensor([token for tokens in new for token in tokens])
        stops = (torch.tensor(starts) + counts).tolist()
        if max(stops) > self.capacity:
            self._grow(max(stops))
        for row, stop in zip(rows, stops, strict=True):
            self.held[row] = max(self.held[row], stop)
        alone = sum(len(tokens) == 1 for tokens in new)
        pieces = [
            (rows[i], starts[i], stops[i], int(ends[i]) - len(new[i]), int(ends[i])) for i in range(alone, len(rows))
        ]
        reads = self._reads(rows[:alone], stops[:alone]) if alone else None
        final = self._reads(rows, stops) if pieces or reads is None else reads
        logits = self._blocks(ids, where, at, (reads, alone, pieces), (final, ends - 1))
        return logits if order == list(range(len(order))) else logits[torch.tensor(order).argsort()]

    def _reads(self, rows: list[int], lengths: list[int]) -> Reads:
        """Which neighbouring rows to read together, how far, and what each may see.

        A row joins those before it, together with idle rows between, if reading all of them as far as the longest costs
        no more than a call of its own.
        """
        parts: list[list[int]] = []
        places, total = [0] * len(rows), 0
        for i in sorted(range(len(rows)), key=rows.__getitem__):
            row, length = rows[i], lengths[i]
            if parts:
                first, last, longest = parts[-1]
                whole = max(longest, length)
                if whole * (row + 1 - first) <= longest * (last - first) + length + CALL:
                    parts[-1] = [first, row + 1, whole]
                    places[i] = total + row - last
                    total += row + 1 - last
                    continue
            parts.append([row, row + 1, length])
            places[i], total = total, total + 1
        place = None if places == list(range(total)) else torch.tensor(places)
        seen = torch.tensor(lengths)
        if place is not None:
            seen = torch.ones(total, dtype=torch.long).index_copy_(0, place, seen)
        hidden = torch.arange(max(lengths)) >= seen.repeat_interleave(self.keys_heads)[:, None]
        mask = torch.zeros(hidden.shape).masked_fill_(hidden, -torch.inf)[:, None]
        return Reads([tuple(part) for part in parts], place, total, mask)

    def _blocks(self, ids: torch.Tensor, where: torch.Tensor, at: torch.Tensor, many: Any, final: Any) -> torch.Tensor:
        """All blocks over the flat tokens; `many` says how they attend, `final` how the last token of each row does."""
        x, turn = self.embed[ids], self.turn[at]
        heads = torch.arange(self.keys_heads) * self.capacity
        slot = ((where * self.keys_heads * self.capacity + at)[:, None] + heads).flatten()
        reads, alone, pieces = many
        for number, block in enumerate(self.blocks):
            parts = functional.linear(functional.rms_norm(x, (self.width,), block.enter, self.eps), block.qkv)
            parts = parts.view(len(x), -1, self.dim)
            turned = self._turned(parts[:, : self.queries + self.keys_heads], block.heads, turn)
            self.keys[number].view(-1, self.dim).index_copy_(0, slot, turned[:, self.queries :].reshape(-1, self.dim))
            fresh = parts[:, self.queries + self.keys_heads :].reshape(-1, self.dim)
            self.values[number].view(-1, self.dim).index_copy_(0, slot, fresh)
            asked = turned[:, : self.queries]
            if number + 1 == len(self.blocks):
                x, seen = x[final[1]], self._read(number, asked[final[1]], final[0])
            else:
                found = [self._read(number, asked[:alone], reads)] if alone else []
                seen = torch.cat(found + [self._look(number, asked, piece) for piece in pieces])
            x = torch.addmm(x, seen, block.out.t())
            inner = functional.linear(functional.rms_norm(x, (self.width,), block.middle, self.eps), block.gate_up)
            x = torch.addmm(x, functional.silu(inner[:, : self.inner]) * inner[:, self.inner :], block.down.t())
        return functional.linear(functional.rms_norm(x, (self.width,), self.last, self.eps), self.head)

    def _turned(self, parts: torch.Tensor, norms: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
        """Queries and keys `[tokens, heads, dim]`, normalised and rotated by their positions."""
        normed = functional.rms_norm(parts, (self.dim,), None, self.eps) * norms
        pairs = torch.view_as_complex(normed.view(*normed.shape[:2], -1, 2))
        return torch.view_as_real(pairs * turn).flatten(2)

    def _read(self, number: int, asked: torch.Tensor, reads: Reads) -> torch.Tensor:
        """Attention of one query a row, `[rows, heads, dim]` to `[rows, heads * dim]`."""
        query = asked
        if reads.place is not None:
            query = asked.new_zeros(reads.total, self.queries, self.dim)
            query[reads.place] = asked
        query = query.reshape(reads.total * self.keys_heads, -1, self.dim)  # heads that share keys are one product
        keys, values = (store[number].view(-1, self.capacity, self.dim) for store in (self.keys, self.values))
        found, at = [], 0
        for first, last, span in reads.parts:
            store, here = slice(first * self.keys_heads, last * self.keys_heads), at
            at += (last - first) * self.keys_heads
            past = keys[store, :span].transpose(1, 2)
            scores = torch.baddbmm(reads.mask[here:at, :, :span], query[here:at], past, alpha=self.dim**-0.5)
            found.append(torch.bmm(scores.softmax(-1), values[store, :span]))
        whole = torch.cat(found).view(reads.total, -1)
        return whole if reads.place is None else whole[reads.place]

    def _look(self, number: int, asked: torch.Tensor, piece: tuple[int, int, int, int, int]) -> torch.Tensor:
        """Attention of several new tokens of one row to its past and to one another."""
        row, start, stop, first, last = piece
        mask = torch.arange(stop) <= torch.arange(start, stop)[:, None]
        seen = functional.scaled_dot_product_attention(
            asked[first:last].transpose(0, 1)[None],
            self.keys[number][row : row + 1, :, :stop],
            self.values[number][row : row + 1, :, :stop],
            mask,
            enable_gqa=self.queries != self.keys_heads,
        )
        return seen[0].transpose(0, 1).flatten(1)

    def keep(self, row: int, length: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """A copy of the first `length` keys and values of a row."""
        return [
            (k[row, :, :length].clone(), v[row, :, :length].clone())
            for k, v in zip(self.keys, self.values, strict=True)
        ]

    def put(self, rows: list[int], kept: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Start `rows` with what `keep` copied."""
        if kept[0][0].shape[1] > self.capacity:
            self._grow(kept[0][0].shape[1])
        for row in rows:
            self.held[row] = max(self.held[row], kept[0][0].shape[1])
        for stores, parts in zip(zip(self.keys, self.values, strict=True), kept, strict=True):
            for store, part in zip(stores, parts, strict=True):
                store[rows, :, : part.shape[1]] = part

    def arrange(self, order: list[int], lengths: list[int]) -> None:
        """Row i becomes what row `order[i]` was, up to `lengths[i]` tokens; rows not in `order` are given up."""
        self.slots = len(order)
        self.held = [max(length, self.held[i]) for i, length in enumerate(lengths)]
        moves = [(i, row, length) for i, (row, length) in enumerate(zip(order, lengths, strict=True)) if i != row]
        for stores in (self.keys, self.values):
            for number, store in enumerate(stores):
                moved = [store[row, :, :length].clone() for _, row, length in moves]
                for (i, _, length), part in zip(moves, moved, strict=True):
                    store[i, :, :length] = part
                stores[number] = store[: self.slots]
