"""One client for every language model: author, teachers, summariser, judge.

Used by 02_synthesize, 03_distill, 04_filter and 07_evaluate. In: chat messages; out: a `Reply`. It talks to any
OpenAI-compatible endpoint through the `openai` library and adds what an unattended run needs: a limit on
requests in flight, retries with back-off that honour `Retry-After`, a cache on disk, token and cost counts.
Keys come from the environment and appear in no message, log or file.
"""

import asyncio
import hashlib
import json
import os
import threading
from collections.abc import Coroutine
from dataclasses import asdict, dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from time import time
from typing import Any, TypeVar
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

T = TypeVar("T")
Messages = list[dict[str, str]]
LOOPBACK = ("127.0.0.1", "localhost", "::1")
PASSING = (408, 409, 425, 429)  # statuses worth another try, beside 500 and above
GARBAGE = (ValueError, TypeError, KeyError, IndexError, AttributeError)  # what reading a non-completion raises
LONGEST_WAIT = 120.0  # seconds; a longer Retry-After is cut to this


@dataclass(frozen=True)
class Reply:
    """What a model said. `calls` are hosted tool calls (`{"name", "arguments"}`), `finish` is "length" for a
    cut reply.
    """

    content: str
    reasoning: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    calls: tuple[dict[str, str], ...] = ()
    finish: str = "stop"


class EndpointError(RuntimeError):
    """A model that could not be asked. `status` is the last HTTP status (0: no answer or garbage).

    `fatal` is true when no later request can do better (wrong key, unknown model), so that a run should end at once.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status

    @property
    def fatal(self) -> bool:
        """Whether asking again is pointless."""
        return self.status in (401, 403, 404)


class LLM:
    """A model behind an OpenAI-compatible endpoint.

    Args:
        model: name of the model at the endpoint.
        base_url: address up to and with `/v1`.
        temperature, max_tokens: used unless `chat` is told otherwise.
        concurrency: most requests in flight.
        timeout: seconds for one request.
        retries: tries after the first one; waits of `backoff`, twice that, ... seconds between them, or what
            `Retry-After` says.
        cache: JSONL file of earlier replies, keyed by model, messages and sampling parameters (not by address:
            use one file per endpoint).
        key_env: environment variable that holds the key. May be unset for a loopback address only.
        price_in, price_out: US dollars a million tokens.

    Raises:
        EndpointError: the key is missing; the message names the variable.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        *,
        temperature: float = 0.0,
        max_tokens: int = 1024,
        concurrency: int = 32,
        timeout: float = 60.0,
        retries: int = 5,
        backoff: float = 0.5,
        cache: Path | None = None,
        key_env: str = "OPENAI_API_KEY",
        price_in: float = 0.0,
        price_out: float = 0.0,
    ) -> None:
        self.model, self.base_url = model, base_url
        self.temperature, self.max_tokens, self.concurrency = temperature, max_tokens, concurrency
        self.timeout, self.retries, self.backoff = timeout, retries, backoff
        self.price_in, self.price_out = price_in, price_out
        self.usage: dict[str, float] = {
            "calls": 0,
            "prompt_tokens": 0,
            "completion_tokens": 0,
            "cost": 0.0,
            "cached": 0,
        }
        self.last_error = ""  # the last failure, for a message about many of them
        self._key = _key(key_env, base_url)
        self._cache_path = cache
        self._cache = _read_cache(cache)
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Any, asyncio.Semaphore]] = WeakKeyDictionary()

    async def chat(
        self, messages: Messages, *, seed: int = 0, temperature: float | None = None, stop: list[str] | None = None
    ) -> Reply:
        """Ask for one reply; the same arguments are answered from the cache if there is one.

        Raises:
            EndpointError: at once on 400, 401, 403, 404; after the last retry on 429, 5xx, no connection, or an
                answer that is not a chat completion. The message says which, and what to check.
        """
        body = {"model": self.model, "messages": messages, "max_tokens": self.max_tokens, "seed": seed}
        body["temperature"] = self.temperature if temperature is None else temperature
        if stop:
            body["stop"] = stop
        key = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest() if self._cache_path else ""
        if key and key in self._cache:
            self.usage["cached"] += 1
            return self._cache[key]
        client, slots = self._client()
        async with slots:
            reply = await self._ask(client, body)
        self._count(reply)
        if key:
            self._remember(key, reply)
        return reply

    def cost(self, reply: Reply) -> float:
        """The price of a reply in US dollars."""
        return (reply.prompt_tokens * self.price_in + reply.completion_tokens * self.price_out) / 1e6

    def _client(self) -> tuple[Any, asyncio.Semaphore]:
        """The openai client of the running event loop: connections cannot move from one loop to another."""
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            import httpx
            import openai

            limits = httpx.Limits(max_connections=self.concurrency, max_keepalive_connections=self.concurrency)
            http = httpx.AsyncClient(limits=limits, timeout=self.timeout, follow_redirects=True)
            client = openai.AsyncOpenAI(base_url=self.base_url, api_key=self._key, max_retries=0, http_client=http)
            self._clients[loop] = client, asyncio.Semaphore(self.concurrency)
        return self._clients[loop]

    async def _ask(self, client: Any, body: dict[str, Any]) -> Reply:
        """One request with its retries."""
        import openai

        for attempt in range(self.retries + 1):
            try:
                return await _post(client, body)
            except (openai.OpenAIError, *GARBAGE) as error:
                failure, delay = self._explain(error)
                passing = failure.status == 0 or failure.status >= 500 or failure.status in PASSING
                if not passing or attempt == self.retries:
                    self.last_error = str(failure)
                    raise failure from None
                await asyncio.sleep(self.backoff * 2**attempt if delay is None else min(delay, LONGEST_WAIT))
        raise AssertionError("not reached")

    def _explain(self, error: Exception) -> tuple[EndpointError, float | None]:
        """The error in words that name the model and what to check, and the wait that the server asked for."""
        import openai

        if isinstance(error, openai.APIStatusError):
            status, said = error.status_code, f"answered {error.status_code}: {error.message:.200}"
            delay = _retry_after(error.response.headers.get("retry-after"))
        elif isinstance(error, openai.APIConnectionError):
            status, said, delay = 0, f"gave no answer ({type(error).__name__}: {error.__cause__!r:.120})", None
        else:
            status, said, delay = 0, f"did not answer with a chat completion ({error!r:.160})", None
        advice = {
            401: "check the key in the environment",
            403: "check what the key may use",
            404: "check model and address",
        }
        todo = advice.get(status, "check that the address is an OpenAI-compatible /v1 and that the server is up")
        text = f"model {self.model!r} at {_address(self.base_url)} {said}; {todo}"
        return EndpointError(text.replace(self._key, "***"), status), delay

    def _count(self, reply: Reply) -> None:
        """Add a reply to `usage`."""
        self.usage["calls"] += 1
        self.usage["prompt_tokens"] += reply.prompt_tokens
        self.usage["completion_tokens"] += reply.completion_tokens
        self.usage["cost"] += self.cost(reply)

    def _remember(self, key: str, reply: Reply) -> None:
        """Add a reply to the cache and append it to its file."""
        self._cache[key] = reply
        line = json.dumps({"key": key, "reply": asdict(reply)}, ensure_ascii=False) + "\n"
        with open(self._cache_path, "a", encoding="utf-8") as out:  # type: ignore[arg-type]
            out.write(line)


