"""Live search engines behind the agent's `search` tool: Serper (Google's results) and SearXNG (an engine of your own).

Used by 02, 03, 06 and 07 where a profile asks for the live web, usually inside `web.frozen.FrozenSearch`, so that no
query is paid for twice. In: a query. Out: hits like those of `web.search.SearchIndex`. Whatever goes wrong becomes a
`SearchFailed`, which `web.tools` shows to the agent. Departure from the paper: it asks Google; so does Serper, while
SearXNG costs nothing. Addresses come from the profile and are trusted, so they may be private; redirects are not
followed, so that a key goes nowhere else. The key stays in the environment: it is read for each request, never stored.
"""

import json
import os
import re
import time
from typing import Any

import httpx

from webdancer.web.answer import retry_after
from webdancer.web.fetch import RETRY_STATUS
from webdancer.web.search import Hit

SERPER = "https://google.serper.dev"
MAX_BYTES = 2_000_000  # of one reply
MAX_QUERY = 2_000  # characters; longer queries are cut
LONGEST = {"title": 300, "snippet": 1_500, "date": 40}  # characters of a field that are kept
_DAY = re.compile(r"\d{4}-\d\d-\d\d(?=[T ]|$)")


class SearchFailed(RuntimeError):
    """A search that brought no answer; the message says why, and holds neither key nor address."""


