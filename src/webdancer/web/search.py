"""The search engine of the project: BM25 over stored pages, with one sentence of each page as its snippet.

Used by 02_synthesize (the `S` of E2HQA), 03_distill, 06_dapo and 07_evaluate (the agent's `search` tool); 01_crawl
shows it. In: pages. Out: ranked hits. An index can be saved to a folder and opened again without being rebuilt; its
pages and scores then stay on disk. Departure from the paper: WebDancer asks Google. We index the pages that we stored,
so that a search costs no money, takes about a millisecond and gives the same result tomorrow. `web.live` has backends
that ask a live engine instead.
"""

import warnings
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from webdancer.core.schema import Page
from webdancer.web import saved
from webdancer.web.words import MAX_QUERY_WORDS as MAX_QUERY_WORDS
from webdancer.web.words import cut_words, query_words, sentences, words

READ_PAGES = 10_000  # pages whose sentences are kept at hand, a few times the memory of their texts
LONG_QUERY = 2_000  # characters; what a longer query finds is not kept: many such would fill the memory


@dataclass(frozen=True)
class Hit:
    """One search result. `snippet` ends in " ..." where it was cut; `date` is empty for a page without one."""

    url: str
    title: str
    snippet: str
    date: str = ""


def best_sentence(pool: Sequence[tuple[str, Collection[int | str]]], query: frozenset[int | str]) -> str:
    """The sentence of `pool` (pairs of sentence and its different words, or their numbers) that shares most of them
    with the query; first of equals.
    """
    best, shared = "", -1
    for sentence, has in pool:
        common = len(query.intersection(has))
        if common > shared:
            best, shared = sentence, common
    return best


class SearchIndex:
    """A BM25 index over pages, from `SearchIndex.build` or `SearchIndex.load`.

    Searching changes nothing, so threads may share it. `pages` are the pages in index order; of a loaded index they
    are read from disk one by one. `built_from` is the fingerprint of the pages (see `web.saved`).
    """

    def __init__(
        self, pages: Sequence[Page], bm25: Any, snippet_words: int, title_weight: int = 2, built_from: str = ""
    ) -> None:
        self.pages = pages
        self.snippet_words = snippet_words
        self.title_weight = title_weight
        self.built_from = built_from
        self._bm25 = bm25
        self._vocabulary: dict[str, int] = bm25.vocab_dict
        # Plain views, also of memory-mapped arrays: slicing them costs a tenth.
        self._data, self._rows, self._starts = (np.asarray(bm25.scores[k]) for k in ("data", "indices", "indptr"))
        self._read = lru_cache(maxsize=READ_PAGES)(self._read_page)
        self._cached = lru_cache(maxsize=50_000)(self._search)  # a group of rollouts asks the same again and again

    def __reduce__(self) -> Any:
        """For a copy in another process: without what was found before. (An index loaded from disk is opened anew.)"""
        return SearchIndex, (self.pages, self._bm25, self.snippet_words, self.title_weight, self.built_from)

    @classmethod
    def build(
        cls, pages: Iterable[Page], snippet_words: int = 40, title_weight: int = 2, folder: str | Path = ""
    ) -> "SearchIndex":
        """Index the pages in one pass over them.

        Args:
            pages: any iterable, in the order that breaks ties between equal scores.
            snippet_words: longest snippet, in words.
            title_weight: how many times the words of a title count.
            folder: write pages and index there on the way and open it: the texts are then never all in memory.
        Raises:
            ValueError: no page to index, `snippet_words` or `title_weight` below 1, or `folder` holds other files.
        """
        if snippet_words < 1 or title_weight < 1:
            raise ValueError(f"got snippet_words={snippet_words}, title_weight={title_weight}, wanted 1 or more")
        counts = _Counts(title_weight)
        if folder:
            with saved.writing(folder) as (temporary, facts):
                with saved.PageWriter(temporary) as writer:
                    for page in counts.through(pages):
                        writer.add(page)
                facts.update(_write(temporary, counts.bm25(), snippet_words, title_weight, counts.built_from()))
            return cls.load(folder)
        kept = tuple(counts.through(pages))
        return cls(kept, counts.bm25(), snippet_words, title_weight, counts.built_from())

    def save(self, folder: str | Path) -> None:
        """Write the index and its pages to a folder, replacing an older index there.

        Raises:
            ValueError: the folder holds something that is not a search index.
        """
        with saved.writing(folder) as (temporary, facts):
            with saved.PageWriter(temporary) as writer:
                for page in self.pages:
                    writer.add(page)
            facts.update(_write(temporary, self._bm25, self.snippet_words, self.title_weight, self.built_from))

    @classmethod
    def load(cls, folder: str | Path, mmap: bool = True, pages: Iterable[Page] | None = None) -> "SearchIndex":
        """Open a saved index; nothing is counted again.

        Args:
            mmap: leave scores on disk and check only the sizes of the files; else read them and check their hashes.
            pages: the pages that the index should have been built from; None to take it as it is.
        Raises:
            FileNotFoundError: no such folder.
            ValueError: it is not an index, of another version, cut off or changed, or built from other pages.
        """
        facts = saved.check(folder, contents=not mmap, built_from="" if pages is None else saved.fingerprint(pages))
        bm25 = _bm25s().BM25.load(folder, mmap=mmap, show_progress=False)
        return cls(
            saved.StoredPages(Path(folder)), bm25, facts["snippet_words"], facts["title_weight"], facts["built_from"]
        )

    def __len__(self) -> int:
        return len(self.pages)

    def scores(self, query: str) -> np.ndarray:
        """BM25 scores of all pages for a query: [pages], float32, 0 where no word is shared."""
        total = np.zeros(len(self.pages), dtype=np.float32)
        for word in query_words(query):
            i = self._vocabulary.get(word)
            if i is not None:
                span = slice(self._starts[i], self._starts[i + 1])
                total[self._rows[span]] += self._data[span]  # a page stands at most once in a span
        return total

    def rank(self, query: str, k: int = 10) -> list[int]:
        """Indices of the best `k` pages, best first; equal scores in index order; only pages that share a word."""
        scores = self.scores(query)
        k = min(k, len(scores))
        if k < 1:
            return []
        floor = max(np.partition(scores, -k)[-k], 0.0)
        candidates = np.flatnonzero((scores >= floor) & (scores > 0.0))
        return candidates[np.argsort(-scores[candidates], kind="stable")][:k].tolist()

    def search(self, query: str, k: int = 10) -> list[Hit]:
        """The best `k` hits for a query, best first (fewer where fewer pages share a word with it)."""
        return list((self._cached if len(query) <= LONG_QUERY else self._search)(query, k))

    def _search(self, query: str, k: int) -> tuple[Hit, ...]:
        wanted = self._numbers(query_words(query))
        hits = []
        for i in self.rank(query, k):
            (url, title, date), pool = self._read(i)
            hits.append(Hit(url, title, cut_words(best_sentence(pool, wanted), self.snippet_words), date))
        return tuple(hits)

    def _read_page(self, i: int) -> tuple[tuple[str, str, str], list[tuple[str, tuple[int | str, ...]]]]:
        """Address, title and date of a page, its sentences and their words."""
        page = self.pages[i]
        pool = [(s, tuple(self._numbers(words(s)))) for s in sentences(page.text)]
        return (page.url, page.title, page.date), pool

    def _numbers(self, found: Iterable[str]) -> frozenset[int | str]:
        """The different words, as their numbers in the vocabulary: a tenth of the memory of a set of words."""
        return frozenset(self._vocabulary.get(word, word) for word in found)


