"""From what a server sent to what a reader wants: clean text, title, links, licence, date; or why not to keep it.

Used by 01_crawl. In: HTML (or the Markdown of a README). Out: a `Cleaned`, and a reason from `block_reason` for pages
that are errors, bot checks, empty or disambiguation lists. The released WebDancer sample holds several questions
written from such pages ("Just a moment...", 404, Ray ID); the paper names no filter, so this one is ours.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import trafilatura
from lxml import etree, html

LINK_LIST = 0.8  # share of link text from which a page only points to others
SHORT = 1_000  # characters; a longer text that speaks of captchas or errors is about them, not one of them
_SKIPPED = ("script", "style", "noscript", "template", "nav", "header", "footer", "aside", "form", "svg")
_BLOCK = (
    r"just a moment|verify(?:ing)? (?:that )?you are (?:a )?human|checking your browser|are you a robot|unusual traffic"
    r"|attention required|enable javascript and cookies|complete the captcha|\bray id\b|pardon our interruption"
)
_BLOCKED = re.compile(_BLOCK, re.IGNORECASE)
_PHRASE = (
    r"(?:page |file )?not found|access denied|forbidden|gone|(?:internal )?server error|service unavailable|bad gateway"
    r"|too many requests"
)
_ERROR = re.compile(rf"(?:error\W+)?(?:(?:40[34]|410|429|50[0-4])(?:\W+(?:{_PHRASE}))?|{_PHRASE})", re.IGNORECASE)
_AMBIGUOUS = re.compile(
    r"\b(?:may|might|can|could)(?: also| commonly)? (?:refer|stand|mean)(?: to| for|\b)", re.IGNORECASE
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_URL = re.compile(r"https?://[^\s<>\"'()\[\]{}]+(?:\([^\s()]*\)[^\s<>\"'()\[\]{}]*)*")
_MD_LINK = re.compile(r"!?\[([^\[\]]*)\]\(<?([^\s()>]*(?:\([^\s()]*\)[^\s()>]*)*)>?(?:\s[^()]*)?\)")


@dataclass(frozen=True)
class Cleaned:
    """A page for a reader.

    `links` are absolute, without fragments, each once, in page order; `date` is YYYY-MM-DD or empty; `link_share` is
    the share of the text's words that are link texts, from 0 to 1 (0 if not measured).
    """

    title: str
    text: str
    links: tuple[str, ...] = ()
    licence: str = ""
    date: str = ""
    link_share: float = 0.0


def canonical(url: str, base: str = "") -> str:
    """The one spelling under which an address is stored; empty for what is not an http(s) URL.

    Absolute, lower-case host, no default port, no fragment, no needless percent signs.

    >>> canonical("../b%20c?x=1#top", "HTTP://A.test:80/d/e/")
    'http://a.test/d/b%20c?x=1'
    """
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
    return urlunsplit((parts.scheme, host + port, path.replace(" ", "%20"), parts.query, ""))


def _decoded(code: str) -> str:
    """A percent code as its character where that is a plain one in a path, else the code in capitals."""
    character = unquote(code)
    return character if re.fullmatch(r"[A-Za-z0-9._~()!*',:@-]", character) else code.upper()


def clean(markup: str, url: str) -> Cleaned:
    """Title, main text, links, licence and date of an HTML page.

    The main text is trafilatura's; where it finds nothing (very short or very plain pages), all text outside
    navigation, forms and scripts. Broken HTML gives what could be read of it; nothing at all gives an empty `Cleaned`.

    Args:
        markup: the HTML.
        url: its address, for relative links.
    """
    tree = _parse(markup)
    if tree is None:
        return Cleaned("", "")
    title, links, licence, date = _title(tree), _links(tree, url), _licence(tree, url), _date(tree)
    text = _main(markup, url) or tidy(_plain(tree))
    text = text.removeprefix(f"{title}\n")  # the heading is the title
    return Cleaned(title, text, links, licence, date, _link_share(tree, text))


def _main(markup: str, url: str) -> str:
    """trafilatura's main text. Where its generous mode runs all together in one line, its strict mode is asked."""
    text = tidy(trafilatura.extract(markup, url=url, include_comments=False, favor_recall=True) or "")
    if "\n" in text:
        return text
    return tidy(trafilatura.extract(markup, url=url, include_comments=False, favor_precision=True) or "") or text


def _parse(markup: str) -> html.HtmlElement | None:
    """The tree of a page; None where there is none. An encoding declaration is dropped: the text is decoded already."""
    markup = re.sub(r"^\s*<\?xml[^>]*\?>", "", markup).replace("\x00", "")
    try:
        return html.document_fromstring(markup) if markup.strip() else None
    except (etree.ParserError, ValueError):
        return None