class _Engine:
    """Requests to one search engine: time limits, retries, size limit. Threads may share one."""

    name = "engine"

    def __init__(
        self, base_url: str, timeout: float, retries: int, max_wait: float, transport: httpx.BaseTransport | None
    ) -> None:
        if not base_url.lower().startswith(("http://", "https://")):
            raise ValueError(f"got base_url={base_url!r}, wanted serper or an address such as http://localhost:8888")
        if timeout <= 0 or retries < 0 or max_wait < 0:
            raise ValueError(f"got timeout={timeout}, retries={retries}, max_wait={max_wait}, wanted no negative value")
        self.base_url = base_url.rstrip("/")
        self.retries = retries
        self.max_wait = max_wait
        self._client = httpx.Client(
            timeout=httpx.Timeout(timeout, pool=None),
            limits=httpx.Limits(max_connections=8),
            transport=transport,
            follow_redirects=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """The reply to a request, as a JSON object; tried again after 429, 5xx, a broken connection or broken JSON."""
        reason = ""
        for attempt in range(self.retries + 1):
            wait = None
            try:
                status, wait, reply = self._once(method, path, options)
                if status == 200 and isinstance(reply, dict):
                    return reply
                reason = f"status {status}" if status != 200 else "its reply is not a JSON object"
                if status != 200 and status not in RETRY_STATUS:
                    raise SearchFailed(f"the search engine refused the search ({self._why(status, reply)}).")
            except httpx.TimeoutException:
                reason = "it did not answer in time"
            except httpx.HTTPError as error:
                reason = f"no connection, {type(error).__name__}"
            if attempt < self.retries:
                time.sleep(min(0.5 * 2**attempt if wait is None else wait, self.max_wait))
        raise SearchFailed(f"the search engine gave no results ({reason}). Try again later, or another query.")

    def _once(self, method: str, path: str, options: dict[str, Any]) -> tuple[int, float | None, Any]:
        """One request: status, seconds that Retry-After asks for, and the JSON of the body (None if it is not JSON)."""
        body = bytearray()
        with self._client.stream(method, self.base_url + path, **options) as response:
            for chunk in response.iter_bytes(16_384):
                body += chunk
                if len(body) > MAX_BYTES:
                    raise SearchFailed(f"the search engine sent more than {MAX_BYTES} bytes. Try another query.")
            try:
                return response.status_code, retry_after(response.headers), json.loads(body)
            except (ValueError, RecursionError):
                return response.status_code, retry_after(response.headers), None

    def _why(self, status: int, reply: Any) -> str:
        """What to tell of a refusal."""
        return f"status {status}"


class Serper(_Engine):
    """Google's results through serper.dev; a key is needed, and every search is paid for.

    Args:
        key_env: environment variable that holds the key.
        country, language: as Google's `gl` and `hl`, such as "us" and "en"; "" for its default.
        timeout: seconds for one connection or read. retries: further tries. max_wait: longest pause before a try.
        base_url, transport: for tests.
    Raises:
        ValueError: the variable is not set.
    """

    def __init__(
        self,
        key_env: str = "SERPER_API_KEY",
        *,
        country: str = "",
        language: str = "",
        timeout: float = 10.0,
        retries: int = 3,
        max_wait: float = 30.0,
        base_url: str = SERPER,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        if not os.environ.get(key_env, "").strip():
            raise ValueError(f"the environment variable {key_env} is not set: put your serper.dev key there")
        super().__init__(base_url, timeout, retries, max_wait, transport)
        self.key_env = key_env
        self.options = {name: value for name, value in (("gl", country), ("hl", language)) if value}
        self.name = "-".join(["serper", *self.options.values()])

    def search(self, query: str, k: int = 10) -> list[Hit]:
        """The best `k` (at most 100) results for a query.

        Raises:
            SearchFailed: no answer; the message says why.
        """
        asked = {"q": query[:MAX_QUERY], "num": max(1, min(k, 100)), **self.options}
        key = os.environ.get(self.key_env, "").strip()
        reply = self._ask("POST", "/search", json=asked, headers={"X-API-KEY": key})
        return _hits(reply.get("organic"), k, url="link", snippet="snippet", date="date")

    def _why(self, status: int, reply: Any) -> str:
        if status in (401, 403):
            return f"status {status}: it does not accept the key in {self.key_env}"
        message = _flat(reply.get("message"), 100) if isinstance(reply, dict) else ""
        key = os.environ.get(self.key_env, "").strip()
        return f"status {status}" + (f": {message.replace(key, '***') if key else message}" if message else "")


class SearXNG(_Engine):
    """Results of a SearXNG server, which asks many engines at once; run your own, public ones refuse programs.

    Its settings.yml must list `json` under `search: formats`.

    Args:
        base_url: address of the server, such as http://localhost:8888.
        language, engines: as SearXNG takes them ("en", "wikipedia,bing"); "" for its default.
        timeout: seconds for one connection or read. retries: further tries. max_wait: longest pause before a try.
        transport: for tests.
    """

    def __init__(
        self,
        base_url: str,
        *,
        language: str = "",
        engines: str = "",
        timeout: float = 15.0,
        retries: int = 3,
        max_wait: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(base_url, timeout, retries, max_wait, transport)
        self.options = {name: value for name, value in (("language", language), ("engines", engines)) if value}
        self.name = "-".join(["searxng", *self.options.values()])

    def search(self, query: str, k: int = 10) -> list[Hit]:
        """The best `k` results for a query, of the first page that the server gives (about 20).

        Raises:
            SearchFailed: no answer, or none of its engines answered; the message says why.
        """
        asked = {"q": query[:MAX_QUERY], "format": "json", **self.options}
        reply = self._ask("GET", "/search", params=asked)
        hits = _hits(reply.get("results"), k, url="url", snippet="content", date="publishedDate")
        silent = reply.get("unresponsive_engines")
        if not hits and silent:
            raise SearchFailed(f"no search engine answered ({_flat(silent, 100)}). Try again later, or another query.")
        return hits

    def _why(self, status: int, reply: Any) -> str:
        return f"status {status}" + (": it allows no JSON, see search.formats in its settings" * (status == 403))


def engine(name: str, language: str = "") -> Serper | SearXNG:
    """The engine that a profile names: "serper", or the address of a SearXNG server.

    Raises:
        ValueError: anything else, or Serper without its key in the environment.
    """
    return Serper(language=language) if name == "serper" else SearXNG(name, language=language)


def _hits(rows: Any, k: int, *, url: str, snippet: str, date: str) -> list[Hit]:
    """Hits from an engine's rows; rows without title or http(s) address and repeated addresses are left out.

    Args:
        rows: what should be a list of objects. url, snippet, date: the engine's names of these fields.
    """
    found: dict[str, Hit] = {}
    for row in rows if isinstance(rows, list) else []:
        row = row if isinstance(row, dict) else {}
        address, title = row.get(url), _flat(row.get("title"), LONGEST["title"])
        usable = isinstance(address, str) and address.lower().startswith(("http://", "https://"))
        if not usable or not title or len(address) > 2_000 or any(c.isspace() for c in address):
            continue
        day = _flat(row.get(date), LONGEST["date"])
        day = day[:10] if _DAY.match(day) else day
        found.setdefault(address, Hit(address, title, _flat(row.get(snippet), LONGEST["snippet"]), day))
    return list(found.values())[: max(k, 0)]


def _flat(value: Any, limit: int) -> str:
    """A field as one line of at most `limit` characters; "" for nothing."""
    if isinstance(value, list):
        value = ", ".join(_flat(v, limit) for v in value)
    return " ".join(str(value).split())[:limit] if value is not None else ""
