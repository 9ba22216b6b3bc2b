"""The crawler of plain web sites: many hosts at once, each at its own pace, from and into a `Store`.

Used by 01_crawl. In: roots and limits. Out: a store whose results are in the order of discovery. What may be asked
and in which order it counts is said by `order`, how a host is treated by `politeness`, one request is `download`'s,
cleaning `parsers`'; here they are put to work until the order is complete. A crawl that was killed is started again
with the same store. Departure from the paper: none known; how its crawler worked is not published.
"""

import asyncio
import contextlib
import heapq
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from webdancer.web.answer import as_it_is, passes
from webdancer.web.document import NOTHING, Document, redirect, sitemap
from webdancer.web.download import MAP_BYTES, AsyncFetcher, Hop
from webdancer.web.line import ROBOTS, SITEMAP, Job, Line, Manners
from webdancer.web.order import Limits, Order, host_of
from webdancer.web.parsers import Parsers
from webdancer.web.politeness import Pace, check_contact, is_listed, rules, user_agent
from webdancer.web.seeds import Seeds
from webdancer.web.store import Store
from webdancer.web.text import canonical

OPEN = 160  # pages on their way at once: being fetched, cleaned or about to be stored
BATCH, PATIENCE = 32, 0.1  # documents, or seconds, after which what came is committed


