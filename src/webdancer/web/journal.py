"""What the sites' own clients brought, written down as it comes: a crawl that was killed goes on after it.

Used by 01_crawl (`sources_wiki`, `sources_arxiv`, `sources_github`). In: the name of a piece of work (an article, a
feed, a page of search results) and the work itself. Out: its result, from the file if it is there. The walk is not
written down: it is repeated from its start over the answers, which costs no request and gives the same order. The file
may be that of the plain sites' `Store`; the table is another. Departure from the paper: none known; how it kept its
crawl is not published.

What is promised: a piece whose answer is in the file is never asked for again, and it is there before the one who
asked goes on. So a kill at any point loses the pieces that are under way, one for each thread that asks (one in all
at a real host), and no other. (A machine that loses power may lose what came in the last moments before.) What failed
is no answer: it is asked for again when the crawl is started again. robots.txt and GitHub's quota are asked for at each
start.
"""

import json
import sqlite3
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

_TABLE = "CREATE TABLE IF NOT EXISTS answers (name TEXT PRIMARY KEY, day TEXT, answer BLOB) WITHOUT ROWID"


class Journal:
    """Answers by the name of what was asked. Threads may share one; use it in a `with`, or call `close`.

    Args:
        path: an SQLite file, created if it is not there; empty: nothing is written down.
        day: YYYY-MM-DD for what is asked from now on.
        refresh: ask again for what came on another day than `day`.
    """

    def __init__(self, path: str | Path = "", day: str = "", refresh: bool = False) -> None:
        self.day = day
        self._refresh = refresh
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        if path:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=60.0)
            self._db.execute("PRAGMA journal_mode = WAL")  # a killed process loses nothing that was committed
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute(_TABLE)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()

    def once(
        self, name: tuple[str | int, ...], work: Callable[[], Any], *, lasts: Callable[[Any], bool] = lambda _: True
    ) -> tuple[Any, str]:
        """The result of a piece of work, and the day on which it was done; done only if the file does not have it.

        Args:
            name: all that the result depends on, for example `("article", api, title)`.
            work: returns plain data (what JSON holds). What it raises is raised again, and nothing is written.
            lasts: whether a result is to be written down; one that is not is asked for again the next time.
        """
        if self._db is None:
            return work(), self.day
        key = json.dumps(name, ensure_ascii=True)
        with self._lock:
            row = self._db.execute("SELECT day, answer FROM answers WHERE name = ?", (key,)).fetchone()
        if row and not (self._refresh and row[0] != self.day):
            return _unpacked(row[1]), row[0]
        answer = work()
        packed = _packed(answer)
        if lasts(answer):
            with self._lock:
                self._db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (key, self.day, packed))
        return _unpacked(packed), self.day  # read back, so that fresh and stored answers cannot differ

    def names(self) -> list[tuple[str | int, ...]]:
        """The names of all answers in the file."""
        rows = [] if self._db is None else self._db.execute("SELECT name FROM answers ORDER BY name").fetchall()
        return [tuple(json.loads(name)) for (name,) in rows]


def _packed(answer: Any) -> bytes:
    """Half surrogates, which a page may hold, survive."""
    return zlib.compress(json.dumps(answer, ensure_ascii=False).encode("utf-8", "surrogatepass"), 1)


def _unpacked(packed: bytes) -> Any:
    return json.loads(zlib.decompress(packed).decode("utf-8", "surrogatepass"))
