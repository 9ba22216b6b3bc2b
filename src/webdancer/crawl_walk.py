"""What all ways into a web share: the record of an address looked at, the walk along links, and pace.

Part of 01_crawl, used by the `sources_...` modules and `crawl_sources`. In: names to start from and a function that
looks at one. Out: an iterator of `Found` in an order that does not depend on which answer came back first. Departures
from the paper: none known; it does not say how its crawler walked or paced itself.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from webdancer.web.guard import HostsTransport
from webdancer.web.text import Cleaned

TRIES = 3  # of what a client does not try again by itself


@dataclass(frozen=True)
class Found:
    """One address looked at: its page, or (`reason` not empty) why there is none; `asked` is it before redirects."""

    url: str
    source: str
    page: Cleaned
    reason: str = ""
    robots: str = "allowed"
    asked: str = ""


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
    queue = deque((name, 0) for name in dict.fromkeys(roots))
    known = {name for name, _ in queue}
    good: set[str] = set()
    with ThreadPoolExecutor(threads) as pool:
        while queue and len(good) < limit:
            batch = [queue.popleft() for _ in range(min(len(queue), 4 * threads, limit - len(good)))]
            for (_, level), (found, names) in zip(batch, pool.map(look, [n for n, _ in batch]), strict=True):
                good |= set() if found.reason else {found.url}
                yield found
                if level < depth:
                    fresh = [n for n in dict.fromkeys(names) if n not in known]
                    known.update(fresh)
                    queue.extend((n, level + 1) for n in fresh)


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
