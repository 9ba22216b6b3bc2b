"""How much memory training will take, before anything is loaded: a sum that can be done by hand.

Stages 05 and 06 print it; shown in 05_sft. In: the sizes in a model's configuration and how it will be trained. Out:
GiB by part. Formulas (n parameters of the blocks, e of embedding and head, t tokens computed at once, m of them
trained, h width, L layers, V vocabulary; the constants are ours, from what each step has to keep):

- weights: 2 bytes each in 16 bits, 4 in 32; with a 4-bit base 0.516 for the matrices of the blocks (NF4 with double
  quantisation: 4 bits, and 8 / 64 + 32 / (64 * 256) bits of scales), 2 for all else;
- training: 12 bytes for each trained parameter (gradient and AdamW's two moments in fp32), and 4 more for an adapter's
  own weights. Muon, for the matrices of the blocks, has one moment: 8;
- activations: 2 or 4 bytes * t * (2 h for each layer's input and output of attention, kept, and the inner values of one
  layer: queries, keys, values, attention output, 3 feed-forward widths, 4 h); all L layers' inner values unless they
  are recomputed;
- logits: 10 bytes * m * V (16 bits, fp32 and the gradient), for the head runs at trained positions only.

What a framework holds beside (CUDA context, fragmentation: 1 to 2 GiB on a GPU) is not in the sum. The paper trained on
256 GPUs and says nothing about memory.
"""

import os
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pandas as pd

from webdancer.agent import lora

GIB = 2**30
FOUR_BIT = (4 + 8 / 64 + 32 / (64 * 256)) / 8  # bytes a parameter
# The sizes of Qwen3-8B, from its published configuration, as an example of a model that does not fit everywhere.
QWEN3_8B = SimpleNamespace(
    hidden_size=4096,
    intermediate_size=12288,
    num_hidden_layers=36,
    num_attention_heads=32,
    num_key_value_heads=8,
    head_dim=128,
    vocab_size=151936,
    tie_word_embeddings=False,
)


@dataclass(frozen=True)
class Plan:
    """How a model will be trained.

    `tokens` computed at once and the share of them that is `trained`; `bits` of the weights (4, 16 or 32); `rank` of
    the adapters (0: all weights are trained); `recompute`: activations of the blocks are computed again for the
    backward pass; `optimizer` as in `optim.build`.
    """

    tokens: int
    trained: float = 0.3
    bits: int = 16
    rank: int = 0
    recompute: bool = False
    optimizer: str = "adamw"

    def __post_init__(self) -> None:
        """Refuse what no backend does."""
        if self.bits not in (4, 16, 32):
            raise ValueError(f"got bits={self.bits}, wanted 4, 16 or 32")
        if self.bits == 4 and not self.rank:
            raise ValueError("got 4-bit weights and lora_rank=0: 4-bit weights cannot be trained, give lora_rank")


def shapes(config: Any) -> list[tuple[int, int]]:
    """The matrices (out, in) of one block of a Qwen3 or Llama configuration."""
    h, f = config.hidden_size, config.intermediate_size
    dim = getattr(config, "head_dim", None) or h // config.num_attention_heads
    q, kv = config.num_attention_heads * dim, config.num_key_value_heads * dim
    return [(q, h), (kv, h), (kv, h), (h, q), (f, h), (f, h), (h, f)]


def count(config: Any) -> tuple[int, int]:
    """Parameters in the matrices of all blocks, and in embedding and head (once if tied). Norms are left out."""
    blocks = config.num_hidden_layers * sum(rows * columns for rows, columns in shapes(config))
    table = config.vocab_size * config.hidden_size
    return blocks, table if config.tie_word_embeddings else 2 * table


def estimate(config: Any, plan: Plan) -> dict[str, float]:
    """GiB by part, and their sum; the formulas stand at the top of this module.

    Args:
        config: of the model, as `AutoConfig.from_pretrained` gives it.
    """
    blocks, tables = count(config)
    adapters = config.num_hidden_layers * lora.parameters(shapes(config), plan.rank)
    weight = {4: FOUR_BIT, 16: 2.0, 32: 4.0}[plan.bits]
    width = 4 if plan.bits == 32 else 2
    whole = blocks * (8 if plan.optimizer == "muon" else 12) + tables * 12
    h, (q, _), (kv, _) = config.hidden_size, *shapes(config)[:2]
    inner = 2 * q + 2 * kv + 3 * config.intermediate_size + 4 * h
    layers = 1 if plan.recompute else config.num_hidden_layers
    parts = {
        "weights": blocks * weight + tables * max(weight, 2.0),
        "adapters": adapters * 4,
        "gradients and optimiser": adapters * 12 if plan.rank else whole,
        "activations": width * plan.tokens * (2 * h * config.num_hidden_layers + inner * layers),
        "logits": 10 * plan.tokens * plan.trained * config.vocab_size,
    }
    found = {name: value / GIB for name, value in parts.items()}
    return found | {"all": sum(found.values())}


def available() -> float:
    """GiB of the GPU if there is one, else of the machine."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_properties(0).total_memory / GIB
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB


def table(config: Any, plans: dict[str, Plan]) -> pd.DataFrame:
    """One column a plan, one row a part, in GiB."""
    return pd.DataFrame({name: estimate(config, plan) for name, plan in plans.items()})


def fits(config: Any, plan: Plan, memory: float) -> str:
    """A sentence that says whether the plan fits `memory` GiB, with what to change if it does not."""
    needed = estimate(config, plan)
    largest = max((value, name) for name, value in needed.items() if name != "all")[1]
    said = f"training takes about {needed['all']:.2f} GiB of {memory:.1f}, most of it for {largest}"
    if needed["all"] + 1.5 <= memory or needed["all"] <= 0.9 * memory:
        return said
    cure = {
        "weights": "a smaller model or four_bit = True",
        "adapters": "a lower lora_rank",
        "gradients and optimiser": "lora_rank above 0",
        "activations": "fewer micro_tokens or recompute = True",
        "logits": "fewer micro_tokens",
    }[largest]
    return f"{said}: it will hardly fit; try {cure}"
