"""How fast and how large: the sums behind `calculator`, each of which can be done by hand.

In: sizes of a model, data of a GPU, shares of its peak that are assumed. Out: ranges. Shown in 09_scale. Formulas (N
parameters that take part in a product for every token, D tokens; all ours, the paper publishes no cost):

- training: 6 N D operations, reading a prompt: 2 N D, at a stated share of the GPU's peak. Attention is left out: at
  16k tokens it adds a sixth to a model of 32 billion.
- keys and values of a token: 2 * layers * key-value heads * head width * 2 bytes.
- decoding, one token for each of B episodes at once: the longer of 2 N B operations at that share of the peak and of
  reading all weights and B caches once from memory, at a stated share of its bandwidth. B is what fits beside the
  weights, or what is left to do.
- FSDP: weights, gradient and AdamW's moments in fp32, 16 bytes a parameter over all GPUs; on each one also the largest
  gathered layer in 16 bits, the activations and the logits of one micro-batch (`agent.memory`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from webdancer.agent import memory

HOUR = 3600.0
KEPT_FREE = 0.9  # share of a GPU's memory that a server fills; vLLM's own default


@dataclass(frozen=True)
class Range:
    """From `low` to `high`, neither below 0; sums and products of ranges are those of their ends.

    >>> Range(1, 2) * Range(3, 5) + 1
    Range(low=4, high=11)
    >>> Range(6, 8) / Range(2, 4)
    Range(low=1.5, high=4.0)
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        """Refuse what is no range."""
        if not 0 <= self.low <= self.high:
            raise ValueError(f"got a range from {self.low} to {self.high}, wanted 0 <= low <= high")

    def __add__(self, other: "Range | float") -> "Range":
        other = of(other)
        return Range(self.low + other.low, self.high + other.high)

    def __mul__(self, other: "Range | float") -> "Range":
        other = of(other)
        return Range(self.low * other.low, self.high * other.high)

    def __truediv__(self, other: "Range | float") -> "Range":
        other = of(other)
        if not other.low:
            raise ValueError(f"got {other} as divisor, wanted one above 0")
        return Range(self.low / other.high, self.high / other.low)

    __radd__, __rmul__ = __add__, __mul__


def of(value: Range | float) -> Range:
    """A number as a range of itself."""
    return value if isinstance(value, Range) else Range(value, value)


def longer(first: Range, second: Range) -> Range:
    """The larger of two, end by end: of two things that go on side by side, the one that is waited for."""
    return Range(max(first.low, second.low), max(first.high, second.high))


@dataclass(frozen=True)
class Gpu:
    """`tflops`: dense bf16 peak, 10^12 a second; `gib` of memory; `bandwidth` of it, 10^12 bytes a second."""

    name: str
    tflops: float
    gib: float
    bandwidth: float
    source: str


GPUS = {
    g.name: g
    for g in (
        Gpu("H20", 148, 96, 4.0, "the paper's (E.3); peak and bandwidth as published by third parties"),
        Gpu("H100", 989, 80, 3.35, "NVIDIA's data sheet, SXM, without sparsity"),
        Gpu("H200", 989, 141, 4.8, "NVIDIA's data sheet, SXM, without sparsity"),
    )
}


def _qwen(hidden: int, inner: int, layers: int, heads: int, groups: int) -> SimpleNamespace:
    """The sizes of a Qwen-2.5 model from its published configuration."""
    return SimpleNamespace(
        hidden_size=hidden,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=groups,
        head_dim=128,
        vocab_size=152064,
        tie_word_embeddings=False,
    )


MODELS = {  # QwQ-32B has the sizes of Qwen2.5-32B
    "7B": _qwen(3584, 18944, 28, 28, 4),
    "32B": _qwen(5120, 27648, 64, 40, 8),
    "72B": _qwen(8192, 29568, 80, 64, 8),
}


def worked(config: Any) -> float:
    """Parameters that take part in a product for every token: the blocks and the head, not the table of embeddings."""
    blocks, tables = memory.count(config)
    return blocks + tables / (1 if config.tie_word_embeddings else 2)


