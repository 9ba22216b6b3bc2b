"""Part of the study (08): the numbers of an arm, kept question by question, and their means over seeds.

In: predictions of one arm. Out: small plain data (`counts`) from which every number can be computed again; then tables
of questions and seeds. Scores are those of 07 (`metrics`): Pass@1, Pass@3, Cons@3. Four numbers say how an episode
goes: tool calls, words a thought, calls that were made before in the same episode, and thoughts that speak of checking.
The last two stand for the re-checking of which the paper tells (section 5 and its cases); the rule that counts them is
ours.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from webdancer import evaluate, metrics
from webdancer.core import protocol
from webdancer.core.schema import Trajectory
from webdancer.filters_rules import count_words
from webdancer.study import Arm

K = 3
VERDICTS = ("right", "invalid", "repeated")  # kept sample by sample: "101" is right, wrong, right
SUMS = ("calls", "turns", "words", "again", "checking")  # kept as sums over a question's samples
METRICS = {
    "pass_at_1": "Pass@1",
    "pass_at_3": "Pass@3",
    "cons_at_3": "Cons@3",
    "invalid_rate": "invalid",
    "repetition_rate": "repetition",
    "tool_calls": "tool calls an episode",
    "thought_words": "words a thought",
    "repeated_calls": "repeated calls an episode",
    "checking_thoughts": "thoughts that check (share)",
}
SHARES = ("pass_at_1", "pass_at_3", "cons_at_3", "invalid_rate", "repetition_rate", "checking_thoughts")
_CHECKS = re.compile(r"\b(?:again|once more|check\w*|confirm\w*|verif\w*|re-?read\w*)\b", re.IGNORECASE)
_THOUGHT = re.compile(r"<think>(.*?)(?:</think>|$)", re.DOTALL)
T975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)  # Student's t, 97.5 %, by 1 to 10 df


@dataclass(frozen=True)
class Spread:
    """A number over seeds: its mean, the value of each seed, and two 95 % intervals (None for fewer than two seeds).

    `seeds` asks what another seed would give on these questions, `questions` what these policies would give on others.
    """

    value: float
    each: tuple[float, ...]
    seeds: tuple[float, float] | None
    questions: tuple[float, float] | None


def read(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty if there is no such file or it cannot be read: then it is made again."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def habits(trajectory: Trajectory) -> dict[str, int]:
    """How an episode went: calls, turns, words of all thoughts, calls made before, thoughts that speak of checking.

    >>> turn = protocol.render_turn(protocol.Turn("I check it again.", "search", {"query": ["Tal"]}))
    >>> habits(Trajectory(tuple({"role": "assistant", "content": turn} for _ in range(2)), (), n_calls=2))
    {'calls': 2, 'turns': 2, 'words': 8, 'again': 1, 'checking': 2}
    """
    said = protocol.turns_of(trajectory.messages)
    thoughts = ["".join(_THOUGHT.findall(text)) for text in said]
    calls = [call for call in map(_call, said) if call]
    return {
        "calls": trajectory.n_calls,
        "turns": len(said),
        "words": sum(map(count_words, thoughts)),
        "again": len(calls) - len(set(calls)),
        "checking": sum(bool(_CHECKS.search(thought)) for thought in thoughts),
    }


def _call(text: str) -> str:
    """A turn's tool call in one spelling; "" if it makes none that can be read."""
    try:
        turn = protocol.parse_turn(text)
    except protocol.ProtocolError:
        return ""
    return "" if turn.answer is not None else json.dumps([turn.name, turn.arguments], sort_keys=True).casefold()


def counts(predictions: Sequence[evaluate.Prediction]) -> dict[str, str]:
    """The counts of an arm, questions in the order of their ids, one word each: small to keep, easy to compare."""
    found: dict[str, list[str]] = {name: [] for name in (*VERDICTS, *SUMS)}
    for rows in evaluate.by_question(predictions).values():
        verdicts = {
            "right": [p.correct for p in rows],
            "invalid": [not p.valid for p in rows],
            "repeated": [evaluate.repeats(p.trajectory) for p in rows],
        }
        habit = [habits(p.trajectory) for p in rows]
        for name in VERDICTS:
            found[name].append("".join(str(int(v)) for v in verdicts[name]))
        for name in SUMS:
            found[name].append(str(sum(h[name] for h in habit)))
    return {name: " ".join(words) for name, words in found.items()}


