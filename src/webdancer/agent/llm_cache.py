"""Replies on disk, so that no request is paid for twice.

Part of `agent.llm` (02, 03, 04 and 07). In: requests and their replies. Out: a JSONL file, one line `{"key": ...,
"reply": {...}}` a reply, appended the moment it arrives. In memory stays only where each line lies, so that a long
run does not grow. Several clients, also in several processes, may append to one file; a line that a killed run left
half written is passed over, and so is one that was damaged. Not in the paper.
"""

import hashlib
import json
import threading
from dataclasses import asdict
from io import SEEK_END, FileIO
from pathlib import Path
from typing import Any

from webdancer.agent.completion import Reply

HEAD = b'{"key": "'  # each line begins with it and the key
KEY = 64  # digits of a key


def key_of(address: str, body: dict[str, Any], sample: int) -> str:
    """What a reply is stored under: a hash of the whole request.

    Args:
        address: of the endpoint, without credentials.
        body: every field that is sent.
        sample: the seed asked for. It counts also where `body` does not carry it to the server: otherwise all samples
            of a question would be the first one.
    """
    whole = json.dumps([address, body, sample], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()


class ReplyCache:
    """The replies of one file; `None` as path keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._where: dict[str, tuple[int, int]] = {}
        self._file: FileIO | None = None
        self._lock = threading.Lock()
        if path is not None and path.is_file():
            self._index(path)

    def __len__(self) -> int:
        return len(self._where)

    def _index(self, path: Path) -> None:
        """Note where the line of each key lies; a later line of the same key counts."""
        start = 0
        with path.open("rb") as lines:
            for line in lines:
                if line.startswith(HEAD) and line.endswith(b"\n"):
                    key = line[len(HEAD) : len(HEAD) + KEY].decode("ascii", "replace")
                    self._where[key] = start, len(line)
                start += len(line)

    def get(self, key: str) -> Reply | None:
        """The reply of a request, None if it has not been asked before or its line is damaged."""
        if key not in self._where:
            return None
        start, length = self._where[key]
        try:
            with self.path.open("rb") as lines:
                lines.seek(start)
                row = json.loads(lines.read(length))
            reply = Reply(**{**row["reply"], "calls": tuple(row["reply"]["calls"])})
        except (OSError, ValueError, KeyError, TypeError):
            row, reply = {}, None
        if row.get("key") != key:
            del self._where[key]
            return None
        return reply

    def put(self, key: str, reply: Reply) -> None:
        """Append a reply, in one write.

        Raises:
            OSError: the file cannot be written (disk full, no rights).
        """
        if self.path is None:
            return
        line = json.dumps({"key": key, "reply": asdict(reply)}).encode() + b"\n"
        with self._lock:
            file = self._open()
            written = file.write(line)
            end = file.tell()  # the end of what this write has added, whatever others have appended before it
        if written != len(line):
            raise OSError(f"wrote {written} of {len(line)} bytes to {self.path.name}: is the disk full?")
        self._where[key] = end - len(line), len(line)

    def _open(self) -> FileIO:
        """The file, opened at the first reply; a half line at its end is closed, so that the next one stands alone."""
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a+b", buffering=0)  # unbuffered: nothing is lost when the process is killed
            if self._file.tell():
                self._file.seek(-1, SEEK_END)
                if self._file.read(1) != b"\n":
                    self._file.write(b"\n")
        return self._file