async def _post(client: Any, body: dict[str, Any]) -> Reply:
    """Send a request and read the reply; any error of `openai`, or of reading what is not a chat completion."""
    import httpx

    # Not `chat.completions.create`: checking long histories against its types takes as long as the request itself.
    raw = await client.post("/chat/completions", cast_to=httpx.Response, body=body)
    data = json.loads(raw.content)
    choice = data["choices"][0]
    message, usage = choice["message"], data.get("usage") or {}
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    return Reply(
        content=str(message.get("content") or ""),
        reasoning=str(message.get("reasoning_content") or message.get("reasoning") or ""),
        prompt_tokens=int(usage.get("prompt_tokens") or 0),
        completion_tokens=int(usage.get("completion_tokens") or 0),
        calls=tuple({"name": str(c["name"]), "arguments": str(c["arguments"])} for c in calls),
        finish=str(choice.get("finish_reason") or "stop"),
    )


def _key(variable: str, base_url: str) -> str:
    """The key from the environment, "EMPTY" where none is needed."""
    key = os.environ.get(variable, "")
    if not key and urlsplit(base_url).hostname not in LOOPBACK:
        raise EndpointError(f"no key for {_address(base_url)}: set the environment variable {variable}", 401)
    return key or "EMPTY"


def _address(base_url: str) -> str:
    """Scheme, host, port and path: an address may carry a user name and a password, which no message should show."""
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _retry_after(value: str | None) -> float | None:
    """Seconds to wait, from a `Retry-After` of seconds or of an HTTP date; None if there is none or it cannot
    be read.
    """
    try:
        return max(0.0, float(value)) if value else None
    except ValueError:
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - time())
        except (TypeError, ValueError):
            return None


def _read_cache(path: Path | None) -> dict[str, Reply]:
    """The replies of a cache file; a last line that an interrupted run left half written is skipped."""
    replies: dict[str, Reply] = {}
    if path is None or not path.is_file():
        return replies
    text = path.read_text(encoding="utf-8")
    if text and not text.endswith("\n"):
        with path.open("a", encoding="utf-8") as out:
            out.write("\n")
    for line in text.split("\n"):
        try:
            row = json.loads(line)
            replies[row["key"]] = Reply(**{**row["reply"], "calls": tuple(row["reply"]["calls"])})
        except (ValueError, KeyError, TypeError):
            continue
    return replies


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """One event loop in a background thread for all of `wait`, so that connections are kept between calls."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True, name="llm-loop").start()
    return loop


def wait(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine from plain code and return its result, also inside a running loop (where `asyncio.run` fails).

    An interrupt (Ctrl-C, the stop button) cancels the coroutine and is raised again.
    """
    future = asyncio.run_coroutine_threadsafe(coroutine, _loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise
