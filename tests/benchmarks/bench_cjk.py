"""Which token rule finds the right page for Chinese, Japanese and Korean queries? `web.words` has the answer.

    python tests/benchmarks/bench_cjk.py      prints the table and writes results/bench/cjk.json

Pages and queries were written for this comparison (`tests/data/cjk`): names that share characters, words inside other
words. jieba (`pip install jieba`) is compared if it is installed; the library does not need it.
"""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import bm25s
import numpy as np

from webdancer.core import machine, record
from webdancer.web import words as rule

DATA = Path(__file__).resolve().parent.parent / "data" / "cjk"
Tokens = Callable[[str], list[str]]


def singles(text: str) -> list[str]:
    """Every character is a word."""
    return [w for w in rule.words(text) if len(w) == 1 or w.isascii()]


def pairs(text: str) -> list[str]:
    """Every two neighbours are a word."""
    return [w for w in rule.words(text) if len(w) > 1 or w.isascii()]


def jieba_rules() -> dict[str, Tokens]:
    """jieba's words for search engines, alone and with every character beside them; empty if it is not installed."""
    if importlib.util.find_spec("jieba") is None:
        return {}
    import logging

    import jieba

    jieba.setLogLevel(logging.WARNING)

    def words(text: str) -> list[str]:
        return [w.casefold() for w in jieba.cut_for_search(text) if any(map(str.isalnum, w))]

    return {
        "jieba": words,
        "jieba and characters": lambda text: [w for w in words(text) if len(w) > 1] + singles(text),
    }


def places(tokens: Tokens, language: str, titles: int = 2) -> list[int]:
    """Place of the right page for each query of a language, from 1; 0 where no word of it is shared.

    Args:
        titles: how often a title counts; 0 makes the task harder, since many queries name a title.
    """
    pages, queries = (
        [row for line in (DATA / name).read_text(encoding="utf-8").splitlines() if (row := json.loads(line))]
        for name in ("pages.jsonl", "queries.jsonl")
    )
    pages = [row for row in pages if row["language"] == language]
    vocabulary: dict[str, int] = {"": 0}
    ids = [
        [vocabulary.setdefault(w, len(vocabulary)) for w in tokens(p["title"]) * titles + tokens(p["text"])]
        for p in pages
    ]
    bm25 = bm25s.BM25(backend="numpy")
    bm25.index((ids, vocabulary), create_empty_token=False, show_progress=False)
    found = []
    for row in queries:
        if row["language"] == language:
            asked = [vocabulary[w] for w in dict.fromkeys(tokens(row["query"])) if w in vocabulary]
            scores = bm25.get_scores(asked) if asked else np.zeros(len(pages))
            right = [p["title"] for p in pages].index(row["title"])
            found.append(0 if scores[right] <= 0 else int((scores >= scores[right]).sum()))
    return found


def compare() -> dict[str, dict[str, dict[str, float]]]:
    """For each language and rule: queries, share found first, the same without titles, mean reciprocal rank."""
    rules = {"characters": singles, "pairs": pairs, "characters and pairs": rule.words, **jieba_rules()}
    table: dict[str, dict[str, dict[str, float]]] = {}
    for language in ("zh", "ja", "ko"):
        for name, tokens in rules.items():
            got, bare = places(tokens, language), places(tokens, language, titles=0)
            table.setdefault(language, {})[name] = {
                "queries": len(got),
                "first": round(sum(p == 1 for p in got) / len(got), 3),
                "first_without_titles": round(sum(p == 1 for p in bare) / len(got), 3),
                "reciprocal_rank": round(sum(1 / p for p in got if p) / len(got), 3),
                "reciprocal_rank_without_titles": round(sum(1 / p for p in bare if p) / len(got), 3),
            }
    return table


def test_characters_and_pairs_are_no_worse_than_either() -> None:
    """The chosen rule finds the right Chinese page first at least as often as characters or pairs alone."""
    first = {name: row["first"] for name, row in compare()["zh"].items()}
    assert first["characters and pairs"] >= max(first["characters"], first["pairs"])


if __name__ == "__main__":
    table = compare()
    folder = record.repo_root() / "results" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    record.write_json(folder / "cjk.json", {"benchmark": "cjk", "versions": machine.versions(), "languages": table})
    print(json.dumps(table, indent=1, ensure_ascii=False))
