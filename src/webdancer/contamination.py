"""Contamination: questions that share a run of words with a benchmark (a check of 02_synthesize).

In: the benchmark files that a model may be tested on, and our questions. Out: for each question the file that it
overlaps with, or "". The measure is that of the GPT-3 paper (arXiv 2005.14165, appendix C): a common run of n tokens,
n = 13 by default. Ours: tokens are those of `near.tokens`, so one Chinese character counts as one; a benchmark question
that is shorter than n tokens is looked for as a whole, but not below `SHORTEST` tokens. WebDancer (arXiv 2505.22648)
reports no such test. Encrypted benchmarks are read as `core.qa_files` says; nothing here prints or stores their text.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from webdancer.core.qa_files import read
from webdancer.near import runs, tokens

SHORTEST = 5  # tokens of a benchmark question; shorter ones would match by chance


class Benchmarks:
    """The runs of words of some benchmarks.

    `questions` counts the questions read of each file, by its name.

    Args:
        files: name of each benchmark and its questions.
        size: n, the tokens of a run.

    Raises:
        ValueError: runs of fewer than `SHORTEST` tokens, which would match by chance.
    """

    def __init__(self, files: Iterable[tuple[str, Sequence[str]]] = (), size: int = 13) -> None:
        if size < SHORTEST:
            raise ValueError(f"got runs of {size} words, wanted at least {SHORTEST}: shorter ones match by chance")
        self.questions: dict[str, int] = {}
        self._where: dict[tuple[str, ...], str] = {}
        for name, texts in files:
            self.questions[name] = len(texts)
            for text in texts:
                for run in runs(tokens(text), size):
                    if len(run) >= SHORTEST:
                        self._where.setdefault(run, name)
        self._sizes = sorted({len(run) for run in self._where})

    @classmethod
    def open(cls, paths: Iterable[str | Path], size: int = 13) -> "Benchmarks":
        """Read benchmark files; raises as `core.qa_files.read`, and ValueError for a file without any question."""
        files = [(Path(path).name, [qa.question for qa in read(path)]) for path in paths]
        empty = [name for name, texts in files if not texts]
        if empty:
            raise ValueError(f"{', '.join(empty)}: got no question, wanted some: nothing could overlap with it")
        return cls(files, size)

    def overlap(self, question: str) -> str:
        """The name of the benchmark that a question shares a run with, "" for none.

        >>> b = Benchmarks([("hand", ["Which river flows through the town where Ada Moor was born?"])], size=6)
        >>> b.overlap("Who built a bridge in the town where Ada Moor was born?"), b.overlap("Where was Ada Moor born?")
        ('hand', '')
        """
        words = tokens(question)
        for size in self._sizes:
            for i in range(len(words) - size + 1):
                if name := self._where.get(tuple(words[i : i + size])):
                    return name
        return ""
