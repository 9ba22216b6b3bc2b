"""How many questions of which kind and with how many hops: the plan of 02_synthesize.

In: questions wanted by split, shares of kinds and of hops. Out: cells to fill. WebDancer (arXiv 2505.22648) writes
60,000 CRAWLQA and 40,000 E2HQA questions and gives no mix of kinds or hops: here both are parameters.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from webdancer.core.schema import KINDS, SPLITS, Question
from webdancer.crawlqa import FEWEST_HOPS, MOST_HOPS


@dataclass
class Cell:
    """The questions wanted of one split, kind and number of hops, and what became of the attempts.

    `tried` counts the drafts looked at, `drops` why some fell, `dropped` holds those that were whole questions.
    `solver` counts what a solver made of the questions that stood all other checks: "asked", "found", "known", and
    "calls", the tool calls of the tries that found the answer. `drawn` is how many seeds of a file were used up.
    """

    split: str
    kind: str
    hops: int
    wanted: int
    questions: list[Question] = field(default_factory=list)
    tried: int = 0
    drops: Counter[str] = field(default_factory=Counter)
    dropped: list[Question] = field(default_factory=list)
    solver: Counter[str] = field(default_factory=Counter)
    drawn: int = 0

    @property
    def name(self) -> str:
        """Split, kind and hops in one word."""
        return f"{self.split}-{self.kind}-{self.hops}"

    @property
    def missing(self) -> int:
        """Questions still to write."""
        return self.wanted - len(self.questions)

    def attempts(self) -> int:
        """Drafts for the next round: what is missing over the yield so far, which is taken for 0.9 at first."""
        found = (len(self.questions) + 9) / (self.tried + 10)
        return math.ceil(min(self.missing / found, 20 * self.missing)) if self.missing > 0 else 0


def share_out(total: int, shares: dict[str, float]) -> dict[str, int]:
    """Split a number by shares so that the parts add up to it (largest remainders; ties to the first).

    >>> share_out(10, {"a": 0.5, "b": 0.25, "c": 0.25})
    {'a': 5, 'b': 3, 'c': 2}
    """
    whole = sum(shares.values())
    exact = {name: total * share / whole for name, share in shares.items()}
    parts = {name: math.floor(value + 1e-9) for name, value in exact.items()}
    short = sorted(exact, key=lambda name: parts[name] - exact[name])[: total - sum(parts.values())]
    return {name: part + (name in short) for name, part in parts.items()}


def plan(counts: dict[str, int], kinds: dict[str, float], hops: Sequence[float]) -> list[Cell]:
    """The cells to fill.

    Args:
        counts: questions wanted by split.
        kinds: share of each kind.
        hops: shares of 1, 2, ... hops, five at most; a kind that cannot have so few or so many takes the others.

    Raises:
        ValueError: a share is negative, nothing is asked for, more hops than any kind can have, or a kind is left
            without any number of hops.
    """
    if min([*kinds.values(), *hops, *counts.values()]) < 0 or sum(kinds.values()) <= 0 or sum(counts.values()) <= 0:
        raise ValueError(f"got counts {counts}, kinds {kinds}, hops {list(hops)}, wanted none below 0 and some above")
    most = max(MOST_HOPS.values())
    if any(hops[most:]):
        raise ValueError(f"got hop_shares {list(hops)}, wanted at most {most}: no kind has more hops")
    cells = []
    for split in SPLITS:
        for kind, wanted in share_out(counts.get(split, 0), {k: kinds.get(k, 0.0) for k in KINDS}).items():
            possible = {h: s for h, s in enumerate(hops, 1) if FEWEST_HOPS[kind] <= h <= MOST_HOPS[kind]}
            if wanted and sum(possible.values()) <= 0:
                raise ValueError(
                    f"hop_shares {list(hops)} leave no hops for {kind}: set one of {sorted(possible)} above 0"
                )
            shares = {str(h): s for h, s in possible.items()}
            parts = share_out(wanted, shares) if wanted else {}
            cells += [Cell(split, kind, int(h), n) for h, n in parts.items() if n]
    return cells
