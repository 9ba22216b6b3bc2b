"""Links and counts of a crawl, on three pages written by hand."""

import pytest

from webdancer import crawl
from webdancer.core.schema import Page

A, B, C = (f"http://a.test/{x}" for x in "abc")
SMALL = [
    Page(A, "Kestin", "Kestin holds the Velmar Regatta, and velmar-parser.", (B,), "wikipedia"),
    Page(B, "Velmar Regatta", "A race.", (A, "http://a.test/none"), "web"),
    Page(C, "velmar-parser", "Code.", (), "github"),
]


def test_mentions_of_full_titles_become_links():
    first, *others = crawl.mention_links(SMALL)
    assert first.links == (B, C) and others == SMALL[1:]
    twice = [*SMALL, Page("http://a.test/d", "Velmar Regatta", "Another.", (), "web")]
    assert crawl.mention_links(twice)[0].links == (
        B,
        C,
    )  # the link it had, and no new one to a name that two pages bear
    assert crawl.mention_links([SMALL[0]]) == [SMALL[0]]
    inside = Page(A, "K", "The Velmar Regattas were held.", (), "wikipedia")
    assert crawl.mention_links([inside, *SMALL[1:]])[0].links == ()


def test_counts_by_hand():
    assert crawl.link_table(SMALL) == [(A, B), (B, A)]
    table = crawl.page_table(SMALL)
    assert table["links_in"].tolist() == [1, 1, 0] and table["inside"].tolist() == [1, 1, 0]
    counts = crawl.metrics(crawl.Crawl(tuple(SMALL), (crawl.Dropped("http://a.test/x", "web", "empty"),)))
    assert counts["links"] == 3 and counts["links_between_stored_pages"] == 2 and counts["links_across_sources"] == 2
    assert counts["pages_without_links_in"] == 1 and counts["dropped_by_reason"] == {"empty": 1}
    assert crawl.coverage(SMALL, [A, "http://a.test/x"]) == 0.5 and crawl.coverage(SMALL, []) == 1.0


def test_drops_most_frequent_first():
    drops = tuple(crawl.Dropped(str(i), "web", reason) for i, reason in enumerate(["b", "a", "b", "c"]))
    assert crawl.drop_table([crawl.Crawl((), drops)]).values.tolist() == [["b", 2], ["a", 1], ["c", 1]]


def test_a_neighbourhood():
    edges, groups = crawl.neighbourhood(SMALL, A)
    assert edges == [(A, B), (B, A)] and groups == {A: "wikipedia", B: "web"}
    assert crawl.neighbourhood(SMALL, A, most=1) == ([], {A: "wikipedia"})
    with pytest.raises(ValueError, match="wanted the URL of a stored page"):
        crawl.neighbourhood(SMALL, "http://a.test/none")
