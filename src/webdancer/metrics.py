"""Numbers of an evaluation: Pass@k, Cons@k, bootstrap intervals over questions, paired differences. NumPy only.

Stage 07 (`evaluate.py`). In: for each question how many samples there were and which were right. Out: values with 95 %
intervals. Shown in notebooks/07_evaluate.ipynb.

Departures from the paper: (1) Pass@1 is the mean over all samples; the family's own is probably the best of 3 runs.
(2) Pass@k is the unbiased estimator of Chen et al. 2021 (arXiv 2107.03374); with exactly k samples it is "any of k".
(3) Cons@k is what the paper defines, the mean share of right answers over k samples, not a majority vote; with exactly
k samples that is the same number as Pass@1. (4) Every number has an interval: resampled questions, since the samples of
one question are no independent evidence.
"""

from collections.abc import Mapping, Sequence
from math import comb
from typing import Any

import numpy as np

RESAMPLES = 4000
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


def bootstrap(values: Sequence[float], seed: int = 0, resamples: int = RESAMPLES) -> tuple[float, float]:
    """The 95 % percentile interval of the mean over questions: draw as many questions with replacement, many times.

    Args:
        values: [Q], one number a question. seed: of the draws. resamples: at least 2000.

    Returns:
        2.5th and 97.5th percentile of the resampled means.

    Raises:
        ValueError: no values, or too few resamples.
    """
    if len(values) == 0 or resamples < 2000:
        raise ValueError(f"got {len(values)} questions and {resamples} resamples, wanted at least 1 and 2000")
    array = np.asarray(values, dtype=float)
    chance = np.random.default_rng(seed)
    counts = chance.multinomial(len(array), np.full(len(array), 1 / len(array)), size=resamples)
    low, high = np.quantile(counts @ array / len(array), [0.025, 0.975])
    return float(low), float(high)


def estimate(values: Sequence[float], seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """Mean over questions with its interval, as results hold it: `{"value", "n", "ci95"}`.

    >>> estimate([1.0, 1.0])
    {'value': 1.0, 'n': 2, 'ci95': [1.0, 1.0]}
    """
    return {
        "value": float(np.mean(values)) if len(values) else 0.0,
        "n": len(values),
        "ci95": list(bootstrap(values, seed, resamples)),
    }


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
    if set(first) != set(second):
        odd = sorted(set(first) ^ set(second))
        raise ValueError(
            f"got {len(odd)} questions that only one system answered ({odd[0]}, ...), wanted the same for both"
        )
    return estimate([first[q] - second[q] for q in sorted(first)], seed, resamples)
