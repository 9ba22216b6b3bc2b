"""Numbers of an evaluation: Pass@k, Cons@k, majority vote, best of k, intervals, paired differences and their test.

Stage 07 (`evaluate.py`). In: for each question how many samples there were and which were right. Out: values with 95 %
intervals. NumPy only. Shown in notebooks/07_evaluate.ipynb.

Departures from the paper: (1) Pass@1 is the mean over all samples; the family's own is probably the best of 3 runs,
which is here too, under its own name. (2) Pass@k is the unbiased estimator of Chen et al. 2021 (arXiv 2107.03374); with
exactly k samples it is "any of k". (3) Cons@k is what the paper defines, the mean share of right answers over k
samples, and no majority vote (that is `majority`); with exactly k samples it is the same number as Pass@1. (4) Every
number has an interval: resampled questions, since the samples of one question are no independent evidence. (5) Two
systems are compared question by question, with an exact test.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import comb, lcm, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np

RESAMPLES = 4000
FINEST = 1000  # most samples of a question whose shares `sign_flip` takes
MOST_UNITS = 10_000_000  # that its sums may have
Estimate = dict[str, Any]


def pass_at_k(samples: int, right: int, k: int) -> float:
    """The chance that at least one of k samples, drawn from `samples` of which `right` are right, is right.

    Args:
        samples: samples of the question, at least k. right: how many of them are right.

    Returns:
        1 - C(samples - right, k) / C(samples, k).

    Raises:
        ValueError: not 1 <= k <= samples, or not 0 <= right <= samples.

    >>> pass_at_k(3, 1, 1), pass_at_k(3, 1, 3), round(pass_at_k(5, 2, 2), 3)
    (0.33333333333333337, 1.0, 0.7)
    """
    if not 1 <= k <= samples:
        raise ValueError(f"got k={k} and {samples} samples, wanted 1 <= k <= samples: sample more or lower k")
    if not 0 <= right <= samples:
        raise ValueError(f"got {right} right of {samples} samples")
    return 1 - comb(samples - right, k) / comb(samples, k)


def cons_at_k(right: Sequence[bool], k: int) -> float:
    """The share of right answers among the first k samples of a question, as the paper defines Cons@k.

    >>> round(cons_at_k([True, False, True], 3), 3)
    0.667
    """
    if not 1 <= k <= len(right):
        raise ValueError(f"got k={k} and {len(right)} samples, wanted 1 <= k <= samples: sample more or lower k")
    return sum(map(bool, right[:k])) / k


def majority(answers: Sequence[str], right: Sequence[bool]) -> float:
    """The chance that the answer which most samples of a question gave is right.

    Answers that tie for the most votes are as likely as one another to be taken, so the value is the mean over them. An
    empty answer is no vote. Where a judge called the same answer right once and wrong once, it counts for its share.
    Answers are the same if they are the same text (normalise them first): what the judge thinks of them does not bring
    them together, since a vote is taken without knowing the right answer.

    Args:
        answers: of the k samples, normalised. right: the verdict on each.

    Raises:
        ValueError: no answers, or not a verdict for each.

    >>> majority(["ada", "bo", "ada"], [True, False, True]), majority(["ada", "bo"], [True, False])
    (1.0, 0.5)
    """
    if not answers or len(answers) != len(right):
        raise ValueError(f"got {len(answers)} answers and {len(right)} verdicts, wanted one or more, and as many")
    votes: dict[str, list[bool]] = defaultdict(list)
    for answer, verdict in zip(answers, right, strict=True):
        if answer:
            votes[answer].append(bool(verdict))
    most = max(map(len, votes.values()), default=0)
    tied = [sum(verdicts) / most for verdicts in votes.values() if len(verdicts) == most]
    return sum(tied) / len(tied) if tied else 0.0


def best_of_k(right: Sequence[Sequence[bool]], k: int, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """The best of k runs: each run is scored over all questions, and the highest score is taken.

    Chance alone lifts it above the mean of the runs, the more so the fewer the questions. Its interval is that of the
    best run in resampled questions.

    Args:
        right: for each question the verdicts of its samples; run j is made of the samples j.

    Raises:
        ValueError: no questions, or fewer than k samples of one.

    >>> best_of_k([[True, False], [True, True]], 2)["value"]
    1.0
    """
    fewest = min(map(len, right), default=0)
    if not 1 <= k <= fewest:
        raise ValueError(f"got k={k} and {fewest} samples, wanted 1 <= k <= samples: sample more or lower k")
    runs = np.array([row[:k] for row in right], dtype=float)
    if (runs == runs[:, :1]).all():  # the runs are alike, and so are their best and their mean
        return estimate(list(runs[:, 0]), seed, resamples, share=True)
    tail, means = _tail(len(runs)), _resampled(runs, seed, resamples).max(axis=1)
    ends = [float(q) for q in np.quantile(means, [tail, 1 - tail])]
    return {"value": float(runs.mean(axis=0).max()), "n": len(runs), "ci95": ends}


def bootstrap(
    values: Sequence[float], seed: int = 0, resamples: int = RESAMPLES, *, share: bool = False
) -> tuple[float, float]:
    """The 95 % interval of the mean over questions: draw as many questions with replacement, many times.

    Between percentiles of the resampled means, which are taken a little further out than 2.5 and 97.5 for few questions
    (the expanded percentile interval of Hesterberg 2015, arXiv 1411.5279): plain percentiles are too narrow there. If
    all questions have one and the same value, resampling shows no doubt at all; for shares that are all 0 or all 1 the
    interval is then the exact one of a proportion (Clopper and Pearson 1934).

    Args:
        values: [Q], one number a question. seed: of the draws. resamples: at least 2000.
        share: the values are shares from 0 to 1 of what is counted.

    Returns:
        Lower and upper end.

    Raises:
        ValueError: no values, or too few resamples.

    >>> low, high = bootstrap([0.0] * 60, share=True)
    >>> low, round(high, 3)
    (0.0, 0.06)
    """
    if len(values) == 0 or resamples < 2000:
        raise ValueError(f"got {len(values)} questions and {resamples} resamples, wanted at least 1 and 2000")
    array, n = np.asarray(values, dtype=float), len(values)
    if share and array[0] in (0.0, 1.0) and (array == array[0]).all():
        far = 0.025 ** (1 / n)  # so unlikely is it that n questions show nothing of what is there
        return (0.0, 1 - far) if array[0] == 0.0 else (far, 1.0)
    tail = _tail(n)
    low, high = np.quantile(_resampled(array, seed, resamples), [tail, 1 - tail])
    return float(low), float(high)


def _resampled(rows: np.ndarray, seed: int, resamples: int) -> np.ndarray:
    """Means `[resamples, ...]` of `rows` `[Q, ...]` drawn with replacement; equal rows are drawn together."""
    kinds, counts = np.unique(rows, axis=0, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(rows), counts / len(rows), size=resamples)
    return drawn @ kinds / len(rows)


def _tail(n: int) -> float:
    """What to leave out at each end, so that the interval is as wide as Student's t and the spread of n want it."""
    if n < 2:
        return 0.025
    z, df = NormalDist().inv_cdf(0.975), n - 1
    t = z + (z**3 + z) / (4 * df) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df**2)  # Cornish and Fisher
    return NormalDist().cdf(-t * sqrt(n / df))


