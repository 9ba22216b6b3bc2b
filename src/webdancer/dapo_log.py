"""Stage 06, the log: the columns that describe a step, written as CSV, and the numbers of the marker.

In: batches of scored rollouts, rows of numbers. Out: `dapo_log.csv`, one row a step. Read in notebooks/06_dapo.ipynb.
"""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from webdancer.core.record import atomic_path
from webdancer.dapo_batch import TRUNCATED, Batch, Rollout


def describe(batch: Batch) -> dict[str, float]:
    """The log columns that describe what was sampled: means over every rollout, dead groups included."""
    rows = batch.sampled
    episodes = [r.episode for r in rows]

    def mean(values: Any) -> float:
        return sum(values) / len(rows)

    return {
        "reward": mean(r.reward for r in rows),
        "pass_rate": mean(r.correct for r in rows),
        "format_rate": mean(e.format_ok for e in episodes),
        "truncated": mean(e.stop in TRUNCATED for e in episodes),
        "tokens_written": mean(sum(e.mask) for e in episodes),
        "tokens_total": mean(len(e.ids) for e in episodes),
        "tool_calls": mean(e.n_calls for e in episodes),
        "live_share": len(batch.live) / batch.groups,
        "rounds": batch.rounds,
        "sampled": len(rows),
    }


def rows_of(group: Sequence[Rollout]) -> list[dict[str, Any]]:
    """One row a rollout of a group, for a table."""
    return [
        {
            "answer": r.episode.prediction,
            "right": r.correct,
            "form": r.episode.format_ok,
            "stop": r.episode.stop,
            "calls": r.episode.n_calls,
            "tokens": len(r.episode.ids),
            "reward": r.reward,
            "advantage": r.advantage,
        }
        for r in group
    ]


def mean_gap(stored: list[list[list[float]]], again: list[list[list[float]]]) -> float:
    """Mean absolute difference of two sets of log-probabilities; the engine and the trainer should agree to 1e-4."""
    flat = [[p for part in every for row in part for p in row] for every in (stored, again)]
    return sum(abs(a - b) for a, b in zip(*flat, strict=True)) / len(flat[0])


def write(path: Path, rows: Sequence[dict[str, float]]) -> None:
    """The log as CSV, replaced as a whole: a crash leaves the last complete one. NaN is an empty cell."""
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, fieldnames=list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow({k: "" if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()})


def summary(rows: Sequence[dict[str, float]], tail: int = 5) -> dict[str, Any]:
    """The log in a few numbers, as the marker holds them; None where nothing was measured.

    Args:
        rows: of the log. tail: steps that "last" averages over.
    """
    total = {name: int(sum(r[name] for r in rows)) for name in ("sampled", "used")}
    first_last = {}
    for name in (
        "pass_rate",
        "reward",
        "format_rate",
        "entropy",
        "clip_low",
        "clip_high",
        "live_share",
        "tokens_written",
    ):
        first_last[name] = {"first": _mean([rows[0][name]]), "last": _mean([r[name] for r in rows[-tail:]])}
    times = {f"{name}_a_step": _mean([r[name] for r in rows]) for name in ("seconds", "seconds_rollout")}
    return {**total, **first_last, **times, "steps": len(rows), "logp_gap": _mean([rows[0]["logp_gap"]])}


def _mean(values: Sequence[float]) -> float | None:
    """The mean of the numbers that are not NaN."""
    known = [v for v in values if not math.isnan(v)]
    return sum(known) / len(known) if known else None
