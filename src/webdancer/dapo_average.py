"""Stage 06, the running mean of the weights: what is measured on dev and kept, while training goes on from the last.

In: a model after each step. Out: smoothed weights. The gradient of a step comes from a few live groups and is mostly
noise, so the weights wander around where they are going; their exponential mean (Polyak and Juditsky 1992) wanders less
and costs one copy. Shown in notebooks/06_dapo.ipynb. Ours: neither the DAPO paper nor WebDancer averages weights.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

PREFIX = "average."  # of its tensors in a checkpoint


def snapshot(model: Any) -> dict[str, torch.Tensor]:
    """A copy of the trainable weights in memory."""
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


class Average:
    """The exponential mean of a model's trainable weights.

    Args:
        model: averaged from its present weights on.
        decay: share of the old mean in the new one, at most; 0 for no mean: then `weights` are the model's own.

    Raises:
        ValueError: `decay` is not in [0, 1).
    """

    def __init__(self, model: Any, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"got average={decay}, wanted at least 0 (off) and less than 1, such as 0.9")
        self.model, self.decay = model, decay
        self.mean = snapshot(model) if decay else {}

    def update(self, step: int) -> None:
        """Take in the weights after `step` (from 1): mean = d mean + (1 - d) weights.

        d is `decay`, but at first no more than (1 + step) / (10 + step), so that the start is soon forgotten.
        """
        share = min(self.decay, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, p in self.model.named_parameters():
                if name in self.mean:
                    self.mean[name].lerp_(p.detach(), 1 - share)

    def weights(self) -> dict[str, torch.Tensor]:
        """A copy of the mean, or of the model's weights if there is no mean."""
        return {name: value.clone() for name, value in self.mean.items()} or snapshot(self.model)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model holds the mean inside the block and its own weights again after it, whatever happens there."""
        own = snapshot(self.model)
        self.model.load_state_dict(self.weights(), strict=False)
        try:
            yield
        finally:
            self.model.load_state_dict(own, strict=False)

    def tensors(self) -> dict[str, torch.Tensor]:
        """The mean for a checkpoint, its names marked."""
        return {PREFIX + name: value for name, value in self.mean.items()}

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """Put back what `tensors` gave."""
        for name in self.mean:
            self.mean[name] = tensors[PREFIX + name].to(self.mean[name].device)
