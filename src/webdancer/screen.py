"""All checks of 02_synthesize that need no model, in one order, with the memory that some of them need.

In: questions, draft by draft, of all splits. Out: for each the first check it fails, or none. `checks.fault` judges a
question alone; here come what was asked before (word for word, by the same facts, in nearly the same words), the
benchmarks, and the share of yes/no questions that is allowed.
"""

from collections import Counter
from collections.abc import Sequence

from webdancer import checks
from webdancer.contamination import Benchmarks
from webdancer.core.schema import Question
from webdancer.linkgraph import LinkGraph
from webdancer.near import Near
from webdancer.synthesize_plan import Cell


class Screen:
    """The checks of one run.

    Args:
        near: similarity from which two questions with the same answer are near-duplicates (`near`); above 1: none.
        benchmarks: questions must not overlap with these.
        yes_no_share: most questions for yes or no, as a share of the questions wanted of a split, from 0 to 1.

    Raises:
        ValueError: a share outside 0 to 1, or a similarity of 0 or less.
    """

    def __init__(self, near: float = 0.8, benchmarks: Benchmarks | None = None, yes_no_share: float = 0.0) -> None:
        if not 0 <= yes_no_share <= 1 or near <= 0:
            raise ValueError(
                f"got yes_no_share {yes_no_share}, near {near}, wanted a share from 0 to 1 and a similarity above 0"
            )
        self.benchmarks = benchmarks or Benchmarks()
        self.yes_no_share = yes_no_share
        self._seen, self._near = checks.Seen(), Near(near)
        self._left: Counter[str] = Counter()  # yes/no questions still allowed, by split

    def expect(self, cells: Sequence[Cell]) -> None:
        """Say what is wanted, before the first question: the share of yes/no questions is a share of that."""
        wanted: Counter[str] = Counter()
        for cell in cells:
            wanted[cell.split] += cell.wanted
        self._left = Counter({split: int(self.yes_no_share * n + 1e-9) for split, n in wanted.items()})

    def reason(self, question: Question, graph: LinkGraph, hops: int) -> str:
        """Why a question is dropped, a key of `checks.REASONS`, or ""; remembers one that passes.

        Args:
            question: as written, with its split.
            graph: the web it was written from.
            hops: how many it should have.
        """
        allowed = self._left[question.split] > 0
        reason = checks.fault(question, graph, allowed)
        if not reason and question.hops != hops:
            reason = "wrong_hops"
        if not reason and self._seen.again(question):
            reason = "duplicate"
        if not reason and self._near.again(question):
            reason = "near_duplicate"
        if not reason and self.benchmarks.overlap(question.question):
            reason = "contaminated"
        if not reason and checks.yes_no(question.question, question.answer):
            self._left[question.split] -= 1
        return reason

    @property
    def passed(self) -> tuple[str, ...]:
        """The names of the checks that a question has passed which gave no reason."""
        return checks.PASSED + (checks.COMPARED if self.benchmarks.questions else ())
