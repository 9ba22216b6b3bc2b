"""One request for the crawler, in asyncio: no retries, no redirects and no pauses, those are the `spider`'s.

Used by 01_crawl. In: a URL. Out: a `Hop`, whatever happened. The same guard and the same limits as in `fetch`; it
speaks to the transport itself, because httpx's client costs as much again as the request. Departure from the paper:
none known.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType

import httpx

from webdancer.web.answer import Answer, Fetched, ask
from webdancer.web.body import TooLarge
from webdancer.web.guard import AsyncHostsTransport
from webdancer.web.politeness import USER_AGENT

MAP_BYTES = 50_000_000  # what the sitemap protocol allows a sitemap to have, unpacked


@dataclass(frozen=True)
class Hop:
    """What one request brought: `target` if it is a redirect, `wait` the seconds that Retry-After asks for, if any."""

    got: Fetched
    target: str = ""
    wait: float | None = None


class AsyncFetcher:
    """Sends requests; tasks of one event loop share it. Use it in an `async with`.

    Args:
        hosts, user_agent, timeout, max_bytes: as in `Fetcher`.
        connections: the most at once.
    """

    def __init__(
        self,
        hosts: Mapping[str, str],
        user_agent: str = USER_AGENT,
        timeout: float = 10.0,
        max_bytes: int = 2_000_000,
        connections: int = 64,
    ) -> None:
        self.user_agent = user_agent
        self.timeout = timeout
        self.max_bytes = max_bytes
        self._transport = AsyncHostsTransport(hosts, connections=connections)
        self._timeouts = httpx.Timeout(timeout).as_dict()

    async def __aenter__(self) -> "AsyncFetcher":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.aclose()

    async def hop(self, url: str, etag: str = "", modified: str = "", max_bytes: int = 0) -> Hop:
        """Send one request. Never raises (but for being cancelled).

        Args:
            url: absolute.
            etag, modified: as in `Fetcher.get`.
            max_bytes: another limit than the usual one, for sitemaps.
        """
        try:
            async with asyncio.timeout(4 * self.timeout):  # connecting, waiting for a connection and all of the body
                return await self._send(url, ask(self.user_agent, etag, modified), max_bytes or self.max_bytes)
        except TooLarge as error:
            return Hop(Fetched(url, error=str(error)))
        except TimeoutError:
            return Hop(Fetched(url, error=f"slower than {4 * self.timeout:g} seconds"))
        except (ValueError, httpx.InvalidURL, httpx.UnsupportedProtocol, TypeError) as error:
            return Hop(Fetched(url, error=f"refused: {error}"))
        except (httpx.HTTPError, OSError) as error:
            return Hop(Fetched(url, error=f"connection: {type(error).__name__}"))

    async def _send(self, url: str, headers: dict[str, str], limit: int) -> Hop:
        request = httpx.Request("GET", url, headers=headers, extensions={"timeout": self._timeouts})
        response = await self._transport.handle_async_request(request)
        try:
            answer = Answer(url, response.status_code, response.headers, limit, 3 * self.timeout)
            if answer.wanted:
                async for chunk in response.stream:
                    if not answer.feed(chunk):
                        break
            return Hop(answer.result(), answer.target, answer.wait)
        finally:
            await response.aclose()
