"""From what a server sent to what a reader wants: title, text, links, language, licence and date of a page.

Used by 01_crawl. In: HTML (or the Markdown of a README). Out: a `Cleaned`. Which part of a page is its text is decided
in `web.region`, how it is written in `web.html_lines`, and whether it is worth keeping in `web.blocked`. The paper says
nothing of how its pages were cleaned.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from lxml import etree, html

from webdancer.web.blocked import LINK_LIST, block_reason
from webdancer.web.html_lines import heading, size
from webdancer.web.language import guess, language
from webdancer.web.licence import licence
from webdancer.web.region import read

__all__ = ["LINK_LIST", "Cleaned", "block_reason", "canonical", "clean", "markdown", "tidy", "urls_in"]

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_PLAIN = re.compile(r"https?://[a-z0-9.-]+/[A-Za-z0-9._~!*',@/()-]*")  # addresses that are their own one spelling
_ROOTED = re.compile(r"/[A-Za-z0-9._~!*',@/()-]*")
_BLANK = re.compile(r"[\x00-\x20\x7f]|\s")
_HOST = re.compile(r"https?://[a-z0-9.-]+(?=/)")
_URL = re.compile(r"https?://[^\s<>\"'()\[\]{}]+(?:\([^\s()]*\)[^\s<>\"'()\[\]{}]*)*")
_MD_LINK = re.compile(r"!?\[([^\[\]]*)\]\(<?([^\s()>]*(?:\([^\s()]*\)[^\s()>]*)*)>?(?:\s[^()]*)?\)")


@dataclass(frozen=True)
class Cleaned:
    """A page for a reader.

    `links` are absolute, without fragments, each once, in page order; `licence` is an address or a name; `date` is
    YYYY-MM-DD; `language` a BCP 47 tag; each may be empty. `link_share` is the share of the text's characters that are
    link texts, from 0 to 1 (0 if not measured).
    """

    title: str
    text: str
    links: tuple[str, ...] = ()
    licence: str = ""
    date: str = ""
    link_share: float = 0.0
    language: str = ""


def canonical(url: str, base: str = "") -> str:
    """The one spelling under which an address is stored; empty for what is not an http(s) URL.

    Absolute, lower-case host, no default port, no fragment, no needless percent signs.

    >>> canonical("../b%20c?x=1#top", "HTTP://A.test:80/d/e/")
    'http://a.test/d/b%20c?x=1'
    """
    if _PLAIN.fullmatch(url):  # the two commonest cases need no parser
        return url
    if _ROOTED.fullmatch(url) and "//" not in url and "/." not in url and (home := _HOST.match(base)):
        return home[0] + url
    try:
        parts = urlsplit(urljoin(base, url.strip()))
        host = parts.hostname or ""
        port = (
            f":{parts.port}" if parts.port and (parts.scheme, parts.port) not in (("http", 80), ("https", 443)) else ""
        )
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not host:
        return ""
    host = f"[{host}]" if ":" in host else host
    path = re.sub(r"%[0-9A-Fa-f]{2}", lambda m: _decoded(m[0]), parts.path or "/")
    path, query = (_BLANK.sub(lambda m: quote(m[0]), part) for part in (path, parts.query))
    return urlunsplit((parts.scheme, host + port, path, query, ""))


def _decoded(code: str) -> str:
    """A percent code as its character where that is a plain one in a path, else the code in capitals."""
    character = unquote(code)
    return character if re.fullmatch(r"[A-Za-z0-9._~()!*',:@-]", character) else code.upper()


def clean(markup: str, url: str) -> Cleaned:
    """Title, text, links, licence, date and language of an HTML page.

    Headings, lists and rows of tables are lines of the text (see `web.html_lines`). Broken HTML gives what could be
    read of it; nothing at all gives an empty `Cleaned`.

    Args:
        markup: the HTML.
        url: its address, for relative links.
    """
    tree = _parse(markup)
    if tree is None:
        return Cleaned("", "")
    title, links, date = _title(tree), _links(tree, url), _date(tree)
    told = read(tree, title)
    text = tidy("\n".join(line.text for line in told)).removeprefix(f"{title}\n")  # the heading is the title
    characters = sum(map(size, told))
    share = min(1.0, sum(line.linked for line in told) / characters) if characters else 0.0
    stated = licence(tree, lambda href: canonical(href, url))
    return Cleaned(title, text, links, stated, date, share, language(tree, text))


# A tag of so many characters loses its attributes: libxml2 compares each with all others, which takes quadratic time.
_LONG_TAG = re.compile(r"<([a-zA-Z][\w:-]{0,40})\s[^<>]{10000,}>")


def _parse(markup: str) -> html.HtmlElement | None:
    """The tree of a page; None where there is none. An encoding declaration is dropped: the text is decoded already.

    The parser stops at 256 open elements, which forgotten end tags can reach; then it is asked again, for 2,048.
    """
    markup = re.sub(r"^\s*<\?xml[^>]*\?>", "", markup).replace("\x00", "")
    markup = _LONG_TAG.sub(r"<\1>", markup)
    if not markup.isascii():
        markup = markup.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair is no character
    if not markup.strip():
        return None
    try:
        parser = html.HTMLParser()
        tree = html.document_fromstring(markup, parser=parser)
        deep = len(parser.error_log) and any("depth" in error.message.lower() for error in parser.error_log)
        return html.document_fromstring(markup, parser=html.HTMLParser(huge_tree=True)) if deep else tree
    except (etree.ParserError, ValueError):
        return None


def _title(tree: html.HtmlElement) -> str:
    """The page's own heading if it has exactly one, else its `<title>`."""
    headings = [heading(h) for h in tree.iterfind(".//h1")]
    found = headings if len(headings) == 1 and headings[0] else [tree.findtext(".//title") or "", *headings]
    return next((" ".join(t.split()) for t in found if t.strip()), "")


