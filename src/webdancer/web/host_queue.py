"""What the crawler knows about one host while it runs: the jobs that wait at its door, its robots.txt, its limits.

Used by 01_crawl, in `spider`. In: addresses to ask. Out: the next one, in the order of urgency. Not in the paper.
"""

import heapq
from collections import deque
from dataclasses import dataclass, field

from webdancer.web.politeness import Rules

ROBOTS, SITEMAP = -1, 0  # ids of jobs that are no address of the frontier


@dataclass(frozen=True)
class Manners:
    """How hosts are treated. Those in `hosts` are one's own: no pause, `threads` requests at once, no contact needed.

    `delay` seconds lie between two requests to any other host (more if its robots.txt says so), and only one is under
    way. `retries` further tries follow 429, 5xx, a broken connection or half a page, after as many seconds as
    Retry-After says; more than `max_wait` are not waited for, the page is then given up.
    """

    contact: str = ""
    delay: float = 1.0
    threads: int = 8
    timeout: float = 10.0
    max_bytes: int = 2_000_000
    retries: int = 3
    max_wait: float = 600.0
    connections: int = 64
    polite_everywhere: bool = False  # treat one's own hosts like all others, to see how that goes


@dataclass(order=True)
class Job:
    """One address to ask: `id` in the frontier, or `SITEMAP` or `ROBOTS`."""

    id: int
    url: str
    etag: str = ""
    modified: str = ""
    tries: int = 0


@dataclass
class HostQueue:
    """The jobs of one host that wait at its door."""

    host: str
    own: bool
    jobs: deque[Job] = field(default_factory=deque)
    maps: deque[Job] = field(default_factory=deque)
    again: list[tuple[float, Job]] = field(default_factory=list)
    rules: dict[str, Rules] = field(default_factory=dict)  # by scheme and host
    parked: list[Job] = field(default_factory=list)  # until robots.txt is there
    asking: set[str] = field(default_factory=set)  # scheme and host of each robots.txt on its way
    busy: set[int] = field(default_factory=set)  # of the frontier: taken and not yet stored
    running: int = 0
    dry: bool = False  # the frontier has nothing more for it
    due: float | None = None  # when it is to be looked at

    def retry(self, job: Job, at: float) -> None:
        """Let a job wait until a moment (of `time.monotonic`)."""
        heapq.heappush(self.again, (at, job))

    def urgent(self, now: float) -> Job | None:
        """A job to be tried again now, or a sitemap."""
        if self.again and self.again[0][0] <= now:
            return heapq.heappop(self.again)[1]
        return self.maps.popleft() if self.maps else None

    def place(self, url: str) -> str:
        """Scheme and host of an address of this host: what its robots.txt is kept under."""
        return f"{url.partition('://')[0]}://{self.host}"

    def first_robots(self, job: Job) -> Job | None:
        """What to do before a job whose robots.txt is not there: ask for it; None if it is on its way."""
        place = self.place(job.url)
        if job.id != ROBOTS:
            self.parked.append(job)
        if place in self.asking:
            return None
        self.asking.add(place)
        return Job(ROBOTS, f"{place}/robots.txt")

    def learn(self, place: str, rules: Rules) -> None:
        """Robots.txt is there: what waited for it may go on."""
        self.rules[place] = rules
        self.asking.discard(place)
        for job in self.parked:
            self.retry(job, 0.0)
        self.parked.clear()
