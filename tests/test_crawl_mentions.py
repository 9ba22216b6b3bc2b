"""Titles in texts: whole words, the longest first, and only those that one page bears."""

import sqlite3

import pytest

from webdancer.crawl_mentions import Mentions

URL = "http://a.test/{}".format


def mentions(*rows):
    db = sqlite3.connect("", isolation_level=None)
    db.execute("CREATE TABLE page (id INTEGER PRIMARY KEY, url TEXT, title TEXT, source TEXT)")
    values = [(URL(n), title, source) for n, (title, source) in enumerate(rows)]
    db.executemany("INSERT INTO page (url, title, source) VALUES (?, ?, ?)", values)
    return Mentions(db)


@pytest.mark.parametrize(
    "text, found",
    [
        ("Kestin holds the Velmar Regatta, and (velmar-parser).", [0, 1]),
        ("The Velmar Regattas were held.", []),
        ("Velmar\nRegatta", [0]),
        ("The Velmar Regatta Cup is older.", [2]),  # the longest of those that begin here
        ("Velmar Regatta Velmar Regatta", [0, 0]),
        ("Tea with Kestin", []),
        ("", []),
    ],
)
def test_runs_of_whole_words(text, found):
    rows = [("Velmar Regatta", "web"), ("velmar-parser", "github"), ("Velmar Regatta Cup", "arxiv"), ("Tea", "web")]
    assert mentions(*rows).of(text) == [URL(n) for n in found]


def test_a_title_of_two_pages_or_of_an_article_is_not_looked_for():
    twice = mentions(("Velmar Regatta", "web"), ("Velmar Regatta", "github"))
    both = mentions(("Velmar Regatta", "web"), ("Velmar Regatta", "wikipedia"))
    article = mentions(("Velmar Regatta", "wikipedia"))
    assert [m.of("The Velmar Regatta was held.") for m in (twice, both, article)] == [[], [], []]


def test_a_bit_that_two_titles_share_is_looked_up(monkeypatch):
    monkeypatch.setattr("webdancer.crawl_mentions.BITS", 8)  # nearly every run of words meets a bit
    rows = [(f"Title {n}", "web") for n in range(50)]
    found = mentions(*rows)
    assert found.of("Title 7, Title 50 and Title 49: a Title 0.") == [URL(7), URL(49), URL(0)]
