"""Training on one GPU: seconds of an SFT step and of a DAPO step, tokens a second and memory, for Qwen3 sizes.

    python tests/benchmarks/bench_gpu.py [--backend torch|unsloth] [--sizes 0.6B 4B] [--rank 32] [--four-bit]

Writes results/bench/gpu_<backend>.json. Weights are random with the sizes of the published configurations: speed and
memory do not depend on what a model knows, and nothing is downloaded. Such a model never calls a tool, so a DAPO step
here is decoding (`rollout.run`, no tools) and then two updates on groups of drawn tokens of the lengths given; each is
reported on its own. With Unsloth only the updates are measured: rollouts there need a server (`agent/engine_api.py`).
Without a GPU it stops with a sentence; `--sizes tiny --cpu` shows that it runs.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from webdancer import dapo_batch, dapo_update, sft
from webdancer.agent import lora, memory, policy, rollout, tokens
from webdancer.agent.episode import Episode
from webdancer.core import machine, record
from webdancer.core.schema import Question
from webdancer.sft_data import Example

SIZES = {  # hidden, layers, heads, key heads, head size, feed-forward, tied: config.json of Qwen/Qwen3-*
    "tiny": (64, 2, 4, 2, 16, 128, True),
    "0.6B": (1024, 28, 16, 8, 128, 3072, True),
    "4B": (2560, 36, 32, 8, 128, 9728, True),
    "8B": (4096, 36, 32, 8, 128, 12288, False),
}
VOCABULARY = 151_936
WARM, TURNS = 2, 5  # steps left out, steps measured


def build(size: str, folder: Path) -> Path:
    """A model folder of that size with random weights in bf16, and a tokenizer that fits it."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    hidden, layers, heads, key_heads, dim, inner, tied = SIZES[size]
    text = tokens.train_tokenizer(["Who is the mayor of Orlen Ford?"], 2000, max_length=32768)
    config = Qwen3Config(
        vocab_size=VOCABULARY if size != "tiny" else len(text), hidden_size=hidden, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=key_heads, head_dim=dim, intermediate_size=inner,
        tie_word_embeddings=tied, max_position_embeddings=32768, pad_token_id=text.pad_token_id,
        eos_token_id=text.eos_token_id, bos_token_id=None,
    )  # fmt: skip
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        model = Qwen3ForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    policy.save(policy.Policy(model, text), folder / size)
    return folder / size


def timed(work: Callable[[], Any], turns: int = TURNS) -> tuple[float, Any]:
    """Median seconds of `work` after the warm-up, the GPU's queue emptied before each look at the clock."""
    found = []
    for _ in range(WARM + turns):
        ready()
        started = time.perf_counter()
        value = work()
        ready()
        found.append(time.perf_counter() - started)
    return statistics.median(found[WARM:]), value


