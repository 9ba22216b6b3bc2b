"""The HTML and Markdown of the pages: the article survives, and the boilerplate that a cleaner must drop is there."""

import doctest
from html.parser import HTMLParser

import pytest

from pocketweb import pages, pages_html, world


@pytest.fixture(scope="module")
def docs() -> list[pages.Doc]:
    return pages.render(world.build(3, 400))


def kind(docs: list[pages.Doc], wanted: str) -> list[pages.Doc]:
    return [d for d in docs if d.kind == wanted]


def test_examples_in_docstrings():
    assert doctest.testmod(pages_html).failed == 0


class Links(HTMLParser):
    """Collects href and text of the links inside <article>, and checks that tags close."""

    def __init__(self):
        super().__init__()
        self.inside, self.links, self.text, self.href = False, [], "", ""

    def handle_starttag(self, tag, attrs):
        self.inside |= tag == "article"
        self.href = dict(attrs).get("href", "") if tag == "a" else ""

    def handle_endtag(self, tag):
        self.inside &= tag != "article"
        self.href = ""

    def handle_data(self, data):
        if self.inside:
            self.text += data
            if self.href:
                self.links.append((data, self.href))


def test_html_holds_the_article_its_links_and_boilerplate(docs):
    for doc in [d for d in docs if d.site == "www" and d.kind in ("entity", "noise")]:
        parser = Links()
        parser.feed(doc.html)
        assert {u for _, u in parser.links} == {u for t, u in doc.anchors if t in doc.text}
        assert all(f"{url}" in doc.html for url in doc.links)
        flat = " ".join(parser.text.split())
        assert all(s in flat for s in doc.sentences)
        assert all(b in doc.html for b in ("<nav>", "<footer>", pages_html.BANNER, 'rel="license"', doc.date))


def test_a_block_page_is_a_challenge_without_content(docs):
    html = kind(docs, "block")[0].html
    assert "Just a moment..." in html and "challenge" in html and "<article>" not in html


def test_markdown_links_every_mention(docs):
    doc = next(d for d in docs if d.site == "github")
    assert doc.markdown.startswith(f"# {doc.title}\n\n")
    assert all(f"[{title}]({url})" in doc.markdown for title, url in doc.anchors)


def test_linking_prefers_the_longer_title():
    anchors = (("Tal Veron", "u1"), ("Tal Veron (chemist)", "u2"))
    text = "Tal Veron (chemist) met Tal Veron and Tal Verona."
    assert (
        pages_html.linked(text, anchors, "[{0}]({1})")
        == "[Tal Veron (chemist)](u2) met [Tal Veron](u1) and Tal Verona."
    )
    assert pages_html.linked(text, (), "[{0}]({1})") == text
