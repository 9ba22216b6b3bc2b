"""The licence that a page states, wherever it does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html

from webdancer.web.licence import licence
from webdancer.web.text import canonical

BY = "https://creativecommons.org/licenses/by/4.0/"


def found(markup: str) -> str:
    return licence(html.document_fromstring(markup), lambda href: canonical(href, "http://a.test/x"))


@pytest.mark.parametrize(
    "markup, expected",
    [
        ("<link rel=license href=/terms>", "http://a.test/terms"),
        (f"<a rel='nofollow license' href='{BY}'>CC</a>", BY),
        ("<a rel=license href='//creativecommons.org/licenses/by/4.0/deed.de'>CC</a>", BY),
        (
            "<a rel=license href='http://creativecommons.org/licenses/by-sa/3.0/at/'>CC</a>",
            BY.replace("by/4.0", "by-sa/3.0/at"),
        ),
        ("<a rel=license href='mailto:x'>no</a><meta name=License content=' CC0 1.0 '>", "CC0 1.0"),
        ("<meta name='dcterms.license' content='MIT'>", "MIT"),
        (f'<script type="application/ld+json">{{"@graph": [{{"@type": "A"}}, {{"license": "{BY}"}}]}}</script>', BY),
        ('<script type="application/ld+json">[{"license": {"@id": "u:1"}}]</script>', "u:1"),
        ('<script type="application/ld+json">{"license": broken</script>', ""),
        (f"<footer>Text under <a href='{BY}'>this licence</a></footer>", BY),
        ("<div id=footer-info>Licensed under CC BY-SA 4.0.</div>", "CC BY-SA 4.0"),
        (
            "<footer><a href='https://opensource.org/licenses/MIT'>MIT</a></footer>",
            "https://opensource.org/licenses/MIT",
        ),
        (f"<article>A picture under <a href='{BY}'>CC BY</a>.</article><footer>All rights reserved</footer>", ""),
        ("<p>We speak of CC BY-SA 4.0 here.</p>", ""),
        ("<p>x</p>", ""),
    ],
)
def test_where_it_stands(markup, expected):
    assert found(f"<html><body>{markup}<p>text</p></body></html>") == expected


def test_a_deep_or_huge_block_of_json_is_let_go():
    for source in (
        '[{"license":' * 3_000,
        '{"license": "x", "a": "' + "y" * 300_000 + '"}',
        '{"license": [[]]}',
        '{"license": []}',
    ):
        assert found(f'<script type="application/ld+json">{source}</script><p>x</p>') == ""


@given(st.text(max_size=60))
def test_any_block_of_json_is_read_without_an_error(source):
    assert isinstance(found(f'<script type="application/ld+json">license {source}</script><p>x</p>'), str)