def estimate(values: Sequence[float], seed: int = 0, resamples: int = RESAMPLES, *, share: bool = False) -> Estimate:
    """Mean over questions with its interval, as results hold it: `{"value", "n", "ci95"}`; arguments of `bootstrap`.

    >>> estimate([1.0, 1.0])
    {'value': 1.0, 'n': 2, 'ci95': [1.0, 1.0]}
    """
    return {
        "value": float(np.mean(values)) if len(values) else 0.0,
        "n": len(values),
        "ci95": list(bootstrap(values, seed, resamples, share=share)),
    }


def add_up(parts: Mapping[str, Estimate], total: Estimate, name: str = "parts") -> None:
    """Check that parts (levels, kinds, languages, hops) hold every question once and average to the total.

    Raises:
        ValueError: they do not; the message gives both sums.

    >>> add_up({"1": {"value": 1.0, "n": 1}, "2": {"value": 0.0, "n": 3}}, {"value": 0.25, "n": 4})
    """
    n = sum(part["n"] for part in parts.values())
    mean = sum(part["value"] * part["n"] for part in parts.values()) / max(1, n)
    if n != total["n"] or abs(mean - total["value"]) > 1e-9:
        raise ValueError(
            f"{name}: got {n} questions with a mean of {mean:.6f} in {', '.join(parts) or 'no part'}, wanted the "
            f"{total['n']} and {total['value']:.6f} of the total: is a question in two of them, or in none?"
        )


