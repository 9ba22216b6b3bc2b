"""The file behind `frozen`: rows that are added and never changed, in one SQLite database.

In: a kind ("page", "search", "sitemaps"), what was asked, and the row that came back. Out: the row of the last answer.
Long texts and bodies are stored apart, compressed, once for each content.
"""

import contextlib
import dataclasses
import datetime
import hashlib
import json
import shutil
import sqlite3
import threading
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from webdancer.core.record import atomic_path
from webdancer.web.fetch import Fetched

VERSION = 1
LONG = 256  # a text of more characters is stored apart
_SQLITE = b"SQLite format 3\0"
_TABLES = """
CREATE TABLE IF NOT EXISTS blobs (sha256 TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, asked TEXT NOT NULL,
                                    at TEXT NOT NULL, row TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS by_asked ON records (kind, asked, id);
"""


class Recording:
    """An open recording; threads may share one, and processes of one machine may open the same file.

    While it is written there are two more files beside it; `close` leaves one, and so does the next to close after a
    run that was killed.

    Args:
        path: the file; created if it may be written.
        write: False opens what is there and changes nothing.
    Raises:
        FileNotFoundError: there is no file, and it must not be created.
        ValueError: the file is not a recording, or one of a newer version.
    """

    def __init__(self, path: str | Path, write: bool) -> None:
        self.path = Path(path)
        self._write = write
        self._lock = threading.Lock()
        head = _head(self.path)
        if head is None and not write:
            raise FileNotFoundError(f"{self.path} is missing: record it first (mode='record', with the network)")
        if head and head != _SQLITE and write:
            _convert(self.path)
        if write:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self._db = _connect(self.path if write or head == _SQLITE else ":memory:")
        if head != _SQLITE:
            self._create()
        if head != _SQLITE and not write:
            self._fill(read_old(self.path))
        self._check()
        if write:  # a log beside the file: a killed run loses nothing, and no row waits for the disk
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")

    def close(self) -> None:
        """Close the file; what was written beside it goes into it, so that there is one file to hand on."""
        with self._lock:
            if self._write:
                with contextlib.suppress(sqlite3.OperationalError):  # another still has it open: it will do it
                    self._db.execute("PRAGMA journal_mode = DELETE")
            self._db.close()

    def count(self, kind: str) -> int:
        """Different things of a kind that were asked."""
        return self._select("SELECT count(DISTINCT asked) FROM records WHERE kind = ?", kind)[0][0]

    def asked(self, kind: str) -> list[str]:
        """What was asked of a kind, in the order of the first time."""
        rows = self._select("SELECT asked FROM records WHERE kind = ? GROUP BY asked ORDER BY min(id)", kind)
        return [json.loads(asked) for (asked,) in rows]

    def find(self, kind: str, asked: str) -> dict[str, Any] | None:
        """The last row for what was asked, or None.

        Raises:
            ValueError: a stored text is not what its hash says.
        """
        query = "SELECT row FROM records WHERE kind = ? AND asked = ? ORDER BY id DESC LIMIT 1"
        found = self._select(query, kind, json.dumps(asked))
        return {name: self._unpack(value) for name, value in json.loads(found[0][0]).items()} if found else None

    def add(self, kind: str, asked: str, row: dict[str, Any], *, over: bool = False) -> dict[str, Any]:
        """Add a row and return what the file now has: the earlier row if another process was faster.

        Args:
            over: add the row in any case; it counts from now on.
        """
        with self._lock:
            self._begin()
            try:
                known = self._db.execute(
                    "SELECT 1 FROM records WHERE kind = ? AND asked = ?", (kind, json.dumps(asked))
                )
                if over or known.fetchone() is None:
                    self._insert(kind, asked, row)
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        return self.find(kind, asked) or {}

    def _begin(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def _insert(self, kind: str, asked: str, row: dict[str, Any]) -> None:
        packed = json.dumps({name: self._pack(value) for name, value in row.items()})
        at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        values = (kind, json.dumps(asked), at, packed)  # JSON keeps every character, lone surrogates too
        self._db.execute("INSERT INTO records (kind, asked, at, row) VALUES (?, ?, ?, ?)", values)

    def _pack(self, value: Any) -> Any:
        """A value as it stands in a row: long texts and bytes are stored apart and named by their hash."""
        if not isinstance(value, bytes) and not (isinstance(value, str) and len(value) > LONG):
            return value
        data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(data).hexdigest()
        self._db.execute("INSERT OR IGNORE INTO blobs VALUES (?, ?)", (digest, zlib.compress(data)))
        return {"sha256": digest, "type": type(value).__name__}

    def _unpack(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        found = self._select("SELECT data FROM blobs WHERE sha256 = ?", value["sha256"])
        try:
            data = zlib.decompress(found[0][0])
        except (IndexError, TypeError, zlib.error):
            data = b""
        if hashlib.sha256(data).hexdigest() != value["sha256"]:
            raise ValueError(f"{self.path.name} was changed or is damaged: a stored text does not have its hash")
        return data if value["type"] == "bytes" else data.decode("utf-8", "surrogatepass")

    def _select(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._db.execute(query, values).fetchall()
            except sqlite3.DatabaseError as error:
                raise ValueError(f"{self.path.name} is damaged or not a recording ({error})") from error

    def _create(self) -> None:
        self._db.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")

    def _fill(self, rows: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Add many pages in one transaction."""
        self._begin()
        for asked, row in rows:
            self._insert("page", asked, row)
        self._db.execute("COMMIT")

    def _check(self) -> None:
        """Raise ValueError if the file has other tables, or those of a newer version."""
        names = {row[0] for row in self._select("SELECT name FROM sqlite_master WHERE type = 'table'")}
        version = self._select("PRAGMA user_version")[0][0]
        if not {"records", "blobs"} <= names or version > VERSION:
            got = f"version {version}" if "records" in names else f"tables {sorted(names)}"
            self.close()
            raise ValueError(f"{self.path.name}: got {got}, wanted a recording of version {VERSION}")


def _head(path: Path) -> bytes | None:
    """The first 16 bytes of a file, None if it is not there."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        return file.read(len(_SQLITE))


def _connect(path: str | Path) -> sqlite3.Connection:
    """A connection whose transactions are opened by hand; it waits up to a minute for another process."""
    return sqlite3.connect(path, timeout=60.0, isolation_level=None, check_same_thread=False)


def _convert(path: Path) -> None:
    """Replace a JSONL file of the earlier format by a database, and keep it with ".old" behind its name."""
    rows = list(read_old(path))
    kept = path.with_name(path.name + ".old")
    if kept.exists():
        raise ValueError(f"{path.name} is of the earlier format, and {kept.name} is in the way: move one of them")
    with atomic_path(path) as temporary:
        recording = Recording(temporary, write=True)
        recording._fill(rows)
        recording.close()
        shutil.copy2(path, kept)


def read_old(path: Path) -> Iterable[tuple[str, dict[str, Any]]]:
    """The pages of a JSONL file of the earlier format, as (URL asked for, row); a last line that broke off is left out.

    Raises:
        ValueError: a line is not a record; the message names file and line.
    """
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            row = json.loads(line)
            asked = row.pop("asked")
            yield asked, dataclasses.asdict(Fetched(**row))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            message = f"{path.name}, line {number}: got {line[:60]!r}, wanted a record of Frozen"
            raise ValueError(message) from error
