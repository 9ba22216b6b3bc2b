"""How far verdicts and stated confidence can be trusted where nobody labelled anything.

Used by 07_evaluate. In: confidences and verdicts of one judge, or the verdicts of several judges on the same answers.
Out: the calibration error, and how often the judges disagree, with Cohen's kappa. (`agreement` compares a judge with
labels.) Not in the paper.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from webdancer.agent.agreement import share

BIN = 100  # answers in a bin, as in the published code


def rms_error(confidences: Sequence[float], right: Sequence[bool], size: int = BIN) -> dict[str, Any]:
    """The RMS calibration error over bins of about equally many answers.

    Answers are sorted by confidence and cut into bins of `size`; the last bin takes what is left over. With n_b
    answers in bin b, of which the share a_b is right and whose mean confidence is c_b, and n answers in all:

        error = sqrt( sum over b of n_b / n * (a_b - c_b)^2 )

    This is what Humanity's Last Exam and BrowseComp report, with two differences: equal confidences stay in one bin
    (the order of the answers changes nothing), and the last bin counts. The published function (`calib_err` of
    hendrycks/outlier-exposure, 100 answers a bin) runs over all bins but the last, which holds the highest
    confidences. Small bins raise the error of a well-calibrated agent: compare runs of the same size only.

    Args:
        confidences: from 0 to 1. right: verdicts, in the same order.
        size: answers a bin; fewer answers than that are one bin.

    Returns:
        `{"value", "n", "bins"}`; `bins` holds `n`, `confidence` and `right` of each; `value` is None without answers.

    Raises:
        ValueError: different lengths, a size below 1, or a confidence outside of 0 to 1.

    >>> rms_error([0.9, 0.9, 0.5, 0.5], [True, False, True, False], size=2)["value"]
    0.282843
    """
    outside = [c for c in confidences if not 0 <= c <= 1]
    if len(confidences) != len(right) or size < 1 or outside:
        raise ValueError(
            f"got {len(confidences)} confidences, {len(right)} verdicts, bins of {size} and {len(outside)} confidences "
            "outside of 0 to 1, wanted one confidence from 0 to 1 for each verdict and bins of 1 or more"
        )
    rows = sorted(zip(map(float, confidences), map(bool, right), strict=True))
    bins = []
    for part in _bins(rows, size):
        stated, said = (math.fsum(row[k] for row in part) / len(part) for k in (0, 1))
        bins.append({"n": len(part), "confidence": round(stated, 6), "right": round(said, 6)})
    squares = math.fsum(b["n"] / len(rows) * (b["right"] - b["confidence"]) ** 2 for b in bins)
    return {"value": round(math.sqrt(squares), 6) if rows else None, "n": len(rows), "bins": bins}


def _bins(rows: list[tuple[float, bool]], size: int) -> list[list[tuple[float, bool]]]:
    """Sorted rows in parts of at least `size`; a part ends only where the confidence changes."""
    parts: list[list[tuple[float, bool]]] = []
    for n, row in enumerate(rows):
        full = not parts or (len(parts[-1]) >= size and row[0] != rows[n - 1][0])
        if full and (not parts or len(rows) - n >= size):
            parts.append([])
        parts[-1].append(row)
    return parts


def kappa(first: Sequence[bool], second: Sequence[bool]) -> float | None:
    """Cohen's kappa of two judges: agreement beyond what their rates of yes alone would give.

    With p_o the share of answers on which they agree, and p_e = p1 p2 + (1 - p1)(1 - p2), where p1 and p2 are their
    shares of yes: kappa = (p_o - p_e) / (1 - p_e). 1: they always agree, 0: as by chance. None where both say the same
    to everything, and chance explains all.

    Raises:
        ValueError: different lengths, or nothing to compare.

    >>> kappa([True, True, False, False], [True, False, False, False])
    0.5
    """
    if len(first) != len(second) or not first:
        raise ValueError(f"got {len(first)} and {len(second)} verdicts, wanted as many of both, and at least one")
    n = len(first)
    same = sum(bool(a) == bool(b) for a, b in zip(first, second, strict=True))
    yes = [sum(map(bool, said)) for said in (first, second)]
    chance = yes[0] * yes[1] + (n - yes[0]) * (n - yes[1])  # n^2 p_e: whole numbers, so that 1 is 1
    return round((same * n - chance) / (n * n - chance), 6) if chance < n * n else None


def disagreement(verdicts: Mapping[str, Sequence[bool]]) -> list[dict[str, Any]]:
    """How often judges disagree, a row for each two of them.

    Args:
        verdicts: name of a judge to its verdicts; all on the same answers, in the same order.

    Returns:
        `{"first", "second", "differ", "only_first", "only_second", "kappa"}`: `differ` is a share with Wilson's 95 %
        interval (`agreement.share`; samples of one question are not independent, so it is too narrow where there are
        several), then how many answers only the one or only the other calls right.

    Raises:
        ValueError: as `kappa`.
    """
    rows = []
    for (one, first), (other, second) in combinations(verdicts.items(), 2):
        agreed = kappa(first, second)
        only = [
            sum(bool(x) and not y for x, y in zip(a, b, strict=True)) for a, b in ((first, second), (second, first))
        ]
        apart = share(sum(only), len(first))
        rows.append(
            {
                "first": one,
                "second": other,
                "differ": apart,
                "only_first": only[0],
                "only_second": only[1],
                "kappa": agreed,
            }
        )
    return rows
