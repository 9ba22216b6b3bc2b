"""One client for every language model: author, teachers, summariser, judge.

Used by 02_synthesize, 03_distill, 04_filter and 07_evaluate. In: chat messages; out: a `Reply`, or an object of a
schema. It talks to any OpenAI-compatible endpoint through the `openai` library and adds what an unattended run needs:
limits on requests in flight for each client and each endpoint (`gate`), retries with back-off and jitter that honour
`Retry-After`, a cache on disk (`llm_cache`), a budget (`budget`), replies with a form (`structured`), token and cost
counts. Keys come from the environment and appear in no message, log or file.
"""

import asyncio
import random
import threading
from collections.abc import Callable, Coroutine
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from webdancer.agent import gate, structured
from webdancer.agent.budget import Budget as Budget
from webdancer.agent.budget import BudgetSpent as BudgetSpent
from webdancer.agent.completion import EndpointError as EndpointError
from webdancer.agent.completion import Reply as Reply
from webdancer.agent.completion import read
from webdancer.agent.llm_cache import ReplyCache, key_of
from webdancer.agent.structured import Schema
from webdancer.agent.structured import Unusable as Unusable

T = TypeVar("T")
Messages = list[dict[str, str]]
PASSING = (408, 409, 425, 429)  # statuses worth another try, beside 500 and above
GARBAGE = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)  # reading no completion
LONGEST_WAIT = 120.0  # seconds; a longer Retry-After is cut to this, and so is a longer back-off