def numbers(kept: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Metric to its value for each question `[Q]`, from `counts`.

    >>> kept = {name: "101 000" for name in VERDICTS} | {name: "6 0" for name in SUMS}
    >>> [numbers(kept)[name].round(2).tolist() for name in ("pass_at_1", "pass_at_3", "tool_calls", "thought_words")]
    [[0.67, 0.0], [1.0, 0.0], [2.0, 0.0], [1.0, 0.0]]
    """
    verdicts = {name: [[c == "1" for c in word] for word in kept[name].split()] for name in VERDICTS}
    sums = {name: np.array([float(word) for word in kept[name].split()]) for name in SUMS}
    right = verdicts["right"]
    samples = np.array([len(row) for row in right])
    turns = np.maximum(sums["turns"], 1)
    return {
        "pass_at_1": np.array([float(np.mean(row)) for row in right]),
        "pass_at_3": np.array([metrics.pass_at_k(len(row), sum(row), K) for row in right]),
        "cons_at_3": np.array([metrics.cons_at_k(row, K) for row in right]),
        "invalid_rate": np.array([float(np.mean(row)) for row in verdicts["invalid"]]),
        "repetition_rate": np.array([float(np.mean(row)) for row in verdicts["repeated"]]),
        "tool_calls": sums["calls"] / samples,
        "thought_words": sums["words"] / turns,
        "repeated_calls": sums["again"] / samples,
        "checking_thoughts": sums["checking"] / turns,
    }


class Results:
    """The finished arms: label and seed to the numbers of each question.

    Args:
        found: name of an arm to its `counts`. labels: label to the arm of any seed. seeds: which there should be.
    """

    def __init__(self, found: Mapping[str, Mapping[str, str]], labels: Mapping[str, Arm], seeds: Sequence[int]) -> None:
        self.seeds = list(seeds)
        self.tables = {
            (label, seed): numbers(found[name])
            for label, arm in labels.items()
            for seed in self.seeds
            if (name := replace(arm, seed=seed).name) in found
        }

    def combine(self, terms: Sequence[tuple[float, str, str]]) -> np.ndarray:
        """A sum of numbers, each with its weight, for every seed that has them all and every question: `[S, Q]`.

        Args:
            terms: (weight, label, metric); with the weights 1 and -1 it is a difference, paired by seed and question.
        """
        whole = [seed for seed in self.seeds if all((label, seed) in self.tables for _, label, _ in terms)]
        rows = [sum(w * self.tables[label, seed][metric] for w, label, metric in terms) for seed in whole]
        return np.array(rows) if rows else np.empty((0, 0))

    def spread(self, label: str, metric: str) -> Spread:
        """One number of one label over seeds."""
        return spread(self.combine([(1.0, label, metric)]), metric in SHARES)


def spread(values: np.ndarray, share: bool = False) -> Spread:
    """The mean of `values` `[S, Q]`, of each seed, and both intervals.

    Over seeds it is Student's t on their means, so three seeds pay for being three; over questions the bootstrap of
    `metrics` on their means over seeds. Where the values are a `share` and no difference, both end at 0 and 1.

    >>> found = spread(np.array([[0.1, 0.3], [0.2, 0.4], [0.3, 0.5]])).seeds
    >>> [round(x, 3) for x in found]  # 0.3 -+ 4.303 * 0.1 / sqrt(3)
    [0.052, 0.548]
    """
    if not values.size:
        return Spread(float("nan"), (), None, None)
    each = values.mean(axis=1)
    low, high = metrics.bootstrap(values.mean(axis=0).tolist(), share=share)
    found = Spread(float(each.mean()), tuple(map(float, each)), over_seeds(each), (float(low), float(high)))
    if share and found.seeds:
        found = replace(found, seeds=(max(0.0, found.seeds[0]), min(1.0, found.seeds[1])))
    return found


def over_seeds(each: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of the mean over seeds, by Student's t; None for one seed, which says nothing of others.

    >>> [round(x, 3) for x in over_seeds([1.0, 2.0, 3.0])]  # 2 -+ 4.303 / sqrt(3)
    [-0.484, 4.484]
    """
    n = len(each)
    if n < 2:
        return None
    half = T975[min(n - 1, len(T975)) - 1] * float(np.std(each, ddof=1)) / n**0.5
    return float(np.mean(each)) - half, float(np.mean(each)) + half


def frame(results: Results, labels: Sequence[str], names: Sequence[str]) -> pd.DataFrame:
    """One row a label and metric: columns `label, metric, value, low, high` (over seeds; NaN for one) and `each`.

    `each` holds the values of the seeds in one text, for a CSV. Labels without a finished arm are left out.
    """
    rows = []
    for label in labels:
        for metric in names:
            s = results.spread(label, metric)
            low, high = s.seeds or (float("nan"), float("nan"))
            each = " ".join(f"{v:.4f}" for v in s.each)
            row = {"label": label, "metric": metric, "value": s.value, "low": low, "high": high, "each": each}
            rows += [row] if s.each else []
    return pd.DataFrame(rows, columns=["label", "metric", "value", "low", "high", "each"])
