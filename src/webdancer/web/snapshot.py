"""Pages as a data set to hand on: one Parquet file with a data card, texts only where the licence allows it.

Used after 01_crawl. In: pages. Out: a folder that `datasets.load_dataset` opens, offline too: `data/pages.parquet`,
`README.md` (the card) and `manifest.json` (hash of the data). `load` reads it back, `refill` fetches the texts that
could not be passed on. Parquet, because its columns have types (a JSONL reader guesses that dates are dates), it is
compressed, and a million pages are written without holding them in memory. Departure from the paper: it published
neither its pages nor their addresses.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from webdancer.core.record import atomic_path, write_json
from webdancer.core.schema import Page, text_hash
from webdancer.web.card import Counts, card
from webdancer.web.fetch import Fetched
from webdancer.web.redistribute import REDISTRIBUTABLE, licence_id
from webdancer.web.text import clean

VERSION = 1
DATA, CARD, MANIFEST = "data/pages.parquet", "README.md", "manifest.json"
BATCH = 1000  # rows written at once


class Gets(Protocol):
    """What fetches a page: `fetch.Fetcher`, `frozen.Frozen`, or a fake in a test."""

    def get(self, url: str) -> Fetched: ...


@dataclass(frozen=True)
class Refilled:
    """What came of a refill: all pages of the snapshot, and for each text that is still missing the reason."""

    pages: tuple[Page, ...]
    filled: int
    missing: tuple[tuple[str, str], ...]

    def report(self) -> str:
        """One line a page that could not be filled, after a line of counts."""
        head = f"{len(self.pages)} pages, {self.filled} texts filled in, {len(self.missing)} still missing"
        return "\n".join([head, *(f"{url}: {reason}" for url, reason in self.missing)])


def row_of(page: Page, allowed: frozenset[str] = REDISTRIBUTABLE) -> dict[str, Any]:
    """The row of a page; its text only if the licence is in `allowed` and robots.txt had allowed to fetch it.

    Raises:
        ValueError: the page has a text whose hash is not the one recorded with it.
    """
    digest = text_hash(page.text)
    if page.text and page.sha256 not in ("", digest):
        raise ValueError(f"{page.url}: got a text with SHA-256 {digest[:12]}, wanted {page.sha256[:12]} as recorded")
    licence = licence_id(page.licence)
    whole = page.sha256 in ("", digest)
    has_text = licence in allowed and page.robots in ("", "allowed") and whole and _sound(page.text) == page.text
    return {
        "url": _sound(page.url),
        "title": _sound(page.title),
        "text": page.text if has_text else "",
        "has_text": has_text,
        "sha256": page.sha256 or digest,
        "licence": _sound(page.licence),
        "licence_id": licence,
        "source": _sound(page.source),
        "language": _sound(page.language),
        "fetched_at": _sound(page.fetched_at),
        "date": _sound(page.date),
        "robots": _sound(page.robots),
        "links": [_sound(link) for link in page.links],
    }


def _sound(text: str) -> str:
    """`text` as Parquet can hold it: a lone surrogate, which is half a character, becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def export(
    pages: Iterable[Page],
    folder: str | Path,
    *,
    name: str = "Web pages",
    note: str = "",
    allowed: frozenset[str] = REDISTRIBUTABLE,
) -> Counts:
    """Write a snapshot; the folder appears when it is complete.

    Args:
        pages: any number; they are taken one by one.
        folder: new, or empty.
        name, note: title of the card, and a paragraph in it (what for, with which roots).
        allowed: SPDX identifiers of the licences whose texts are included (some of `REDISTRIBUTABLE`).
    Returns: the counts that the card shows.
    Raises:
        FileExistsError: the folder holds files.
        ValueError: no page; a page whose text and hash differ; a licence that is not in the table.
    """
    folder = Path(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} holds files, wanted a new folder: a snapshot is not written over")
    if not allowed <= REDISTRIBUTABLE:
        raise ValueError(f"allowed: got {sorted(allowed - REDISTRIBUTABLE)}, wanted identifiers in REDISTRIBUTABLE")
    counts = Counts()
    with atomic_path(folder) as temporary:
        (temporary / DATA).parent.mkdir(parents=True)
        _write(temporary / DATA, _counted((row_of(page, allowed) for page in pages), counts))
        if not counts.rows:
            raise ValueError("got no pages, wanted at least one")
        (temporary / CARD).write_text(card(name, counts, DATA, allowed, note), encoding="utf-8")
        digest = _file_hash(temporary / DATA)
        write_json(temporary / MANIFEST, {"version": VERSION, "rows": counts.rows, "sha256": {DATA: digest}})
    return counts