def hours(operations: Range | float, gpu: Gpu, share: Range) -> Range:
    """GPU hours for so many operations at a share of the peak.

    >>> hours(3.6e18, Gpu("g", 1000, 80, 3, ""), Range(0.25, 0.5))
    Range(low=2.0, high=4.0)
    """
    return of(operations) / (share * (gpu.tflops * 1e12)) / HOUR


def cache_bytes(config: Any) -> int:
    """Bytes that the keys and values of one token take, in 16 bits."""
    dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return 2 * config.num_hidden_layers * config.num_key_value_heads * dim * 2


@dataclass(frozen=True)
class Decoding:
    """One copy of a model on `gpus`: `episodes` at once, new tokens a second of all of them, and of one of them."""

    gpus: int
    episodes: int
    rate: Range
    each: Range


def decoding(
    config: Any, gpu: Gpu, context: float, compute: Range, bandwidth: Range, most: float = float("inf")
) -> Decoding:
    """How fast the smallest number of GPUs that holds the model writes, with as many episodes as fit.

    Args:
        context: tokens in the cache of an episode.
        compute, bandwidth: shares of the peaks.
        most: episodes that there are to play on every GPU of the cluster; fewer than fit make each of them faster.
    Returns:
        Of copies on 1, 2, 4 or 8 GPUs the first whose weights fill at most half of what a server takes.
    Raises:
        ValueError: not even 8 GPUs are enough, or an episode does not fit.
    """
    weights = 2.0 * sum(memory.count(config))
    for gpus in (1, 2, 4, 8):
        room = gpus * gpu.gib * memory.GIB * KEPT_FREE
        if weights <= room / 2:
            break
    else:
        raise ValueError(f"got weights of {weights / memory.GIB:.0f} GiB, wanted at most half of 8 {gpu.name}")
    episodes = int((room - weights) // (context * cache_bytes(config)))
    if episodes < 1:
        raise ValueError(f"got episodes of {context:,.0f} tokens, wanted one to fit beside the weights of {gpus} GPUs")
    episodes = max(1, min(episodes, round(most * gpus)) if most < float("inf") else episodes)
    read = weights + episodes * context * cache_bytes(config)
    from_memory = of(read) / (bandwidth * (gpu.bandwidth * 1e12 * gpus))
    computed = of(2 * worked(config) * episodes) / (compute * (gpu.tflops * 1e12 * gpus))
    step = longer(from_memory, computed)
    return Decoding(gpus, episodes, of(episodes) / step, of(1) / step)


def fsdp_gib(config: Any, gpus: int, tokens: int, trained: float = 0.4) -> dict[str, float]:
    """GiB on each GPU when all weights are trained, by part and together (FSDP, AdamW, activations recomputed).

    Args:
        tokens: of the micro-batch on one GPU; `trained`: the share of them that the assistant wrote.
    Raises:
        ValueError: no GPU.
    """
    if gpus < 1:
        raise ValueError(f"got {gpus} GPUs, wanted at least 1")
    blocks, tables = memory.count(config)
    beside = memory.estimate(config, memory.Plan(tokens, trained, recompute=True))
    parts = {
        "weights, gradient, moments": 16 * (blocks + tables) / gpus / memory.GIB,
        "gathered layer": 2 * max(blocks / config.num_hidden_layers, tables / 2) / memory.GIB,
        "activations": beside["activations"],
        "logits": beside["logits"],
    }
    return parts | {"all": sum(parts.values())}


def fewest(config: Any, gpu: Gpu, tokens: int, most: int = 1024) -> int:
    """The smallest power of two of GPUs on which FSDP fits, with a tenth of each left over.

    Raises:
        ValueError: not even `most` are enough: what does not shrink with their number is too large.
    """
    gpus = 1
    while fsdp_gib(config, gpus, tokens)["all"] > KEPT_FREE * gpu.gib:
        if (gpus := gpus * 2) > most:
            raise ValueError(f"got {tokens:,} tokens at once, wanted fewer: {most} {gpu.name} do not hold them")
    return gpus


def spread(values: Sequence[float]) -> Range:
    """From the least to the most of what was measured.

    >>> spread([3, 1, 2])
    Range(low=1, high=3)
    """
    return Range(min(values), max(values))
