"""Manners of a crawler: who it says it is, what robots.txt lets it ask, and how long it waits between two requests.

Used by 01_crawl. In: URLs, the text of robots.txt files, the clock. Out: a user agent with a contact, verdicts, and
moments to send the next request. Nothing here touches the network. Departure from the paper: none known; it does not
say how its crawler behaved.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import httpx
from protego import Protego

from webdancer.web.answer import Fetched
from webdancer.web.guard import listed

NAME = "webdancer-reproduction/0.1"
USER_AGENT = f"{NAME} (research crawler; reads robots.txt)"
LONGEST = 60.0  # seconds that a Crawl-delay may hold a crawl up


def user_agent(contact: str = "") -> str:
    """What is sent as User-Agent.

    >>> user_agent("crawl@example.org")
    'webdancer-reproduction/0.1 (research crawler; reads robots.txt; contact: crawl@example.org)'
    """
    contact = " ".join(contact.split())
    return f"{USER_AGENT.removesuffix(')')}; contact: {contact})" if contact else USER_AGENT


def is_listed(url: str, hosts: Mapping[str, str]) -> bool:
    """Whether `hosts` names the host of a URL: a site of one's own, on which no manners are needed."""
    try:
        return listed(httpx.URL(url), hosts) is not None
    except (httpx.InvalidURL, TypeError, UnicodeError, ValueError):
        return False


def check_contact(contact: str, urls: Iterable[str], hosts: Mapping[str, str]) -> None:
    """Refuse to crawl other people's hosts without saying who asks.

    Args:
        contact: an e-mail address or a web page about the crawl.
        urls: addresses that are going to be asked.
        hosts: names that stand for sites of one's own; those need no contact.
    Raises:
        ValueError: `contact` is empty, or no address, and a host is not in `hosts`; the message names the parameter.
    """
    if contact and ("@" in contact or "://" in contact):
        return
    strangers = [url for url in urls if not is_listed(url, hosts)]
    if strangers:
        raise ValueError(
            f"got contact={contact!r} for {strangers[0]}, wanted an e-mail address or a URL: set the parameter "
            "`contact`; it is sent with every request, so that the people who run the site can reach you"
        )


@dataclass(frozen=True)
class Rules:
    """What one host's robots.txt asks of us; without one (4xx) all is allowed, unreadable nothing is (RFC 9309).

    `verdict` holds for every URL if there are no `parsed` rules.
    """

    parsed: Protego | None = None
    verdict: str = "allowed"
    agent: str = USER_AGENT

    def allows(self, url: str) -> str:
        """Verdict on a URL: "allowed", "disallowed" or "unreachable"."""
        if self.parsed is None:
            return self.verdict
        return "allowed" if self.parsed.can_fetch(url, self.agent) else "disallowed"

    def delay(self) -> float:
        """Seconds between two requests that it asks for (Crawl-delay or Request-rate), at most `LONGEST`."""
        if self.parsed is None:
            return 0.0
        asked = self.parsed.crawl_delay(self.agent) or 0.0
        rate = self.parsed.request_rate(self.agent)
        return min(max(asked, rate.seconds / rate.requests if rate and rate.requests else 0.0), LONGEST)

    def sitemaps(self) -> list[str]:
        """The sitemaps that it names."""
        return list(self.parsed.sitemaps) if self.parsed is not None else []


def rules(got: Fetched, agent: str = USER_AGENT) -> Rules:
    """The rules in what came as robots.txt.

    >>> got = Fetched("http://a.test/robots.txt", 200, text="User-agent: *\\nDisallow: /x")
    >>> rules(got).allows("http://a.test/x/y"), rules(got).allows("http://a.test/z")
    ('disallowed', 'allowed')
    >>> rules(Fetched("http://a.test/robots.txt", 503)).allows("http://a.test/z")
    'unreachable'
    """
    if got.status == 200 and not got.error:
        return Rules(Protego.parse(got.text), agent=agent)
    missing = 400 <= got.status < 500 and got.status != 429
    return Rules(None, "allowed" if missing else "unreachable", agent)


def origin(url: str) -> str:
    """Scheme, host and port: what one robots.txt speaks for. Raises httpx.InvalidURL for what is no URL."""
    parsed = httpx.URL(url)
    return f"{parsed.scheme}://{parsed.netloc.decode('ascii')}"


class Pace:
    """When each host may be asked next. Threads may share one. Times are those of `time.monotonic`, in seconds."""

    def __init__(self) -> None:
        self._free: dict[str, float] = {}
        self._lock = threading.Lock()

    def free(self, host: str) -> float:
        """The moment from which the host may be asked."""
        return self._free.get(host, 0.0)

    def book(self, host: str, now: float, delay: float) -> float:
        """Take the host's next free moment and keep the `delay` after it free; returns that moment."""
        with self._lock:
            slot = max(now, self._free.get(host, 0.0))
            self._free[host] = slot + delay
            return slot

    def hold(self, host: str, until: float) -> None:
        """Leave the host alone until then, as its Retry-After asks."""
        with self._lock:
            self._free[host] = max(until, self._free.get(host, 0.0))
