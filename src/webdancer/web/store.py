"""The crawl on disk: which addresses wait, which pages came, and in which order they count. One SQLite file.

Used by 01_crawl. In: addresses and `Document`s. Out: addresses to ask next, and documents in the order of discovery.
What a crawl holds in memory does not grow with the pages it fetched, and a crawl that was killed at any point goes on
from here: what was committed is there, and what was not is asked again. Departure from the paper: none known; how it
kept its crawl is not published.

    frontier  one row an address: depth, the turn at which it may be asked, its rank (place in the order of discovery,
              empty until it is certain), and its state: TODO; STORED; USED (its rank, or a redirect to it, has been
              settled); AGAIN (there from an earlier crawl: TODO as soon as it is found again)
    pages     what came, under the address that was asked; kept over crawls for conditional requests
    results   what each rank came to: a page kept, a duplicate, or a reason
    seen      addresses and text hashes of the pages kept
    maps      sitemaps that were read
    meta      the plan that ranks and results belong to, and how far they go
"""

import contextlib
import dataclasses
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from webdancer.core.schema import text_hash
from webdancer.web.document import Document
from webdancer.web.text import Cleaned

TODO, STORED, USED, AGAIN = 0, 1, 2, 3
LATER = 1 << 50  # turns from here on are of addresses whose rank is not certain yet
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS frontier (id INTEGER PRIMARY KEY, url TEXT NOT NULL UNIQUE, host TEXT NOT NULL,
    depth INTEGER NOT NULL, turn INTEGER NOT NULL, rank INTEGER, state INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX IF NOT EXISTS ranked ON frontier (rank) WHERE rank IS NOT NULL;
CREATE INDEX IF NOT EXISTS waiting ON frontier (host, turn, id) WHERE state = 0;
CREATE TABLE IF NOT EXISTS pages (id INTEGER PRIMARY KEY, url TEXT, page TEXT, links TEXT, reason TEXT, robots TEXT,
    target TEXT, sha256 TEXT, etag TEXT, modified TEXT, day TEXT);
CREATE TABLE IF NOT EXISTS results (rank INTEGER PRIMARY KEY, page INTEGER, host TEXT, asked TEXT, url TEXT,
    reason TEXT, kept INTEGER);
CREATE TABLE IF NOT EXISTS seen (key TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS maps (url TEXT PRIMARY KEY, is_index INTEGER, locs TEXT) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Row:
    """An address of the frontier."""

    id: int
    url: str
    host: str
    depth: int
    rank: int | None
    state: int


@dataclass(frozen=True)
class Brief:
    """What a stored document means for the order: everything but its text."""

    url: str
    reason: str
    target: str
    sha256: str
    links: tuple[str, ...]


class Store:
    """One crawl in one file. One object writes; any number of others may read meanwhile.

    Args:
        path: the file, created if it is not there.
    """

    def __init__(self, path: str | Path) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        # WAL: a killed process loses nothing that was committed, and readers do not wait.
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=60.0)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA cache_size = -8000")
        self._db.executescript(_TABLES)

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """All that is written inside is written at once, or not at all."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def note(self, key: str, value: str) -> None:
        """Write down a word about the crawl."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def noted(self, key: str, default: str = "") -> str:
        """What was written down."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row[0] if row else default

    def forget_order(self) -> None:
        """Start the order of discovery again; the pages stay, so that nothing is fetched a second time."""
        for table in ("results", "seen", "meta"):
            self._db.execute(f"DELETE FROM {table}")
        self._db.execute("DELETE FROM frontier WHERE state = 0 AND id NOT IN (SELECT id FROM pages)")
        self._db.execute(
            f"UPDATE frontier SET rank = NULL, turn = {LATER} + depth,"
            f" state = CASE WHEN state IN ({TODO}, {AGAIN}) THEN {AGAIN} ELSE {USED} END"
        )

    def ask_again(self) -> None:
        """Forget the order and the sitemaps too: a page is asked for again when it is found, if it has changed."""
        self.forget_order()
        self._db.execute(f"UPDATE frontier SET state = {AGAIN}")
        self._db.execute("DELETE FROM maps")

    # --- addresses

    def add(self, url: str, host: str, depth: int) -> None:
        """Let an address wait whose rank is not certain yet."""
        sql = (
            "INSERT INTO frontier (url, host, depth, turn) VALUES (?, ?, ?, ?) ON CONFLICT (url) DO UPDATE SET"
            f" depth = excluded.depth, turn = excluded.turn, state = {TODO} WHERE state = {AGAIN}"
        )
        self._db.execute(sql, (url, host, depth, LATER + depth))

    def rank(self, url: str, host: str, depth: int, rank: int) -> bool:
        """Give an address its place in the order; False if it has one already."""
        sql = (
            "INSERT INTO frontier (url, host, depth, turn, rank) VALUES (?, ?, ?, ?, ?) ON CONFLICT (url) DO UPDATE"
            " SET depth = excluded.depth, turn = excluded.turn, rank = excluded.rank,"
            f" state = CASE state WHEN {AGAIN} THEN {TODO} ELSE state END WHERE rank IS NULL"
        )
        return self._db.execute(sql, (url, host, depth, rank, rank)).rowcount == 1

    def hurry(self, ident: int, turn: int) -> None:
        """Let an address be asked early: something of that rank waits for it."""
        self._db.execute("UPDATE frontier SET turn = min(turn, ?) WHERE id = ?", (turn, ident))

    def row(self, *, url: str = "", rank: int = -1, ident: int = 0) -> Row | None:
        """The address with this URL, rank or id."""
        column, value = ("url", url) if url else ("id", ident) if ident else ("rank", rank)
        sql = f"SELECT id, url, host, depth, rank, state FROM frontier WHERE {column} = ?"
        found = self._db.execute(sql, (value,)).fetchone()
        return Row(*found) if found else None

    def waiting(self, host: str, most: int) -> list[tuple[int, str, str, str]]:
        """The addresses of a host to ask next: `id, url, etag, modified`, certain ranks first."""
        sql = (
            "SELECT f.id, f.url, coalesce(p.etag, ''), coalesce(p.modified, '') FROM frontier f LEFT JOIN pages p"
            " ON p.id = f.id WHERE f.state = 0 AND f.host = ? ORDER BY f.turn, f.id LIMIT ?"
        )
        return self._db.execute(sql, (host, most)).fetchall()

    def waiting_hosts(self) -> list[str]:
        """Hosts of which an address waits."""
        return [host for (host,) in self._db.execute("SELECT DISTINCT host FROM frontier WHERE state = 0")]

    def ranks(self) -> int:
        """How many addresses have a rank."""
        return self._db.execute("SELECT coalesce(max(rank), -1) + 1 FROM frontier WHERE rank IS NOT NULL").fetchone()[0]

    def ranked_hosts(self) -> set[str]:
        """Hosts of which an address has a rank."""
        return {host for (host,) in self._db.execute("SELECT DISTINCT host FROM frontier WHERE rank IS NOT NULL")}

    def counts(self, what: str) -> dict[str, int]:
        """By host: pages "kept", or pages "stored" that no rank has used yet."""
        sql = {
            "kept": "SELECT host, count(*) FROM results WHERE kept GROUP BY host",
            "stored": f"SELECT host, count(*) FROM frontier WHERE state = {STORED} GROUP BY host",
        }
        return dict(self._db.execute(sql[what]).fetchall())

    # --- documents

    def save(self, ident: int, doc: Document, day: str) -> None:
        """Keep what came for an address; it waits no longer."""
        page = dataclasses.asdict(doc.page)
        links = page.pop("links")
        sha = text_hash(doc.page.text)
        texts = (json.dumps(page, ensure_ascii=False), json.dumps(links, ensure_ascii=False))
        rest = (doc.reason, doc.robots, doc.target, sha, doc.etag, doc.modified, day)
        values = [_storable(v) for v in (doc.url, *texts, *rest)]
        self._db.execute(f"INSERT OR REPLACE INTO pages VALUES (?{', ?' * 10})", (ident, *values))
        self.keep(ident)

    def keep(self, ident: int) -> None:
        """The page that is there still holds (304); its address waits no longer."""
        self._db.execute("UPDATE frontier SET state = ? WHERE id = ?", (STORED, ident))

    def good(self, ident: int) -> bool:
        """Whether a page without a fault is there for an address."""
        sql = "SELECT 1 FROM pages WHERE id = ? AND reason = '' AND target = ''"
        return self._db.execute(sql, (ident,)).fetchone() is not None

    def brief(self, ident: int) -> Brief:
        """What is there for an address, without its text."""
        sql = "SELECT url, reason, target, sha256, links FROM pages WHERE id = ?"
        *texts, links = self._db.execute(sql, (ident,)).fetchone()
        return Brief(*texts, tuple(json.loads(links)))

    def use(self, ident: int) -> bool:
        """Mark a stored address as used; False if it was before."""
        sql = "UPDATE frontier SET state = ? WHERE id = ? AND state = ?"
        return self._db.execute(sql, (USED, ident, STORED)).rowcount == 1

    def settle(self, row: Row, page: int, url: str, reason: str, sha256: str) -> bool:
        """Write down what the address of a rank came to; returns whether it is a page that no earlier rank brought."""
        kept = not reason and not any(self._known(key) for key in (url, sha256))
        if kept:
            self._db.executemany("INSERT OR IGNORE INTO seen VALUES (?)", ((url,), (sha256,)))
        values = (row.rank, page, row.host, row.url, url, reason, kept)
        self._db.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        return kept

    def _known(self, key: str) -> bool:
        return self._db.execute("SELECT 1 FROM seen WHERE key = ?", (key,)).fetchone() is not None

    def results(self, after: int = -1, kept: bool = False) -> Iterator[tuple[int, str, Document]]:
        """What the ranks came to, in order, as `rank, day, document`.

        Args:
            after: only ranks above this one.
            kept: only pages kept: no reasons, nothing twice.
        """
        sql = (
            "SELECT r.rank, p.day, r.url, r.asked, p.page, p.links, r.reason, p.robots, p.etag, p.modified FROM"
            f" results r JOIN pages p ON p.id = r.page WHERE r.rank > ? {'AND r.kept' if kept else ''} ORDER BY r.rank"
            " LIMIT 100"
        )
        while found := self._db.execute(sql, (after,)).fetchall():
            for after, day, url, asked, page, links, reason, robots, *rest in found:  # noqa: B020 - goes on from it
                yield after, day, Document(url, asked, _page(page, links), reason, robots, "", *rest)

    # --- sitemaps

    def save_map(self, url: str, is_index: bool, locs: Iterable[str]) -> None:
        """Keep what a sitemap names."""
        text = _storable(json.dumps(list(locs), ensure_ascii=False))
        self._db.execute("INSERT OR REPLACE INTO maps VALUES (?, ?, ?)", (url, is_index, text))

    def is_index(self, url: str) -> bool | None:
        """Whether a sitemap names sitemaps; None if it has not been read."""
        row = self._db.execute("SELECT is_index FROM maps WHERE url = ?", (url,)).fetchone()
        return bool(row[0]) if row else None

    def locs(self, url: str) -> list[str]:
        """The addresses that a sitemap names."""
        return json.loads(self._db.execute("SELECT locs FROM maps WHERE url = ?", (url,)).fetchone()[0])


def _page(page: str, links: str) -> Cleaned:
    values: dict[str, Any] = json.loads(page) | {"links": json.loads(links)}
    return Cleaned(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


def _storable(text: str) -> str:
    """Text without half surrogates, which no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
