"""Policies through Unsloth: a 3-8B model on one GPU, its weights in 4 or 16 bits, with LoRA adapters in training.

Stages 05 and 06 load one with `backend="unsloth"` (extra `gpu`); notebook 05_sft shows the parameters. In: a Hugging
Face folder or name. Out: model and tokenizer for `policy.Policy`, and the saved folder, merged, with its adapter.
Unsloth patches transformers, peft and trl when it is imported and sets environment variables: so it is imported here,
only when asked for. Without a GPU it needs its own CPU backend (2026.10.9 on), which `tests/unsloth` runs. The paper
trained all weights of its models on a cluster.
"""

import os
from pathlib import Path
from typing import Any

import torch

from webdancer.agent.lora import Lora, is_lora

RETURN_HIDDEN = "UNSLOTH_RETURN_HIDDEN_STATES"


def load(folder: str | Path, lora: Lora, max_length: int, four_bit: bool, seed: int = 0) -> tuple[Any, Any]:
    """Model with adapters, and tokenizer.

    Args:
        max_length: longest episode in tokens. four_bit: base weights as NF4, else in 16 bits (on a CPU in 32).
        lora: its rank, alpha and targets. Activations are recomputed in the backward pass, Unsloth's way.

    Raises:
        ValueError: Unsloth is not installed, or found nothing to run on; names the extra.
    """
    fast = _imported()
    model, tokenizer = fast.from_pretrained(
        str(folder), max_seq_length=max_length, load_in_4bit=four_bit and torch.cuda.is_available()
    )
    model = fast.get_peft_model(
        model,
        r=lora.rank,
        lora_alpha=lora.alpha or lora.rank,
        target_modules=list(lora.targets),
        use_gradient_checkpointing="unsloth",
        random_state=seed,
    )
    return model, tokenizer


def _imported() -> Any:
    try:
        from unsloth import FastLanguageModel
    except (ImportError, NotImplementedError, RuntimeError) as error:
        raise ValueError(
            f'backend="unsloth" needs a GPU and the extra: pip install "webdancer[gpu]" '
            f'(got {type(error).__name__}: {error}); without a GPU use backend="torch"'
        ) from error
    return FastLanguageModel


def is_patched(model: Any) -> bool:
    """Whether Unsloth's own forward pass runs the model, as it does on a GPU (its CPU backend keeps transformers')."""
    inner = model.get_base_model() if is_lora(model) else model
    return type(inner).forward.__module__.startswith("unsloth")


def hidden(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """Last hidden states `[B, T, H]` of a patched model.

    Its layers may not be called without the head, as those of transformers: the head's forward pass is what makes the
    attention causal. An environment variable of Unsloth's makes that pass return hidden states in place of logits.

    Raises:
        RuntimeError: this version of Unsloth does not know the variable.
    """
    before = os.environ.get(RETURN_HIDDEN)
    os.environ[RETURN_HIDDEN] = "1"
    try:
        found = model(input_ids=ids, use_cache=False).logits
    finally:
        os.environ.pop(RETURN_HIDDEN) if before is None else os.environ.update({RETURN_HIDDEN: before})
    if found.shape[-1] != model.config.hidden_size:
        raise RuntimeError(
            f"got {found.shape[-1]} numbers a token from Unsloth, wanted {model.config.hidden_size} hidden states: "
            "this version ignores UNSLOTH_RETURN_HIDDEN_STATES; install the one that pyproject.toml names"
        )
    return found


def is_four_bit(model: Any) -> bool:
    """Whether base weights are stored in 4 bits, so that merging has to widen them first."""
    return any(type(m).__name__ == "Linear4bit" for m in model.modules())


def save_four_bit(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write a model with a 4-bit base merged into 16 bits, Unsloth's way, and the adapter into `folder/adapter`."""
    model.save_pretrained_merged(str(folder), tokenizer, save_method="merged_16bit")
    model.save_pretrained(folder / "adapter")
