"""Policies: a tiny model from random weights, or any Hugging Face folder, loaded and saved as ordinary folders.

Stages 05 and 06 train them, 07 reads them; shown in 05_sft. The tiny policy is a Qwen3 architecture (the family the
paper trained, made small): grouped heads, QK-norm, RoPE, tied embeddings. Departure from the paper: its smallest
model has 7 billion parameters, ours about half a million, so that two CPU cores can train it from nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from webdancer.agent import lora, packed, unsloth_policy
from webdancer.agent.lora import Lora
from webdancer.agent.tokens import CHATML
from webdancer.core.record import atomic_path

BACKENDS = ("torch", "unsloth")


@dataclass
class Policy:
    """A causal language model and its tokenizer. `model` is a Hugging Face module, `tokenizer` carries the chat
    template; `workers`, if set, are processes that compute with the same weights (`workers.Workers`).
    """

    model: Any
    tokenizer: Any
    workers: Any = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy in another process gets: workers are this process's own."""
        return self.__dict__ | {"workers": None}

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


def load(
    folder: str | Path,
    backend: str = "torch",
    device: str = "",
    *,
    chat_template: str = "",
    adapter: Lora | None = None,
    max_length: int = 8192,
    four_bit: bool = False,
    recompute: bool = False,
    seed: int = 0,
) -> Policy:
    """Load a Hugging Face folder (or hub name) as a policy, in fp32 on a CPU and bf16 on a GPU.

    Args:
        folder: made by `save`, or any causal language model with a chat template.
        backend: `torch`, or `unsloth` for LoRA training on one GPU (extra `gpu`).
        device: empty for the GPU if there is one, else the CPU.
        chat_template: empty for the folder's own, or "chatml" (`tokens.CHATML`) where that one drops thoughts.
        adapter: train adapters beside frozen weights instead of all weights (`unsloth`: always, rank 32 if None).
        max_length, four_bit: longest episode, and 4-bit base weights; both for `unsloth` only.
        recompute: compute activations again for the backward pass, to save memory (`unsloth` always does).
        seed: of the adapters' first weights.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: unknown backend or template, or the folder is damaged or not a model; the message says which file
            to look at.
    """
    if backend not in BACKENDS:
        raise ValueError(f"got backend={backend!r}, wanted one of {BACKENDS}")
    if chat_template not in ("", "chatml"):
        raise ValueError(f'got chat_template={chat_template!r}, wanted "" (the folder\'s own) or "chatml"')
    path = Path(folder)
    if path.is_absolute() and not path.is_dir():
        raise FileNotFoundError(
            f"no model folder {path.name} (looked for {path}): run the notebook that trains it first"
        )
    if backend == "unsloth":
        policy = Policy(*unsloth_policy.load(folder, adapter or Lora(32), max_length, four_bit, seed))
    else:
        policy = _load_torch(folder, device)
        if adapter is not None:
            policy.model = lora.add(policy.model, adapter, seed)
        if recompute:
            policy.model.gradient_checkpointing_enable({"use_reentrant": False})
    if chat_template:
        policy.tokenizer.chat_template = CHATML
    if not policy.tokenizer.chat_template:
        raise ValueError(f"the tokenizer in {path.name} has no chat template: use an instruct model's folder")
    return policy


def _load_torch(folder: str | Path, device: str) -> Policy:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).to(device).eval()
    except Exception as error:  # safetensors, json and transformers raise types of their own here
        raise ValueError(
            f"could not load a model from {Path(folder).name}: {type(error).__name__}: {error}; wanted a complete "
            "Hugging Face folder (config.json, model.safetensors, tokenizer.json); train it again or copy it whole"
        ) from error
    return Policy(model, tokenizer)


def save(policy: Policy, folder: str | Path) -> Path:
    """Write the policy as a Hugging Face folder, replacing an older one only when the new one is complete.

    With adapters the folder holds the merged model, which loads like any other, and the adapter in `folder/adapter`.
    """
    folder = Path(folder)
    with atomic_path(folder) as temporary:
        if not lora.is_lora(policy.model):
            policy.model.save_pretrained(temporary)
        elif unsloth_policy.is_four_bit(policy.model):
            unsloth_policy.save_four_bit(policy.model, policy.tokenizer, temporary)
        else:
            lora.save(policy.model, temporary)
        policy.tokenizer.save_pretrained(temporary)
    return folder


def decoder(model: Any) -> Any:
    """The layers below the output head, also where adapters are wrapped around the model."""
    return (model.get_base_model() if lora.is_lora(model) else model).base_model


def trained_logits(
    model: Any, ids: torch.Tensor, mask: torch.Tensor, lengths: Sequence[int] = ()
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and targets of the positions that are trained, selected before the output head.

    Most tokens of an episode are observations, and a row of logits is as long as the vocabulary: computing only the
    rows that enter the loss is what keeps a 150,000-word vocabulary in memory.

    Args:
        model: a causal language model.
        ids: `[B, T]` token ids, padded on the right (a causal model never looks at the padding, so no attention mask
            is needed).
        mask: `[B, T]` True where a token is trained; position 0 can never be.
        lengths: given, `ids` is `[1, T]`, a packed row of episodes of these lengths, none of which sees another. Where
            activations are computed again, the backward pass has to run inside `packed.attending` too.

    Returns:
        logits `[N, V]` in fp32 and targets `[N]`, N = number of trained tokens, row by row.
    """
    if lengths and unsloth_policy.is_patched(model):
        raise ValueError(
            'packing is for backend="torch": got a model that runs Unsloth\'s forward pass; packing = False'
        )
    if lengths:
        with packed.attending(decoder(model).config):
            where = packed.positions(lengths, ids.device)
            out = decoder(model)(input_ids=ids, position_ids=where, lengths=list(lengths), use_cache=False)
            hidden = out.last_hidden_state
    elif unsloth_policy.is_patched(model):
        hidden = unsloth_policy.hidden(model, ids)
    else:
        hidden = decoder(model)(input_ids=ids, use_cache=False).last_hidden_state
    chosen = mask[:, 1:]
    logits = model.get_output_embeddings()(hidden[:, :-1][chosen])
    return logits.float(), ids[:, 1:][chosen]
