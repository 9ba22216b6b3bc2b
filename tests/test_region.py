"""Where a page's text stands: by hand-made pages in the style of a wiki, a shop, a paper, old tables."""

import pytest
from lxml import html

from webdancer.web.region import read

MENU = "<nav><a href=/>Home</a></nav>"
TEXT = "<p>Two otters were seen at the weir on Sunday, the first for years.</p>"
SAID = "Two otters were seen at the weir on Sunday, the first for years."


def told(markup: str, title: str = "") -> list[str]:
    return [line.text for line in read(html.document_fromstring(markup), title)]


@pytest.mark.parametrize(
    "page",
    [
        f"<div>menu</div><main>{TEXT}</main><div>foot</div>",
        f"<div>menu</div><div role=main>{TEXT}</div>",
        f"<div>menu</div><article>{TEXT}</article>",
        f"<main><p>menu</p><article>{TEXT}</article></main>",
        f"<div>menu</div><div itemprop=articleBody>{TEXT}</div>",
        f"<div>menu</div><div class='post entry-content'>{TEXT}</div>",
        f"<div id=content><div class=mw-parser-output>{TEXT}</div></div>",
        f"<table><tr><td>menu<td id=content>{TEXT}</table>",
    ],
)
def test_a_page_is_taken_at_its_word(page):
    assert told(page) == [SAID]


def test_lists_of_links_in_the_article_stay():
    page = f"<main>{TEXT}<h2>Twin towns</h2><ul><li><a href=/s>Sorn</a><li><a href=/b>Belmar</a></ul></main>"
    assert told(page) == [SAID, "## Twin towns", "- Sorn", "- Belmar"]


def test_two_articles_are_no_article():
    got = told(f"<main><article>{TEXT}</article><article><p>The mill is open again.</p></article></main>")
    assert got == [SAID, "The mill is open again."]


def test_menus_at_the_ends_of_an_unmarked_page_go():
    page = f"<ul><li><a href=/a>News</a><li><a href=/b>Sport</a></ul>{TEXT}<p><a href=/c>Imprint</a></p>"
    assert told(page) == [SAID]


def test_a_page_of_links_alone_keeps_them():
    assert told("<ul><li><a href=/a>Otter</a><li><a href=/b>Mole</a></ul>") == ["- Otter", "- Mole"]


def test_a_page_that_says_something_only_in_a_notice():
    notice = "<div class=cookie-banner>We use cookies.</div>"
    page = f"{MENU}{notice}<form>Please accept them all now: <button>Accept</button></form><div id=root></div>"
    assert told(page) == ["Please accept them all now:"]  # most of what the page says
    page = f"{MENU}{notice}<form>Or pay us.<button>Pay</button></form><div class=newsletter>Our letter</div>"
    assert told(page) == ["We use cookies.", "Or pay us.", "Pay", "Our letter"]