def _counted(rows: Iterable[dict[str, Any]], counts: Counts) -> Iterator[dict[str, Any]]:
    for row in rows:
        counts.add(row)
        yield row


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows to a Parquet file, a batch at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = ("url", "title", "text", "sha256", "licence", "licence_id", "source", "language", "fetched_at", "date")
    kinds = dict.fromkeys((*text, "robots"), pa.string())
    kinds |= {"has_text": pa.bool_(), "links": pa.list_(pa.string())}
    schema = pa.schema([(column, kinds[column]) for column in row_of(Page("", "", ""))])
    with pq.ParquetWriter(path, schema, compression="zstd") as out:
        batch: list[dict[str, Any]] = []
        for row in rows:
            batch.append(row)
            if len(batch) == BATCH:
                out.write_table(pa.Table.from_pylist(batch, schema))
                batch = []
        out.write_table(pa.Table.from_pylist(batch, schema))


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load(folder: str | Path) -> list[Page]:
    """The pages of a snapshot, in the order of the export; `text` is empty where it was left out.

    Raises:
        FileNotFoundError: a file of the snapshot is missing.
        ValueError: a newer version, or a file that was changed since it was written; the message names what.
    """
    return list(iter_pages(folder))


def iter_pages(folder: str | Path) -> Iterator[Page]:
    """The same, one by one: `write_jsonl("pages_train.jsonl", iter_pages(folder))` imports any number of pages."""
    return (_page(row) for row in _rows(Path(folder)))


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    """The rows, each checked before it is handed out."""
    import pyarrow.parquet as pq

    count, seen = _checked(folder), 0
    for batch in pq.ParquetFile(folder / DATA).iter_batches(BATCH):
        for row in batch.to_pylist():
            seen += 1
            if row["has_text"] and text_hash(row["text"]) != row["sha256"]:
                raise ValueError(f"{DATA}, row {seen} ({row['url']}): the text was changed, its SHA-256 is another")
            yield row
    if seen != count:
        raise ValueError(f"{DATA}: got {seen} rows, wanted {count} as {MANIFEST} says")


def _checked(folder: Path) -> int:
    """How many rows the data file should have; raises if it is not the one that was written."""
    for name in (MANIFEST, DATA):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name} is missing, wanted the folder of a snapshot")
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        version, count, digest = manifest["version"], manifest["rows"], manifest["sha256"][DATA]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{MANIFEST} is not that of a snapshot: export the pages again") from error
    if version != VERSION:
        raise ValueError(f"{MANIFEST}: got version {version!r}, wanted {VERSION}: use the webdancer that wrote it")
    if _file_hash(folder / DATA) != digest:
        raise ValueError(f"{DATA} was changed after the export (its SHA-256 is not that of {MANIFEST}): get it again")
    return count


def _page(row: dict[str, Any]) -> Page:
    names = ("url", "title", "text", "source", "fetched_at", "sha256", "licence", "robots", "date", "language")
    return Page(**{name: row[name] for name in names}, links=tuple(row["links"]))


def read_page(got: Fetched) -> str:
    """The clean text of a page as the crawler makes it from HTML."""
    return clean(got.text, got.url).text


def refill(
    folder: str | Path, fetcher: Gets, *, read: Callable[[Fetched], str] = read_page, threads: int = 8
) -> Refilled:
    """Fetch the texts that a snapshot left out. The snapshot stays as it is: what comes back is not to be passed on.

    Args:
        folder: of the snapshot.
        fetcher: with its own manners (robots.txt, pauses).
        read: from what was fetched to the text whose hash is compared.
        threads: pages fetched at once.
    Returns: all pages; a text is filled in only if its hash is the recorded one.
    Raises: as `load`.
    """
    rows = list(_rows(Path(folder)))
    todo = [number for number, row in enumerate(rows) if not row["has_text"]]
    pages = [_page(row) for row in rows]
    missing = []
    with ThreadPoolExecutor(threads) as pool:
        for number, (text, reason) in zip(todo, pool.map(lambda n: _fetch(pages[n], fetcher, read), todo), strict=True):
            if reason:
                missing.append((pages[number].url, reason))
            else:
                pages[number] = replace(pages[number], text=text)
    return Refilled(tuple(pages), len(todo) - len(missing), tuple(missing))


def _fetch(page: Page, fetcher: Gets, read: Callable[[Fetched], str]) -> tuple[str, str]:
    """The text of a page if it is still the same, else why not."""
    got = fetcher.get(page.url)
    if got.error:
        return "", got.error
    text = read(got)
    digest = text_hash(text)
    if digest == page.sha256:
        return text, ""
    moved = f", now at {got.url}" if got.url != page.url else ""
    return "", f"changed{moved}: {len(text.split())} words with SHA-256 {digest[:12]}, wanted {page.sha256[:12]}"
