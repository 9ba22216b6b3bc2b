"""Links and counts of a crawl: the link graph among stored pages, what was dropped, and the metrics of the marker.

Part of 01_crawl; `crawl` hands all of it on. In: pages, or a `Crawl`. Out: pandas tables and plain numbers. Nothing
here asks the network. Not in the paper, which gives no numbers of its crawl.
"""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from webdancer.core.schema import Page

if TYPE_CHECKING:
    from webdancer.crawl import Crawl

SOURCES = ("wikipedia", "arxiv", "github", "web")


def mention_links(pages: Sequence[Page]) -> list[Page]:
    """Add to each Wikipedia page a link to every page of another source whose full title it names.

    Only titles of two words or more (a hyphen counts) that one page alone bears are looked for.
    """
    counts = Counter(page.title for page in pages)
    urls = {
        p.title: p.url
        for p in pages
        if p.source != "wikipedia" and counts[p.title] == 1 and re.search(r"\w[ -]\w", p.title)
    }
    if not urls:
        return list(pages)
    longest = max(len(title.split()) for title in urls)
    result = []
    for page in pages:
        named = _named(page.text, urls, longest) if page.source == "wikipedia" else ()
        result.append(dataclasses.replace(page, links=tuple(dict.fromkeys([*page.links, *named]))) if named else page)
    return result


def _named(text: str, urls: Mapping[str, str], longest: int) -> list[str]:
    """URLs of the titles that occur in a text as runs of whole words, longest title first at each place."""
    found, words = [], [w.strip(".,;:!?()\"'") for w in text.split()]
    at = 0
    while at < len(words):
        for size in range(min(longest, len(words) - at), 0, -1):
            url = urls.get(" ".join(words[at : at + size]))
            if url:
                found.append(url)
                at += size - 1
                break
        at += 1
    return found


def link_table(pages: Iterable[Page]) -> list[tuple[str, str]]:
    """The edges of the link graph: pairs of URLs of stored pages, the first linking to the second."""
    pages = list(pages)
    stored = {page.url for page in pages}
    return [(page.url, link) for page in pages for link in page.links if link in stored]


def page_table(pages: Iterable[Page]) -> pd.DataFrame:
    """One row a page: `url, source, words, links`, `inside` (links to stored pages), `links_in` (from stored pages)."""
    pages = list(pages)
    edges = link_table(pages)
    out, into = Counter(a for a, _ in edges), Counter(b for _, b in edges)
    rows = [(p.url, p.source, len(p.text.split()), len(p.links), out[p.url], into[p.url]) for p in pages]
    return pd.DataFrame(rows, columns=["url", "source", "words", "links", "inside", "links_in"])


def drop_table(crawls: "Iterable[Crawl]") -> pd.DataFrame:
    """Dropped addresses by reason, most frequent first: `reason, addresses`."""
    counts = Counter(d.reason for crawl in crawls for d in crawl.dropped)
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return pd.DataFrame(rows, columns=["reason", "addresses"])


def neighbourhood(pages: Iterable[Page], centre: str, most: int = 60) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """A page with the pages it links to and those that link to it: edges among them, and each one's source.

    Args:
        centre: URL of a stored page.
        most: pages at most; nearer ones first, then in the order of `pages`.
    Returns: edges as pairs of URLs, and URL to source, as `plots.link_graph` takes them.
    """
    pages = list(pages)
    source = {page.url: page.source for page in pages}
    if centre not in source:
        raise ValueError(f"got {centre!r}, wanted the URL of a stored page")
    edges = link_table(pages)
    around: dict[str, None] = {centre: None}
    for _ in range(2):
        near = [url for edge in edges for url in edge if edge[0] in around or edge[1] in around]
        around.update(dict.fromkeys(near))
    chosen = set(list(around)[:most])
    return [(a, b) for a, b in edges if a in chosen and b in chosen], {u: source[u] for u in around if u in chosen}


def metrics(crawl: "Crawl") -> dict[str, Any]:
    """Counts of a crawl for the marker; equal for equal webs, whenever they were crawled."""
    edges = link_table(crawl.pages)
    reached = {target for _, target in edges}
    return {
        "pages": len(crawl.pages),
        "by_source": {name: sum(p.source == name for p in crawl.pages) for name in SOURCES},
        "dropped": len(crawl.dropped),
        "dropped_by_reason": dict(sorted(Counter(d.reason for d in crawl.dropped).items())),
        "words": sum(len(p.text.split()) for p in crawl.pages),
        "links": sum(len(p.links) for p in crawl.pages),
        "links_between_stored_pages": len(edges),
        "links_across_sources": _across(crawl.pages, edges),
        "pages_without_links_in": len(crawl.pages) - len(reached),
    }


def _across(pages: Sequence[Page], edges: Sequence[tuple[str, str]]) -> int:
    """Links between stored pages of different sources."""
    source = {page.url: page.source for page in pages}
    return sum(source[a] != source[b] for a, b in edges)


def coverage(pages: Iterable[Page], wanted: Iterable[str]) -> float:
    """Share of the wanted URLs that were stored, from 0 to 1; 1.0 if none is wanted."""
    stored, wanted = {page.url for page in pages}, set(wanted)
    return len(wanted & stored) / len(wanted) if wanted else 1.0
