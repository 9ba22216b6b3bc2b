"""The order of a crawl: breadth first from the roots, whichever answer came first.

Used by 01_crawl. In: a `Store` into which pages come in any order. Out: ranks, given to addresses one after the other
exactly as a crawler would that waits for each page before it looks at the next; so two crawls of one web give the same
pages in the same order, also where a limit cuts them off. Where a slow page holds this up, addresses found behind it
are added without a rank, to be fetched meanwhile. Departure from the paper: none known; order and limits of its crawl
are not published.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from webdancer.web.store import TODO, USED, Row, Store
from webdancer.web.text import canonical


@dataclass(frozen=True)
class Limits:
    """How far a crawl goes.

    `pages` are kept at most, `host_pages` of them from one host; `depth` links are followed from a root, and `breadth`
    links of each page, the first ones. `hosts` may be visited besides those of the roots: names, `*.example.org` for
    all below one, or `*`; `max_hosts` of them at most, in the order found. 0 stands for no limit, except in `depth`.
    """

    pages: int = 10_000
    host_pages: int = 0
    depth: int = 10
    breadth: int = 0
    hosts: tuple[str, ...] = ()
    max_hosts: int = 0
    max_redirects: int = 5


def host_of(url: str) -> str:
    """Host and port of a canonical URL."""
    return urlsplit(url).netloc


class Order:
    """Gives ranks, and says what may be fetched.

    Args:
        store: where the crawl lies.
        roots: canonical addresses to start from.
        limits: how far to go.
    """

    def __init__(self, store: Store, roots: Sequence[str], limits: Limits) -> None:
        self.store = store
        self.roots = tuple(dict.fromkeys(roots))
        self.limits = limits
        self.started = store.noted("started") == "yes"
        self.finished = store.noted("finished") == "yes"
        self.blocked = 0  # the address that the next rank waits for
        self.touched: set[str] = set()  # hosts that got an address to ask
        self._inside = {host_of(root) for root in self.roots} | set(json.loads(store.noted("inside", "[]")))
        self._at = int(store.noted("at", "0"))
        self._ranks = store.ranks()
        self._kept = Counter(store.counts("kept"))
        self._stored = Counter(store.counts("stored"))
        self._known_hosts = store.ranked_hosts() if limits.max_hosts else set()
        self._sums = [self._kept.total(), self._stored.total()]

    def begin(self) -> None:
        """Let the roots wait."""
        for root in self.roots:
            self._add(root, 0)

    def allows(self, url: str) -> bool:
        """Whether an address lies on a host of the roots or of `limits.hosts`."""
        host = host_of(url)
        if host in self._inside:
            return True
        return any(p in ("*", host) or (p[:2] == "*." and f".{host}".endswith(p[1:])) for p in self.limits.hosts)

    def may_start(self, ident: int, host: str, busy: int, busy_here: int) -> bool:
        """Whether to fetch an address now: it is awaited, or it cannot bring more pages than the limits allow.

        Args:
            ident: of the address.
            busy, busy_here: addresses being fetched, of all hosts and of its own.
        """
        if ident == self.blocked:
            return True
        here = self._kept[host] + self._stored[host] + busy_here
        if self.limits.host_pages and here >= self.limits.host_pages:
            return False
        most = self.limits.pages if self.started else max(self.limits.pages, len(self.roots))
        return sum(self._sums) + busy < most

    def stored(self, host: str) -> None:
        """A document of this host was stored."""
        self._stored[host] += 1
        self._sums[1] += 1

    def start(self, seeds: Iterable[str]) -> bool:
        """Rank the roots and the seeds; False as long as a root has not been fetched. Hosts that roots lead to count.

        Args:
            seeds: addresses from sitemaps, in order.
        """
        homes = []
        for root in self.roots:
            home = self._resolve(self.store.row(url=root))
            if home is None:
                return False
            homes.append(host_of(self.store.brief(home[0]).url))
        self._inside |= set(homes)
        self.store.note("inside", json.dumps(sorted(self._inside)))
        self._known_hosts |= self._inside
        for url in [*self.roots, *self._allowed(seeds)]:
            self._rank(url, 0)
        self.store.note("started", "yes")
        self.started = True
        return True

    def _allowed(self, seeds: Iterable[str]) -> Iterator[str]:
        return (url for url in map(canonical, seeds) if url and self.allows(url))

    def advance(self) -> None:
        """Settle ranks as far as their documents are there."""
        while self.started and not self.finished:
            row = self.store.row(rank=self._at)
            if row is None or self._sums[0] >= self.limits.pages:
                self.finished = True
                self.store.note("finished", "yes")
                break
            if not self.limits.host_pages or self._kept[row.host] < self.limits.host_pages:
                found = self._resolve(row)
                if found is None:
                    break
                self._settle(row, *found)
            else:
                self._use(row)
            self._at += 1
        self.store.note("at", str(self._at))

    def _resolve(self, row: Row) -> tuple[int, str, str] | None:
        """Follow redirects from an address: the id of the document, or (loops) url and reason; None: not there yet."""
        at, seen = row, [row.url]
        while at.state != TODO:
            target = self.store.brief(at.id).target
            if not target:
                self.blocked = 0
                return at.id, "", ""
            if target in seen or len(seen) > self.limits.max_redirects:
                self.blocked = 0
                return row.id, target, "redirect loop" if target in seen else "too many redirects"
            seen.append(target)
            self._add(target, row.depth)
            at = self.store.row(url=target)
        self.blocked = at.id
        self.store.hurry(at.id, row.rank or 0)
        self.touched.add(at.host)
        return None

    def _settle(self, row: Row, page: int, url: str, reason: str) -> None:
        brief = self.store.brief(page)
        if self.store.settle(row, page, url or brief.url, reason or brief.reason, brief.sha256):
            self._kept[row.host] += 1
            self._sums[0] += 1
        self._use(row)
        if page != row.id:
            self._use(self.store.row(ident=page))
        for link in self._links(brief.links) if row.depth < self.limits.depth else ():
            self._rank(link, row.depth + 1)

    def _use(self, row: Row) -> None:
        if self.store.use(row.id):
            self._stored[row.host] -= 1
            self._sums[1] -= 1

    def _links(self, links: Sequence[str]) -> list[str]:
        """The links of a page that are followed."""
        inside = [link for link in dict.fromkeys(links) if self.allows(link)]
        return inside[: self.limits.breadth or None]

    def _rank(self, url: str, depth: int) -> None:
        host = host_of(url)
        if self.limits.max_hosts and host not in self._known_hosts:
            if len(self._known_hosts) >= self.limits.max_hosts:
                return
            self._known_hosts.add(host)
        if self.store.rank(url, host, depth, self._ranks):
            self._ranks += 1
            self.touched.add(host)

    def _add(self, url: str, depth: int) -> None:
        host = host_of(url)
        self.store.add(url, host, depth)
        self.touched.add(host)

    def look_ahead(self, ident: int) -> None:
        """Let the links of a document wait that no rank has reached yet, so that its host goes on meanwhile."""
        row = self.store.row(ident=ident)
        if row.state == USED or row.depth >= self.limits.depth or self.finished:
            return
        for link in self._links(self.store.brief(ident).links):
            if not self.limits.max_hosts or host_of(link) in self._known_hosts:
                self._add(link, row.depth + 1)