def _links(tree: html.HtmlElement, url: str) -> tuple[str, ...]:
    base = urljoin(url, next(iter(tree.xpath("//base/@href")), ""))
    found = (canonical(href, base) for href in dict.fromkeys(map(str, tree.xpath("//a/@href"))))
    return tuple(dict.fromkeys(link for link in found if link))


def _date(tree: html.HtmlElement) -> str:
    """Day of publication as the page states it."""
    stated = tree.xpath(
        "//meta[@property='article:published_time' or @name='date' or @name='dcterms.date' or @name='pubdate'"
        " or @itemprop='datePublished']/@content | //time/@datetime"
    )
    return next((m[0] for value in stated if (m := _DATE.match(str(value).strip()))), "")


def tidy(text: str) -> str:
    """Text with single spaces, no empty lines and no control characters.

    >>> tidy("a  b \\n\\n\\n c\\x00")
    'a b\\nc'
    """
    unprintable = {ord(c): " " for c in set(text) if not (c.isprintable() or c == "\n")}
    text = text.translate(unprintable) if unprintable else text
    return "\n".join(line for line in (" ".join(row.split()) for row in text.split("\n")) if line)


def markdown(source: str, url: str) -> Cleaned:
    """Title, plain text and links of a Markdown file; links are resolved against `url`.

    >>> page = markdown("# Velmar\\n\\nThe owner is [Orlen Optics](/o). `pip`", "http://a.test/x")
    >>> page.title, page.text, page.links
    ('Velmar', 'Velmar\\nThe owner is Orlen Optics. pip', ('http://a.test/o',))
    """
    links = [m[2] for m in _MD_LINK.finditer(source) if not m[0].startswith("!")]
    bare = _MD_LINK.sub(lambda m: "" if m[0].startswith("!") else m[1], source)
    links += [u.rstrip(".,;:") for u in _URL.findall(bare)]
    plain = re.sub(r"<!--.*?-->|<[^<>\n]+>", "", bare, flags=re.DOTALL)
    plain = re.sub(r"^\s*(?:#{1,6}\s+|>\s?|[-*+]\s+|```.*$|={3,}\s*$|-{3,}\s*$)", "", plain, flags=re.MULTILINE)
    plain = re.sub(r"(\*\*|__|`)(.+?)\1", r"\2", plain)
    top = re.search(r"^#\s+(.+)$", bare, re.MULTILINE)
    found = dict.fromkeys(link for link in (canonical(u, url) for u in links if not u.startswith("#")) if link)
    text = tidy(plain)
    return Cleaned(top[1].strip() if top else "", text, tuple(found), language=guess(text))


def urls_in(text: str) -> tuple[str, ...]:
    """The URLs written out in a plain text, each once.

    >>> urls_in("Code at https://a.test/x. See (http://b.test/y).")
    ('https://a.test/x', 'http://b.test/y')
    """
    return tuple(dict.fromkeys(u.rstrip(".,;:") for u in _URL.findall(text)))
