"""Record what the web answered and replay it: the same web again tomorrow, elsewhere, without the network.

Used wherever the agent reads the live web (03, 06, 07) and where a crawl of a real site should be repeatable (01). In:
a fetcher or a search backend, and a file. Out: the same `Fetched` records and hits. Modes: `live` asks the network and
writes nothing; `record` asks the file first, then the network, and writes down what came, so that nothing is paid for
twice; `replay` asks the file alone. Departure from the paper: it searches and fetches live in every run.

The file is an SQLite database, because that is one file to hand on, with look-ups by URL that need no memory, and with
transactions: a run may be killed at any point, and several threads and processes may share it (close it before you
copy it). Rows are only ever added. Long texts are kept apart, compressed, once for each content, by SHA-256, which is
checked when they are read. No cookie is kept, and passwords and keys inside a URL are replaced by a short hash.
"""

import dataclasses
import hashlib
import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol

from webdancer.web.answer import Fetched, passes
from webdancer.web.live import SearchFailed
from webdancer.web.recording import Recording
from webdancer.web.search import Hit

MODES = ("live", "record", "replay")
ECHO = 6  # a key of so many characters is also taken out of the page; a shorter one might be a word of it
MISS = "not recorded"  # the error of a page that is not in the file
# Parts of a URL that open a door: user info, and the values of these parameters.
_USER = re.compile(r"(?<=://)[^/?#@]+(?=@)")
_KEYS = re.compile(
    r"(?<=[?&;])((?:api[_-]?key|key|(?:access_|auth_|x-amz-security-)?token|auth|(?:client_)?secret|passw(?:or)?d|pwd|sig"
    r"|(?:x-amz-)?signature|x-amz-credential|session|session_?id|phpsessid|jsessionid|sid)=)([^&#;]+)",
    re.IGNORECASE,
)
_HASHED = re.compile(r"~[0-9a-f]{8}")


class NotRecorded(LookupError):
    """A search that the recording does not hold, in replay mode."""


class Gets(Protocol):
    """What fetches a page: `fetch.Fetcher`, or a fake in a test."""

    def get(self, url: str) -> Fetched: ...


class Searches(Protocol):
    """What answers a query: a live backend, or `search.SearchIndex`."""

    def search(self, query: str, k: int = 10) -> list[Hit]: ...


def secrets(url: str) -> list[str]:
    """The passwords and keys in a URL, as they stand there."""
    found = [*_USER.findall(url), *(value for _, value in _KEYS.findall(url))]
    return [value for value in found if not _HASHED.fullmatch(value)]


def without_secrets(url: str) -> str:
    """`url` with passwords and keys replaced by 8 digits of their SHA-256: two keys stay two, and neither is told.

    >>> without_secrets("http://a.test/?q=tea&api_key=abc")
    'http://a.test/?q=tea&api_key=~ba7816bf'
    """
    return _KEYS.sub(lambda m: m[1] + _hide(m[2]), _USER.sub(lambda m: _hide(m[0]), url))


def _hide(value: str) -> str:
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
    return value if _HASHED.fullmatch(value) else f"~{digest[:8]}"


class _Once:
    """Threads that ask for the same thing at the same time share one answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, Future[Any]] = {}

    def run(self, key: str, work: Callable[[], Any]) -> Any:
        """The result of `work()`, done by the first of the threads that ask for `key`; its exception for all."""
        with self._lock:
            future = self._running.get(key)
            first = future is None
            if first:
                future = self._running[key] = Future()
        if not first:
            return future.result()
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)
        finally:
            with self._lock:
                del self._running[key]
        return future.result()


def _open(path: str | Path, source: object | None, mode: str) -> tuple[str, Recording | None]:
    """The mode, by default `record` with a source and `replay` without, and the recording (None if live)."""
    mode = mode or ("record" if source is not None else "replay")
    if mode not in MODES:
        raise ValueError(f"got mode {mode!r}, wanted one of {', '.join(MODES)}")
    if source is None and mode != "replay":
        raise ValueError(
            f"got mode {mode!r} and nothing to ask, wanted a fetcher or a search backend, or mode='replay'"
        )
    return mode, None if mode == "live" else Recording(path, write=mode == "record")


class Frozen:
    """A fetcher with a memory; threads may share one. Failures are remembered too: a replay repeats them.

    Args:
        path: the file; `Frozen` and `FrozenSearch` may share one. A JSONL file of the earlier format opens as well: to
            record on, it is replaced by a database, and kept beside it with ".old" behind its name.
        fetcher: what to ask; may be None in replay mode.
        mode: "live", "record" or "replay"; "" for record with a fetcher and replay without.
        retry_failed: in record mode, ask again for what failed in a way that may pass (no connection, 429, 5xx). The
            new answer then takes the place of the old one, also in replays of runs that saw the old one.
    Raises:
        FileNotFoundError: replay of a file that is not there.
        ValueError: an unknown mode, nothing to ask, or the file is not a recording.
    """

    def __init__(
        self, path: str | Path, fetcher: Gets | None = None, mode: str = "", *, retry_failed: bool = False
    ) -> None:
        self.path = Path(path)
        self.fetcher = fetcher
        self.retry_failed = retry_failed
        self.mode, self._recording = _open(path, fetcher, mode)
        self._once = _Once()

    def __enter__(self) -> "Frozen":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        """Pages recorded."""
        return self._recording.count("page") if self._recording else 0

    def close(self) -> None:
        """Close the file; the fetcher stays open."""
        if self._recording:
            self._recording.close()

    def get(self, url: str, *, etag: str = "", modified: str = "") -> Fetched:
        """What the file has for `url`, else what the fetcher brings, else a `Fetched` whose error is "not recorded".

        `etag` and `modified` are taken so that a `Frozen` can stand for a `Fetcher`; a recording holds whole pages.
        """
        if self._recording is None:
            return self.fetcher.get(url)
        return self._once.run(url, lambda: self._get(url))

    def _get(self, url: str) -> Fetched:
        asked = without_secrets(url)
        found = self._recording.find("page", asked)
        if self.mode == "replay":
            return Fetched(asked, error=MISS) if found is None else _build(Fetched, found)
        if found is None or (self.retry_failed and passes(_build(Fetched, found))):
            got = self.fetcher.get(url)
            row = {**dataclasses.asdict(got), "url": without_secrets(got.url)}
            for secret in (s for s in secrets(url) if len(s) >= ECHO):  # a page may quote the address it was asked by
                row = {k: v.replace(secret, _hide(secret)) if isinstance(v, str) else v for k, v in row.items()}
            found = self._recording.add("page", asked, row, over=found is not None)
        return _build(Fetched, found)

    def sitemaps(self, url: str) -> list[str]:
        """The sitemaps that the host's robots.txt names, as the fetcher tells them; recorded like pages."""
        if self._recording is None:
            return self.fetcher.sitemaps(url)
        found = self._recording.find("sitemaps", without_secrets(url))
        if found is None and self.mode == "record":
            found = self._recording.add("sitemaps", without_secrets(url), {"urls": self.fetcher.sitemaps(url)})
        return found["urls"] if found else []


