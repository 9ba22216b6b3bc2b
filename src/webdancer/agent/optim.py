"""Optimisers for models that start from nothing: Muon on the block matrices, AdamW on the rest.

Stage 05 uses them; shown in 05_sft. Muon (Jordan et al. 2024) replaces each momentum matrix by the nearest orthogonal
one, found with five Newton-Schulz steps, and scales it to AdamW's usual step size ("rms-matched", Moonlight, arXiv
2502.16982). torch's own Muon runs the steps in bf16, which a CPU multiplies twenty times slower than fp32; this one
keeps fp32 and treats all matrices of a shape as one batch. Departure from the paper: WebDancer names no optimiser; a
pre-trained model is fine-tuned with AdamW here too (`optimizer="adamw"`).
"""

import math
from typing import Any

import torch

SHAPES = ("flat", "linear", "cosine")
# Coefficients of the quintic iteration of Jordan et al.: they push singular values towards 1 quickly, not exactly.
A, B, C = 3.4445, -4.7750, 2.0315


def orthogonalise(matrices: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """The nearest orthogonal matrices, roughly: singular values end between about 0.7 and 1.2.

    Args:
        matrices: `[K, n, m]`.
        steps: Newton-Schulz iterations.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.transpose(1, 2)
        x = A * x + (B * gram + C * gram @ gram) @ x
    return x.transpose(1, 2) if tall else x


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum and decoupled weight decay, for 2-D parameters; equal shapes form a batch."""

    def __init__(self, params: Any, lr: float = 4e-3, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """One update of all parameters that have a gradient."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[torch.nn.Parameter]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    shapes.setdefault(p.shape, []).append(p)
            for shape, same in shapes.items():
                self._step(group, shape, same)

    def _step(self, group: dict[str, Any], shape: torch.Size, params: list[torch.nn.Parameter]) -> None:
        updates = []
        for p in params:
            buffer = self.state[p].setdefault("momentum", torch.zeros_like(p))
            buffer.lerp_(p.grad, 1 - group["momentum"])
            updates.append(p.grad.lerp(buffer, group["momentum"]))
        scale = 0.2 * max(shape) ** 0.5  # the root mean square of an AdamW step
        for p, update in zip(params, orthogonalise(torch.stack(updates)), strict=True):
            p.mul_(1 - group["lr"] * group["weight_decay"])
            p.add_(update, alpha=-group["lr"] * scale)


def build(
    model: Any, name: str, lr: float, weight_decay: float = 0.1, lr_rest: float = 3e-3
) -> list[torch.optim.Optimizer]:
    """The optimisers of a model.

    Args:
        name: `muon` (block matrices by Muon at `lr`, the rest by AdamW at `lr_rest`) or `adamw` (all at `lr`).
        lr, lr_rest: peak learning rates; decay acts on matrices only.

    Raises:
        ValueError: unknown name, or Muon for adapters, whose two factors are no matrix to make orthogonal.
    """
    if name not in ("muon", "adamw"):
        raise ValueError(f"got optimizer={name!r}, wanted 'muon' or 'adamw'")
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    if name == "muon" and any("lora_" in n for n, _ in named):
        raise ValueError("got optimizer='muon' for LoRA adapters, wanted 'adamw': Muon is for whole matrices")
    blocks = [p for n, p in named if p.ndim == 2 and ".layers." in n and name == "muon"]
    inside = {id(p) for p in blocks}
    rest = [p for _, p in named if id(p) not in inside]
    groups = [
        {"params": [p for p in rest if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(
        [g for g in groups if g["params"]], lr=lr if name == "adamw" else lr_rest, betas=(0.9, 0.98), fused=False
    )
    return [Muon(blocks, lr=lr, weight_decay=weight_decay), adamw] if blocks else [adamw]


def schedule(step: int, steps: int, warmup: int, flat: float = 0.6, shape: str = "flat") -> float:
    """Learning-rate factor: a linear warm-up, then one of three ways down to zero at `steps`.

    Args:
        shape: `flat` stays at 1 until `flat` of the steps and falls in a line; `linear` falls in a line from the end of
            the warm-up; `cosine` falls along half a cosine from there.

    Raises:
        ValueError: unknown shape.

    >>> [round(schedule(s, 100, 10), 2) for s in (0, 9, 50, 80, 99)]
    [0.1, 1.0, 1.0, 0.5, 0.03]
    >>> [round(schedule(s, 110, 10, shape="cosine"), 3) for s in (0, 10, 60, 110)]
    [0.1, 1.0, 0.5, 0.0]
    """
    if shape not in SHAPES:
        raise ValueError(f"got schedule={shape!r}, wanted one of {SHAPES}")
    if step < warmup:
        return (step + 1) / warmup
    if shape == "flat":
        start = flat * steps
        return 1.0 if step <= start else max(0.0, (steps - step) / (steps - start))
    done = min(1.0, (step - warmup) / max(1, steps - warmup))
    return 1.0 - done if shape == "linear" else 0.5 + 0.5 * math.cos(math.pi * done)