class LLM:
    """A model behind an OpenAI-compatible endpoint.

    Args:
        model: name of the model at the endpoint.
        base_url: address up to and with `/v1`.
        temperature, max_tokens: used unless `chat` is told otherwise.
        top_p: sent if given.
        extra: further fields of the body, for what one server or model wants (`{"reasoning_effort": "low"}`); they win
            over the fields above, and None takes a field away (`{"seed": None}`).
        concurrency: most requests in flight. Clients of one endpoint share its slots, as many as the largest of them.
        timeout: seconds for one request, all in all.
        retries: tries after the first one. Between them a random share of `backoff`, twice that, ... seconds ("full
            jitter": callers that failed together do not come back together), or what `Retry-After` says and a little
            more, which then holds for all clients of the endpoint.
        cache: JSONL file of earlier replies, keyed by the whole request; several clients may use one file.
        key_env: environment variable that holds the key. May be unset for a loopback address only.
        price_in, price_out: US dollars a million tokens.
        budget: what this client and others may spend together.
        jitter: a random number from 0 to 1; it moves only the time of retries.

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
        top_p: float | None = None,
        extra: dict[str, Any] | None = None,
        concurrency: int = 32,
        timeout: float = 60.0,
        retries: int = 5,
        backoff: float = 0.5,
        cache: Path | None = None,
        key_env: str = "OPENAI_API_KEY",
        price_in: float = 0.0,
        price_out: float = 0.0,
        budget: Budget | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.model, self.base_url = model, base_url
        self.temperature, self.max_tokens, self.concurrency = temperature, max_tokens, concurrency
        self.top_p, self.extra = top_p, dict(extra or {})
        self.timeout, self.retries, self.backoff = timeout, retries, backoff
        self.price_in, self.price_out = price_in, price_out
        self.budget = Budget() if budget is None else budget
        self.jitter = jitter
        numbers = ("calls", "prompt_tokens", "completion_tokens", "cost", "cached", "retries", "repairs")
        self.usage: dict[str, float] = {name: 0.0 if name == "cost" else 0 for name in numbers}
        self.last_error = ""  # the last failure, for a message about many of them
        self._key = gate.key(key_env, base_url)
        self._cache = ReplyCache(cache)
        self._asked: dict[str, asyncio.Event] = {}  # what is in flight now, by key of the cache
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Any, asyncio.Semaphore, gate.Gate]]
        self._clients = WeakKeyDictionary()

    async def chat(
        self, messages: Messages, *, seed: int = 0, temperature: float | None = None, stop: list[str] | None = None
    ) -> Reply:
        """Ask for one reply; the same arguments are answered from the cache if there is one.

        Raises:
            EndpointError: at once on 400, 401, 402, 403, 404; after the last retry on 429, 5xx, no connection, or an
                answer that is not a chat completion. The message says which, and what to check.
            BudgetSpent: nothing is left to pay the request with.
        """
        body = self._body(messages, seed, temperature, stop)
        if self._cache.path is None:
            return await self._ask(body)
        key = key_of(gate.address(self.base_url), body, seed)
        while True:
            if (known := self._cache.get(key)) is not None:
                self.usage["cached"] += 1
                return known
            if key not in self._asked:
                break
            await self._asked[key].wait()  # the same request is in flight: pay for it once
        self._asked[key] = asyncio.Event()
        try:
            reply = await self._ask(body)
            self._cache.put(key, reply)
            return reply
        finally:
            self._asked.pop(key).set()

    async def ask(self, messages: Messages, schema: type[Schema], *, seed: int = 0, repairs: int = 2) -> Schema:
        """Ask for an object of a pydantic model (`structured.ask`).

        Raises:
            Unusable: no reply fits the schema, although it was sent back `repairs` times; `.reply` is the last one.
            EndpointError: as `chat`.
        """
        return await structured.ask(self, messages, schema, seed=seed, repairs=repairs)

    def cost(self, reply: Reply) -> float:
        """The price of a reply in US dollars."""
        return (reply.prompt_tokens * self.price_in + reply.completion_tokens * self.price_out) / 1e6

    def _body(self, messages: Messages, seed: int, temperature: float | None, stop: list[str] | None) -> dict[str, Any]:
        """What is sent."""
        body = {"model": self.model, "messages": messages, "max_tokens": self.max_tokens, "seed": seed}
        body["temperature"] = self.temperature if temperature is None else temperature
        if self.top_p is not None:
            body["top_p"] = self.top_p
        if stop:
            body["stop"] = stop
        body |= self.extra
        return {name: value for name, value in body.items() if value is not None}

    def _client(self) -> tuple[Any, asyncio.Semaphore, gate.Gate]:
        """The openai client of the running event loop: connections cannot move from one loop to another."""
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            import httpx
            import openai

            limits = httpx.Limits(max_connections=self.concurrency, max_keepalive_connections=self.concurrency)
            http = httpx.AsyncClient(limits=limits, timeout=self.timeout, follow_redirects=True)
            client = openai.AsyncOpenAI(base_url=self.base_url, api_key=self._key, max_retries=0, http_client=http)
            slots = asyncio.Semaphore(self.concurrency)
            self._clients[loop] = client, slots, gate.gate_of(self.base_url, self.concurrency)
        return self._clients[loop]

    async def _ask(self, body: dict[str, Any]) -> Reply:
        """One request with its retries, in one slot to the end: an endpoint that stumbles gets fewer at once."""
        import openai

        client, slots, door = self._client()
        async with door.slot(slots):
            for attempt in range(self.retries + 1):
                if door.wait:
                    await asyncio.sleep(door.wait + self.jitter() * self.backoff)
                try:
                    async with self.budget.flight(), asyncio.timeout(self.timeout):
                        return self._count(await _post(client, body))
                except (openai.OpenAIError, TimeoutError, *GARBAGE) as error:
                    failure, delay = self._explain(error)
                if delay is not None:
                    door.close(min(delay, LONGEST_WAIT))
                passing = failure.status == 0 or failure.status >= 500 or failure.status in PASSING
                if not passing or attempt == self.retries:
                    self.last_error = str(failure)
                    raise failure
                self.usage["retries"] += 1
                if delay is None:
                    await asyncio.sleep(self.jitter() * min(self.backoff * 2**attempt, LONGEST_WAIT))
        raise AssertionError("not reached")

    def _explain(self, error: Exception) -> tuple[EndpointError, float | None]:
        """The error in words that name the model and what to check, and the wait that the server asked for."""
        import openai

        status, delay = 0, None
        if isinstance(error, openai.APIStatusError):
            told = error.message if isinstance(error.body, dict) and "message" in error.body else error.response.text
            status, said = error.status_code, f"answered {error.status_code}: {told:.200}"
            delay = gate.retry_after(error.response.headers.get("retry-after"))
            if error.code == "insufficient_quota":  # sent as 429, but waiting brings no money
                status = 402
        elif isinstance(error, TimeoutError):
            said = f"gave no whole answer within {self.timeout:g} s"
        elif isinstance(error, openai.APIConnectionError):
            said = f"gave no answer ({type(error).__name__}: {error.__cause__!r:.120})"
        else:
            said = f"did not answer with a chat completion ({error!r:.240})"
        advice = {
            400: "check what the server says of the request",
            401: "check the key in the environment",
            402: "check the credit of the account",
            403: "check what the key may use",
            404: "check model and address",
        }
        todo = advice.get(status, "check that the address is an OpenAI-compatible /v1 and that the server is up")
        text = f"model {self.model!r} at {gate.address(self.base_url)} {said}; {todo}"
        return EndpointError(text.replace(self._key, "***"), status), delay

    def _count(self, reply: Reply) -> Reply:
        """Add a reply to `usage` and to the budget."""
        self.usage["calls"] += 1
        self.usage["prompt_tokens"] += reply.prompt_tokens
        self.usage["completion_tokens"] += reply.completion_tokens
        self.usage["cost"] += self.cost(reply)
        self.budget.add(self.cost(reply), reply.prompt_tokens + reply.completion_tokens)
        return reply


async def _post(client: Any, body: dict[str, Any]) -> Reply:
    """Send a request and read the reply; any error of `openai`, or of reading what is not a chat completion."""
    import httpx

    # Not `chat.completions.create`: checking long histories against its types takes as long as the request itself.
    raw = await client.post("/chat/completions", cast_to=httpx.Response, body=body)
    return read(raw.content)


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
