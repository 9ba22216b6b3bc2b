"""The search engine on real Wikipedia passages, beside plain bm25s on the same passages and questions.

    python tests/benchmarks/bench_search.py      runs it, prints the table and writes results/bench/search.json
    pytest tests/benchmarks/bench_search.py      the same as a test, with the targets of the project

Passages (6,119) and questions (500) are those of 2WikiMultihopQA in `../shared/data/wikipedia`. Plain bm25s is used as
its documentation shows it: its own tokeniser with English stop words, title and text as one string, its defaults. It
returns numbers of passages; ours also chooses a snippet for each, so ours is timed both with and without.
The questions come without their supporting passages. Two things stand for them: *named*, a passage whose title (two
words or more) stands in the question; and *told*, any passage that holds the answer word for word, for questions whose
answer is not yes or no and stands in at least one passage.
"""

import gc
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from bench_real_crawl import named_titles, wikipedia_folder, wikipedia_pages

from webdancer.core import machine, record
from webdancer.core.schema import Page
from webdancer.web.search import SearchIndex
from webdancer.web.words import words

RUNS = 5
K = 10
TARGETS = {"index_seconds": 5.0, "queries_per_second": 500.0}


class Peer:
    """Plain bm25s, a question at a time, as an agent asks."""

    def __init__(self, pages: Sequence[Page]) -> None:
        import bm25s

        self._bm25s = bm25s
        texts = [f"{page.title}\n{page.text}" for page in pages]
        self.index = bm25s.BM25()
        self.index.index(bm25s.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)

    def rank(self, question: str) -> list[int]:
        """Numbers of the best passages."""
        asked = self._bm25s.tokenize([question], stopwords="en", return_ids=False, show_progress=False)
        return self.index.retrieve(asked, k=K, show_progress=False)[0][0].tolist()


def seconds(work: Callable[[], Any]) -> float:
    """Time of one run."""
    gc.collect()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def fresh(index: SearchIndex) -> SearchIndex:
    """The index without the answers that it remembers."""
    index._cached.cache_clear()
    index._read.cache_clear()
    return index


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Median, spread (largest minus smallest, as a share of the median) and the runs."""
    middle = statistics.median(values)
    return {
        "median": round(middle, 4),
        "spread": round((max(values) - min(values)) / middle, 3),
        "runs": [round(v, 4) for v in values],
    }


def speed(pages: Sequence[Page], questions: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Times of ours and of the peer, run in turn so that both meet the same machine."""
    ours: dict[str, list[float]] = {}
    peer: dict[str, list[float]] = {}
    index, plain = SearchIndex.build(pages), Peer(pages)  # also warms up
    with tempfile.TemporaryDirectory() as folder:
        index.save(Path(folder) / "index")
        for _ in range(RUNS):
            ours.setdefault("index_seconds", []).append(seconds(lambda: SearchIndex.build(pages)))
            peer.setdefault("index_seconds", []).append(seconds(lambda: Peer(pages)))
            fresh(index)
            spent = seconds(lambda: [index.search(q, K) for q in questions])
            ours.setdefault("queries_per_second", []).append(len(questions) / spent)
            spent = seconds(lambda: [index.rank(q, K) for q in questions])
            ours.setdefault("queries_per_second_without_snippets", []).append(len(questions) / spent)
            spent = seconds(lambda: [plain.rank(q) for q in questions])
            peer.setdefault("queries_per_second_without_snippets", []).append(len(questions) / spent)
            ours.setdefault("load_seconds", []).append(seconds(lambda: SearchIndex.load(Path(folder) / "index")))
            loaded = SearchIndex.load(Path(folder) / "index")
            spent = seconds(lambda loaded=loaded: [loaded.search(q, K) for q in questions])
            ours.setdefault("queries_per_second_loaded", []).append(len(questions) / spent)
    return {k: summary(v) for k, v in ours.items()}, {k: summary(v) for k, v in peer.items()}


def found(rank: Callable[[str], list[int]], pages: Sequence[Page], rows: Sequence[dict[str, str]]) -> dict[str, Any]:
    """Shares of named passages, and of questions with a passage that tells the answer, in the top 10."""
    titles = {" ".join(words(p.title.partition(" (")[0])): p.title for p in pages}
    titles = {run: title for run, title in titles.items() if " " in run}
    named = named_found = told = told_found = 0
    for row in rows:
        best = [pages[i] for i in rank(row["question"])]
        wanted = named_titles(row["question"], titles)
        named += len(wanted)
        named_found += sum(title in {page.title for page in best} for title in wanted)
        answer = row["answer"].casefold()
        if answer not in ("yes", "no") and any(answer in page.text.casefold() for page in pages):
            told += 1
            told_found += any(answer in page.text.casefold() for page in best)
    return {
        "named_passages": named,
        "named_in_top_10": round(named_found / named, 4),
        "questions_told": told,
        "told_in_top_10": round(told_found / told, 4),
    }


def measure(folder: Path) -> dict[str, Any]:
    """Everything, ready for JSON."""
    pages = wikipedia_pages(folder)
    lines = (folder / "2wiki_500.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    questions = [row["question"] for row in rows]
    ours, peer = speed(pages, questions)
    index, plain = SearchIndex.build(pages), Peer(pages)
    ours |= found(lambda q: index.rank(q, K), pages, rows)
    peer |= found(plain.rank, pages, rows)
    both = ("index_seconds", "queries_per_second_without_snippets")
    versions = {name: metadata.version(name) for name in ("bm25s", "numpy")}
    return {
        "benchmark": "search",
        "peer_is": "plain bm25s: its tokeniser with English stop words, title and text as one string, no snippets",
        "passages": len(pages),
        "questions": len(rows),
        "runs": RUNS,
        "targets": TARGETS,
        "ours": ours,
        "peer": peer,
        "ratio": {name: round(ours[name]["median"] / peer[name]["median"], 3) for name in both},
        "versions": {**machine.versions(), **versions},
        "machine": machine.hardware(),
    }


def write(result: dict[str, Any]) -> Path:
    """Put the result under `results/bench`."""
    path = record.repo_root() / "results" / "bench" / "search.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    record.write_json(path, result)
    return path


def test_search_reaches_its_targets() -> None:
    """Under 5 s to index the passages, at least 500 queries a second, and as good at finding as plain bm25s."""
    if not wikipedia_folder().is_dir():
        pytest.skip("no ../shared/data/wikipedia beside the repository: the real passages are not here")
    result = measure(wikipedia_folder())
    write(result)
    ours, peer = result["ours"], result["peer"]
    assert ours["index_seconds"]["median"] < TARGETS["index_seconds"]
    assert ours["queries_per_second"]["median"] >= TARGETS["queries_per_second"]
    assert ours["named_in_top_10"] >= peer["named_in_top_10"] - 0.02
    assert ours["told_in_top_10"] >= peer["told_in_top_10"] - 0.02


def main() -> None:
    """Measure, write, print."""
    if not wikipedia_folder().is_dir():
        raise SystemExit("no ../shared/data/wikipedia beside the repository: the real passages are not here")
    result = measure(wikipedia_folder())
    print(json.dumps({k: result[k] for k in ("ours", "peer", "ratio")}, indent=1))
    print("written to", write(result).relative_to(record.repo_root()))


if __name__ == "__main__":
    main()
