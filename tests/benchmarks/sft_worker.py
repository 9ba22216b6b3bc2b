"""One run of SFT steps, timed, in a process of its own: ours or TRL's. `bench_sft.py` starts it; prints one JSON line.

    python sft_worker.py ours|peer FOLDER OPTIONS

FOLDER holds the model and `data.jsonl` (ids and mask of every episode). The role `peer` imports nothing of this
project, so that it can run with another Python. OPTIONS is JSON: steps, skip, threads, and what the role takes.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Run the role that was asked for."""
    role, folder, options = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    os.environ["OMP_NUM_THREADS"] = str(options["threads"])
    import torch

    torch.set_num_threads(options["threads"])
    rows = [json.loads(line) for line in (folder / "data.jsonl").read_text().splitlines()]
    found = {"ours": ours, "peer": peer}[role](folder, rows, options)
    found["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print("RESULT " + json.dumps(found | {"torch": torch.__version__}))


def now() -> tuple[float, float]:
    """Seconds on the clock, and of processor time."""
    return time.perf_counter(), time.process_time()


def ours(folder: Path, rows: list[Any], options: dict[str, Any]) -> dict[str, Any]:
    """Steps of `sft.Run`, and between them the rate of plain matrix products in the same process.

    Both rates are by the processor time of this process, so that other programs disturb neither more than the other.
    """
    import torch
    import transformers

    from webdancer import sft
    from webdancer.agent import memory, policy

    agent = policy.load(folder)
    examples = [sft.Example(tuple(r["ids"]), tuple(map(bool, r["mask"])), 1) for r in rows]
    recipe = sft.Recipe(steps=10**6, warmup=1, batch_tokens=options["width"], **options["recipe"])
    run, source = sft.Run(agent, recipe, None), sft.batches(examples, options["width"], 0, recipe.packing)
    square = torch.randn(1024, 1024)
    blocks, head = memory.count(agent.model.config)
    layers, width = agent.model.config.num_hidden_layers, agent.model.config.hidden_size
    orthogonal = 0.0
    if recipe.optimizer == "muon":  # five rounds of three products a matrix, on its shorter side
        sides = [sorted(shape) for shape in memory.shapes(agent.model.config)]
        orthogonal = layers * sum(5 * (4 * n * n * m + 2 * n**3) for n, m in sides)
    seconds = busy = tokens = trained = flops = 0.0
    rates = []
    for step in range(options["steps"]):
        batch = next(source)
        started, used = time.perf_counter(), time.process_time()
        row = run.step(step, batch)
        if step >= options["skip"]:
            seconds, busy = seconds + time.perf_counter() - started, busy + time.process_time() - used
            tokens, trained = tokens + row["tokens"], trained + row["trained"]
            pairs = sum(len(e.ids) ** 2 for e in batch) / 2  # of tokens, one of which may look at the other
            # 2 operations a product, 3 products (forward, two backward); attention has two of width `width`
            flops += 6 * (blocks * row["tokens"] + head * row["trained"] + 2 * layers * width * pairs) + orthogonal
        used = time.process_time()
        square @ square
        rates.append(2 * 1024**3 / (time.process_time() - used) / 1e9)
    rates.sort()
    return {
        "tokens_per_second": tokens / seconds,
        "tokens_per_cpu_second": tokens / busy,
        "seconds_per_step": seconds / (options["steps"] - options["skip"]),
        "trained_share": trained / tokens,
        "gflops": flops / busy / 1e9,
        "matmul_gflops": rates[len(rates) // 2],
        "transformers": transformers.__version__,
    }


def peer(folder: Path, rows: list[Any], options: dict[str, Any]) -> dict[str, Any]:
    """Steps of TRL's SFTTrainer on the same ids and labels; what its collator hands out is what is counted."""
    import tempfile

    import torch
    import transformers
    import trl
    from datasets import Dataset

    marks: list[tuple[float, float]] = []
    seen: list[tuple[int, int]] = []

    class Clock(transformers.TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            marks.append(now()) if not marks else None

        def on_step_end(self, *_: Any, **__: Any) -> None:
            marks.append(now())

    labels = [[i if m else -100 for i, m in zip(r["ids"], r["mask"], strict=True)] for r in rows]
    data = Dataset.from_list([{"input_ids": r["ids"], "labels": x} for r, x in zip(rows, labels, strict=True)])
    with tempfile.TemporaryDirectory() as out:
        arguments = trl.SFTConfig(
            output_dir=out,
            max_steps=options["steps"],
            learning_rate=3e-3,
            lr_scheduler_type="constant",
            weight_decay=0.1,
            adam_beta2=0.98,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            disable_tqdm=True,
            seed=0,
            **options["config"],
        )
        trainer = trl.SFTTrainer(
            model=transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32),
            args=arguments,
            train_dataset=data,
            processing_class=transformers.AutoTokenizer.from_pretrained(folder),
            callbacks=[Clock()],
        )
        collate = trainer.data_collator

        def counted(batch: Any) -> Any:
            made = collate(batch)
            mask = made.get("attention_mask")
            real = int(mask.sum()) if mask is not None else made["input_ids"].numel()
            seen.append((real, int((made["labels"] != -100).sum())))
            return made

        trainer.data_collator = counted
        trainer.train()
    skip, rows_a_step = options["skip"], options["rows"]
    timed = seen[skip * rows_a_step : options["steps"] * rows_a_step]
    seconds, busy = (b - a for a, b in zip(marks[skip], marks[options["steps"]], strict=True))
    return {
        "tokens_per_second": sum(n for n, _ in timed) / seconds,
        "tokens_per_cpu_second": sum(n for n, _ in timed) / busy,
        "seconds_per_step": seconds / (options["steps"] - skip),
        "trained_share": sum(m for _, m in timed) / sum(n for n, _ in timed),
        "transformers": transformers.__version__,
        "trl": trl.__version__,
    }


if __name__ == "__main__":
    main()
