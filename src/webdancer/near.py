"""Near-duplicates: the same question in nearly the same words (a check of 02_synthesize).

In: questions, one after the other. Out: whether one was there before. Two questions count as near-duplicates if their
answers are equal when normalised and the Jaccard similarity of their word triples reaches a threshold: the triples
they share over all triples that either has. Jaccard is exact here, not estimated: only questions with the same answer
are compared, so that there is little to compare. A pair with different answers is never one, since here every answer
has passed its checks; of answers in two spellings ("Obama", "Barack Obama") it sees no pair. Ours; the paper publishes
no such step.
"""

import re

from webdancer.agent.judge import normalise
from webdancer.core.schema import Question
from webdancer.web.words import CJK

SIZE = 3  # tokens of a run
_TOKEN = re.compile(rf"[{CJK}]|[^\s{CJK}]+")

Shingles = frozenset[tuple[str, ...]]


def tokens(text: str) -> list[str]:
    """The words of a text after `judge.normalise`, of Chinese, Japanese and Korean the characters.

    >>> tokens("The mayor of 上海, 1,948?")
    ['mayor', 'of', '上', '海', '1948']
    """
    return _TOKEN.findall(normalise(text))


def runs(words: list[str], size: int) -> Shingles:
    """All runs of `size` tokens; a shorter text is one run.

    >>> sorted(runs(["a", "b", "c"], 2)), sorted(runs(["a"], 2)), sorted(runs([], 2))
    ([('a', 'b'), ('b', 'c')], [('a',)], [])
    """
    if len(words) < size:
        return frozenset([tuple(words)] if words else [])
    return frozenset(tuple(words[i : i + size]) for i in range(len(words) - size + 1))


def jaccard(one: Shingles, other: Shingles) -> float:
    """Shared runs over all runs, from 0 to 1; two texts without any run are equal.

    >>> jaccard(runs(["a", "b", "c"], 1), runs(["b", "c", "d"], 1))
    0.5
    """
    union = len(one | other)
    return len(one & other) / union if union else 1.0


class Near:
    """What was asked already, in any split, and in which words.

    Args:
        threshold: similarity from 0 to 1 from which two questions are near-duplicates; above 1 nothing is.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._known: dict[str, list[Shingles]] = {}

    def again(self, question: Question) -> bool:
        """Whether a question nearly repeats an earlier one; remembers it if not."""
        mine = runs(tokens(question.question), SIZE)
        known = self._known.setdefault(normalise(question.answer), [])
        if any(jaccard(mine, other) >= self.threshold for other in known):
            return True
        known.append(mine)
        return False
