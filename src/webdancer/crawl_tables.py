"""Links and counts of a crawl: the link graph among stored pages, what was dropped, and the metrics of the marker.

Part of 01_crawl; `crawl` hands all of it on. In: a `Crawl`. Out: small pandas tables and plain numbers; what is counted
over is read from the crawl's index on disk, never its texts. Nothing here asks the network. Not in the paper, which
gives no numbers of its crawl.
"""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from webdancer.crawl_result import Crawl

_BETWEEN = "edge JOIN page p ON p.id = edge.a JOIN page q ON q.id = edge.b"
_IN = "page LEFT JOIN (SELECT b, count(*) AS n FROM edge GROUP BY b) ON b = page.id"
SOURCES = ("wikipedia", "arxiv", "github", "web")


def link_table(crawl: Crawl, most: int = -1) -> list[tuple[str, str]]:
    """The edges of the link graph: pairs of URLs of stored pages, the first linking to the second; -1: all of them."""
    return crawl.rows(f"SELECT p.url, q.url FROM {_BETWEEN} ORDER BY edge.rowid LIMIT ?", (most,))


def source_table(crawl: Crawl) -> pd.DataFrame:
    """One row a source: `words`, `links`, `inside` (links to stored pages), `pages`."""
    counts = crawl.rows(
        "SELECT source, sum(words), sum(links), (SELECT count(*) FROM edge JOIN page p ON p.id = edge.a WHERE p.source"
        " = page.source), count(*) FROM page GROUP BY source ORDER BY min(id)"
    )
    return pd.DataFrame(counts, columns=["source", "words", "links", "inside", "pages"]).set_index("source")


def links_in(crawl: Crawl) -> pd.DataFrame:
    """How many pages have how many links from other stored pages: `links_in, pages`, few links first."""
    rows = crawl.rows(f"SELECT coalesce(n, 0) AS into_it, count(*) FROM {_IN} GROUP BY into_it ORDER BY into_it")
    return pd.DataFrame(rows, columns=["links_in", "pages"])


def most_linked(crawl: Crawl) -> str:
    """The URL of the page that most links lead to; of several the first; of a crawl without links the first page."""
    rows = crawl.rows(f"SELECT url FROM {_IN} ORDER BY n DESC, id LIMIT 1")
    if not rows:
        raise ValueError("got a crawl without pages, wanted at least one: run it and look at what it dropped")
    return rows[0][0]


def drop_table(crawls: Iterable[Crawl]) -> pd.DataFrame:
    """Dropped addresses by reason, most frequent first: `reason, addresses`."""
    counts: dict[str, int] = {}
    for crawl in crawls:
        for reason, addresses in crawl.rows("SELECT reason, count(*) FROM drops GROUP BY reason"):
            counts[reason] = counts.get(reason, 0) + addresses
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return pd.DataFrame(rows, columns=["reason", "addresses"])


def neighbourhood(crawl: Crawl, centre: str, most: int = 60) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """A page with the pages it links to and those that link to it: edges among them, and each one's source.

    Args:
        centre: URL of a stored page.
        most: pages at most; nearer ones first, then in the order of the links.
    Returns: edges as pairs of URLs, and URL to source, as `plots.link_graph` takes them.
    """
    start = crawl.rows("SELECT id FROM page WHERE url = ?", (centre,))
    if not start:
        raise ValueError(f"got {centre!r}, wanted the URL of a stored page")
    around: dict[int, None] = {start[0][0]: None}
    for _ in range(2):
        inside = ",".join(map(str, list(around)[:most]))
        touching = f"SELECT a, b FROM edge WHERE a IN ({inside}) OR b IN ({inside}) ORDER BY rowid"
        for edge in crawl.each(touching):
            around.update(dict.fromkeys(edge))
            if len(around) >= most:
                break
    chosen = list(around)[:most]
    ids = ",".join(map(str, chosen))
    named = {i: (url, source) for i, url, source in crawl.rows(f"SELECT id, url, source FROM page WHERE id IN ({ids})")}
    edges = crawl.rows(f"SELECT a, b FROM edge WHERE a IN ({ids}) AND b IN ({ids}) ORDER BY rowid")
    return [(named[a][0], named[b][0]) for a, b in edges], dict(named[i] for i in chosen)


def metrics(crawl: Crawl) -> dict[str, Any]:
    """Counts of a crawl for the marker; equal for equal webs, whenever they were crawled."""
    pages, words, links = crawl.rows("SELECT count(*), coalesce(sum(words), 0), coalesce(sum(links), 0) FROM page")[0]
    by_source = dict(crawl.rows("SELECT source, count(*) FROM page GROUP BY source"))
    reasons = dict(crawl.rows("SELECT reason, count(*) FROM drops GROUP BY reason ORDER BY reason"))
    edges, reached = crawl.rows("SELECT count(*), count(DISTINCT b) FROM edge")[0]
    across = crawl.rows(f"SELECT count(*) FROM {_BETWEEN} WHERE p.source <> q.source")[0][0]
    return {
        "pages": pages,
        "by_source": {name: by_source.get(name, 0) for name in SOURCES},
        "dropped": sum(reasons.values()),
        "dropped_by_reason": reasons,
        "words": words,
        "links": links,
        "links_between_stored_pages": edges,
        "links_across_sources": across,
        "pages_without_links_in": pages - reached,
    }


def coverage(crawl: Crawl, wanted: Iterable[str]) -> float:
    """Share of the wanted URLs that were stored, from 0 to 1; 1.0 if none is wanted."""
    wanted = set(wanted)
    stored = sum(bool(crawl.rows("SELECT 1 FROM page WHERE url = ?", (url,))) for url in wanted)
    return stored / len(wanted) if wanted else 1.0


def shared_titles(crawl: Crawl, others: Iterable[Crawl]) -> list[str]:
    """The titles that pages of a crawl share with pages of others, sorted."""
    others = list(others)
    titles = crawl.each("SELECT DISTINCT title FROM page ORDER BY title")
    return [t for (t,) in titles if any(o.rows("SELECT 1 FROM page WHERE title = ?", (t,)) for o in others)]
