"""The ways into a web in one place: the sites' own clients, and a crawler for plain HTML.

Part of 01_crawl. In: roots and limits. Out: an iterator of `Found`, one for each address looked at, kept or not, in
an order that does not depend on which request came back first. The real client libraries are used as they are
(`sources_wiki`, `sources_arxiv`, `sources_github`); `hosts` only says where a name is to be reached. Departures from
the paper: it names arXiv, GitHub and Wikipedia as examples of its roots but neither the roots nor the depth; ours are
parameters.
"""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from lxml import etree

from webdancer.crawl_walk import TRIES, Found, breadth_first, reach
from webdancer.sources_arxiv import arxiv_papers
from webdancer.sources_github import github_repositories
from webdancer.sources_wiki import wiki_url, wikipedia
from webdancer.web.fetch import Fetched, Fetcher
from webdancer.web.frozen import Frozen
from webdancer.web.text import Cleaned, block_reason, canonical, clean, tidy

__all__ = [
    "TRIES",
    "Found",
    "arxiv_papers",
    "breadth_first",
    "github_repositories",
    "html_page",
    "reach",
    "site",
    "sitemap",
    "wiki_url",
    "wikipedia",
]

_LOC = re.compile(r"<loc>\s*([^<\s]+)\s*</loc>")
MAX_SITEMAPS = 50


def site(
    fetcher: Fetcher | Frozen, roots: Sequence[str], limit: int, depth: int, threads: int, maps: Sequence[str] = ()
) -> Iterator[Found]:
    """Pages of plain web sites: breadth first from the roots and the sitemaps, without leaving the roots' hosts.

    Args:
        fetcher: what gets the pages; it asks robots.txt.
        roots: absolute URLs.
        limit, depth, threads: as in `breadth_first`.
        maps: addresses of sitemaps; see `sitemaps`.
    """
    inside = {urlsplit(root).netloc for root in roots}
    start = [canonical(url) for url in [*roots, *(u for m in maps for u in sitemap(fetcher, m))]]

    def look(url: str) -> tuple[Found, Sequence[str]]:
        found = html_page(fetcher.get(url), url)
        return found, [link for link in found.page.links if urlsplit(link).netloc in inside]

    yield from breadth_first([u for u in start if urlsplit(u).netloc in inside], look, limit, depth, threads)


def html_page(got: Fetched, asked: str) -> Found:
    """What a fetched answer holds: a page, or the reason why it is none."""
    url = canonical(got.url) or asked
    readable = bool(got.text or (got.status and not got.error))
    if readable and got.content_type in ("", "text/html", "application/xhtml+xml"):
        try:
            page = clean(got.text, url)
        except (etree.LxmlError, ValueError, RecursionError):
            return Found(url, "web", Cleaned("", ""), "error: unreadable HTML", got.robots, asked)
    elif readable and got.content_type in ("text/plain", "text/markdown"):
        page = Cleaned(url.rpartition("/")[2], tidy(got.text))
    else:
        return Found(url, "web", Cleaned("", ""), got.error or f"not a page: {got.content_type}", got.robots, asked)
    reason = block_reason(page.title, page.text, link_share=page.link_share)
    reason = reason if reason == "bot block" else got.error or reason
    return Found(url, "web", page, reason, got.robots or "not asked", asked)


def sitemap(fetcher: Fetcher | Frozen, url: str) -> list[str]:
    """The pages that a sitemap, or a sitemap of sitemaps, names; empty where there is none."""
    pages: list[str] = []
    queue, done = deque([url]), 0
    while queue and done < MAX_SITEMAPS:
        got, done = fetcher.get(queue.popleft()), done + 1
        names = [name.replace("&amp;", "&") for name in _LOC.findall(got.text)]
        if "<sitemapindex" in got.text:
            queue.extend(names)
        else:
            pages += names
    return pages
