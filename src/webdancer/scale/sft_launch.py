"""Stage 05 under `accelerate launch`: the loop of `sft.train`, with the parameters of 05_sft, on several devices.

    accelerate launch --config_file params/accelerate/two_cpus.yaml -m webdancer.scale.sft_launch --processes 2 \
        --params params/gpu/05_sft.yaml --model results/gpu/artifacts/base \
        --trajectories results/gpu/artifacts/kept.jsonl --out results/gpu/artifacts/sft

In: a model folder (or a hub name), trajectories, a parameter file of 05_sft. Out: a model folder, and beside it the log
as CSV and JSON lines. Batches, random streams, learning rates and checkpoints are those of one process: a run on
several devices makes the same updates but for rounding. `batch_tokens` and `micro_tokens` count the tokens of all
devices together. Departures from the notebook, which trains the tiny policy: no reading phase and no new names, which
only random weights need. From the paper: see `sft`.
"""

import argparse
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from webdancer import sft, sft_data
from webdancer.agent import lora, policy
from webdancer.core import params, prompts, protocol, record
from webdancer.core.schema import Trajectory, read_jsonl
from webdancer.scale import sft_devices
from webdancer.scale.sft_devices import Devices, LaunchError


def data(rows: Sequence[Trajectory], tokenizer: Any, P: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    """Examples to learn from and, of other questions, examples set aside, as 05_sft takes them.

    Raises:
        ValueError: none of the style wanted, or none short enough.
    """
    found = [t for t in rows if not P["style"] or t.style in ("", P["style"])]
    if not found:
        raise ValueError(f"got {len(rows)} trajectories, none of style {P['style']!r}: look at the parameter style")
    chats = [replace(t, messages=tuple(prompts.restyle(t.messages, P["prompt_style"], P["date"]))) for t in found]
    asked = sorted({protocol.question_of(t.messages) for t in chats})
    random.Random(f"{P['seed']}-aside").shuffle(asked)
    apart = set(asked[: max(1, min(P["aside"], len(asked) // 10))]) if P["aside"] and len(asked) > 1 else set()
    sides = [[t for t in chats if (protocol.question_of(t.messages) in apart) == side] for side in (False, True)]
    fit = {"prompt_style": "keep", "max_length": P["max_length"]}
    teach, held = (sft_data.prepare(side, tokenizer, **fit)[0] if side else [] for side in sides)
    return teach, held


def check(P: Mapping[str, Any], sharded: bool) -> None:
    """Refuse what this entry does not do.

    Raises:
        LaunchError: the message names the parameter, and where it can be had.
    """
    wrong = [
        (P["reading_steps"] > 0 or P["rename"], "reading_steps: 0 and rename: false (random weights: notebook 05_sft)"),
        (P["backend"] != "torch", 'backend: "torch" (Unsloth is for one GPU: notebook 05_sft)'),
        (P["four_bit"], "four_bit: false (with Unsloth only)"),
        (sharded and P["checkpoint_every"] > 0, "checkpoint_every: 0 with FSDP (a run that ends early starts anew)"),
        (sharded and P["optimizer"] != "adamw", 'optimizer: "adamw" with FSDP (Muon needs whole matrices)'),
    ]
    if asked := [wanted for got, wanted in wrong if got]:
        raise LaunchError(f"parameters of 05_sft: wanted {'; '.join(asked)}")


def train(options: argparse.Namespace) -> pd.DataFrame:
    """The run of one process; all together make one training run. Returns the log, the same in each.

    Raises:
        LaunchError: another number of processes, or parameters that this entry does not take. Also as `sft.train`.
    """
    state, sharded = sft_devices.start(options.processes), sft_devices.wants_sharding()
    P = params.check_file(options.params, "05_sft")
    check(P, sharded)
    record.seed_everything(P["seed"])
    adapter = lora.Lora(P["lora_rank"], P["lora_alpha"]) if P["lora_rank"] else None
    dials = {"chat_template": P["chat_template"], "adapter": adapter, "recompute": P["recompute"], "seed": P["seed"]}
    device = "cpu" if sharded or state.device.type == "cpu" else str(state.device)
    agent = policy.load(options.model, device=device, **dials)
    teach, held = data(read_jsonl(options.trajectories, Trajectory), agent.tokenizer, P)
    if sharded:
        sft_devices.shard(agent, state)
    agent.workers = Devices(state, sharded)
    recipe, files = sft.Recipe.of(P), {}
    if state.is_main_process:
        files = {"log_file": options.out.with_suffix(".csv"), "tracker": P["tracker"]}
    watch = {"watch": lambda step: {"aside": sft.evaluate_loss(agent, held)}, "watch_every": max(1, recipe.steps // 10)}
    checkpoint = options.out.with_suffix(".checkpoint")
    log = sft.train(agent, teach, recipe, save_to=checkpoint, **files, **(watch if held else {}))
    sft_devices.save(agent, options.out, options.model, state, sharded)
    if state.is_main_process:
        checkpoint.unlink(missing_ok=True)
    return log


def main(arguments: Sequence[str] | None = None) -> int:
    """Train from the command line; the exit code is 1 where the launch is not what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m webdancer.scale.sft_launch", description="SFT on several devices")
    parser.add_argument("--processes", type=int, required=True, help="processes that the launch must have")
    parser.add_argument("--params", type=Path, required=True, help="parameter file of 05_sft")
    parser.add_argument("--model", required=True, help="model folder or hub name to start from")
    parser.add_argument("--trajectories", type=Path, required=True, help="JSONL of trajectories, such as kept.jsonl")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    try:
        log = train(parser.parse_args(arguments))
    except (LaunchError, params.ParameterError, FileNotFoundError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(f"{len(log)} steps, last loss {log['loss'].iloc[-1]:.6f} nats")
    return 0


if __name__ == "__main__":
    code = main()
    import torch.distributed

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    sys.exit(code)
