"""What a crawl brought, on disk: its pages in a JSONL file, and beside them a small index of addresses and links.

Part of 01_crawl; `crawl.gather` fills it, `crawl_tables` reads it. In: pages one after the other. Out: the file
(`pages_train.jsonl` and its like) and an index that holds what tables and pictures need, but no text. The index is a
private SQLite file in the system's temporary folder, gone with the object: it can always be made from the pages. So
what a crawl holds in memory does not grow with its pages. Not in the paper.
"""

import dataclasses
import json
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webdancer.core.schema import Page, from_row, iter_jsonl, to_row, write_jsonl
from webdancer.crawl_mentions import Mentions

_TABLES = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -8000;
CREATE TABLE page (id INTEGER PRIMARY KEY, url TEXT NOT NULL UNIQUE, sha256 TEXT, title TEXT,
    source TEXT, words INTEGER, links INTEGER);
CREATE INDEX titles ON page (title);
CREATE INDEX texts ON page (sha256);
CREATE TABLE drops (url TEXT, source TEXT, reason TEXT);
CREATE TABLE edge (a INTEGER, b INTEGER);
BEGIN;
"""


@dataclass(frozen=True)
class Dropped:
    """An address that gave no page, and why."""

    url: str
    source: str
    reason: str


class Crawl:
    """The pages of a crawl in the order found (source by source), and what it dropped. Iterating reads the file.

    Pages come in by `keep` and `drop`; `settle` then writes the file, complete or not at all.

    Args:
        path: of the JSONL file; None for one that is gone with this object.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self._folder = None if path else tempfile.TemporaryDirectory(prefix="crawl-")
        self.path = Path(path or Path(self._folder.name) / "pages.jsonl")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._raw = tempfile.TemporaryFile("w+", encoding="utf-8", dir=self.path.parent)  # without a name: no remains
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(_TABLES)

    def __len__(self) -> int:
        return self.rows("SELECT count(*) FROM page")[0][0]

    def __iter__(self) -> Iterator[Page]:
        return iter_jsonl(self.path, Page)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a question to the index gives: tables `page` (id, url, sha256, title, source, words, links), `drops`
        (url, source, reason) and `edge` (a, b: ids of pages, the first linking to the second)."""
        return self._db.execute(sql, values).fetchall()

    def each(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """The same, row by row."""
        return self._db.execute(sql)

    def knows(self, page: Page) -> bool:
        """Whether a page with this address or this text was kept."""
        return bool(self.rows("SELECT 1 FROM page WHERE url = ? OR sha256 = ?", (page.url, page.sha256)))

    def keep(self, page: Page) -> None:
        """Add a page that is not known yet."""
        values = (page.url, page.sha256, page.title, page.source, len(page.text.split()), len(page.links))
        sql = "INSERT INTO page (url, sha256, title, source, words, links) VALUES (?, ?, ?, ?, ?, ?)"
        self._db.execute(sql, values)
        self._raw.write(json.dumps(to_row(page), ensure_ascii=False) + "\n")

    def drop(self, url: str, source: str, reason: str) -> None:
        """Note an address that gave no page worth keeping."""
        self._db.execute("INSERT INTO drops VALUES (?, ?, ?)", (url, source, reason))

    def dropped(self) -> Iterator[Dropped]:
        """What was dropped, in order."""
        return (Dropped(*row) for row in self._db.execute("SELECT * FROM drops ORDER BY rowid"))

    def settle(self) -> "Crawl":
        """Write the file, now that all titles are known: mentions become links, and links among pages edges."""
        write_jsonl(self.path, self._linked())
        self._raw.close()
        return self

    def _linked(self) -> Iterator[Page]:
        """The pages with the links that they get from one another's titles, once through."""
        mentions = Mentions(self._db)
        self._raw.seek(0)
        for number, line in enumerate(self._raw, 1):
            page = from_row(json.loads(line), Page)
            named = mentions.of(page.text) if page.source == "wikipedia" else []
            if named:
                page = dataclasses.replace(page, links=tuple(dict.fromkeys([*page.links, *named])))
                self._db.execute("UPDATE page SET links = ? WHERE id = ?", (len(page.links), number))
            self._join(number, page.links)
            yield page

    def _join(self, number: int, links: Iterable[str]) -> None:
        sql = "INSERT INTO edge SELECT ?, id FROM page WHERE url = ?"
        self._db.executemany(sql, ((number, link) for link in links))
