"""Get one page over HTTP, politely and with a guard. Used by 01_crawl; nothing else here opens a stranger's URL.

In: a URL. Out: a `Fetched`, whatever happened: a failure is a value with a reason, never an exception, because a
crawl (or an agent) must go on. Polite: robots.txt, a pause between requests to one host, Retry-After. Guarded:
http(s) only, no private or loopback address unless `hosts` lists the host, limits on size, time and redirects.
Departure from the paper: none known; how WebDancer fetched its pages is not published.
"""

import email.utils
import ipaddress
import re
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType

import httpx
from protego import Protego

USER_AGENT = "webdancer-reproduction/0.1 (research crawler; reads robots.txt)"
RETRY_STATUS = (429, 500, 502, 503, 504)
_TEXT = re.compile(r"text/|application/(?:[a-z.]+\+)?(?:xml|json)|application/xhtml")
_META = re.compile(rb"""<meta[^>]+charset=["']?([\w-]+)""", re.IGNORECASE)


class Refused(ValueError):
    """A URL that the guard does not let through; the message says why."""


@dataclass(frozen=True)
class Fetched:
    """What came of one request. `url` is the address after redirects; `error` is empty exactly if there is a page.

    `robots` is "allowed", "disallowed" or "unreachable" (robots.txt could not be read, which counts as a no), or ""
    if not asked.
    """

    url: str
    status: int = 0
    content_type: str = ""
    text: str = ""
    error: str = ""
    robots: str = ""


