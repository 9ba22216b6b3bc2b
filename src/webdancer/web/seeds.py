"""Where a crawl starts besides its roots: the pages that sitemaps name, as far as robots.txt names the sitemaps.

Used by 01_crawl, in `spider`. In: the robots.txt files of the roots' hosts and the sitemaps read so far. Out: which of
either to read next, and in the end the addresses of pages. Bounded, since a sitemap may name others without end.
Departure from the paper: it does not say whether sitemaps were used.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from webdancer.web.host_queue import ROBOTS, SITEMAP, HostQueue
from webdancer.web.order import host_of
from webdancer.web.politeness import Rules
from webdancer.web.store import Store
from webdancer.web.text import canonical

MAX_SITEMAPS = 50  # read for each one that robots.txt names
MAX_SEEDS = 200_000  # addresses taken from all of them


def sitemaps(store: Store, top: str) -> tuple[list[str], list[str]]:
    """The sitemaps below one that robots.txt names, breadth first: those that name pages, and those not read yet."""
    queue, seen = deque([top]), {top}
    leaves, missing = [], []
    for _ in range(MAX_SITEMAPS):
        if not queue:
            break
        url = queue.popleft()
        is_index = store.is_index(url)
        if is_index is None:
            missing.append(url)
        elif is_index:
            fresh = [u for u in map(canonical, store.locs(url)) if u and u not in seen]
            seen.update(fresh)
            queue.extend(fresh)
        else:
            leaves.append(url)
    return leaves, missing


def seeds(store: Store, tops: Iterable[str]) -> Iterator[str]:
    """The addresses that the sitemaps name, at most `MAX_SEEDS`."""
    left = MAX_SEEDS
    for top in dict.fromkeys(tops):
        for leaf in sitemaps(store, top)[0]:
            for url in store.locs(leaf)[:left]:
                left -= 1
                yield url


class Seeds:
    """The sitemaps of a crawl.

    Args:
        store: keeps what was read of them.
        roots: canonical addresses.
        queue: gives the queue of a host, which knows its robots.txt.
        wanted: False for a crawl from the roots alone.
    """

    def __init__(self, store: Store, roots: Sequence[str], queue: Callable[[str], HostQueue], wanted: bool) -> None:
        self.store = store
        self._queue = queue
        self._places = list(dict.fromkeys(queue(host_of(root)).place(root) for root in roots)) if wanted else []
        self._asked: set[str] = set()
        self.ready = not wanted

    def pages(self) -> Iterator[str]:
        """The addresses that the sitemaps name."""
        return seeds(self.store, self._tops())

    def missing(self) -> list[tuple[int, str]]:
        """What to read next, as `ROBOTS` or `SITEMAP` and its address, each once; sets `ready` if all is there."""
        left = [(ROBOTS, f"{place}/robots.txt") for place in self._places if self._rules(place) is None]
        for top in self._tops():
            left += [(SITEMAP, url) for url in sitemaps(self.store, top)[1]]
        self.ready = not left
        fresh = [(kind, url) for kind, url in dict.fromkeys(left) if url not in self._asked]
        self._asked.update(url for _, url in fresh)
        return fresh

    def _rules(self, place: str) -> Rules | None:
        return self._queue(host_of(place)).rules.get(place)

    def _tops(self) -> list[str]:
        """The sitemaps that the robots.txt of the roots name, as far as those have been read."""
        found = [top for place in self._places if (known := self._rules(place)) for top in known.sitemaps()]
        return [url for url in dict.fromkeys(map(canonical, found)) if url]
