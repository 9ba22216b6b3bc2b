"""Record what was fetched and replay it: the same web again tomorrow, without the network.

Used by 01_crawl where a crawl of a real site should be repeatable. In: a fetcher and a file. Out: the same `Fetched`
records, one JSON line each. Departure from the paper: it fetches live; a frozen web makes runs comparable.
"""

import dataclasses
import json
import threading
from pathlib import Path

from webdancer.web.fetch import Fetched, Fetcher


class Frozen:
    """A fetcher with a memory: asks the file first, then the network (if it may), and writes down what came.

    Threads may share one. Only what a second look would see again is recorded: refused and broken connections are not.

    Args:
        path: the JSONL file, created with the first record.
        fetcher: None = replay only; an address that is not recorded is then an error value, not a request.
    Raises:
        ValueError: a line of the file is not a record (a last line that was cut off is ignored: the run died while
            writing it).
    """

    def __init__(self, path: str | Path, fetcher: Fetcher | None = None) -> None:
        self.path = Path(path)
        self.fetcher = fetcher
        self._lock = threading.Lock()
        self._records = self._load() if self.path.is_file() else {}

    def __len__(self) -> int:
        return len(self._records)

    def get(self, url: str) -> Fetched:
        """What the file has for `url`, else what the fetcher brings, else a `Fetched` whose error is "not recorded"."""
        if url in self._records:
            return self._records[url]
        if self.fetcher is None:
            return Fetched(url, error="not recorded")
        got = self.fetcher.get(url)
        if got.status:
            self._write(url, got)
        return got

    def _write(self, url: str, got: Fetched) -> None:
        line = json.dumps({"asked": url, **dataclasses.asdict(got)}, ensure_ascii=False)
        with self._lock:
            self._records[url] = got
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8", errors="replace") as out:
                out.write(line + "\n")

    def _load(self) -> dict[str, Fetched]:
        """The records of the file; an unfinished last line is cut off, so that the next record starts clean."""
        data = self.path.read_bytes()
        whole, _, rest = data.rpartition(b"\n")
        if rest:
            with self.path.open("r+b") as file:
                file.truncate(len(whole) + 1 if whole else 0)
        records = {}
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                row = json.loads(line)
                asked = row.pop("asked")
                records[asked] = Fetched(**row)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                message = f"{self.path.name}, line {number}: got {line[:60]!r}, wanted a record of Frozen"
                raise ValueError(message) from error
        return records
