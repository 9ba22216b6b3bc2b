"""The two tools of the agent, `search` and `visit`, as it sees them: a call goes in, an observation (text) comes out.

Used by 03_distill (teachers), 06_dapo and 07_evaluate (the policy). The observations have the layout of the released
WebDancer trajectories. A tool never raises inside an episode: whatever goes wrong is an observation that starts with
"Error: ". Departures from the paper: our search engine is an index of stored pages and says "A search" where theirs
says "A Google search"; and without a summariser `visit` quotes the sentences nearest to the goal (a rule-based
stand-in for the paper's Qwen-2.5-72B). A live search engine (`web.live`) and live pages (`reader`) are options. Page
text is data: every observation passes `inert`.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import unquote, urldefrag

from webdancer.core.protocol import QUERY_RULE
from webdancer.core.schema import Page
from webdancer.web import windows
from webdancer.web.frozen import NotRecorded, Searches
from webdancer.web.inert import inert
from webdancer.web.layout import render_hits, render_visit
from webdancer.web.live import SearchFailed
from webdancer.web.search import SearchIndex
from webdancer.web.visit import Reader, Unreadable, open_page
from webdancer.web.windows import Summarise
from webdancer.web.words import sentences, words

THREADS = 16  # live searches and visits under way at once
LIVE_PAGES = 512  # pages fetched live that are kept for another goal
OBSERVATIONS = 20_000  # observations kept, about 30 MB: the rollouts of a group repeat each other
Call = tuple[str, dict[str, Any]]


class BadCall(ValueError):
    """A call that cannot be carried out; its message becomes the observation."""


def extract(text: str, goal: str, count: int = 2) -> tuple[str, str]:
    """Evidence and summary by rule: the `count` sentences nearest to the goal in page order, and the best one.

    >>> extract("Tal likes tea. Tal was born in Orlen. Rain is wet.", "Tal born", count=1)
    ('Tal was born in Orlen.', 'Tal was born in Orlen.')
    """
    found = sentences(text)
    if not found:
        return "", ""
    wanted = frozenset(words(goal))
    shared = [len(wanted.intersection(words(s))) for s in found]
    best = sorted(range(len(found)), key=lambda i: (-shared[i], i))[:count]
    return " ".join(found[i] for i in sorted(best)), found[best[0]]


def page_key(url: str) -> str:
    """What two spellings of one address share: no scheme, no fragment, no trailing slash, percent signs decoded.

    >>> page_key("https://a.test/Caf%C3%A9/#top")
    'a.test/Café'
    """
    rest = urldefrag(url.strip()).url.partition("://")
    host, slash, path = (rest[2] or rest[0]).partition("/")
    return unquote(host.lower() + slash + path).rstrip("/")


class Tools:
    """`search` and `visit` over an index and its pages.

    Args:
        index: what `search` asks: a `SearchIndex`, or a live engine (`web.live`, `web.frozen.FrozenSearch`).
        pages: what `visit` can open: any pages; `index.pages` of a loaded index stay on disk.
        summarise: async function of (page text, goal) to (evidence, summary), usually an LLM; None = `extract`.
        reader: fetches pages that are not in `pages`, guarded (`Fetcher`, `Frozen`); None = stored pages only.
        results: hits a query.
        snippet_words: longest snippet; it can only shorten those of the index.
        max_queries: queries and URLs taken from one call, as in the released code; the rest is ignored.
        max_observation_chars: an observation is cut there, so that one call cannot fill the agent's context.
        max_page_chars: characters that the summariser reads in one request; a longer page is read in windows.
        max_windows: most windows of one page that it reads.
        evidence_sentences: sentences that `extract` quotes, the best of the whole page.
    """

    def __init__(
        self,
        index: Searches,
        pages: Iterable[Page],
        summarise: Summarise | None = None,
        *,
        reader: Reader | None = None,
        results: int = 10,
        snippet_words: int = 40,
        max_queries: int = 3,
        max_observation_chars: int = 20_000,
        max_page_chars: int = 60_000,
        max_windows: int = 4,
        evidence_sentences: int = 2,
    ) -> None:
        limits = (results, snippet_words, max_queries, max_observation_chars, max_page_chars, max_windows)
        if min(*limits, evidence_sentences) < 1:
            raise ValueError("got a limit below 1, wanted every limit of Tools to be 1 or more")
        self.index = index
        self.summarise = summarise
        self.reader = reader
        self.results = results
        self.snippet_words = snippet_words
        self.max_queries = max_queries
        self.max_observation_chars = max_observation_chars
        self.max_page_chars = max_page_chars
        self.max_windows = max_windows
        self.evidence_sentences = evidence_sentences
        self._pages = pages if isinstance(pages, Sequence) else tuple(pages)
        self._where = {page_key(page.url): i for i, page in enumerate(self._pages)}
        self._seen: dict[Any, str] = {}  # observations already made, the oldest first
        self._fetched: dict[str, Page] = {}
        self._running: dict[Any, Future[Any]] = {}
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(THREADS, "tools")  # starts a thread only when there is work for it

    def __reduce__(self) -> Any:
        """For a copy in another process: tools over stored pages alone. A connection, a budget or a recording is one
        and cannot be copied.

        Raises:
            TypeError: there is one.
        """
        if self.summarise is not None or self.reader is not None or not isinstance(self.index, SearchIndex):
            raise TypeError(
                "got tools with a summariser or the live web, wanted stored pages alone: these can be copied"
            )
        names = ("results", "snippet_words", "max_queries", "max_observation_chars", "max_page_chars", "max_windows")
        dials = {name: getattr(self, name) for name in (*names, "evidence_sentences")}
        return partial(Tools, **dials), (self.index, list(self._pages))

    async def call(self, name: str, arguments: dict[str, Any]) -> str:
        """Carry out one call and return its observation.

        Args:
            name: "search" or "visit".
            arguments: `{"query": [str, ...]}` or `{"url": [str, ...], "goal": str}`; a single string is taken as a
                list of one.

        Raises:
            EndpointError: the summariser can never be asked (wrong key, budget spent); all else is an observation.
        """
        name = name if isinstance(name, str) else type(name).__name__
        try:
            if name == "search":
                parts = [self._search(q) for q in _strings(arguments, "query", self.max_queries)]
            elif name == "visit":
                goal = _strings(arguments, "goal", 1)[0]
                parts = [self._visit(u, goal) for u in _strings(arguments, "url", self.max_queries)]
            else:
                raise BadCall(f"there is no tool named {str(name)[:60]!r}. The tools are search and visit.")
            found = await asyncio.gather(*(_part(name, part) for part in parts))
        except BadCall as error:
            found = [f"Error: {error}"]
        except Exception as error:  # noqa: BLE001 - an observation, whatever broke: an episode must outlive its tools
            _raise_fatal(error)
            found = [f"Error: {str(name)[:60]} failed ({type(error).__name__}). Try another call."]
        return self._cut(inert(QUERY_RULE.join(found)))

    def call_many(self, calls: Sequence[Call]) -> list[str]:
        """Observations of many calls at once, in order; from plain code or inside a running event loop (a notebook)."""
        return _wait(self._gather(calls))

    async def _gather(self, calls: Sequence[Call]) -> list[str]:
        return list(await asyncio.gather(*(self.call(name, arguments) for name, arguments in calls)))

    async def _search(self, query: str) -> str:
        """The observation of one query."""
        key = ("search", query)
        if not isinstance(self.index, SearchIndex):
            return await self._once(self._seen, key, lambda: self._search_live(query))
        done = self._seen.get(key)  # at once: a thread would cost more than the search
        return done or self._keep(
            self._seen, key, lambda: render_hits(query, self.index.search(query, self.results), self.snippet_words)
        )

    def _search_live(self, query: str) -> str:
        """The observation of one query to an engine that takes its time."""
        try:
            return render_hits(query, self.index.search(query, self.results)[: self.results], self.snippet_words)
        except NotRecorded:
            raise SearchFailed(
                f"a search for '{query[:200]}' is not in the recording (replay mode). Try another query."
            ) from None

    async def _visit(self, url: str, goal: str) -> str:
        """The observation of one page."""
        page = await self._open(url)
        key = ("visit", page.url, goal, url)
        if done := self._seen.get(key):
            return done
        if self.summarise is None:
            evidence, summary = extract(page.text, goal, self.evidence_sentences)
        else:
            evidence, summary = await windows.read(
                page.text, goal, self.summarise, self.max_page_chars, self.max_windows
            )
        return self._keep(self._seen, key, lambda: render_visit(url, goal, evidence, summary))

    async def _open(self, url: str) -> Page:
        """The stored page, or the live one if there is a reader; raises `Unreadable`."""
        key = page_key(url)
        if key in self._where:
            return self._pages[self._where[key]]
        if self.reader is None:
            raise Unreadable(f"{url[:200]} could not be opened. Visit a URL from the search results.")
        page = await self._once(self._fetched, key, lambda: open_page(self.reader, url))
        with self._lock:
            while len(self._fetched) > LIVE_PAGES:
                del self._fetched[next(iter(self._fetched))]
        return page

    async def _once(self, done: dict[Any, Any], key: Any, work: Callable[[], Any]) -> Any:
        """The result of blocking work, done in a thread and kept in `done`; calls that want the same share it."""
        with self._lock:
            if key in done:
                return done[key]
            future = self._running.get(key)
            if future is None:
                future = self._running[key] = self._threads.submit(self._keep, done, key, work)
                future.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(asyncio.wrap_future(future))

    def _keep(self, done: dict[Any, Any], key: Any, work: Callable[[], Any]) -> Any:
        """Do the work and keep its result, in the place of the oldest if there are many; an exception is not kept."""
        result = work()
        with self._lock:
            if len(done) >= OBSERVATIONS:
                done.pop(next(iter(done)))
            done[key] = result
        return result

    def _cut(self, text: str) -> str:
        """`text`, or its head with " ..." so that a cut sentence can be told from a whole one."""
        return text if len(text) <= self.max_observation_chars else text[: self.max_observation_chars] + " ..."


def _raise_fatal(error: Exception) -> None:
    """Raise what no later call can get past, such as a wrong key: every further observation would be the same error."""
    if getattr(error, "fatal", False):
        raise error


async def _part(name: str, work: Awaitable[str]) -> str:
    """The observation of one query or URL; what goes wrong with it does not touch the others of the call."""
    try:
        return await work
    except (Unreadable, SearchFailed) as error:
        return f"Error: {error}"
    except Exception as error:  # noqa: BLE001 - an observation, whatever broke: an episode must outlive its tools
        _raise_fatal(error)
        return f"Error: {name} failed ({type(error).__name__}). Try another call."


def _strings(arguments: dict[str, Any], key: str, limit: int) -> list[str]:
    """The first `limit` strings under `key`.

    Raises:
        BadCall: the key is missing, or holds no string; the message says what was got and wanted.
    """
    if not isinstance(arguments, dict) or key not in arguments:
        raise BadCall(
            f"the call has no {key!r}. search takes query (a list of strings); visit takes url (a list) and goal."
        )
    value = arguments[key]
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not values or not all(isinstance(v, str) and v.strip() for v in values):
        raise BadCall(f"{key!r} is {str(value)[:80]!r}, wanted a list of one or more strings that are not empty.")
    return values[:limit]


def _wait(work: Coroutine[Any, Any, list[str]]) -> list[str]:
    """Run a coroutine to its end, also where an event loop already runs (then in a thread with a loop of its own)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
