"""A client of the snapshot service: `search` and `visit` as in `web.tools.Tools`, answered by another process.

For verl's tools, Ray's actors and any program beside a service (`scale.service`). In: calls. Out: the observation texts
that `Tools` gives. It stands in for `Tools` where episodes are played (`call`, `call_many`), may be shared by threads,
and can be copied into another process. A call that cannot be carried out is an observation; a service that is not there
is an error, because an episode that goes on without a web would be taken for the policy's own failure. Departure from
the paper: none; it does not say how its tools are reached.
"""

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

NAME = "webdancer snapshot"
MAX_BODY = 256 * 1024  # bytes of a request; a model's call has a few hundred
MAX_CALLS = 64  # in one request
TOO_LONG = f"Error: the call has more than {MAX_BODY} bytes. Make it shorter."
Call = tuple[str, dict[str, Any]]
_TEXT = "text/plain; charset=utf-8"
_KINDS = {"/": "application/json", "/calls": "application/json"}  # of the other paths: `_TEXT`


class ServiceError(RuntimeError):
    """The service is not there or is another one; the message says what was asked and what came."""

    fatal = True  # no later call can get past it: see `web.tools`


class Client:
    """The tools of a snapshot service.

    Args:
        url: its address, such as http://127.0.0.1:8000.
        timeout: seconds that an answer may take.
        retries: tries after the first where nothing answers, with pauses of 0.1, 0.2, 0.4 ... seconds.

    Raises:
        ValueError: `url` is no http address with a host.
    """

    def __init__(self, url: str, *, timeout: float = 60.0, retries: int = 5) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError(f"got {url!r}, wanted the address of a service, such as http://127.0.0.1:8000")
        self.url, self.timeout, self.retries = url.rstrip("/"), timeout, retries
        self._where = parts.hostname, parts.port or 80
        self._mine = threading.local()  # a connection for each thread

    def __reduce__(self) -> Any:
        """For a copy in another process, with connections of its own."""
        return _again, (self.url, self.timeout, self.retries)

    def search(self, query: str | list[str]) -> str:
        """The observation of a search for one query or several.

        Raises:
            ServiceError: as `call_many`.
        """
        return self._one("search", {"query": query})

    def visit(self, url: str | list[str], goal: str) -> str:
        """The observation of one page or several, for a goal.

        Raises:
            ServiceError: as `call_many`.
        """
        return self._one("visit", {"url": url, "goal": goal})

    async def call(self, name: str, arguments: dict[str, Any]) -> str:
        """The observation of one call, as `Tools.call`; other episodes go on meanwhile."""
        return (await asyncio.to_thread(self.call_many, [(name, arguments)]))[0]

    def call_many(self, calls: Sequence[Call]) -> list[str]:
        """The observations of many calls, in order, with few requests.

        Raises:
            ServiceError: nothing answers after the last try, or what answers is no such service.
        """
        named = [(name if isinstance(name, str) else type(name).__name__, value) for name, value in calls]
        found = [_text([name, value], name) for name, value in named]
        for group in _groups(i for i, text in enumerate(found) if text.startswith("[")):
            for i, text in zip(group, self._several([found[i] for i in group]), strict=True):
                found[i] = text
        return found

    def about(self) -> dict[str, Any]:
        """What is served: `pages`, their fingerprint `built_from` (as in `SearchIndex`), and `settings`.

        Raises:
            ServiceError: as `call_many`.
        """
        said = json.loads(self._ask("GET", "/", b""))
        if not isinstance(said, dict) or said.get("service") != NAME:
            raise ServiceError(f"{self.url} is no snapshot service: got {str(said)[:80]!r}, wanted {NAME!r}")
        return said

    def close(self) -> None:
        """Close this thread's connection; a later call opens a new one."""
        connection = getattr(self._mine, "connection", None)
        self._mine.connection = None
        if connection is not None:
            connection.close()

    def _one(self, name: str, arguments: dict[str, Any]) -> str:
        text = _text(arguments, name)
        return text if text.startswith("Error: ") else self._ask("POST", f"/{name}", text.encode()).decode()

    def _several(self, texts: list[str]) -> list[str]:
        """The observations of calls as JSON; in two requests where one cannot hold them."""
        body = f"[{','.join(texts)}]".encode()
        if len(body) > MAX_BODY and len(texts) > 1:
            half = len(texts) // 2
            return self._several(texts[:half]) + self._several(texts[half:])
        return json.loads(self._ask("POST", "/calls", body))

    def _ask(self, method: str, path: str, body: bytes) -> bytes:
        """The body of the answer; asks again where nothing answers, on a new connection."""
        for attempt in range(self.retries + 1):
            if attempt > 1:  # the first failure may be a connection that was closed while it was idle
                time.sleep(0.1 * 2 ** (attempt - 2))
            try:
                status, kind, read = self._exchange(method, path, body)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                wrong = f"{type(error).__name__}: {error}"
                continue
            if status == 200 and kind == _KINDS.get(path, _TEXT):
                return read
            raise ServiceError(
                f"{self.url}{path} answered {status} {read[:120]!r}, wanted an observation: is it a snapshot service?"
            )
        raise ServiceError(
            f"no answer from {self.url} ({wrong}): check the address, or start python -m webdancer.scale.service"
        )

    def _exchange(self, method: str, path: str, body: bytes) -> tuple[int, str, bytes]:
        connection = getattr(self._mine, "connection", None)
        if connection is None:
            connection = self._mine.connection = http.client.HTTPConnection(*self._where, timeout=self.timeout)
        connection.request(method, path, body or None, {"Content-Type": "application/json"} if body else {})
        reply = connection.getresponse()
        return reply.status, reply.headers.get("content-type", ""), reply.read()


def _again(url: str, timeout: float, retries: int) -> Client:
    return Client(url, timeout=timeout, retries=retries)


def _text(value: Any, name: str) -> str:
    """A call as JSON; where that cannot be, its observation, as `Tools` has it when something breaks."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        return f"Error: {name[:60]} failed ({type(error).__name__}). Try another call."
    return text if len(text) <= MAX_BODY - 2 else TOO_LONG


def _groups(numbers: Iterable[int]) -> Iterator[list[int]]:
    """The numbers in groups that a request may hold."""
    left = list(numbers)
    return (left[start : start + MAX_CALLS] for start in range(0, len(left), MAX_CALLS))