def _link_share(tree: html.HtmlElement, text: str) -> float:
    """Share of the words of `text` that are the text of a link, counting only links whose text is in it."""
    words = len(text.split())
    linked = sum(len(label.split()) for a in tree.iter("a") if (label := a.text_content().strip()) and label in text)
    return min(1.0, linked / words) if words else 0.0


def _title(tree: html.HtmlElement) -> str:
    """The page's own heading if it has exactly one, else its `<title>`."""
    headings = [" ".join(h.text_content().split()) for h in tree.iterfind(".//h1")]
    found = headings if len(headings) == 1 and headings[0] else [tree.findtext(".//title") or "", *headings]
    return next((" ".join(t.split()) for t in found if t.strip()), "")


def _links(tree: html.HtmlElement, url: str) -> tuple[str, ...]:
    base = urljoin(url, next(iter(tree.xpath("//base/@href")), ""))
    found = (canonical(str(href), base) for href in tree.xpath("//a/@href"))
    return tuple(dict.fromkeys(link for link in found if link))


def _licence(tree: html.HtmlElement, url: str) -> str:
    """Address or name of the licence that the page states (`rel=license`, `meta name=license` or `dcterms.license`)."""
    href = tree.xpath("//*[contains(concat(' ', @rel, ' '), ' license ')]/@href")
    meta = tree.xpath(
        "//meta[translate(@name, 'DCTERMS.LINSE', 'dcterms.linse')='license' or @name='dcterms.license']/@content"
    )
    return canonical(str(href[0]), url) if href else str(meta[0]).strip() if meta else ""


def _date(tree: html.HtmlElement) -> str:
    """Day of publication as the page states it."""
    stated = tree.xpath(
        "//meta[@property='article:published_time' or @name='date' or @name='dcterms.date' or @name='pubdate'"
        " or @itemprop='datePublished']/@content | //time/@datetime"
    )
    return next((m[0] for value in stated if (m := _DATE.match(str(value).strip()))), "")


def _plain(tree: html.HtmlElement) -> str:
    """All text outside navigation, forms and scripts, a line a block."""
    body = tree.find(".//body")
    parts = []
    for element in (tree if body is None else body).iter():
        if (
            not isinstance(element.tag, str)
            or element.tag in _SKIPPED
            or any(a.tag in _SKIPPED for a in element.iterancestors())
        ):
            continue
        inline = element.tag in ("a", "b", "i", "em", "strong", "code", "span", "sup", "sub")
        parts.append(("" if inline else "\n") + (element.text or ""))
    return "".join(parts)


def tidy(text: str) -> str:
    """Text with single spaces, no empty lines and no control characters.

    >>> tidy("a  b \\n\\n\\n c\\x00")
    'a b\\nc'
    """
    text = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
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
    heading = re.search(r"^#\s+(.+)$", bare, re.MULTILINE)
    found = dict.fromkeys(link for link in (canonical(u, url) for u in links if not u.startswith("#")) if link)
    return Cleaned(heading[1].strip() if heading else "", tidy(plain), tuple(found))


def urls_in(text: str) -> tuple[str, ...]:
    """The URLs written out in a plain text, each once.

    >>> urls_in("Code at https://a.test/x. See (http://b.test/y).")
    ('https://a.test/x', 'http://b.test/y')
    """
    return tuple(dict.fromkeys(u.rstrip(".,;:") for u in _URL.findall(text)))


def block_reason(title: str, text: str, status: int = 200, link_share: float = 0.0) -> str:
    """Why a page should not be kept; "" for a good page.

    Reasons: "status N" (from 400), "empty", "link list" (see `LINK_LIST`), "bot block", "error page",
    "disambiguation". A long text that only mentions such words is kept.

    >>> block_reason("Just a moment...", "Checking your browser.")
    'bot block'
    >>> block_reason("Tea", "Tea is a drink made from leaves.")
    ''
    """
    if status >= 400:
        return f"status {status}"
    if not any(c.isalnum() for c in text):
        return "empty"
    if link_share >= LINK_LIST:
        return "link list"
    short = len(text) < SHORT
    if short and (_BLOCKED.search(title) or _BLOCKED.search(text)):
        return "bot block"
    if short and (_ERROR.fullmatch(title.strip(" .!")) or _ERROR.fullmatch(text.strip(" .!\n"))):
        return "error page"
    if title.lower().endswith("(disambiguation)") or _AMBIGUOUS.search(text[:200].partition("\n")[0]):
        return "disambiguation"
    return ""
