"""Finished episodes on disk while a run goes on, so that neither a crash nor a long run costs what is done.

Used by `react` and `distill` (03_distill). In: episodes in the order in which they end. Out: any of them again, by
question and sample; a killed run's file is read by the next one. Only the places of the episodes are held in memory,
which stays flat however many there are. Nothing like it is in the paper.
"""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from webdancer.core.schema import Question, Trajectory, from_row, to_row

Key = tuple[str, int]  # question id, sample


@dataclass(frozen=True)
class Finished:
    """An episode that is over. `right` is the verdict on its answer (None: nobody judged), `changes` what had to be
    mended in its replies (`settle.CHANGES`, one entry a reply and change).
    """

    trajectory: Trajectory
    right: bool | None = None
    changes: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """Question id and sample."""
        return self.trajectory.question_id, self.trajectory.sample


class PartFile:
    """Episodes in a file, one JSON object a line, each written out at once.

    Lines that a kill cut short, and episodes that ended in an endpoint error, are not found again, so they are run
    again. If an episode was added twice, the later one counts.

    Args:
        path: the file, created or read; None: a temporary one that is gone in the end.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._file = open(path, "a+b") if path else tempfile.TemporaryFile("a+b")  # noqa: SIM115 - closed by `close`
        self._places: dict[Key, tuple[int, int]] = {}
        self._end = 0
        self._file.seek(0)
        for line in self._file:
            self._note(line)
        if self._end and not line.endswith(b"\n"):
            self._write(b"\n")

    def _note(self, line: bytes) -> None:
        """Remember where a line is that holds a whole, useful episode."""
        try:
            found = _read(line)
            if found.trajectory.stop != "error":
                self._places[found.key] = self._end, len(line)
        except (ValueError, KeyError, TypeError):
            pass
        self._end += len(line)

    def _write(self, line: bytes) -> None:
        self._file.write(line)
        self._file.flush()
        self._end += len(line)

    def add(self, finished: Finished) -> None:
        """Append an episode; it is in the file when this returns."""
        row = {"trajectory": to_row(finished.trajectory), "right": finished.right, "changes": finished.changes}
        line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
        self._places[finished.key] = self._end, len(line)
        self._write(line)

    def get(self, key: Key) -> Finished:
        """The episode of a question and sample; raises KeyError if it is not there."""
        start, length = self._places[key]
        self._file.seek(start)
        return _read(self._file.read(length))

    def __contains__(self, key: Key) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def close(self) -> None:
        """Close the file; it stays where it is, unless it was a temporary one."""
        self._file.close()

    def __enter__(self) -> "PartFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _read(line: bytes) -> Finished:
    """The episode in a line; raises ValueError, KeyError or TypeError if it holds none."""
    row: dict[str, Any] = json.loads(line)
    return Finished(from_row(row["trajectory"], Trajectory), row["right"], tuple(row["changes"]))


def path_for(final: Path, model: Any, settings: Any, questions: Sequence[Question], about: Any = ()) -> Path:
    """The name of the part file beside `final`: another one whenever the episodes would be others.

    Args:
        final: the file that the episodes will end up in.
        model: whatever names the model and how it is asked; plain JSON data.
        settings: `react.Settings`.
        questions: with their answers, which trajectories carry.
        about: anything else that the episodes depend on, such as pages and limits of the tools; plain JSON data.
    """
    asked = [(q.id, q.question, q.answer) for q in questions]
    what = hashlib.sha256(json.dumps([model, asdict(settings), asked, about]).encode("utf-8", "surrogatepass"))
    return final.with_name(f"{final.stem}.{settings.style}.{what.hexdigest()[:8]}.partial")
