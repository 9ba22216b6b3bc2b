"""How fast rollouts and a whole step of DAPO are beside GRPOTrainer of TRL in environment mode, and how cost grows.

    python tests/benchmarks/bench_dapo_step.py [PYTHON]    writes results/bench/rollouts.json and dapo_step.json

PYTHON is one with trl 1.14.2 beside the same torch and transformers (left out: this one). Needs what 01 to 05 of a
profile left: `laptop` if it is there, else `quick`. Both sides play the same questions with the same trained policy,
tools over the same pages, sampling and limits, and train every group, live or dead, in two updates. Each side has the
machine's two cores: TRL as threads of torch, ours as a worker process beside the first. They take turns, five times.
Compared are seconds on the clock. Both sample, so their episodes differ a little in length: `per_token` compares
seconds for the same number of tokens. TRL has no option to keep keys and values across turns or to share prefixes.

The second part lets one size grow at a time: rollouts a group, tokens of an episode, parameters of the model. It writes
results/bench/figures/dapo_growth.png and .csv.
"""

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import apart
import pandas as pd
import pytest

from webdancer.core import machine, record

TURNS = 5
WORKER = Path(__file__).with_name("rollout_worker.py")
SIZES = {"threads": 2, "groups": 12, "samples": 8, "slots": 96, "max_tokens": 512, "steps": 3}
TARGETS = {"rollouts": 5.0, "dapo_step": 4.0}


def artifacts() -> Path | None:
    """The folder of a profile that was run up to 05, None if there is none."""
    folders = [record.repo_root() / "results" / p / "artifacts" for p in ("laptop", "quick")]
    return next((f for f in folders if (f / "sft").is_dir() and (f / "questions.jsonl").is_file()), None)


def once(what: str, folder: Path, peer: str = sys.executable, **options: Any) -> dict[str, Any]:
    """One run of the worker in a process of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        return apart.once(WORKER, what, folder, SIZES | {"scratch": scratch} | options, peer, 900)


def middle(values: list[float]) -> dict[str, float]:
    """Median, least and most."""
    found = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, 3) for name, value in found.items()}


def side(runs: list[dict[str, Any]], part: str) -> list[float]:
    """Episodes a second of the rollouts, or seconds of a step, the middle one of each run."""
    if part == "rollouts":
        return [statistics.median(r["episodes"] / r["rollouts"]["clock"] for r in run["runs"]) for run in runs]
    return [statistics.median(r["step"]["clock"] for r in run["runs"]) for run in runs]


def per_token(runs: list[dict[str, Any]], part: str) -> list[float]:
    """Microseconds a token of the episodes, one number a run."""
    name = "rollouts" if part == "rollouts" else "step"
    return [1e6 * sum(r[name]["clock"] for r in run["runs"]) / sum(r["tokens"] for r in run["runs"]) for run in runs]


def compare(runs: dict[str, list[dict[str, Any]]], part: str) -> dict[str, Any]:
    """The record of rollouts or of steps, ready for JSON."""
    better = {"rollouts": lambda a, b: a / b, "dapo_step": lambda a, b: b / a}[part]
    own, other = (side(runs[name], part) for name in ("ours", "peer"))
    each = {name: per_token(found, part) for name, found in runs.items()}
    every = {name: [r for run in found for r in run["runs"]] for name, found in runs.items()}
    return {
        "benchmark": part,
        "unit": {"rollouts": "episodes a second", "dapo_step": "seconds a step"}[part] + " on the clock, two cores",
        "peer_is": "GRPOTrainer of TRL in environment mode, generate of transformers",
        "target": TARGETS[part],
        "turns": TURNS,
        "sizes": SIZES,
        "ours": middle(own),
        "peer": middle(other),
        "ratio": middle([better(a, b) for a, b in zip(own, other, strict=True)]),
        "per_token": {
            "unit": "microseconds a token",
            **{name: middle(values) for name, values in each.items()},
            "ratio": middle([b / a for a, b in zip(each["ours"], each["peer"], strict=True)]),
        },
        "tokens": {name: middle([r["tokens"] for r in found]) for name, found in every.items()},
        "tokens_written": {name: middle([r["written"] for r in found]) for name, found in every.items()},
        "peak_mib": {name: middle([r["peak_mib"] for r in found])["median"] for name, found in runs.items()},
        "versions": machine.versions() | runs["peer"][0]["versions"],
        "machine": machine.hardware(),
        "load": round(os.getloadavg()[0], 1),
    }


def growth(folder: Path) -> pd.DataFrame:
    """Seconds of rollouts and updates a step while one size grows, each the median of three steps."""
    rows = []
    for samples in (4, 8, 16):
        rows.append(("rollouts a group", samples, once("ours_step", folder, samples=samples, groups=6, steps=4)))
    for tokens in (120, 240, 480):  # with random weights, which write up to the limit
        found = once("ours_step", folder, hidden=96, groups=6, max_tokens=tokens, steps=4)
        rows.append(("tokens of an episode", mean_tokens(found), found))
    for hidden in (48, 96, 192):
        found = once("ours_step", folder, hidden=hidden, groups=6, max_tokens=240, steps=4)
        rows.append(("parameters", found["parameters"], found))
    table = []
    for what, value, found in rows:
        parts = [(r["rollouts"]["clock"], r["step"]["clock"] - r["rollouts"]["clock"]) for r in found["runs"]]
        rollout, update = (statistics.median(values) for values in zip(*parts, strict=True))
        table.append({"what": what, "value": value, "rollout": round(rollout, 3), "update": round(update, 3)})
    return pd.DataFrame(table)


def mean_tokens(found: dict[str, Any]) -> int:
    """Tokens an episode."""
    return round(statistics.mean(r["tokens"] / r["episodes"] for r in found["runs"]))


def measure(peer: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both records."""
    folder = artifacts()
    runs: dict[str, list[dict[str, Any]]] = {"ours": [], "peer": []}
    for _ in range(TURNS):
        for name in runs:
            runs[name].append(once(f"{name}_step", folder, peer))
    return compare(runs, "rollouts"), compare(runs, "dapo_step")


@pytest.mark.parametrize("part", TARGETS)
def test_the_committed_figures_reach_what_was_asked_for(part: str) -> None:
    """At least 5 times the episodes a second, and 4 times the steps, of TRL in environment mode."""
    path = record.repo_root() / "results" / "bench" / f"{part}.json"
    assert json.loads(path.read_text(encoding="utf-8"))["ratio"]["median"] >= TARGETS[part]


def main() -> None:
    """Measure, write and print."""
    if artifacts() is None:
        raise SystemExit("no artifacts of laptop or quick: run make reproduce PROFILE=quick first")
    folder = record.repo_root() / "results" / "bench"
    for result in measure(sys.argv[1] if len(sys.argv) > 1 else sys.executable):
        record.write_json(folder / f"{result['benchmark']}.json", result)
        print(json.dumps({k: result[k] for k in ("ours", "peer", "ratio", "per_token", "peak_mib")}, indent=1))
    from webdancer.show import plots, plots_training

    table = growth(artifacts())
    plots.save(plots_training.growth_figure(table), "dapo_growth", table, "bench")
    print(table.to_string())


if __name__ == "__main__":
    main()
