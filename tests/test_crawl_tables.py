"""Links and counts of a crawl, on three pages written by hand."""

from dataclasses import replace

import pytest

from webdancer import crawl
from webdancer.core.schema import Page, text_hash

A, B, C = (f"http://a.test/{x}" for x in "abc")
SMALL = [
    Page(A, "Kestin", "Kestin holds the Velmar Regatta, and velmar-parser.", (B,), "wikipedia"),
    Page(B, "Velmar Regatta", "A race.", (A, "http://a.test/none"), "web"),
    Page(C, "velmar-parser", "Code.", (), "github"),
]


def gathered(pages, drops=()):
    """A crawl of these pages."""
    got = crawl.Crawl()
    for page in pages:
        got.keep(replace(page, sha256=text_hash(page.text)))
    for number, reason in enumerate(drops):
        got.drop(f"http://a.test/{number}", "web", reason)
    return got.settle()


@pytest.fixture
def small():
    return gathered([replace(SMALL[0], text="Kestin lies by a lake."), *SMALL[1:]], ["empty"])


def test_counts_by_hand(small):
    assert crawl.link_table(small) == [(A, B), (B, A)] and crawl.link_table(small, 1) == [(A, B)]
    assert crawl.links_in(small).values.tolist() == [[0, 1], [1, 2]]
    assert crawl.most_linked(small) == A  # of A and B, with a link each, the first
    table = crawl.source_table(small)
    assert table.index.tolist() == ["wikipedia", "web", "github"]
    assert table.values.tolist() == [[5, 1, 1, 1], [2, 2, 1, 1], [1, 0, 0, 1]]  # words, links, inside, pages
    assert crawl.metrics(small) == {
        "pages": 3,
        "by_source": {"wikipedia": 1, "arxiv": 0, "github": 1, "web": 1},
        "dropped": 1,
        "dropped_by_reason": {"empty": 1},
        "words": 8,
        "links": 3,
        "links_between_stored_pages": 2,
        "links_across_sources": 2,
        "pages_without_links_in": 1,
    }
    assert crawl.coverage(small, [A, "http://a.test/x"]) == 0.5 and crawl.coverage(small, []) == 1.0


def test_a_crawl_without_pages():
    none = crawl.nothing()
    assert (len(none), list(none), crawl.link_table(none)) == (0, [], [])
    counts = crawl.metrics(none)
    assert counts["pages"] == counts["words"] == counts["links"] == 0 and counts["dropped_by_reason"] == {}
    assert crawl.links_in(none).empty and crawl.source_table(none).empty
    with pytest.raises(ValueError, match="got a crawl without pages"):
        crawl.most_linked(none)


def test_drops_most_frequent_first_over_all_crawls():
    webs = [gathered(SMALL, ["b", "a", "b"]), gathered(SMALL, ["c", "a", "b"])]
    assert crawl.drop_table(webs).values.tolist() == [["b", 3], ["a", 2], ["c", 1]]


def test_a_neighbourhood(small):
    edges, groups = crawl.neighbourhood(small, A)
    assert edges == [(A, B), (B, A)] and groups == {A: "wikipedia", B: "web"}
    assert crawl.neighbourhood(small, A, most=1) == ([], {A: "wikipedia"})
    with pytest.raises(ValueError, match="wanted the URL of a stored page"):
        crawl.neighbourhood(small, "http://a.test/none")


def test_nearer_pages_come_first_and_two_links_away_is_the_end():
    """p0 - p1 - p2 - p3, and p4 that links to p0: from p0 the first links, then theirs."""
    url = [f"http://a.test/{n}" for n in range(5)]
    links = [(url[1],), (url[2],), (url[3],), (), (url[0],)]
    got = gathered([Page(u, f"t{n}", f"text {n}", links[n], "web") for n, u in enumerate(url)])
    edges, groups = crawl.neighbourhood(got, url[0])
    assert list(groups) == [url[0], url[1], url[4], url[2]]
    assert edges == [(url[0], url[1]), (url[1], url[2]), (url[4], url[0])]
    assert list(crawl.neighbourhood(got, url[0], most=3)[1]) == [url[0], url[1], url[4]]


def test_titles_that_two_webs_share(small):
    other = gathered([Page("http://b.test/", "Velmar Regatta", "Another race.", (), "web")])
    assert crawl.shared_titles(small, [other]) == crawl.shared_titles(other, [small]) == ["Velmar Regatta"]
    assert crawl.shared_titles(small, []) == [] and crawl.shared_titles(crawl.nothing(), [small]) == []
