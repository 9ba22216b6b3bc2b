"""A search index as a folder: written once, checked when it is opened, read from disk and not into memory.

Used by `web.search` (`SearchIndex.save`, `SearchIndex.load`, `SearchIndex.build(folder=...)`). In: pages and the arrays
of bm25s. Out: a folder with `pages.jsonl`, the arrays, the vocabulary and, written last, `index.json`, which says what
the folder was built from and how large every file is. A folder that is not an index, was cut off, holds other pages or
counts words by another rule is refused. Departure from the paper: it has no index of its own.
"""

import hashlib
import json
import mmap
import os
import shutil
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from webdancer.core.schema import Page, from_row, to_row
from webdancer.web import words

FORMAT = "webdancer search index"
VERSION = 1  # of the folder's layout
MANIFEST, PAGES, OFFSETS = "index.json", "pages.jsonl", "offsets.npy"
ADVICE = "build it again: SearchIndex.build(pages).save(folder)"


class Fingerprint:
    """SHA-256 of what an index is built from: address, title, text and date of every page, in order."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, page: Page) -> None:
        """Take in the next page."""
        for part in (page.url, page.title, page.text, page.date):
            data = part.encode("utf-8", "surrogatepass")
            self._hash.update(len(data).to_bytes(8, "big") + data)

    def digest(self) -> str:
        """The hash of all pages so far, hexadecimal."""
        return self._hash.hexdigest()


def fingerprint(pages: Iterable[Page]) -> str:
    """The fingerprint of pages, as an index built from them has it."""
    found = Fingerprint()
    for page in pages:
        found.add(page)
    return found.digest()


class PageWriter:
    """Writes pages to a folder one by one: a JSON line each, and where the lines start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._out = (folder / PAGES).open("wb")
        self._starts = array("q", [0])

    def add(self, page: Page) -> None:
        """Write the next page."""
        line = json.dumps(to_row(page), ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
        self._out.write(line)
        self._starts.append(self._starts[-1] + len(line))

    def __enter__(self) -> "PageWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.close()
        np.save(self.folder / OFFSETS, np.asarray(self._starts, dtype=np.int64))


class StoredPages(Sequence[Page]):
    """The pages of a folder, each read from disk when it is asked for; threads may share it."""

    def __init__(self, folder: Path) -> None:
        self._starts = np.load(folder / OFFSETS, allow_pickle=False)
        with (folder / PAGES).open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, i: int) -> Page:  # type: ignore[override]  # no slices: nobody needs them
        i = i + len(self) if i < 0 else i
        if not 0 <= i < len(self):
            raise IndexError(f"got page {i}, wanted 0 to {len(self) - 1}")
        line = self._data[int(self._starts[i]) : int(self._starts[i + 1])]
        return from_row(json.loads(line.decode("utf-8", "surrogatepass")), Page)

    def __iter__(self) -> Iterator[Page]:
        return (self[i] for i in range(len(self)))


@contextmanager
def writing(folder: str | Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """An empty folder to write an index into, and a dictionary for what its manifest should say.

    After the block the manifest is written and the folder moved to its place, where an older index is replaced. After
    an error nothing is left.

    Raises:
        ValueError: `folder` holds something that is not a search index, which must not be deleted.
    """
    folder = Path(folder)
    if folder.exists() and not (folder / MANIFEST).is_file() and any(folder.iterdir()):
        raise ValueError(f"{folder.name} holds other files and no {MANIFEST}: choose an empty or new folder")
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        facts: dict[str, Any] = {"format": FORMAT, "version": VERSION, "words": words.RULE}
        yield temporary, facts
        facts["files"] = {
            p.name: {"bytes": p.stat().st_size, "sha256": _sha256(p)} for p in sorted(temporary.iterdir())
        }
        (temporary / MANIFEST).write_text(json.dumps(facts, indent=1), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check(folder: str | Path, contents: bool, built_from: str = "") -> dict[str, Any]:
    """The manifest of a folder that can be used.

    Args:
        contents: compare the hash of every file as well; else only its size.
        built_from: the fingerprint that the index should have; "" for any.
    Raises:
        FileNotFoundError: no such folder. ValueError: it is no index, of another version, cut off, or stale.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder.name}: {ADVICE}")
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        manifest = None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ValueError(f"{folder.name} is not a search index (no {MANIFEST} of ours in it): {ADVICE}")
    found = (manifest.get("version"), manifest.get("words"))
    if found != (VERSION, words.RULE):
        raise ValueError(f"{folder.name} has version {found}, wanted {(VERSION, words.RULE)}: {ADVICE}")
    for name, facts in manifest["files"].items():
        size = (folder / name).stat().st_size if (folder / name).is_file() else -1
        if size != facts["bytes"]:
            raise ValueError(
                f"{folder.name} is damaged: {name} has {max(size, 0)} bytes, wanted {facts['bytes']}: {ADVICE}"
            )
        if contents and _sha256(folder / name) != facts["sha256"]:
            raise ValueError(f"{folder.name} is damaged: {name} has other contents than were written: {ADVICE}")
    if built_from and manifest["built_from"] != built_from:
        raise ValueError(f"{folder.name} is stale: it was built from other pages than those given: {ADVICE}")
    return manifest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
