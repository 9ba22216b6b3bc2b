"""LoRA: train two thin matrices beside each large one, and leave the large one as it is.

Stages 05 and 06 use it for models that do not fit a GPU with all their weights in training; shown in 05_sft. For a
matrix W `[out, in]` the layer computes W x + (alpha / rank) B A x with A `[rank, in]`, B `[out, rank]`, B zero at
first (Hu et al. 2021, arXiv 2106.09685); peft does it. In: a model. Out: the same with adapters, and the sum of both
as an ordinary state dictionary. Departure from the paper, which trains all weights on 256 GPUs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

# The matrices of a block in Qwen, Llama and their like.
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class Lora:
    """`rank` of the adapters, `alpha` (0: the rank, so that the scale is 1), and the matrices they stand beside."""

    rank: int
    alpha: int = 0
    targets: tuple[str, ...] = TARGETS

    def __post_init__(self) -> None:
        """Refuse a rank that is none."""
        if self.rank < 1:
            raise ValueError(f"got lora_rank={self.rank}, wanted at least 1 (0 in a notebook trains all weights)")


def is_lora(model: Any) -> bool:
    """Whether a model carries adapters of peft."""
    return hasattr(model, "peft_config") and hasattr(model, "get_base_model")


def add(model: Any, lora: Lora, seed: int = 0) -> Any:
    """The model with adapters, in fp32, beside its `targets`; all other weights are frozen. Nothing changes at first.

    Raises:
        ValueError: peft is not installed, or the model has none of the targets.
    """
    try:
        import peft
    except ImportError as error:
        raise ValueError(f"lora_rank > 0 needs the package peft (got {error}): pip install peft") from error
    config = peft.LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha or lora.rank, target_modules=list(lora.targets), task_type="CAUSAL_LM"
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return peft.get_peft_model(model, config)


def parameters(shapes: Sequence[tuple[int, int]], rank: int) -> int:
    """How many parameters adapters have beside matrices of these shapes (out, in): rank * (in + out) each.

    >>> parameters([(96, 96), (256, 96)], 8)
    4352
    """
    return sum(rank * (rows + columns) for rows, columns in shapes)


@torch.no_grad()
def merged(model: Any) -> dict[str, torch.Tensor]:
    """The weights of an ordinary model that computes the same: each matrix plus what its adapter adds.

    The model itself stays as it is.
    """
    state = {}
    for name, module in model.get_base_model().named_modules():
        inner = getattr(module, "base_layer", None)
        if inner is not None:
            delta = sum(module.get_delta_weight(a) for a in module.active_adapters)
            state[f"{name}.weight"] = (inner.weight + delta.to(inner.weight.dtype)).contiguous()
            if inner.bias is not None:
                state[f"{name}.bias"] = inner.bias.detach()
    for name, value in model.get_base_model().state_dict().items():
        if "lora_" not in name and ".base_layer." not in name:
            state[name] = value
    return state


def save(model: Any, folder: Path) -> None:
    """Write the merged model into `folder`, which then loads like any other, and the adapter into `folder/adapter`."""
    model.get_base_model().save_pretrained(folder, state_dict=merged(model))
    model.save_pretrained(folder / "adapter")