class FrozenSearch:
    """A search backend with a memory, for `Tools` in the place of an index; threads may share one.

    A search is known by backend, query and number of results. Failures are remembered too: a replay repeats them.

    Args:
        path: the file, as for `Frozen`.
        backend: what to ask; may be None in replay mode.
        mode: as for `Frozen`.
        name: the backend's name in the record; "" for its attribute `name`, else its class, and in a replay without
            backend for the only name in the file.
        retry_failed: as for `Frozen`: ask again for searches that failed.
    Raises:
        FileNotFoundError, ValueError: as for `Frozen`; also if the file has searches of several backends and neither
            `backend` nor `name` says which.
    """

    def __init__(
        self,
        path: str | Path,
        backend: Searches | None = None,
        mode: str = "",
        *,
        name: str = "",
        retry_failed: bool = False,
    ) -> None:
        self.path = Path(path)
        self.backend = backend
        self.retry_failed = retry_failed
        self.mode, self._recording = _open(path, backend, mode)
        self.name = name or (str(getattr(backend, "name", type(backend).__name__)) if backend else self._only_name())
        self._once = _Once()

    def __enter__(self) -> "FrozenSearch":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        """Searches recorded, of whatever backend."""
        return self._recording.count("search") if self._recording else 0

    def close(self) -> None:
        """Close the file."""
        if self._recording:
            self._recording.close()

    def search(self, query: str, k: int = 10) -> list[Hit]:
        """The hits of the file, else of the backend.

        Raises:
            NotRecorded: replay, and this search is not in the file.
            SearchFailed: as the backend did when it was asked.
        """
        if self._recording is None:
            return self.backend.search(query, k)
        asked = json.dumps([self.name, query, k])
        return list(self._once.run(asked, lambda: self._search(asked, query, k)))

    def _search(self, asked: str, query: str, k: int) -> list[Hit]:
        found = self._recording.find("search", asked)
        if found is None and self.mode == "replay":
            raise NotRecorded(f"the search for {query[:80]!r} is not in the recording {self.path.name}")
        if found is None or (self.retry_failed and "failed" in found):
            found = self._recording.add("search", asked, self._ask(query, k), over=found is not None)
        if "failed" in found:
            raise SearchFailed(found["failed"])
        return [_build(Hit, row) for row in found["hits"]]

    def _ask(self, query: str, k: int) -> dict[str, Any]:
        """The row of a search: its hits, or why it failed."""
        try:
            return {"hits": [dataclasses.asdict(hit) for hit in self.backend.search(query, k)]}
        except SearchFailed as error:
            return {"failed": str(error)}

    def _only_name(self) -> str:
        names = sorted({json.loads(asked)[0] for asked in self._recording.asked("search")})
        if len(names) > 1:
            raise ValueError(f"{self.path.name} has searches of {', '.join(names)}: say which with name=...")
        return names[0] if names else ""


def _build(cls: type, row: dict[str, Any]) -> Any:
    """A dataclass from a stored row; fields that this version does not know are left out."""
    known = {field.name for field in dataclasses.fields(cls)}
    return cls(**{name: value for name, value in row.items() if name in known})
