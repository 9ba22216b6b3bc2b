"""Plain decoding beside `generate` of transformers, each at its best batch.

    python tests/benchmarks/bench_decode.py    writes results/bench/decode.json

The same policy with random weights (it hardly ever ends a turn), 128 new tokens for each of some prompts of one length,
temperature 1, no tools. Each side runs with 16, 32, 64 and 128 prompts at once, one thread, a process of its own; the
sides take turns, five times. Compared is, by processor time, the best batch of the one with the best of the other.
"""

import json
import os
import statistics
from typing import Any

from bench_dapo_step import artifacts, middle, once

from webdancer.core import machine, record

TURNS = 5
BATCHES = (16, 32, 64, 128)
TARGET = 1.5


def measure() -> dict[str, Any]:
    """The record, ready for JSON."""
    folder = artifacts()
    speed: dict[str, dict[int, list[float]]] = {name: {b: [] for b in BATCHES} for name in ("ours", "peer")}
    peak: dict[str, int] = {}
    versions: dict[str, str] = {}
    for _ in range(TURNS):
        for batch in BATCHES:
            for name in speed:
                found = once(f"{name}_decode", folder, batch=batch, new=128, steps=2, threads=1)
                speed[name][batch].append(statistics.median(r["written"] / r["decode"]["cpu"] for r in found["runs"]))
                peak[name] = max(peak.get(name, 0), found["peak_mib"])
                versions = found["versions"]
    best = {name: max(BATCHES, key=lambda b, own=own: statistics.median(own[b])) for name, own in speed.items()}
    ours, peer = (speed[name][best[name]] for name in ("ours", "peer"))
    return {
        "benchmark": "decode",
        "unit": "new tokens a second of processor time, one thread",
        "peer_is": "generate of transformers, one padded batch",
        "target": TARGET,
        "turns": TURNS,
        "ours": {"batch": best["ours"], **middle(ours)},
        "peer": {"batch": best["peer"], **middle(peer)},
        "ratio": middle([a / b for a, b in zip(ours, peer, strict=True)]),
        "all": {name: {str(b): middle(v) for b, v in own.items()} for name, own in speed.items()},
        "peak_mib": peak,
        "versions": machine.versions() | versions,
        "machine": machine.hardware(),
        "load": round(os.getloadavg()[0], 1),
    }


def test_the_committed_figures_reach_what_was_asked_for() -> None:
    """At least 1.5 times the tokens a second of transformers' generate at its best batch."""
    path = record.repo_root() / "results" / "bench" / "decode.json"
    assert json.loads(path.read_text(encoding="utf-8"))["ratio"]["median"] >= TARGET


def main() -> None:
    """Measure, write and print."""
    if artifacts() is None:
        raise SystemExit("no artifacts of laptop or quick: run make reproduce PROFILE=quick first")
    result = measure()
    record.write_json(record.repo_root() / "results" / "bench" / "decode.json", result)
    print(json.dumps({k: result[k] for k in ("ours", "peer", "ratio", "peak_mib")}, indent=1))


if __name__ == "__main__":
    main()
