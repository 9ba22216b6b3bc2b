"""What can go wrong on the web, on request: rate limits, server errors, slow and truncated answers, redirect loops.

Serves 01_crawl and the tests of everything that speaks HTTP. In: the share of requests that each fault hits. Out: a
gate in front of a site that logs every request and lets some of them fail. Which ones fail is a pure function of seed,
address and how often that address was asked before: a run with faults can be repeated exactly, in any order of
addresses. Not in the paper.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

FAULTS = ("429", "500", "slow", "truncated", "redirect")


@dataclass(frozen=True)
class Faults:
    """The shares of requests that fail.

    `shares` pairs names of `FAULTS` with shares from 0 to 1 that add up to at most 1. An address in a redirect loop
    stays in it; the other faults hit only the first `failing` requests for an address, so that a client that tries
    again gets through. `retry_after` (whole seconds) goes with a 429, `delay` is the seconds a slow answer takes.
    """

    shares: tuple[tuple[str, float], ...] = ()
    retry_after: int = 1
    delay: float = 2.0
    failing: int = 2
    seed: int = 0

    def fault(self, address: str, attempt: int) -> str:
        """The fault that hits request number `attempt` (from 0) for `address`, or an empty string."""
        shares = dict(self.shares)
        if _draw(f"{self.seed}-redirect-{address}") < shares.pop("redirect", 0.0):
            return "redirect"
        mark = _draw(f"{self.seed}-{address}-{attempt}") if attempt < self.failing else 1.0
        for name, share in shares.items():
            mark -= share
            if mark < 0:
                return name
        return ""


def read(spec: Mapping[str, Any] | None) -> Faults:
    """Faults from a plain dictionary, e.g. `{"429": 0.1, "truncated": 0.05, "retry_after": 1}`.

    Raises:
        ValueError: unknown name, or shares that are negative or add up to more than 1; the message says got and wanted.
    """
    options = {"retry_after": int, "delay": float, "failing": int, "seed": int}
    spec = {str(name): value for name, value in (spec or {}).items()}
    unknown = sorted(set(spec) - set(FAULTS) - set(options))
    if unknown:
        raise ValueError(f"got the fault {unknown[0]!r}, wanted some of {', '.join((*FAULTS, *options))}")
    shares = {name: float(spec[name]) for name in FAULTS if name in spec}
    if any(share < 0 for share in shares.values()) or sum(shares.values()) > 1:
        raise ValueError(f"got the shares {shares}, wanted numbers from 0 that add up to at most 1")
    return Faults(tuple(shares.items()), **{name: kind(spec[name]) for name, kind in options.items() if name in spec})


def _draw(text: str) -> float:
    """A number from 0 to 1 that depends on nothing but `text`."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


class Gate:
    """In front of the application of one host: logs the request, then lets it pass or fail. robots.txt never fails."""

    def __init__(self, app: ASGIApp, host: str, log: list[tuple[str, str]], faults: Faults) -> None:
        """`log` gets (host, path with query) of every request."""
        self.app = app
        self.host = host
        self.log = log
        self.faults = faults
        self.attempts: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if scope["query_string"]:
            path += "?" + scope["query_string"].decode("latin-1")
        self.log.append((self.host, path))
        if not self.faults.shares or path == "/robots.txt":
            return await self.app(scope, receive, send)
        fault = self.faults.fault(self.host + path, self.attempts[path])
        self.attempts[path] += 1
        if fault == "429":
            headers = {"retry-after": str(self.faults.retry_after)}
            return await _answer(send, 429, b'{"message":"You have exceeded a secondary rate limit."}', headers)
        if fault == "500":
            return await _answer(send, 500, b'{"message":"Server Error"}', {})
        if fault == "redirect":
            own = scope.get("raw_path", scope["path"].encode()).decode("latin-1").rpartition("/")[2]
            query = "?" + scope["query_string"].decode("latin-1") if scope["query_string"] else ""
            return await _answer(send, 302, b"", {"location": f"./{own}{query}"})
        if fault == "slow":
            await asyncio.sleep(self.faults.delay)
        await self.app(scope, receive, _cut(send) if fault == "truncated" else send)


async def _answer(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    """Send a whole small answer."""
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    raw += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def _cut(send: Send) -> Send:
    """Let only half of the body through; the length announced stays, so the client sees a broken connection."""

    async def half(message: Message) -> None:
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            message = {"type": message["type"], "body": body[: len(body) // 2], "more_body": True}
        await send(message)

    return half
