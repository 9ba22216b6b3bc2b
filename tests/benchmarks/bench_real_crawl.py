"""Real input for 01_crawl: a real hyperlinked site, and real Wikipedia passages searched with real questions.

    python tests/benchmarks/bench_real_crawl.py              both, as printed tables
    python tests/benchmarks/bench_real_crawl.py --pages 300  a longer crawl
    pytest tests/benchmarks/bench_real_crawl.py              the crawl as a test

The site is the documentation that `python -m pydoc -p PORT` serves from any Python installation. The passages and
questions are those of 2WikiMultihopQA in `../shared/data/wikipedia`; without that folder this part is left out.
"""

import argparse
import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from webdancer import crawl
from webdancer.core import record
from webdancer.core.schema import Page
from webdancer.web.search import Hit, SearchIndex, words

SITE = "pydoc.test"  # the name under which the pages are stored, instead of an address with a port


@contextlib.contextmanager
def pydoc_server() -> Iterator[dict[str, str]]:
    """Run `python -m pydoc -p PORT` in a process of its own; yields the `hosts` to reach it by."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "pydoc", "-n", "127.0.0.1", "-p", str(port)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/topics", timeout=30)
                break
            time.sleep(0.1)
        yield {SITE: f"http://127.0.0.1:{port}"}
    finally:
        child.kill()
        child.wait()
        child.stdin.close()


def crawl_pydoc(limit: int, threads: int = 2) -> tuple[crawl.Crawl, float]:
    """Crawl at least `limit` pages of the site, if it has that many; returns them and the seconds taken."""
    plan = crawl.Plan(web_roots=(f"http://{SITE}/",), limit=limit, depth=4, threads=threads)
    with pydoc_server() as hosts:
        started = time.perf_counter()
        got = crawl.gather(plan, hosts, progress=False)
        return got, time.perf_counter() - started


def wikipedia_folder() -> Path:
    """Where the real passages lie, if they do."""
    return record.repo_root().parent / "shared" / "data" / "wikipedia"


def wikipedia_pages(folder: Path) -> list[Page]:
    """The passages as pages."""
    rows = json.loads((folder / "2wiki_corpus.json").read_text(encoding="utf-8"))
    home = "https://en.wikipedia.org/wiki/"
    return [Page(home + row["title"].replace(" ", "_"), row["title"], row["text"], source="wikipedia") for row in rows]


def search_wikipedia(folder: Path) -> dict[str, Any]:
    """Index the passages and search them with every question.

    A question *names a page* if the words of a title (two or more) stand in it as a run; that page should be found.
    """
    pages = wikipedia_pages(folder)
    lines = (folder / "2wiki_500.jsonl").read_text(encoding="utf-8").splitlines()
    asked = [json.loads(line) for line in lines]
    started = time.perf_counter()
    index = SearchIndex.build(pages)
    built = time.perf_counter() - started
    started = time.perf_counter()
    hits = [index.search(row["question"], 10) for row in asked]
    searched = time.perf_counter() - started
    titles = {" ".join(words(p.title.partition(" (")[0])): p.title for p in pages}
    titles = {run: title for run, title in titles.items() if " " in run}
    named = [named_titles(row["question"], titles) for row in asked]
    ranks = [rank(hit, title) for hit, titles in zip(hits, named, strict=True) for title in titles]
    answers = [told(row["answer"], hit) for row, hit in zip(asked, hits, strict=True)]
    examples = [(row["question"], row["answer"], hit[:2]) for row, hit, t in zip(asked, hits, named, strict=True) if t]
    return {
        "pages": len(pages),
        "questions": len(asked),
        "build_seconds": round(built, 2),
        "milliseconds_a_search": round(1000 * searched / len(asked), 3),
        "questions_with_hits": sum(bool(hit) for hit in hits),
        "questions_that_name_a_page": sum(bool(ts) for ts in named),
        "named_pages": len(ranks),
        "named_page_first": sum(r == 1 for r in ranks),
        "named_page_in_top_10": sum(r > 0 for r in ranks),
        "answer_in_a_title_or_snippet": sum(answers),
        "examples": examples[:3],
    }


def rank(hits: list[Hit], title: str) -> int:
    """Place of a title among the hits, from 1; 0 if it is not there."""
    return next((n for n, hit in enumerate(hits, 1) if hit.title == title), 0)


def told(answer: str, hits: list[Hit]) -> bool:
    """Whether a title or a snippet holds the answer as it stands."""
    return any(answer.lower() in f"{hit.title} {hit.snippet}".lower() for hit in hits)


def named_titles(question: str, titles: dict[str, str]) -> list[str]:
    """Titles that a question holds as a run of words; one inside a longer one does not count.

    Args:
        titles: the words of each title of two words or more, joined by spaces, and the title itself.
    """
    asked = words(question)
    runs = [" ".join(asked[i:j]) for i in range(len(asked)) for j in range(i + 2, len(asked) + 1)]
    found = [run for run in dict.fromkeys(runs) if run in titles]
    return [titles[run] for run in found if not any(run != other and run in other for other in found)]


def test_a_real_site() -> None:
    """A hundred pages of a site that nobody made for us: stored once, linked to one another, and searchable."""
    got, seconds = crawl_pydoc(100)
    counts = crawl.metrics(got)
    assert counts["pages"] == 100 and len({p.sha256 for p in got}) == 100
    assert counts["links_between_stored_pages"] > 200
    index = SearchIndex.build(got)
    found = [index.search(p.title, 3) for p in got]
    first = sum(p.url in [hit.url for hit in hits] for p, hits in zip(got, found, strict=True))
    assert first >= 90
    print(f"{100 / seconds:.0f} pages/s, {first} found by their title")


def main() -> None:
    """Run both parts and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pages", type=int, default=220, help="pages of the site to keep (default: 220)")
    options = parser.parse_args()
    got, seconds = crawl_pydoc(options.pages)
    print(f"{len(got)} pages of pydoc in {seconds:.1f} s")
    print(json.dumps(crawl.metrics(got), indent=1))
    print("most linked:", crawl.most_linked(got))
    index = SearchIndex.build(got)
    for query in ("parse command line arguments", "regular expression match", "priority queue heap"):
        print(query, "->", [hit.title for hit in index.search(query, 3)])
    folder = wikipedia_folder()
    if not folder.is_dir():
        print("no ../shared/data/wikipedia beside the repository: the passages are left out")
        return
    found = search_wikipedia(folder)
    for question, answer, hits in found.pop("examples"):
        print(f"\n{question} [{answer}]")
        for hit in hits:
            print(f"  {hit.title}: {hit.snippet}")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
