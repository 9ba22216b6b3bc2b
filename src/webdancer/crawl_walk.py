"""What all ways into a web share: the record of an address looked at, the walk along links, and pace.

Part of 01_crawl, used by the `sources_...` modules. In: names to start from and a function that looks at one. Out: an
iterator of `Found` in an order that does not depend on which answer came back first. Departures from the paper: none
known; it does not say how its crawler walked or paced itself.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from webdancer.web.guard import HostsTransport
from webdancer.web.text import Cleaned

TRIES = 3  # of what a client does not try again by itself


@dataclass(frozen=True)
class Found:
    """One address looked at: its page, or (`reason` not empty) why there is none.

    `asked` is the address before redirects, `day` the day on which it was fetched if that is not today.
    """

    url: str
    source: str
    page: Cleaned
    reason: str = ""
    robots: str = "allowed"
    asked: str = ""
    day: str = ""


def found_row(found: Found) -> dict[str, Any]:
    """The record as plain data, for a `Journal`."""
    return asdict(found)


def row_found(row: Mapping[str, Any], day: str = "") -> Found:
    """The record back from plain data."""
    page = {name: tuple(value) if isinstance(value, list) else value for name, value in row["page"].items()}
    return Found(**{**row, "page": Cleaned(**page), "day": day})


class Names:
    """Names in the order in which they came, each once. On disk: a walk meets far more names than it looks at."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)  # a private file, gone when this object is
        for option in ("journal_mode = OFF", "synchronous = OFF"):  # nobody will read it after a crash
            self._db.execute(f"PRAGMA {option}")
        self._db.execute("CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, depth INTEGER)")
        self._taken = 0

    def add(self, names: Iterable[str], depth: int = 0) -> int:
        """Put names at the end; returns how many were new."""
        before = self._db.total_changes
        self._db.execute("BEGIN")
        self._db.executemany("INSERT OR IGNORE INTO names (name, depth) VALUES (?, ?)", ((n, depth) for n in names))
        self._db.execute("COMMIT")
        return self._db.total_changes - before

    def take(self, most: int) -> list[tuple[str, int]]:
        """The next names with their depths."""
        sql = "SELECT id, name, depth FROM names WHERE id > ? ORDER BY id LIMIT ?"
        rows = self._db.execute(sql, (self._taken, most)).fetchall()
        self._taken = rows[-1][0] if rows else self._taken
        return [(name, depth) for _, name, depth in rows]


def reach(url: str, hosts: Mapping[str, str]) -> str:
    """The address to send a request for `url` to.

    >>> reach("http://arxiv.pocket.test/api/query", {"arxiv.pocket.test": "http://127.0.0.1:8000"})
    'http://127.0.0.1:8000/api/query'
    """
    parts = urlsplit(url)
    return hosts[parts.netloc].rstrip("/") + url.partition(parts.netloc)[2] if parts.netloc in hosts else url


def breadth_first(
    roots: Sequence[str],
    look: Callable[[str], tuple[Found, Sequence[str]]],
    limit: int,
    depth: int,
    threads: int,
) -> Iterator[Found]:
    """Walk from the roots along links, breadth first, many looks at once, results in the order of discovery.

    Args:
        roots: names to start from (URLs or titles), at depth 0.
        look: what is found under a name, and the names it links to; called in threads.
        limit: stop after this many good pages.
        depth: how many links to follow from a root.
        threads: looks at once.
    """
    queue, kept, good = Names(), Names(), 0
    queue.add(roots)
    with ThreadPoolExecutor(threads) as pool:
        while good < limit and (batch := queue.take(min(4 * threads, limit - good))):
            for (_, level), (found, names) in zip(batch, pool.map(look, [n for n, _ in batch]), strict=True):
                good += 0 if found.reason else kept.add([found.url])
                yield found
                if level < depth:
                    queue.add(names, level + 1)


class InTurn(httpx.BaseTransport):
    """Sends one request after the other, never two at once, with a pause between them, whatever thread asks.

    This is what MediaWiki's etiquette asks of a program that reads through `api.php`. Hosts that `hosts` lists are
    asked at once and in parallel.

    Args:
        hosts: see `HostsTransport`.
        delay: seconds from the end of one request to the start of the next.
    """

    def __init__(self, hosts: Mapping[str, str], delay: float) -> None:
        self._inner = HostsTransport(hosts)
        self._hosts = frozenset(hosts)
        self._delay = delay
        self._lock = threading.Lock()
        self._free = 0.0  # the moment from which the next request may go

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request when its turn has come; the errors are those of `HostsTransport`."""
        if request.url.host in self._hosts:
            return self._inner.handle_request(request)
        with self._lock:
            time.sleep(max(0.0, self._free - time.monotonic()))
            try:
                return self._inner.handle_request(request)
            finally:
                self._free = time.monotonic() + self._delay

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()
