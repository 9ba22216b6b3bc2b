"""What the crawler keeps of one answer: a cleaned page, or the reason why there is none, or where it leads on to.

Used by 01_crawl. In: a `Fetched`. Out: a `Document`. Nothing here asks the network. Departure from the paper: none
known; it publishes no page filter.
"""

import html
import re
from dataclasses import dataclass

import httpx

from webdancer.web.answer import HTML, Fetched
from webdancer.web.text import Cleaned, block_reason, canonical, clean, tidy

NOTHING = Cleaned("", "")
_LOC = re.compile(r"<loc>\s*(?:<!\[CDATA\[)?\s*([^<\s\]]+)\s*(?:\]\]>)?\s*</loc>")


@dataclass(frozen=True)
class Document:
    """One address looked at. `asked` is it before redirects; `target` where it leads if it is a redirect.

    `reason` is empty for a page worth keeping; `robots` is the verdict of robots.txt; `etag` and `modified` are what a
    later crawl can ask with.
    """

    url: str
    asked: str
    page: Cleaned = NOTHING
    reason: str = ""
    robots: str = "allowed"
    target: str = ""
    etag: str = ""
    modified: str = ""


def document(got: Fetched, asked: str) -> Document:
    """What a fetched answer holds: a page, or the reason why it is none."""
    url = canonical(got.url) or asked
    readable = bool(got.text or (got.status and not got.error))
    rest = {"robots": got.robots or "not asked", "etag": got.etag, "modified": got.modified}
    if readable and got.content_type in HTML:
        try:
            page = clean(got.text, url)
        except Exception:  # noqa: BLE001 - a stranger wrote this HTML; one page must not end a crawl
            return Document(url, asked, NOTHING, "error: unreadable HTML", **rest)
    elif readable and got.content_type in ("text/plain", "text/markdown"):
        page = Cleaned(url.rpartition("/")[2], tidy(got.text))
    else:
        return Document(url, asked, NOTHING, got.error or f"not a page: {got.content_type}", **rest)
    reason = block_reason(page.title, page.text, link_share=page.link_share)
    reason = reason if reason == "bot block" else got.error or reason
    return Document(url, asked, page, reason, **rest)


def redirect(asked: str, target: str, robots: str) -> Document:
    """A redirect, as a document without a page."""
    # Where a site sends one spelling of an address to another, the second must not be taken for the first.
    spelled = canonical(target)
    if not spelled:
        return Document(asked, asked, NOTHING, f"refused: a redirect to {target[:80]}", robots)
    return Document(asked, asked, NOTHING, "", robots, spelled if spelled != asked else _plain(target))


def _plain(url: str) -> str:
    return str(httpx.URL(url).copy_with(fragment=None))


def sitemap(got: Fetched) -> tuple[bool, list[str]]:
    """The addresses that a sitemap names, and whether they are sitemaps themselves.

    >>> sitemap(Fetched("", text="<urlset><url><loc>http://a.test/?a=1&amp;b=2</loc></url></urlset>"))
    (False, ['http://a.test/?a=1&b=2'])
    """
    if got.content_type == "text/plain" and "<loc>" not in got.text:
        return False, [row.strip() for row in got.text.splitlines() if row.strip().startswith(("http://", "https://"))]
    return "<sitemapindex" in got.text, [html.unescape(name) for name in _LOC.findall(got.text)]