def paired(
    first: Mapping[str, float], second: Mapping[str, float], seed: int = 0, resamples: int = RESAMPLES
) -> Estimate:
    """Mean difference `first - second` over the same questions, with its interval.

    Pairing removes what the questions have in common, so the interval is narrower than two separate ones suggest.

    Args:
        first, second: question id to value.

    Raises:
        ValueError: the two do not hold the same questions.

    >>> paired({"a": 1.0, "b": 0.5}, {"a": 0.0, "b": 0.5})["value"]
    0.5
    """
    _same_questions(first, second)
    return estimate([first[q] - second[q] for q in sorted(first)], seed, resamples)


def sign_flip(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """How surprising the difference would be if it did not matter which system gave which answers: an exact p-value.

    If the two are alike, the difference on a question could as well have had the other sign. Over all 2^Q ways to give
    signs, the p-value is the share in which the sum is as far from zero as the one observed, or farther (two-sided;
    Fisher's randomisation test for pairs). No way is left out: shares of samples are multiples of one unit, so the sums
    can be counted one question after the other. A t-test would want a normal distribution, and McNemar's test one
    sample a question: there its exact form is this test.

    Args:
        first, second: question id to share right, each of at most `FINEST` samples.

    Raises:
        ValueError: other questions on both sides, or values that are no such shares.

    >>> sign_flip({"a": 1.0, "b": 1.0, "c": 1.0}, {"a": 0.0, "b": 0.0, "c": 1.0})
    0.5
    """
    _same_questions(first, second)
    steps = [_share(first[q]) - _share(second[q]) for q in sorted(first)]
    unit = lcm(1, *(step.denominator for step in steps))
    sizes = [abs(int(step * unit)) for step in steps if step]
    if sum(sizes) > MOST_UNITS:
        raise ValueError(f"got shares with the unit 1/{unit}, wanted as many samples of every question, or nearly so")
    chances = np.ones(1)  # of the sum of those that keep a plus, as 0, 1, 2, ... units
    for size in sizes:
        kept, left_out = np.zeros(len(chances) + size), np.zeros(len(chances) + size)
        kept[size:], left_out[: len(chances)] = chances, chances
        chances = (kept + left_out) / 2
    sums = np.abs(2 * np.arange(len(chances)) - sum(sizes))
    return float(min(1.0, chances[sums >= abs(int(sum(steps) * unit))].sum()))


def _share(value: float) -> Fraction:
    """The share of at most `FINEST` samples that a number stands for; raises ValueError if it is none."""
    found = Fraction(float(value)).limit_denominator(FINEST)
    if abs(float(found) - value) > 1e-9:
        raise ValueError(f"got {value!r} for a question, wanted a share of at most {FINEST} samples, such as 2/3")
    return found


def _same_questions(first: Mapping[str, float], second: Mapping[str, float]) -> None:
    """Raises ValueError if a question is on one side only."""
    if set(first) != set(second):
        odd = sorted(set(first) ^ set(second))
        raise ValueError(
            f"got {len(odd)} questions that only one system answered ({odd[0]}, ...), wanted the same for both"
        )
