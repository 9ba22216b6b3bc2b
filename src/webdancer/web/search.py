"""The search engine of the project: BM25 over stored pages, with one sentence of each page as its snippet.

Used by 02_synthesize (the `S` of E2HQA), 03_distill and 06_dapo (the agent's `search` tool); 01_crawl shows it. In:
pages.
Out: ranked hits. Everything about a page that a query needs (sentences, their words) is worked out once, when the
index is built. Departure from the paper: WebDancer asks Google. We index the pages that we stored, so that a search
costs no money, takes well under a millisecond and gives the same result tomorrow.
"""

import re
import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from webdancer.core.schema import Page

MAX_QUERY_WORDS = 64  # a longer query is cut: nobody searches for a whole page
_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # written without spaces: every character is a word of its own
_WORD = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+")
_SENTENCE = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[^\Wa-z])|(?<=[。！？])|\s*\n\s*")


@dataclass(frozen=True)
class Hit:
    """One search result. `snippet` ends in " ..." where it was cut; `date` is empty for a page without one."""

    url: str
    title: str
    snippet: str
    date: str = ""


def words(text: str) -> list[str]:
    """The words of a text for matching: lower case, no accents, no punctuation.

    >>> words("Émile's 2 papers")
    ['emile', 's', '2', 'papers']
    """
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return _WORD.findall(text.casefold())


def sentences(text: str) -> list[str]:
    """Split a text into sentences: at a line end, and behind `.`, `!` or `?` where a capital or a digit follows.

    >>> sentences("She was born in Orlen Ford. The mentor was Tal.\\nSince 1900.")
    ['She was born in Orlen Ford.', 'The mentor was Tal.', 'Since 1900.']
    """
    return [s.strip() for s in _SENTENCE.split(text) if s and s.strip()]


def cut_words(text: str, limit: int) -> str:
    """`text` if it has at most `limit` words, else its first `limit` words and " ...".

    >>> cut_words("one two three", 2)
    'one two ...'
    """
    parts = text.split()
    return " ".join(parts) if len(parts) <= limit else " ".join(parts[:limit]) + " ..."


def best_sentence(pool: Sequence[tuple[str, frozenset[str]]], query: frozenset[str]) -> str:
    """The sentence of `pool` (pairs of sentence and words) that shares most words with the query; first of equals."""
    best, shared = "", -1
    for sentence, has in pool:
        common = len(query & has)
        if common > shared:
            best, shared = sentence, common
    return best


class SearchIndex:
    """A BM25 index over pages, built by `SearchIndex.build`; searching changes nothing, so threads may share it."""

    def __init__(self, pages: Sequence[Page], bm25: Any, vocabulary: dict[str, int], snippet_words: int) -> None:
        self.pages = tuple(pages)
        self.snippet_words = snippet_words
        self._bm25 = bm25
        self._vocabulary = vocabulary
        self._sentences = [[(s, frozenset(words(s))) for s in sentences(p.text)] for p in self.pages]
        self._cached = lru_cache(maxsize=50_000)(self._search)  # a group of rollouts asks the same again and again

    @classmethod
    def build(cls, pages: Sequence[Page], snippet_words: int = 40, title_weight: int = 2) -> "SearchIndex":
        """Index the pages.

        Args:
            pages: in the order that breaks ties between equal scores.
            snippet_words: longest snippet, in words.
            title_weight: how many times the words of a title count.
        Raises:
            ValueError: no page to index, or `snippet_words` or `title_weight` below 1.
        """
        if not pages:
            raise ValueError("got no pages, wanted at least one to index: run 01_crawl and look at what it dropped")
        if snippet_words < 1 or title_weight < 1:
            raise ValueError(f"got snippet_words={snippet_words}, title_weight={title_weight}, wanted 1 or more")
        vocabulary: dict[str, int] = {"": 0}  # the empty word keeps the vocabulary from being empty
        ids = []
        for page in pages:
            found = words(page.title) * title_weight + words(page.text)
            ids.append([vocabulary.setdefault(word, len(vocabulary)) for word in found] or [0])
        with warnings.catch_warnings():  # bm25s imports tqdm's notebook bar, which warns where ipywidgets is missing
            warnings.simplefilter("ignore")
            import bm25s
        bm25 = bm25s.BM25(backend="numpy")
        bm25.index((ids, vocabulary), create_empty_token=False, show_progress=False)
        return cls(pages, bm25, vocabulary, snippet_words)

    def __len__(self) -> int:
        return len(self.pages)

    def scores(self, query: str) -> np.ndarray:
        """BM25 scores of all pages for a query: [pages], float32, 0 where no word is shared."""
        found = dict.fromkeys(words(query)[:MAX_QUERY_WORDS])
        ids = [self._vocabulary[word] for word in found if word in self._vocabulary]
        if not ids:
            return np.zeros(len(self.pages), dtype=np.float32)
        return self._bm25.get_scores(ids)

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
        return list(self._cached(query, k))

    def _search(self, query: str, k: int) -> tuple[Hit, ...]:
        wanted = frozenset(words(query)[:MAX_QUERY_WORDS])
        hits = []
        for i in self.rank(query, k):
            page = self.pages[i]
            snippet = cut_words(best_sentence(self._sentences[i], wanted), self.snippet_words)
            hits.append(Hit(page.url, page.title, snippet, page.date))
        return tuple(hits)
