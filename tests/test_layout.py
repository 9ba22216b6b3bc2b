"""Observations have the layout of the released trajectories."""

from webdancer.web.layout import render_hits, render_visit
from webdancer.web.search import Hit


def test_nothing_found_says_what_to_do():
    assert render_hits("tea", []) == "A search for 'tea' found 0 results. Try other words."


def test_hits_are_numbered_and_snippets_cut_to_the_limit():
    hits = [Hit("http://a.test/1", "One", "a b c d e", ""), Hit("http://a.test/2", "Two", "f g", "May 1, 2020")]
    text = render_hits("tea", hits, snippet_words=3)
    assert text == (
        "A search for 'tea' found 2 results:\n\n## Web Results\n1. [One](http://a.test/1)\n\na b c ...\n\n"
        "2. [Two](http://a.test/2)\nDate published: May 1, 2020\n\nf g"
    )


def test_a_visit_names_address_goal_evidence_and_summary():
    assert render_visit("http://a.test/1", "who", "It is Tal.", "Tal.") == (
        "The useful information in http://a.test/1 for user goal who as follows: \n\n"
        "Evidence in page: \nIt is Tal.\n\nSummary: \nTal.\n\n"
    )
