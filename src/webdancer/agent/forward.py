"""The forward pass of a rollout: new tokens of some rows in, logits after the last of each out.

Part of `rollout` (stages 06 and 07). `of` takes the fast pass of `qwen3` where it fits, and transformers' own model
over a `SlotCache` for every other architecture, precision and device. Both have the same four methods: `feed`, `keep`,
`put` and `arrange`. Departure from the paper: it used an inference server.
"""

from typing import Any

import torch

from webdancer.agent import policy, qwen3, unsloth_policy
from webdancer.agent.cache import SlotCache, attending


def of(model: Any, slots: int, capacity: int) -> Any:
    """The pass for `model` with a cache of `slots` rows of `capacity` tokens: `Qwen3` if it fits, else `Hub`.

    Raises:
        ValueError: Unsloth's own forward pass runs the model; it cannot use our cache.
    """
    if unsloth_policy.is_patched(model):
        raise ValueError(
            "got a policy that Unsloth's own forward pass runs, which has a cache of its own: let a server play the "
            "episodes (engine and adapter_folder in 06_dapo; see agent/engine_api.py)"
        )
    return (qwen3.Qwen3 if qwen3.fits(model) else Hub)(model, slots, capacity)


class Hub:
    """Any causal language model of transformers, with the methods of `qwen3.Qwen3`; see there."""

    sorts = False  # attention here reads every row as far as the longest, whatever their order

    def __init__(self, model: Any, slots: int, capacity: int) -> None:
        parameter = next(model.parameters())
        self.model = model
        self.cache = SlotCache(model.config, slots, capacity, parameter.dtype, parameter.device)
        self.lengths = [0] * slots

    def feed(self, rows: list[int], starts: list[int], new: list[list[int]]) -> torch.Tensor:
        """Logits `[rows, vocabulary]` in fp32 after the last of the `new` tokens of each row.

        Rows with one new token go first, in a pass over the whole table that uses the cache in place; idle rows compute
        what nobody reads. The others follow in a pass padded to the longest.
        """
        alone = [i for i, tokens in enumerate(new) if len(tokens) == 1]
        several = [i for i, tokens in enumerate(new) if len(tokens) > 1]
        logits: list[torch.Tensor] = [torch.empty(0)] * len(rows)
        if alone:
            table: dict[int, tuple[int, list[int]]] = {rows[i]: (starts[i], new[i]) for i in alone}
            every = list(range(self.cache.slots)) if 2 * len(alone) > self.cache.slots else sorted(table)
            found = self._pass(every, [table.get(row, (self.lengths[row], [0])) for row in every])
            at = {row: n for n, row in enumerate(every)}
            for i in alone:
                logits[i] = found[at[rows[i]]]
        if several:
            found = self._pass([rows[i] for i in several], [(starts[i], new[i]) for i in several])
            for n, i in enumerate(several):
                logits[i] = found[n]
        for row, start, tokens in zip(rows, starts, new, strict=True):
            self.lengths[row] = start + len(tokens)
        return torch.stack(logits)

    def _pass(self, rows: list[int], work: list[tuple[int, list[int]]]) -> torch.Tensor:
        """One forward pass over `(start, tokens)` of each row, padded on the right."""
        width = max(len(tokens) for _, tokens in work)
        ids = torch.tensor([[*tokens, *[0] * (width - len(tokens))] for _, tokens in work], device=self.cache.device)
        positions, mask = self.cache.aim(rows, [start for start, _ in work], width)
        with attending(self.model.config):
            hidden = policy.decoder(self.model)(
                input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=self.cache, use_cache=True
            ).last_hidden_state
        last = torch.tensor([len(tokens) - 1 for _, tokens in work], device=self.cache.device)
        ends = hidden[torch.arange(len(rows), device=self.cache.device), last]
        return self.model.get_output_embeddings()(ends).float()

    def keep(self, row: int, length: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """A copy of the first `length` keys and values of a row."""
        return [(k[row, :, :length].clone(), v[row, :, :length].clone()) for k, v in self.cache.stored]

    def put(self, rows: list[int], kept: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Start `rows` with what `keep` copied."""
        for row in rows:
            self.lengths[row] = kept[0][0].shape[1]
        for stores, parts in zip(self.cache.stored, kept, strict=True):
            for store, part in zip(stores, parts, strict=True):
                store[rows, :, : part.shape[1]] = part

    def arrange(self, order: list[int], lengths: list[int]) -> None:
        """Row i becomes what row `order[i]` was, up to `lengths[i]` tokens; rows not in `order` are given up."""
        self.lengths = [self.lengths[row] for row in order]
        self.cache.arrange(order, lengths)
