"""Part of the study (08): the rule that holds a number of ours against a finding of the paper.

In: a finding (`study_findings` lists them) and the arms' numbers (`study_measure.Results`). Out: "agrees", "disagrees"
or "cannot tell", decided by the rule below from two intervals and by nothing else, and a sentence that says why.

The rule: a finding says that a number lies above a bound, below it, or near zero. It **agrees** if both 95 %
intervals, over seeds and over questions, lie wholly where the paper says, **disagrees** if both lie wholly outside, and
we **cannot tell** otherwise, nor where all that is compared is zero. With more than twenty findings at 95 %, one
interval is likely to miss by chance. The paper gives no intervals and no rule; both are ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from webdancer.study_measure import SHARES, Results, Spread, spread

VERDICTS = ("agrees", "disagrees", "cannot tell")
WAYS = ("above", "below", "near")
Term = tuple[float, str, str]


@dataclass(frozen=True)
class Claim:
    """One finding of the paper, and the number of ours that it is about.

    analysis: as in `study.cells`. paper: what was found, and where it stands. ours: the number in words. terms: the
    number as a weighted sum (`Results.combine`). way: where the paper says it lies: "above" or "below" `bound`, or
    "near" zero, at most `bound` away. caveat: what is not the same here.
    """

    analysis: str
    paper: str
    ours: str
    terms: tuple[Term, ...]
    way: str = "above"
    bound: float = 0.0
    caveat: str = ""

    @property
    def unit(self) -> str:
        """The metric of the first term."""
        return self.terms[0][2]


def rule(way: str, bound: float, intervals: Sequence[tuple[float, float] | None]) -> str:
    """The verdict on a number that the paper places.

    Args:
        way: "above" or "below" `bound`, or "near": at most `bound` from zero.
        intervals: all that count; None is one that could not be made.

    Raises:
        ValueError: an unknown way.

    >>> rule("above", 0.0, [(0.01, 0.2), (0.02, 0.1)]), rule("above", 0.0, [(-0.2, -0.1)])
    ('agrees', 'disagrees')
    >>> rule("above", 0.0, [(0.01, 0.2), (-0.02, 0.1)]), rule("near", 0.05, [(-0.01, 0.04)])
    ('cannot tell', 'agrees')
    """
    if way not in WAYS:
        raise ValueError(f"got way={way!r}, wanted one of {', '.join(WAYS)}")
    whole = [i for i in intervals if i is not None]
    if not whole or len(whole) < len(intervals):
        return "cannot tell"
    low, high = {"above": (bound, np.inf), "below": (-np.inf, bound), "near": (-bound, bound)}[way]
    if all(low < a and b < high for a, b in whole):
        return "agrees"
    under, over = all(b < low for _, b in whole), all(a > high for a, _ in whole)
    return "disagrees" if under or over else "cannot tell"


def decide(claim: Claim, results: Results) -> dict[str, object]:
    """A finding beside ours: a row of the table, with the verdict and why."""
    alone = len(claim.terms) == 1
    found = spread(results.combine(claim.terms), alone and claim.unit in SHARES)
    idle = not alone and not any(results.combine([(1.0, *term[1:])]).any() for term in claim.terms)
    verdict = "cannot tell" if idle else rule(claim.way, claim.bound, (found.seeds, found.questions))
    return {
        "analysis": claim.analysis,
        "paper": claim.paper,
        "ours": claim.ours,
        "value": found.value if found.each else None,
        "seeds": len(found.each),
        "over seeds": list(found.seeds) if found.seeds else None,
        "over questions": list(found.questions) if found.questions else None,
        "verdict": verdict,
        "why": "All of them are zero throughout: nothing to compare." if idle else why(claim, found, verdict),
    }


def why(claim: Claim, found: Spread, verdict: str) -> str:
    """One or two sentences: what decided, and what is not the same here as in the paper."""
    if found.seeds is None or found.questions is None:
        return f"{len(found.each)} finished seed(s), so there is no interval over seeds. {claim.caveat}".strip()
    bound = _shown(claim, claim.bound).lstrip("+") if claim.bound else "zero"
    place = f"within {bound} of zero" if claim.way == "near" else f"{claim.way} {bound}"
    lies = {"agrees": f"both lie {place}", "disagrees": f"neither reaches {place}"}.get(verdict, f"not clearly {place}")
    seeds, questions = _between(claim, found.seeds), _between(claim, found.questions)
    said = f"{_shown(claim, found.value)}; over seeds {seeds}, over questions {questions}: {lies}."
    return f"{said} {claim.caveat}".strip()


def _between(claim: Claim, interval: tuple[float, float]) -> str:
    low, high = (_shown(claim, end) for end in interval)
    return f"{low.removesuffix(' points')} to {high}"


def _shown(claim: Claim, value: float) -> str:
    """A number in the claim's unit: points for shares, plain for amounts."""
    if claim.unit in ("tool_calls", "thought_words", "repeated_calls"):
        return f"{value:+.2f}"
    return f"{100 * value:+.1f} points"


def minus(first: str, second: str, metric: str, other: str = "") -> tuple[Term, ...]:
    """The difference of a number of `first` and one (`other`, or the same) of `second`."""
    return ((1.0, first, metric), (-1.0, second, other or metric))