def public_address(host: str, port: int) -> str:
    """An IP address of `host`, after a check that all of them are public.

    Raises:
        Refused: the host is unknown, or one of its addresses is private, loopback, link-local or otherwise not public.
    """
    try:
        found = [info[4][0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise Refused(f"unknown host {host}") from error
    for text in found:
        address = ipaddress.ip_address(text.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        if not address.is_global or address.is_multicast:
            raise Refused(f"{host} is not a public address: list it in `hosts` if the profile may reach it")
    return found[0]


class HostsTransport(httpx.BaseTransport):
    """Sends requests for the names in `hosts` to the addresses listed there, and all others only to public addresses.

    The connection goes to the very address that was checked, so that a name cannot change its address in between.

    Args:
        hosts: host name to base URL, for example `{"wiki.pocket.test": "http://127.0.0.1:8000"}`.
    """

    def __init__(self, hosts: Mapping[str, str]) -> None:
        self.hosts = dict(hosts)
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
        self._inner = httpx.HTTPTransport(limits=limits)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the `Host` header keeps the name asked for. Raises `Refused` for what is guarded."""
        url = request.url
        if url.scheme not in ("http", "https"):
            raise Refused(f"got a {url.scheme or 'relative'} URL, wanted http or https")
        if url.host in self.hosts:
            base = httpx.URL(self.hosts[url.host])
            path = base.raw_path.rstrip(b"/") + url.raw_path
            request.url = url.copy_with(scheme=base.scheme, host=base.host, port=base.port, raw_path=path)
        else:
            port = url.port or (443 if url.scheme == "https" else 80)
            request.extensions["sni_hostname"] = url.host
            request.url = url.copy_with(host=public_address(url.host, port))
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


class Fetcher:
    """Fetches pages; threads may share one.

    Args:
        hosts: names to reach at another address (see `HostsTransport`); empty for the real internet.
        user_agent: sent with every request and looked up in robots.txt.
        delay: seconds between two requests to one host; a longer Crawl-delay of its robots.txt counts. Hosts in
            `hosts` have none.
        timeout: seconds for one connection or read, and for a whole page three times that.
        max_bytes: pages larger than this are given up.
        retries: further tries after 429, 5xx or a broken connection.
        respect_robots: False only for a site of your own.
        max_redirects: redirects followed for one page.
        max_wait: longest pause before a retry, in seconds, whatever Retry-After says.
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
        self._client = httpx.Client(
            transport=HostsTransport(self.hosts),
            timeout=timeout,
            headers={"user-agent": user_agent, "accept": "text/html,*/*"},
        )
        self._lock = threading.Lock()
        self._robots: dict[str, tuple[Protego | None, str]] = {}
        self._robots_locks: dict[str, threading.Lock] = {}
        self._next_slot: dict[str, float] = {}

    def __enter__(self) -> "Fetcher":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, url: str) -> Fetched:
        """Fetch a page, following redirects, each hop guarded and checked against robots.txt. Never raises."""
        seen: list[str] = []
        verdict = ""
        while True:
            try:
                url = str(httpx.URL(url).copy_with(fragment=None))
            except (httpx.InvalidURL, TypeError, ValueError):
                return Fetched(str(url), error="not a URL")
            if url in seen or len(seen) > self.max_redirects:
                kind = "redirect loop" if url in seen else "too many redirects"
                return Fetched(url, error=kind, robots=verdict)
            seen.append(url)
            if self.respect_robots:
                verdict = self.robots(url)
                if verdict != "allowed":
                    return Fetched(url, error=f"robots.txt: {verdict}", robots=verdict)
            got, target = self._try_often(url)
            if not target:
                return Fetched(got.url, got.status, got.content_type, got.text, got.error, verdict)
            url = target

    def robots(self, url: str) -> str:
        """Verdict of the host's robots.txt on a URL: "allowed", "disallowed" or "unreachable"."""
        rules, verdict = self._rules(url)
        return verdict if rules is None else ("allowed" if rules.can_fetch(url, self.user_agent) else "disallowed")

    def sitemaps(self, url: str) -> list[str]:
        """The sitemaps that the host's robots.txt names."""
        rules, _ = self._rules(url)
        return list(rules.sitemaps) if rules is not None else []

    def _rules(self, url: str) -> tuple[Protego | None, str]:
        """The host's robots.txt, read once; without one (4xx) all is allowed, unreadable nothing is (RFC 9309)."""
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL:
            return None, "unreachable"
        site = f"{parsed.scheme}://{parsed.netloc.decode()}"
        with self._lock:
            lock = self._robots_locks.setdefault(site, threading.Lock())
        with lock:
            if site not in self._robots:
                self._robots[site] = self._read_robots(site)
        return self._robots[site]

    def _read_robots(self, site: str) -> tuple[Protego | None, str]:
        url = f"{site}/robots.txt"
        for _ in range(self.max_redirects):
            got, target = self._try_often(url)
            if not target:
                break
            url = target
        if got.status == 200 and not got.error:
            return Protego.parse(got.text), ""
        return (None, "allowed") if 400 <= got.status < 500 and got.status != 429 else (None, "unreachable")

    def _try_often(self, url: str) -> tuple[Fetched, str]:
        """One hop with retries: the result, and the target if it is a redirect."""
        for attempt in range(self.retries + 1):
            got, target, wait = self._try_once(url)
            retry = got.status in RETRY_STATUS or got.error.startswith("connection")
            if not retry or attempt == self.retries:
                break
            time.sleep(min(0.2 * 2**attempt if wait is None else wait, self.max_wait))
        return got, target

    def _try_once(self, url: str) -> tuple[Fetched, str, float | None]:
        """One request: the result, the target if it is a redirect, the seconds that Retry-After asks for."""
        try:
            self._pause(url)
            with self._client.stream("GET", url) as response:
                target = (
                    str(httpx.URL(url).join(response.headers["location"])) if response.has_redirect_location else ""
                )
                return self._read(url, response, bool(target)), target, _retry_after(response.headers)
        except (Refused, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            return Fetched(url, error=f"refused: {error}"), "", None
        except (httpx.HTTPError, OSError) as error:
            return Fetched(url, error=f"connection: {type(error).__name__}"), "", None

    def _read(self, url: str, response: httpx.Response, redirect: bool) -> Fetched:
        """The body of a response, within the limits."""
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        status = response.status_code
        if redirect:
            return Fetched(url, status)
        if kind and not _TEXT.match(kind):
            return Fetched(url, status, kind, error=f"not text: {kind}")
        deadline = time.monotonic() + 3 * self.timeout
        body = bytearray()
        for chunk in response.iter_bytes(16_384):
            body += chunk
            if len(body) > self.max_bytes:
                return Fetched(url, status, kind, error=f"larger than {self.max_bytes} bytes")
            if time.monotonic() > deadline:
                return Fetched(url, status, kind, error=f"slower than {3 * self.timeout:g} seconds")
        text = _decode(bytes(body), response.charset_encoding)
        return Fetched(url, status, kind, text, error="" if status < 400 else f"status {status}")

    def _pause(self, url: str) -> None:
        """Wait for this host's next free slot."""
        parsed = httpx.URL(url)
        if parsed.host in self.hosts:
            return
        rules, _ = self._robots.get(f"{parsed.scheme}://{parsed.netloc.decode()}", (None, ""))
        asked = rules.crawl_delay(self.user_agent) if rules is not None else None
        with self._lock:
            slot = max(time.monotonic(), self._next_slot.get(parsed.host, 0.0))
            self._next_slot[parsed.host] = slot + min(max(self.delay, asked or 0.0), self.max_wait)
        time.sleep(max(0.0, slot - time.monotonic()))


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds that a Retry-After header asks for, given as a number or a date; None without one."""
    value = headers.get("retry-after", "").strip()
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time()) if value else None
    except ValueError:
        return None


def _decode(body: bytes, charset: str | None) -> str:
    """Text of a body: by the header's charset, the page's own, or UTF-8; bytes that do not fit are replaced."""
    named = _META.search(body[:2048])
    name = charset or (named[1].decode("ascii", "ignore") if named else "utf-8")
    try:
        return body.decode(name, "replace")
    except LookupError:
        return body.decode("utf-8", "replace")
