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
from webdancer.web.host_queue import ROBOTS, SITEMAP, HostQueue, Job, Manners
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
        self._held: list[HostQueue] = []  # queues whose next job would be one too many
        self._parsers = Parsers(processes)
        self._pace = Pace()
        self._queues: dict[str, HostQueue] = {}
        self._seeds = Seeds(store, starts, self._queue, use_sitemaps)
        self._share = manners.threads  # requests at once to one of one's own hosts
        self._due: list[tuple[float, str]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._batch: list[tuple[HostQueue, Job, Document | None]] = []
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
                self._call(self._queue(host))
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
            for queue, job, doc in batch:
                if doc is None:
                    self.store.keep(job.id)
                else:
                    self.store.save(job.id, doc, self.day)
                queue.busy.discard(job.id)
                self._busy -= 1
                self.order.stored(queue.host)
            if self._seeds.ready and not self.order.started:
                self.order.start(self._seeds.pages())
            self.order.advance()
            for _, job, _ in batch:
                self.order.look_ahead(job.id)
        for host in self.order.touched:
            queue = self._queue(host)
            queue.jobs.clear()  # there may be more urgent ones now
            queue.dry = False
            self._call(queue)
        self.order.touched.clear()
        active = sum(queue.own and bool(queue.busy or queue.maps or not queue.dry) for queue in self._queues.values())
        self._share = max(2, self.manners.threads // max(1, active))  # so that a slow one never takes all
        held, self._held = self._held, []
        for queue in held:
            self._call(queue)

    def _queue(self, host: str) -> HostQueue:
        if host not in self._queues:
            own = is_listed(f"http://{host}/", self.hosts) and not self.manners.polite_everywhere
            self._queues[host] = HostQueue(host, own)
        return self._queues[host]

    def _call(self, queue: HostQueue, at: float = 0.0) -> None:
        """Look at a queue at that moment."""
        if queue.due is None or at < queue.due:
            queue.due = at
            heapq.heappush(self._due, (at, queue.host))

    def _start(self) -> None:
        """Start the jobs whose time has come."""
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            at, host = heapq.heappop(self._due)
            queue = self._queues[host]
            if queue.due == at:
                queue.due = None
                self._serve(queue, now)

    def _serve(self, queue: HostQueue, now: float) -> None:
        """Start jobs of one host as long as it is polite."""
        most = self._share if queue.own else 1
        while queue.running < most and len(self._tasks) < OPEN:
            if not queue.own and self._pace.free(queue.host) > now:
                return self._call(queue, self._pace.free(queue.host))
            job = self._next(queue, now)
            if job is None:
                return None
            known = queue.rules.get(queue.place(job.url))
            reason, verdict = self._forbidden(queue, job.url)
            if reason:
                self._done(queue, job, Document(job.url, job.url, NOTHING, reason, verdict))
                continue
            if known is None:
                job = queue.first_robots(job)
                if job is None:
                    continue
            elif job.id == ROBOTS:
                continue
            if not queue.own:
                self._pace.book(queue.host, now, max(self.manners.delay, known.delay() if known else 0.0))
            queue.running += 1
            self._tasks.add(asyncio.create_task(self._work(queue, job)))
        if len(self._tasks) >= OPEN:
            self._call(queue, now + 0.01)
        return None

    def _forbidden(self, queue: HostQueue, url: str) -> tuple[str, str]:
        """Why a URL must not be asked for, and the verdict of robots.txt; two empty strings if it may, so far."""
        if not (queue.own or self.manners.contact or is_listed(url, self.hosts)):
            return "refused: a real host, and the parameter contact is empty", "not asked"
        known = queue.rules.get(queue.place(url))
        verdict = known.allows(url) if known else "allowed"
        return ("", "") if verdict == "allowed" else (f"robots.txt: {verdict}", verdict)

    def _next(self, queue: HostQueue, now: float) -> Job | None:
        """The next job of a queue: one to be tried again, a sitemap, or from the frontier."""
        job = queue.urgent(now)
        if job is not None:
            return job
        if queue.again:
            self._call(queue, queue.again[0][0])
        if not queue.jobs and not queue.dry:
            rows = self.store.waiting(queue.host, 32 + len(queue.busy))
            queue.jobs.extend(Job(*row) for row in rows if row[0] not in queue.busy)
            queue.dry = not queue.jobs
        if not queue.jobs:
            return None
        if not self.order.may_start(queue.jobs[0].id, queue.host, self._busy, len(queue.busy)):
            self._held.append(queue)
            return None
        queue.busy.add(queue.jobs[0].id)
        self._busy += 1
        return queue.jobs.popleft()

    def _look_for_maps(self) -> None:
        """Ask for the sitemaps that are not there yet."""
        for kind, url in () if self.order.started else self._seeds.missing():
            queue = self._queue(host_of(url))
            queue.maps.append(Job(kind, url))
            self._call(queue)

    async def _work(self, queue: HostQueue, job: Job) -> None:
        """One request and what follows from it."""
        try:
            hop = await self._fetcher.hop(job.url, job.etag, job.modified, MAP_BYTES if job.id == SITEMAP else 0)
            if not self._tried_again(queue, job, hop):
                await self._take(queue, job, hop)
        finally:
            self._wake.set()

    def _tried_again(self, queue: HostQueue, job: Job, hop: Hop) -> bool:
        """Free the queue; put the job back if what went wrong may pass."""
        queue.running -= 1
        now = time.monotonic()
        again = passes(hop.got) and job.tries < self.manners.retries and (hop.wait or 0.0) <= self.manners.max_wait
        if again:
            wait = min(0.2 * 2**job.tries if hop.wait is None else hop.wait, self.manners.max_wait)
            job.tries += 1
            queue.retry(job, now + wait)
            if not queue.own:
                self._pace.hold(queue.host, now + wait)  # it is the host that wants to be left alone
        self._call(queue, now)
        return again

    async def _take(self, queue: HostQueue, job: Job, hop: Hop) -> None:
        got = as_it_is(hop.got)
        if job.id == ROBOTS:
            await self._robots(queue, job, hop)
        elif job.id == SITEMAP:
            self._save_map(job.url, *((True, [hop.target]) if hop.target else sitemap(got)))
        elif got.not_modified or (job.etag + job.modified and passes(got) and self.store.good(job.id)):
            self._done(queue, job, None)  # not changed, or cannot be had today: the page that is there stays
        elif hop.target:
            self._done(queue, job, redirect(job.url, hop.target, "allowed"))
        else:
            self._done(queue, job, await self._parsers.read(replace(got, robots="allowed"), job.url))

    def _save_map(self, url: str, is_index: bool, locs: list[str]) -> None:
        with self.store.change():
            self.store.save_map(url, is_index, locs)
        self._look_for_maps()

    async def _robots(self, queue: HostQueue, job: Job, hop: Hop) -> None:
        """Read robots.txt; redirects are followed."""
        for _ in range(4):
            if hop.target:
                hop = await self._fetcher.hop(hop.target)
        queue.learn(queue.place(job.url), rules(hop.got, user_agent(self.manners.contact)))
        self._look_for_maps()
        self._call(queue)

    def _done(self, queue: HostQueue, job: Job, doc: Document | None) -> None:
        """Hand over what came of a job; None: the page that is there stays."""
        if job.id == SITEMAP:
            self._save_map(job.url, False, [])
        elif job.id != ROBOTS:
            self._first = self._first if self._batch else time.monotonic()
            self._batch.append((queue, job, doc))
