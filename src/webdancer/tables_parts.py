"""What the modules of `tables` share: a Markdown table, and the runs of the committed profile.

In: rows; the repository. Out: Markdown; folders of results.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from webdancer.core import params

PROFILE = "laptop"  # whose results are committed


def table(rows: Iterable[Sequence[str]]) -> str:
    r"""A Markdown table; the first row is its head.

    >>> table([["a", "b"], ["1", "x | y"]])
    '| a | b |\n|---|---|\n| 1 | x \\| y |'
    """
    escaped = [[cell.replace("\\|", "|").replace("|", "\\|") for cell in row] for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in escaped]
    return "\n".join([lines[0], "|" + "---|" * len(escaped[0]), *lines[1:]])


def evaluated(root: Path) -> list[Path]:
    """The folders of the profile and of its other seeds in which 07 has run, by name."""
    found = sorted((root / "results").glob(f"{PROFILE}*/07_evaluate.json"))
    return [path.parent for path in found if params.folder_of(path.parent.name) == PROFILE]
