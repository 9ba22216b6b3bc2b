"""Policies: a tiny model from random weights, or any Hugging Face folder, loaded and saved as ordinary folders.

Stages 05 and 06 train them, 07 reads them; shown in 05_sft. The tiny policy is a Qwen3 architecture (the family the
paper trained, made small): grouped heads, QK-norm, RoPE, tied embeddings. Departure from the paper: its smallest
model has 7 billion parameters, ours about half a million, so that two CPU cores can train it from nothing.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from webdancer.core.record import atomic_path

BACKENDS = ("torch", "unsloth")


@dataclass
class Policy:
    """A causal language model and its tokenizer. `model` is a Hugging Face module, `tokenizer` carries the chat
    template.
    """

    model: Any
    tokenizer: Any

    @property
    def end(self) -> int:
        """Id of the token that ends a turn."""
        return self.tokenizer.eos_token_id


def build_tiny(
    tokenizer: Any, *, hidden: int = 96, layers: int = 4, heads: int = 3, feed_forward: int = 256, seed: int = 0
) -> Policy:
    """A Qwen3 model with random weights (standard deviation 0.02) for `tokenizer`.

    Args:
        hidden, layers, heads, feed_forward: sizes; `hidden / heads` is the head dimension and must be even.
        seed: of the weights.

    Raises:
        ValueError: `hidden` is not a multiple of `2 * heads`.
    """
    from transformers import Qwen3Config, Qwen3ForCausalLM

    if hidden % (2 * heads):
        raise ValueError(f"got hidden={hidden}, heads={heads}; wanted hidden to be a multiple of 2 * heads")
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        head_dim=hidden // heads,
        intermediate_size=feed_forward,
        max_position_embeddings=tokenizer.model_max_length,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        dtype="float32",
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Qwen3ForCausalLM(config)
    return Policy(model.float().eval(), tokenizer)


def load(folder: str | Path, backend: str = "torch", device: str = "") -> Policy:
    """Load a Hugging Face folder (or hub name) as a policy, in fp32 on a CPU and bf16 on a GPU.

    Args:
        folder: made by `save`, or any causal language model with a chat template.
        backend: `torch`, or `unsloth` for LoRA training on one GPU (extra `gpu`).
        device: empty for the GPU if there is one, else the CPU.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: unknown backend, or the folder is damaged or not a model; the message says which file to look at.
    """
    if backend not in BACKENDS:
        raise ValueError(f"got backend={backend!r}, wanted one of {BACKENDS}")
    path = Path(folder)
    if path.is_absolute() and not path.is_dir():
        raise FileNotFoundError(
            f"no model folder {path.name} (looked for {path}): run the notebook that trains it first"
        )
    if backend == "unsloth":
        return _load_unsloth(folder)
    from transformers import AutoModelForCausalLM, AutoTokenizer

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).to(device).eval()
    except Exception as error:  # safetensors, json and transformers raise types of their own here
        raise ValueError(
            f"could not load a model from {path.name}: {type(error).__name__}: {error}; wanted a complete Hugging Face "
            "folder (config.json, model.safetensors, tokenizer.json); train it again or copy it whole"
        ) from error
    if not tokenizer.chat_template:
        raise ValueError(f"the tokenizer in {path.name} has no chat template: use an instruct model's folder")
    return Policy(model, tokenizer)


def _load_unsloth(folder: str | Path, max_length: int = 8192, rank: int = 32) -> Policy:
    """4-bit base with LoRA adapters through Unsloth; its import needs a GPU and patches transformers, hence only
    here.
    """
    try:
        from unsloth import FastLanguageModel
    except (ImportError, NotImplementedError) as error:
        raise ValueError(
            f'backend="unsloth" needs a GPU and the extra: pip install "webdancer[gpu]" '
            f"(got {type(error).__name__}: {error})"
        ) from error
    model, tokenizer = FastLanguageModel.from_pretrained(str(folder), max_seq_length=max_length, load_in_4bit=True)
    model = FastLanguageModel.get_peft_model(model, r=rank, lora_alpha=rank, use_gradient_checkpointing="unsloth")
    return Policy(model, tokenizer)


def save(policy: Policy, folder: str | Path) -> Path:
    """Write the policy as a Hugging Face folder, replacing an older one only when the new one is complete."""
    folder = Path(folder)
    with atomic_path(folder) as temporary:
        policy.model.save_pretrained(temporary)
        policy.tokenizer.save_pretrained(temporary)
    return folder


def trained_logits(model: Any, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and targets of the positions that are trained, selected before the output head.

    Most tokens of an episode are observations, and a row of logits is as long as the vocabulary: computing only the
    rows that enter the loss is what keeps a 150,000-word vocabulary in memory.

    Args:
        model: a causal language model.
        ids: `[B, T]` token ids, padded on the right (a causal model never looks at the padding, so no attention mask
            is needed).
        mask: `[B, T]` True where a token is trained; position 0 can never be.

    Returns:
        logits `[N, V]` in fp32 and targets `[N]`, N = number of trained tokens, row by row.
    """
    hidden = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
    chosen = mask[:, 1:]
    logits = model.get_output_embeddings()(hidden[:, :-1][chosen])
    return logits.float(), ids[:, 1:][chosen]
