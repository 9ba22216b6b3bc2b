"""Pages on their way into a file, the index beside it, and what is left after a crawl that did not end."""

import json
import tracemalloc
from dataclasses import replace

from webdancer.core.schema import Page, read_jsonl, text_hash
from webdancer.crawl_result import Crawl, Dropped

A, B, C = (f"http://a.test/{x}" for x in "abc")


def page(url, title, text, links=(), source="web"):
    return Page(url, title, text, tuple(links), source, "2026-01-02", text_hash(text))


SMALL = [
    page(A, "Kestin", "Kestin holds the Velmar Regatta, and velmar-parser.", [B, "http://a.test/none"], "wikipedia"),
    page(B, "Velmar Regatta", 'A race; it\'s \u2028 odd\x85 "text"\n2nd line.', [A]),
    page(C, "velmar-parser", "Code.", (), "github"),
]


def test_pages_come_out_as_they_went_in_with_the_links_of_their_mentions(tmp_path):
    crawl = Crawl(tmp_path / "deep" / "pages.jsonl")
    for p in SMALL:
        crawl.keep(p)
    crawl.drop("http://a.test/x", "web", "empty")
    assert not crawl.path.exists()  # nothing is there before all is there
    assert crawl.settle() is crawl and len(crawl) == 3
    first = replace(SMALL[0], links=(B, "http://a.test/none", C))  # the link it had, and a new one
    assert list(crawl) == list(crawl) == [first, *SMALL[1:]] == read_jsonl(crawl.path, Page)
    assert list(crawl.dropped()) == [Dropped("http://a.test/x", "web", "empty")]
    assert crawl.rows("SELECT a, b FROM edge ORDER BY rowid") == [(1, 2), (1, 3), (2, 1)]
    assert crawl.rows("SELECT words, links FROM page") == [(7, 3), (7, 1), (1, 0)]
    assert [p.name for p in crawl.path.parent.iterdir()] == ["pages.jsonl"]  # the index leaves no file behind


def test_it_knows_addresses_and_texts(tmp_path):
    crawl = Crawl(tmp_path / "pages.jsonl")
    crawl.keep(SMALL[0])
    assert crawl.knows(SMALL[0]) and crawl.knows(replace(SMALL[1], url=A)) and not crawl.knows(SMALL[1])
    assert crawl.knows(replace(SMALL[0], url="http://b.test/"))  # the same text at another address


def test_a_crawl_that_did_not_end_leaves_the_older_file_alone(tmp_path):
    path = tmp_path / "pages.jsonl"
    path.write_text("old\n")
    crawl = Crawl(path)
    crawl.keep(SMALL[0])
    del crawl
    assert path.read_text() == "old\n" and [p.name for p in tmp_path.iterdir()] == ["pages.jsonl"]


def test_without_a_path_the_file_goes_with_the_object():
    crawl = Crawl()
    crawl.keep(SMALL[0])
    path = crawl.settle().path
    assert json.loads(path.read_text())["url"] == A
    del crawl
    assert not path.exists()


def test_memory_does_not_grow_with_the_pages(tmp_path, monkeypatch):
    """Texts of 50 kB each: what stays in memory after 60 of them, and what was there at any moment, is far less."""
    monkeypatch.setattr("webdancer.crawl_mentions.BITS", 1 << 10)
    crawl = Crawl(tmp_path / "pages.jsonl")
    tracemalloc.start()
    for n in range(60):
        crawl.keep(page(f"http://a.test/{n}", f"Page {n}", f"{n} " + "word " * 10_000))
    crawl.settle()
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 100_000 and peak < 2_500_000  # 60 texts are 3 MB
    assert sum(1 for _ in crawl) == 60
