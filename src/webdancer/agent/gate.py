"""What all clients of one endpoint share: how many requests it gets at once, and when it wants to be left alone.

Part of `agent.llm` (02, 03, 04 and 07). In: addresses of endpoints and their `Retry-After`. Out: slots. Two roles at
the same server use the same slots, so that a teacher and its summariser together do not send twice what the server
takes.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from functools import cache
from time import monotonic, time
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from webdancer.agent.completion import EndpointError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Gate:
    """The slots of one endpoint in one event loop.

    Their number is the largest `concurrency` of the clients that use it; a client with a smaller one keeps to its own.
    """

    def __init__(self) -> None:
        self.limit = 0
        self._slots = asyncio.Semaphore(0)
        self._closed_until = 0.0

    def widen(self, limit: int) -> None:
        """Have at least `limit` slots."""
        for _ in range(limit - self.limit):
            self._slots.release()
        self.limit = max(self.limit, limit)

    @asynccontextmanager
    async def slot(self, own: asyncio.Semaphore) -> AsyncIterator[None]:
        """One slot, and one of the client's `own` before it."""
        async with own, self._slots:
            yield

    def close(self, seconds: float) -> None:
        """The endpoint asked (`Retry-After`) for no request in the next `seconds`."""
        self._closed_until = max(self._closed_until, monotonic() + seconds)

    @property
    def wait(self) -> float:
        """Seconds until the next request may be sent, 0 if it may be now."""
        return max(0.0, self._closed_until - monotonic())


@cache
def _gates() -> WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Gate]]:
    """All gates by loop and address."""
    return WeakKeyDictionary()


def gate_of(base_url: str, concurrency: int) -> Gate:
    """The gate of an endpoint in the running event loop, with at least `concurrency` slots."""
    gate = _gates().setdefault(asyncio.get_running_loop(), {}).setdefault(address(base_url), Gate())
    gate.widen(concurrency)
    return gate


def address(base_url: str) -> str:
    """Scheme, host, port and path: an address may carry a user name and a password, which nothing should show.

    >>> address("https://me:secret@api.example.org/v1/?key=1")
    'https://api.example.org/v1'
    """
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"


def key(variable: str, base_url: str) -> str:
    """The key from the environment, "EMPTY" where none is needed.

    Raises:
        EndpointError: there is none and the address is not loopback; the message names the variable.
    """
    found = os.environ.get(variable, "")
    if not found and urlsplit(base_url).hostname not in LOOPBACK:
        raise EndpointError(f"no key for {address(base_url)}: set the environment variable {variable}", 401)
    return found or "EMPTY"


def retry_after(value: str | None) -> float | None:
    """Seconds to wait, from a `Retry-After` of seconds or of an HTTP date; None if there is none or it cannot
    be read.

    >>> retry_after("2"), retry_after("soon"), retry_after("Wed, 21 Oct 2015 07:28:00 GMT")
    (2.0, None, 0.0)
    """
    try:
        seconds = float(value) if value else None
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time()
        except (TypeError, ValueError):
            return None
    return None if seconds is None or seconds != seconds else max(0.0, seconds)  # "nan" is read as a float
