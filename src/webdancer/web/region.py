"""Which part of a page its text stands in, and the lines of it.

Used by `web.text`, shown in 01_crawl. In: a parsed page. Out: `Line`s. A page that marks its article (`<main>`,
`<article>`, `role=main`, or a name such as `entry-content`) is taken at its word, which keeps lists of links that an
extractor by statistics throws away; trafilatura is asked about long pages that do not and that are full of links.
"""

import re
from functools import cache
from itertools import islice
from typing import Any

from lxml import etree, html

from webdancer.web.html_lines import Line, lines, size, visible

_NAMED = re.compile(
    r"(?<![\w-])(?:(?:main-?|page-?|article-?|post-?|entry-?|body-?|news-?)?content|article(?:-?body)?|post-?body|"
    r"story-?body|markdown-body|mw-parser-output|mw-content-text|bodycontent|main(?:-?text)?|trs_editor|rich_media_content)"
    r"(?![\w-])",
    re.IGNORECASE,
)
_BY_NAME = "//*[self::div or self::section or self::td][@id or @class]"
SOME, LONG, MANY = 25, 2_000, 40  # characters of a text; of a long one; elements called "content" that are tried
SHARE, FULL_OF_LINKS, MENU = 0.4, 0.2, 0.9  # of the page's text in its article; of links in a text; in a menu
_TAGS = {"item": "li", "row": "tr", "cell": "td", "quote": "blockquote", "lb": "br", "ref": "a", "hi": "span"}


def read(tree: html.HtmlElement, title: str) -> list[Line]:
    """The lines of a page's text.

    Where the page marks none of its parts: all of it without menus, or, if it is long and full of links, what
    trafilatura takes for its text. A page that says something only in forms, notices and boxes gives these.

    Args:
        tree: the page; not changed.
        title: its title, left out where a heading repeats it.
    """
    found = _marked(tree)
    if found is not None and _length(told := lines(found, title)) >= SOME:
        return told
    body = tree.find(".//body")
    body = tree if body is None else body
    told = _without_menus(lines(body, title))
    length = _length(told)
    if length > LONG and sum(line.linked for line in told) > FULL_OF_LINKS * length:
        chosen = _trafilatura(tree, title)
        told = chosen if _length(chosen) > length / 4 else told
    return told or lines(body, title, everything=True)


def _length(told: list[Line]) -> int:
    return sum(map(size, told))


def _marked(tree: html.HtmlElement) -> html.HtmlElement | None:
    """The element that the page says is its article; None if it says nothing clear."""
    mains = tree.xpath("//main | //*[@role='main']")
    outer = mains[0] if mains else tree
    if mains and len(mains) > 1 and any(outer not in m.iterancestors() for m in mains[1:]):
        return None
    articles = [a for a in outer.iter("article") if next(a.iterancestors("article"), None) is None]
    if len(articles) == 1 and (not mains or _size(articles[0]) >= _size(outer) * SHARE):
        return articles[0]
    if mains:
        return outer
    bodies = tree.xpath("//*[@itemprop='articleBody']")
    return bodies[0] if len(bodies) == 1 else _named(tree)


def _size(element: html.HtmlElement) -> int:
    return visible(element.text_content())


def _named(tree: html.HtmlElement) -> html.HtmlElement | None:
    """The innermost element called content, article or the like that still holds a good share of the page's text."""
    least = SHARE * max(1, _size(tree))
    best = None
    called = (e for e in tree.xpath(_BY_NAME) if _NAMED.search(f"{e.get('id', '')} {e.get('class', '')}"))
    for element in islice(called, MANY):
        if (best is None or best in element.iterancestors()) and _size(element) >= least:
            best = element
    return best


def _without_menus(told: list[Line]) -> list[Line]:
    """Lines at either end that are nothing but links are menus, if a line of text is left between them."""
    text = [n for n, line in enumerate(told) if line.linked < MENU * size(line)]
    return told[text[0] : text[-1] + 1] if text and sum(size(told[n]) for n in text) >= SOME else told


@cache
def _options() -> Any:
    """trafilatura's settings, read once: generous, with links so that they can be counted."""
    from trafilatura.settings import DEFAULT_CONFIG, Extractor  # lazily: most pages mark their text

    return Extractor(config=DEFAULT_CONFIG, recall=True, comments=False, formatting=True, links=True)


def _trafilatura(tree: html.HtmlElement, title: str) -> list[Line]:
    """trafilatura's choice, written as lines like any other element."""
    from trafilatura import bare_extraction

    found = bare_extraction(tree, options=_options())
    body = getattr(found, "body", None)
    if body is None:
        return []
    for element in list(body.iter(etree.Element)):
        tag, rend = str(element.tag), element.get("rend") or ""
        if tag == "head":
            element.tag = rend if re.fullmatch("h[1-6]", rend) else "h2"
        elif tag == "list":
            element.tag = "ol" if rend == "ol" else "ul"
        elif tag == "cell" and element.get("role") == "head":
            element.tag = "th"
        elif tag == "code":
            element.tag = "pre" if "\n" in "".join(element.itertext()) else "code"
        else:
            element.tag = _TAGS.get(tag, tag)
    return lines(html.fromstring(etree.tostring(body, encoding="unicode")), title)