def ready() -> None:
    """Wait for the GPU."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak_gib() -> float:
    """Most memory that tensors took since the last call: on the GPU, or of the process on a CPU."""
    if not torch.cuda.is_available():
        return round(machine.peak_memory_mib() / 1024, 2)
    value = torch.cuda.max_memory_allocated() / 2**30
    torch.cuda.reset_peak_memory_stats()
    return round(value, 2)


def sft_step(agent: Any, length: int, batch: int, micro: int) -> dict[str, float]:
    """One update on a batch of drawn tokens, a third of them trained."""
    stream = random.Random(0)
    examples = [
        Example(tuple(stream.randrange(9, 300) for _ in range(length)), (False, False, True) * (length // 3), 1)
        for _ in range(batch // length)
    ]
    examples = [Example(e.ids[: len(e.mask)], e.mask, 1) for e in examples]
    recipe = sft.Recipe(
        steps=99, batch_tokens=batch, micro_tokens=micro, optimizer="adamw", lr=1e-5, schedule="linear", warmup=1
    )
    run = sft.Run(agent, recipe, None)
    seconds, row = timed(lambda: run.step(1, examples))
    return {"seconds": seconds, "tokens_per_second": row["tokens"] / seconds, "loss": row["loss"], "gib": peak_gib()}


def decode(agent: Any, slots: int, new: int) -> dict[str, float]:
    """New tokens a second of `slots` episodes at once."""
    asked = [Question(f"q{n}", f"Who is {n}?", "Tal", "multihop", 1) for n in range(slots)]
    dials = {"max_turn_tokens": new, "max_tokens": new + 200, "slots": slots}
    seconds, episodes = timed(lambda: rollout.run(agent, asked, None, **dials), 2)
    return {"seconds": seconds, "tokens_per_second": sum(sum(e.mask) for e in episodes) / seconds, "gib": peak_gib()}


def dapo_updates(agent: Any, groups: int, samples: int, length: int, micro: int) -> dict[str, float]:
    """The two updates of a step on groups of drawn tokens, half of each written by the policy, half the group right."""
    stream, made = random.Random(0), []
    for group in range(groups):
        rows = []
        for n in range(samples):
            ids = [stream.randrange(9, 300) for _ in range(length)]
            episode = Episode("q", n, [], ids, [i % 2 == 1 for i in range(length)], [-12.0] * length)
            episode.stop, episode.prediction, episode.format_ok = "answer", "Tal" if n % 2 else "Oslo", True
            rows.append(episode)
        made.append(dapo_batch.make_group(rows, "Tal", group))
    s = dapo_batch.Settings(groups=groups, samples=samples, micro_tokens=micro, lr=1e-6, max_tokens=length)
    batch = dapo_batch.Batch(made, [r for g in made for r in g], [samples // 2] * groups, 1)
    optimiser = torch.optim.AdamW([p for p in agent.model.parameters() if p.requires_grad], lr=s.lr)
    seconds, _ = timed(lambda: dapo_update.learn(agent.model, optimiser, batch, s, 2))
    return {"seconds": seconds, "tokens_per_second": groups * samples * length / seconds, "gib": peak_gib()}


def measure(size: str, backend: str, rank: int, four_bit: bool, scale: int = 1) -> dict[str, Any]:
    """All figures of one size; `scale` makes the work smaller by that factor."""
    with tempfile.TemporaryDirectory() as scratch:
        adapter = lora.Lora(rank) if rank else None
        agent = policy.load(
            build(size, Path(scratch)), backend, adapter=adapter, four_bit=four_bit, recompute=True, max_length=4096
        )
    found: dict[str, Any] = {"parameters": sum(p.numel() for p in agent.model.parameters()), "weights_gib": peak_gib()}
    plan = memory.Plan(8192 // scale, bits=4 if four_bit else 16, rank=rank, recompute=True, optimizer="adamw")
    config = agent.model.config
    found["estimate_gib"] = {k: round(v, 2) for k, v in memory.estimate(config, plan).items()}
    found["sft"] = sft_step(agent, 2049 // scale // 3 * 3, 16_384 // scale, 8192 // scale)
    if backend == "torch":
        found["decode"] = decode(agent, 64 // scale or 1, 256 // scale)
    found["dapo_updates"] = dapo_updates(agent, 4, 8, 2048 // scale, 8192 // scale)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend", default="torch", choices=policy.BACKENDS)
    parser.add_argument("--sizes", nargs="+", default=["0.6B", "4B"], choices=SIZES)
    parser.add_argument("--rank", type=int, default=32, help="of LoRA; 0 trains all weights (torch only)")
    parser.add_argument("--four-bit", action="store_true")
    parser.add_argument("--cpu", action="store_true", help="run without a GPU, with a sixteenth of the work")
    args = parser.parse_args(arguments)
    if not torch.cuda.is_available() and not args.cpu:
        print("No GPU here: nothing was measured. (--sizes tiny --cpu shows that the script runs.)", file=sys.stderr)
        return 2
    rows = {s: measure(s, args.backend, args.rank, args.four_bit, 16 if args.cpu else 1) for s in args.sizes}
    result = {
        "benchmark": "gpu",
        "what": "seconds of a step; random weights, drawn tokens: speed and memory only",
        "backend": args.backend,
        "lora_rank": args.rank,
        "four_bit": args.four_bit,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "",
        "sizes": rows,
        "versions": machine.versions(),
        "machine": machine.hardware(),
    }
    if not args.cpu:
        record.write_json(record.repo_root() / "results" / "bench" / f"gpu_{args.backend}.json", result)
    print(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
