"""What an interrupted stage has finished: a file of keys and results that grows line by line.

Used by 02_synthesize. In: a key and plain data for each finished piece of work. Out: the same after a restart, also
after a kill in the middle of a line. The reply cache of `agent.llm` keeps replies, this keeps results: it is small, and
needs no paid endpoint to be worth it.
"""

import hashlib
import json
from pathlib import Path
from typing import Any


class Ledger:
    """Results by key, in memory and in a file.

    Args:
        path: the file; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._known: dict[str, Any] = {}
        if path is not None and path.is_file():
            text = path.read_bytes().decode("utf-8", "replace")
            if text and not text.endswith("\n"):  # a kill fell into the last line: the next one must not join it
                with path.open("a", encoding="utf-8") as out:
                    out.write("\n")
            for line in text.split("\n"):
                try:
                    key, value = json.loads(line)
                except (ValueError, TypeError):
                    continue
                self._known[str(key)] = value

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, key: str) -> bool:
        return key in self._known

    def __getitem__(self, key: str) -> Any:
        return self._known[key]

    def add(self, key: str, value: Any) -> None:
        """Remember plain JSON data under a key, in the file too."""
        self._known[key] = value
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as out:
                out.write(json.dumps([key, value], ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Remove the file: the work is done and its result lies elsewhere."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def beside(path: Path, *what: Any) -> Path:
    """the place of a ledger beside the file that is being made; its name changes with all that the results depend on.

    Args:
        path: the file in the making.
        what: plain data: models, settings, seeds, hashes of the input.
    """
    digest = hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()[:12]
    return path.with_name(f"{path.stem}.{digest}.partial")