class Spider:
    """One crawl.

    Args:
        store: where it lies; a crawl of the same plan goes on there, another plan starts its order afresh.
        roots: absolute URLs.
        hosts: where names are to be reached; see `HostsTransport`.
        limits, manners: how far and how.
        day: YYYY-MM-DD for what is fetched.
        use_sitemaps: whether to start also from what the sitemaps in the roots' robots.txt name.
        refresh: ask for every page again, if it has changed since; once a `day`.
        processes: for cleaning, see `Parsers`.
    Raises:
        ValueError: a root is no http(s) URL, or its host is a stranger's and `manners.contact` is empty.
    """

    def __init__(
        self,
        store: Store,
        roots: Sequence[str],
        hosts: Mapping[str, str],
        limits: Limits,
        manners: Manners,
        day: str = "",
        use_sitemaps: bool = True,
        refresh: bool = False,
        processes: int = 0,
    ) -> None:
        check_contact(manners.contact, roots, hosts)
        starts = [canonical(root) for root in roots]
        if not starts or not all(starts):
            raise ValueError(f"got the roots {list(roots)}, wanted absolute http(s) URLs")
        self.store, self.hosts, self.manners, self.day = store, dict(hosts), manners, day
        self._resume(json.dumps([starts, asdict(limits), use_sitemaps]), refresh)
        self.order = Order(store, starts, limits)
        self.stop = False
        self._held: list[Line] = []  # lines whose next job would be one too many
        self._parsers = Parsers(processes)
        self._pace = Pace()
        self._lines: dict[str, Line] = {}
        self._seeds = Seeds(store, starts, self._line, use_sitemaps)
        self._share = manners.threads  # requests at once to one of one's own hosts
        self._due: list[tuple[float, str]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._batch: list[tuple[Line, Job, Document | None]] = []
        self._first = 0.0  # when the oldest of the batch came
        self._busy = 0
        self._wake = asyncio.Event()

    def _resume(self, plan: str, refresh: bool) -> None:
        """Make the store ready for this plan."""
        with self.store.change():
            if refresh and self.store.noted("refreshed") != self.day:
                self.store.ask_again()
            elif self.store.noted("plan", plan) != plan:
                self.store.forget_order()
            self.store.note("plan", plan)
            if refresh:
                self.store.note("refreshed", self.day)

    async def run(self) -> None:
        """Crawl until the order is complete, or until `stop` is set."""
        with self.store.change():
            self.order.begin()
            self.order.advance()
        connections = max(self.manners.connections, self.manners.threads)
        limits = (self.manners.timeout, self.manners.max_bytes, connections)
        async with AsyncFetcher(self.hosts, user_agent(self.manners.contact), *limits) as self._fetcher, self._parsers:
            for host in () if self.order.finished else self.store.waiting_hosts():
                self._call(self._line(host))
            self._look_for_maps()
            try:
                while not self.order.finished and not self.stop:
                    await self._turn()
            finally:
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _turn(self) -> None:
        """Start what may start, wait until something is done, and commit what came."""
        self._start()
        if not self._tasks and not self._batch and not self._due:
            raise RuntimeError("the crawl has nothing to do and is not complete: please report this plan as a bug")
        until = self._due[0][0] if self._due else time.monotonic() + 1.0
        if not self._batch or self._tasks:
            patience = PATIENCE if self._batch else 1.0
            pause = max(0.0, min(until - time.monotonic(), patience))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)
        self._wake.clear()
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.discard(task)
            task.result()
        waited = bool(self._batch) and (time.monotonic() - self._first > PATIENCE or not self._tasks)
        if len(self._batch) >= BATCH or waited or (self._seeds.ready and not self.order.started):
            self._commit()

    def _commit(self) -> None:
        """Store what came, settle ranks, and see who may go on."""
        batch, self._batch = self._batch, []
        with self.store.change():
            for line, job, doc in batch:
                if doc is None:
                    self.store.keep(job.id)
                else:
                    self.store.save(job.id, doc, self.day)
                line.busy.discard(job.id)
                self._busy -= 1
                self.order.stored(line.host)
            if self._seeds.ready and not self.order.started:
                self.order.start(self._seeds.pages())
            self.order.advance()
            for _, job, _ in batch:
                self.order.look_ahead(job.id)
        for host in self.order.touched:
            line = self._line(host)
            line.jobs.clear()  # there may be more urgent ones now
            line.dry = False
            self._call(line)
        self.order.touched.clear()
        active = sum(line.own and bool(line.busy or line.maps or not line.dry) for line in self._lines.values())
        self._share = max(2, self.manners.threads // max(1, active))  # so that a slow one never takes all
        held, self._held = self._held, []
        for line in held:
            self._call(line)

    def _line(self, host: str) -> Line:
        if host not in self._lines:
            own = is_listed(f"http://{host}/", self.hosts) and not self.manners.polite_everywhere
            self._lines[host] = Line(host, own)
        return self._lines[host]

    def _call(self, line: Line, at: float = 0.0) -> None:
        """Look at a line at that moment."""
        if line.due is None or at < line.due:
            line.due = at
            heapq.heappush(self._due, (at, line.host))

    def _start(self) -> None:
        """Start the jobs whose time has come."""
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            at, host = heapq.heappop(self._due)
            line = self._lines[host]
            if line.due == at:
                line.due = None
                self._serve(line, now)

    def _serve(self, line: Line, now: float) -> None:
        """Start jobs of one host as long as it is polite."""
        most = self._share if line.own else 1
        while line.running < most and len(self._tasks) < OPEN:
            if not line.own and self._pace.free(line.host) > now:
                return self._call(line, self._pace.free(line.host))
            job = self._next(line, now)
            if job is None:
                return None
            known = line.rules.get(line.place(job.url))
            reason, verdict = self._forbidden(line, job.url)
            if reason:
                self._done(line, job, Document(job.url, job.url, NOTHING, reason, verdict))
                continue
            if known is None:
                job = line.first_robots(job)
                if job is None:
                    continue
            elif job.id == ROBOTS:
                continue
            if not line.own:
                self._pace.book(line.host, now, max(self.manners.delay, known.delay() if known else 0.0))
            line.running += 1
            self._tasks.add(asyncio.create_task(self._work(line, job)))
        if len(self._tasks) >= OPEN:
            self._call(line, now + 0.01)
        return None

    def _forbidden(self, line: Line, url: str) -> tuple[str, str]:
        """Why a URL must not be asked for, and the verdict of robots.txt; two empty strings if it may, so far."""
        if not (line.own or self.manners.contact or is_listed(url, self.hosts)):
            return "refused: a real host, and the parameter contact is empty", "not asked"
        known = line.rules.get(line.place(url))
        verdict = known.allows(url) if known else "allowed"
        return ("", "") if verdict == "allowed" else (f"robots.txt: {verdict}", verdict)

    def _next(self, line: Line, now: float) -> Job | None:
        """The next job of a line: one to be tried again, a sitemap, or from the frontier."""
        job = line.urgent(now)
        if job is not None:
            return job
        if line.again:
            self._call(line, line.again[0][0])
        if not line.jobs and not line.dry:
            rows = self.store.waiting(line.host, 32 + len(line.busy))
            line.jobs.extend(Job(*row) for row in rows if row[0] not in line.busy)
            line.dry = not line.jobs
        if not line.jobs:
            return None
        if not self.order.may_start(line.jobs[0].id, line.host, self._busy, len(line.busy)):
            self._held.append(line)
            return None
        line.busy.add(line.jobs[0].id)
        self._busy += 1
        return line.jobs.popleft()

    def _look_for_maps(self) -> None:
        """Ask for the sitemaps that are not there yet."""
        for kind, url in () if self.order.started else self._seeds.missing():
            line = self._line(host_of(url))
            line.maps.append(Job(kind, url))
            self._call(line)

    async def _work(self, line: Line, job: Job) -> None:
        """One request and what follows from it."""
        try:
            hop = await self._fetcher.hop(job.url, job.etag, job.modified, MAP_BYTES if job.id == SITEMAP else 0)
            if not self._tried_again(line, job, hop):
                await self._take(line, job, hop)
        finally:
            self._wake.set()

    def _tried_again(self, line: Line, job: Job, hop: Hop) -> bool:
        """Free the line; put the job back if what went wrong may pass."""
        line.running -= 1
        now = time.monotonic()
        again = passes(hop.got) and job.tries < self.manners.retries and (hop.wait or 0.0) <= self.manners.max_wait
        if again:
            wait = min(0.2 * 2**job.tries if hop.wait is None else hop.wait, self.manners.max_wait)
            job.tries += 1
            line.retry(job, now + wait)
            if not line.own:
                self._pace.hold(line.host, now + wait)  # it is the host that wants to be left alone
        self._call(line, now)
        return again

    async def _take(self, line: Line, job: Job, hop: Hop) -> None:
        got = as_it_is(hop.got)
        if job.id == ROBOTS:
            await self._robots(line, job, hop)
        elif job.id == SITEMAP:
            self._save_map(job.url, *((True, [hop.target]) if hop.target else sitemap(got)))
        elif got.not_modified or (job.etag + job.modified and passes(got) and self.store.good(job.id)):
            self._done(line, job, None)  # not changed, or cannot be had today: the page that is there stays
        elif hop.target:
            self._done(line, job, redirect(job.url, hop.target, "allowed"))
        else:
            self._done(line, job, await self._parsers.read(replace(got, robots="allowed"), job.url))

    def _save_map(self, url: str, is_index: bool, locs: list[str]) -> None:
        with self.store.change():
            self.store.save_map(url, is_index, locs)
        self._look_for_maps()

    async def _robots(self, line: Line, job: Job, hop: Hop) -> None:
        """Read robots.txt; redirects are followed."""
        for _ in range(4):
            if hop.target:
                hop = await self._fetcher.hop(hop.target)
        line.learn(line.place(job.url), rules(hop.got, user_agent(self.manners.contact)))
        self._look_for_maps()
        self._call(line)

    def _done(self, line: Line, job: Job, doc: Document | None) -> None:
        """Hand over what came of a job; None: the page that is there stays."""
        if job.id == SITEMAP:
            self._save_map(job.url, False, [])
        elif job.id != ROBOTS:
            self._first = self._first if self._batch else time.monotonic()
            self._batch.append((line, job, doc))
