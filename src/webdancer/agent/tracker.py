"""The log of a training run while it runs: JSON lines and CSV always, TensorBoard if asked for.

Stages 05 and 06 hand it one row a step; shown in 05_sft. In: rows of numbers. Out, beside one another: `NAME.jsonl`
(a line as soon as its step is done, so that a run that dies leaves its curve), `NAME.csv` (the same rows, written when
the run ends, by whatever end) and, with `backend="tensorboard"`, a folder `NAME_tensorboard` for
`tensorboard --logdir`. A run that goes on from a checkpoint writes on from the step it goes on from. Nothing is sent
anywhere. Not in the paper.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pandas as pd

from webdancer.core.record import atomic_path

BACKENDS = ("", "tensorboard")


class Tracker:
    """Rows of a run, on disk as they come.

    Args:
        path: of the CSV file; the other files take its name.
        backend: "" or "tensorboard".
        rows: of the steps before, where a run goes on.
        step: the column that counts; TensorBoard's axis.

    Raises:
        ValueError: unknown backend, or TensorBoard is not installed.
    """

    def __init__(
        self, path: str | Path, backend: str = "", rows: Sequence[Mapping[str, Any]] = (), step: str = "step"
    ) -> None:
        if backend not in BACKENDS:
            raise ValueError(f"got tracker={backend!r}, wanted one of {BACKENDS}")
        self.path, self.step = Path(path), step
        self.rows: list[dict[str, Any]] = []
        self.path.parent.mkdir(parents=True, exist_ok=True)
        first = rows[-1][step] + 1 if rows else 0
        self._board = _board(self.path.with_name(self.path.stem + "_tensorboard"), first) if backend else None
        lines = self.path.with_suffix(".jsonl")
        with atomic_path(lines) as temporary:  # rows after the checkpoint will come again
            temporary.write_text("".join(map(_line, rows)), encoding="utf-8")
        self._lines = lines.open("a", encoding="utf-8")
        self.rows = [dict(row) for row in rows]

    def add(self, row: Mapping[str, Any]) -> None:
        """Keep one row, and put it on disk."""
        self.rows.append(dict(row))
        self._lines.write(_line(row))
        self._lines.flush()
        if self._board is not None:
            for name, value in row.items():
                if name != self.step and isinstance(value, int | float) and math.isfinite(value):
                    self._board.add_scalar(name, value, int(row[self.step]))

    def close(self) -> pd.DataFrame:
        """Write the CSV; returns all rows as a table."""
        self._lines.close()
        if self._board is not None:
            self._board.close()
        table = pd.DataFrame(self.rows)
        with atomic_path(self.path) as temporary:
            table.to_csv(temporary, index=False)
        return table

    def __enter__(self) -> "Tracker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _line(row: Mapping[str, Any]) -> str:
    """A row as one line of JSON; what is not finite is left out, for JSON cannot say it."""
    plain = {k: v.item() if hasattr(v, "item") else v for k, v in row.items()}
    return json.dumps({k: v for k, v in plain.items() if not (isinstance(v, float) and not math.isfinite(v))}) + "\n"


def _board(folder: Path, first: int) -> Any:
    """TensorBoard's writer; what an earlier run wrote from step `first` on is hidden."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ValueError(
            f'tracker="tensorboard" needs the package tensorboard (got {error}): pip install tensorboard, or set '
            'tracker = ""'
        ) from error
    return SummaryWriter(str(folder), purge_step=first)
