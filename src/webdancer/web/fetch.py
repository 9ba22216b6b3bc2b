"""Get one page over HTTP, politely and with a guard. Used by 01_crawl; nothing else here opens a stranger's URL.

In: a URL. Out: a `Fetched`, whatever happened: a failure is a value with a reason, never an exception, because a
crawl (or an agent) must go on. Polite: robots.txt, a pause between requests to one host, Retry-After (`politeness`).
Guarded: http(s) only, no private or loopback address unless `hosts` lists the host (`guard`), limits on size, time and
redirects (`answer`). `download` is the same for asyncio. Departure from the paper: none known; how WebDancer fetched
its pages is not published.
"""

import dataclasses
import threading
import time
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType

import httpx

from webdancer.web.answer import RETRY_STATUS, Answer, Fetched, as_it_is, ask, passes
from webdancer.web.body import TooLarge
from webdancer.web.guard import HostsTransport, Refused, check_url, public_address
from webdancer.web.politeness import USER_AGENT, Pace, Rules, is_listed, origin, rules

__all__ = ["RETRY_STATUS", "USER_AGENT", "Fetched", "Fetcher", "HostsTransport", "Refused", "public_address"]


class Fetcher:
    """Fetches pages; threads may share one.

    Args:
        hosts: names to reach at another address (see `HostsTransport`); empty for the real internet.
        user_agent: sent with every request and looked up in robots.txt.
        delay: seconds between two requests to one host; a longer Crawl-delay of its robots.txt counts. Hosts in
            `hosts` have none.
        timeout: seconds for one connection or read, and for a whole page three times that.
        max_bytes: pages larger than this, packed or unpacked, are given up.
        retries: further tries after 429, 5xx, a broken connection or half a page.
        respect_robots: False only for a site of your own.
        max_redirects: redirects followed for one page.
        max_wait: longest pause before a retry, in seconds, whatever Retry-After says.
        accept_pdf: whether a PDF is a page too; its bytes are then in `Fetched.body`.
    """

    def __init__(
        self,
        hosts: Mapping[str, str] | None = None,
        user_agent: str = USER_AGENT,
        delay: float = 1.0,
        timeout: float = 10.0,
        max_bytes: int = 2_000_000,
        retries: int = 3,
        respect_robots: bool = True,
        max_redirects: int = 5,
        max_wait: float = 60.0,
        accept_pdf: bool = False,
    ) -> None:
        self.hosts = dict(hosts or {})
        self.user_agent = user_agent
        self.delay = delay
        self.timeout = timeout
        self.max_bytes = max_bytes
        self.retries = retries
        self.respect_robots = respect_robots
        self.max_redirects = max_redirects
        self.max_wait = max_wait
        self.accept_pdf = accept_pdf
        self._client = httpx.Client(transport=HostsTransport(self.hosts, seconds=4 * timeout), timeout=timeout)
        self._client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # no visit knows of another
        self._lock = threading.Lock()
        self._robots: dict[str, Rules] = {}
        self._robots_locks: dict[str, threading.Lock] = {}
        self._pace = Pace()

    def __enter__(self) -> "Fetcher":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, url: str, *, etag: str = "", modified: str = "") -> Fetched:
        """Fetch a page, following redirects, each hop guarded and checked against robots.txt. Never raises.

        Args:
            url: absolute.
            etag, modified: what an earlier `Fetched` of this page had; if the page is still that one the answer has
                `not_modified` and no text.
        """
        seen: list[str] = []
        verdict = ""
        while True:
            try:
                url = str(httpx.URL(url).copy_with(fragment=None))
            except (httpx.InvalidURL, TypeError, ValueError):
                return Fetched(str(url), error="not a URL")
            try:
                check_url(url, self.hosts)  # before anything of it is asked, robots.txt too
            except Refused as error:
                return Fetched(url, error=f"refused: {error}", robots=verdict)
            if url in seen or len(seen) > self.max_redirects:
                kind = "redirect loop" if url in seen else "too many redirects"
                return Fetched(url, error=kind, robots=verdict)
            seen.append(url)
            if self.respect_robots:
                verdict = self.robots(url)
                if verdict != "allowed":
                    return Fetched(url, error=f"robots.txt: {verdict}", robots=verdict)
            got, target = self._try_often(url, etag, modified)
            if not target:
                return dataclasses.replace(got, robots=verdict)
            url = target

    def robots(self, url: str) -> str:
        """Verdict of the host's robots.txt on a URL: "allowed", "disallowed" or "unreachable"."""
        return self._rules(url).allows(url)

    def sitemaps(self, url: str) -> list[str]:
        """The sitemaps that the host's robots.txt names."""
        return self._rules(url).sitemaps()

    def _rules(self, url: str) -> Rules:
        """The host's robots.txt, read once."""
        try:
            site = origin(url)
        except httpx.InvalidURL:
            return Rules(None, "unreachable")
        with self._lock:
            lock = self._robots_locks.setdefault(site, threading.Lock())
        with lock:
            if site not in self._robots:
                self._robots[site] = rules(self._read_robots(f"{site}/robots.txt"), self.user_agent)
        return self._robots[site]

    def _read_robots(self, url: str) -> Fetched:
        got = Fetched(url)
        for _ in range(self.max_redirects):
            got, target = self._try_often(url)
            if not target:
                return got
            url = target
        return got

    def _try_often(self, url: str, etag: str = "", modified: str = "") -> tuple[Fetched, str]:
        """One hop with retries: the result, and the target if it is a redirect."""
        for attempt in range(self.retries + 1):
            got, target, wait = self._try_once(url, etag, modified)
            if not passes(got) or attempt == self.retries:
                break
            time.sleep(min(0.2 * 2**attempt if wait is None else wait, self.max_wait))
        return as_it_is(got), target

    def _try_once(self, url: str, etag: str, modified: str) -> tuple[Fetched, str, float | None]:
        """One request: the result, the target if it is a redirect, the seconds that Retry-After asks for."""
        try:
            self._pause(url)
            with self._client.stream("GET", url, headers=ask(self.user_agent, etag, modified)) as response:
                limits = (self.max_bytes, 3 * self.timeout, self.accept_pdf)
                answer = Answer(url, response.status_code, response.headers, *limits)
                if answer.wanted:
                    for chunk in response.iter_raw():
                        if not answer.feed(chunk):
                            break
                return answer.result(), answer.target, answer.wait
        except TooLarge as error:
            return Fetched(url, response.status_code, error=str(error)), "", None
        except (Refused, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            return Fetched(url, error=f"refused: {error}"), "", None
        except (httpx.HTTPError, OSError) as error:
            return Fetched(url, error=f"connection: {type(error).__name__}"), "", None

    def _pause(self, url: str) -> None:
        """Wait for this host's next free slot."""
        if is_listed(url, self.hosts):
            return
        asked = self._robots.get(origin(url), Rules()).delay()
        now = time.monotonic()
        slot = self._pace.book(httpx.URL(url).host, now, max(self.delay, asked))
        time.sleep(max(0.0, slot - now))
