"""Stage 06, the log: the columns that describe a step, and the numbers of the marker.

In: batches of scored rollouts, rows of numbers. Out: columns of `dapo_log.csv` (`agent.tracker` writes it), one row a
step. Read in notebooks/06_dapo.ipynb.
"""

import math
from collections.abc import Sequence
from typing import Any

from webdancer.agent import judge, prefixes
from webdancer.dapo_batch import TRUNCATED, Batch, Rollout


def describe(batch: Batch) -> dict[str, float]:
    """The log columns that describe what was sampled: means over every rollout, dead groups included."""
    rows = batch.sampled
    episodes = [r.episode for r in rows]

    def mean(values: Any) -> float:
        return sum(values) / len(rows)

    return {
        "reward": mean(r.reward for r in rows),
        "reward_format": mean(judge.reward(r.episode.format_ok, False) for r in rows),
        "reward_answer": mean(judge.reward(False, r.correct) for r in rows),
        "reward_overlong": mean(r.overlong for r in rows),
        "pass_rate": mean(r.correct for r in rows),
        "format_rate": mean(e.format_ok for e in episodes),
        "truncated": mean(e.stop in TRUNCATED for e in episodes),
        "tokens_written": mean(sum(e.mask) for e in episodes),
        "tokens_total": mean(len(e.ids) for e in episodes),
        "tool_calls": mean(e.n_calls for e in episodes),
        "live_share": len(batch.live) / batch.groups,
        "rounds": batch.rounds,
        "sampled": len(rows),
        "thrown_away": batch.thrown_away,
        "reused": batch.reused,
    }


def rows_of(group: Sequence[Rollout]) -> list[dict[str, Any]]:
    """One row a rollout of a group, for a table; `new`: its tokens that no rollout before it begins with."""
    ids = [r.episode.ids for r in group]
    known = [max((prefixes.common(row, earlier) for earlier in ids[:n]), default=0) for n, row in enumerate(ids)]
    return [
        {
            "answer": r.episode.prediction,
            "right": r.correct,
            "form": r.episode.format_ok,
            "stop": r.episode.stop,
            "calls": r.episode.n_calls,
            "tokens": len(r.episode.ids),
            "new": len(r.episode.ids) - shared,
            "reward": r.reward,
            "advantage": r.advantage,
        }
        for r, shared in zip(group, known, strict=True)
    ]


def mean_gap(stored: list[list[list[float]]], again: list[list[list[float]]]) -> float:
    """Mean absolute difference of two sets of log-probabilities; the engine and the trainer should agree to 1e-4."""
    flat = [[p for part in every for row in part for p in row] for every in (stored, again)]
    return sum(abs(a - b) for a, b in zip(*flat, strict=True)) / len(flat[0])


def summary(rows: Sequence[dict[str, float]], tail: int = 5) -> dict[str, Any]:
    """The log in a few numbers, as the marker holds them; None where nothing was measured.

    Args:
        rows: of the log. tail: steps that "last" averages over.
    """
    total = {name: int(sum(r[name] for r in rows)) for name in ("sampled", "used", "thrown_away")}
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