class _Counts:
    """The words of pages as they pass by: four bytes a word and one entry for each different word."""

    def __init__(self, title_weight: int) -> None:
        self.title_weight = title_weight
        self.vocabulary: dict[str, int] = {"": 0}  # the empty word keeps the vocabulary from being empty
        self.ids: list[array[int]] = []
        self._hash = saved.Fingerprint()

    def through(self, pages: Iterable[Page]) -> Iterator[Page]:
        """Yield the pages again, counted."""
        known = self.vocabulary
        for page in pages:
            found = words(page.title) * self.title_weight + words(page.text)
            self.ids.append(array("i", [known.setdefault(word, len(known)) for word in found] or [0]))
            self._hash.add(page)
            yield page

    def bm25(self) -> Any:
        """The scores, by bm25s."""
        if not self.ids:
            raise ValueError("got no pages, wanted at least one to index: run 01_crawl and look at what it dropped")
        bm25 = _bm25s().BM25(backend="numpy")
        bm25.index((self.ids, self.vocabulary), create_empty_token=False, show_progress=False)
        self.ids = []
        return bm25

    def built_from(self) -> str:
        """The fingerprint of the pages that passed."""
        return self._hash.digest()


def _write(folder: Path, bm25: Any, snippet_words: int, title_weight: int, built_from: str) -> dict[str, str | int]:
    """Write the scores; returns what the manifest should say."""
    bm25.save(folder, show_progress=False)
    return {
        "pages": int(bm25.scores["num_docs"]),
        "built_from": built_from,
        "snippet_words": snippet_words,
        "title_weight": title_weight,
        "bm25s": metadata.version("bm25s"),
    }


def _bm25s() -> ModuleType:
    """bm25s, which imports tqdm's notebook bar, which warns where ipywidgets is missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import bm25s
    return bm25s
