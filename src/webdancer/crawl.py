"""Stage 01: gather linked pages from Wikipedia, arXiv, GitHub and plain web sites, and keep those worth reading.

In: a `Plan` of roots and limits. Out: a `Crawl`: pages (`pages_train`, `pages_heldout`) and what was dropped, each
with its reason. Shown in 01_crawl; how each site is read is in `crawl_sources`. Departures from the paper: it
publishes neither roots, depth nor page filters, so these are ours. wikipedia-api hands out links between articles
only, so a link from an article to a stored page of another site is added where the article names that page's title in
full (`mention_links`).
"""

import dataclasses
import datetime
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
from tqdm import tqdm

from webdancer import crawl_sources as sources
from webdancer.core.schema import Page, text_hash
from webdancer.crawl_sources import Found
from webdancer.web.fetch import Fetcher

SOURCES = ("wikipedia", "arxiv", "github", "web")


@dataclass(frozen=True)
class Plan:
    """Where to start, and how far to go. A source without roots (or query) is left out.

    `wiki_roots` are titles or `Category:...`, `arxiv_query` and `github_query` searches in the sites' own languages,
    `web_roots` absolute URLs. `limit` counts pages kept a source, `depth` links followed from a root, `threads` pages
    fetched at once, `delay` seconds between requests to a host of the real internet.
    """

    wiki_api: str = "https://en.wikipedia.org/w/api.php"
    wiki_roots: tuple[str, ...] = ()
    arxiv_api: str = "https://export.arxiv.org/api/query"
    arxiv_query: str = ""
    github_api: str = "https://api.github.com"
    github_query: str = ""
    web_roots: tuple[str, ...] = ()
    limit: int = 10_000
    depth: int = 10
    threads: int = 8
    delay: float = 1.0
    use_sitemaps: bool = True

    def __post_init__(self) -> None:
        for name in ("wiki_roots", "web_roots"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if min(self.limit, self.threads) < 1 or min(self.depth, self.delay) < 0:
            got = f"limit={self.limit}, threads={self.threads}, depth={self.depth}, delay={self.delay}"
            raise ValueError(f"got {got}, wanted limit and threads from 1, depth and delay from 0")
        if not (self.wiki_roots or self.arxiv_query or self.github_query or self.web_roots):
            raise ValueError("got a plan without roots, wanted wiki_roots, arxiv_query, github_query or web_roots")
        bad = [u for u in self.web_roots if urlsplit(u).scheme not in ("http", "https")]
        if bad:
            raise ValueError(f"web_roots: got {bad[0]!r}, wanted absolute http(s) URLs")


def plans(parameters: Mapping[str, Any]) -> tuple[Plan, Plan]:
    """The plans of the training and the held-out web from a notebook's parameters.

    Parameters named as the fields of `Plan` make the first (`fetchers` are its threads); `heldout_...` replaces a root
    or a query in the second where it is not empty.
    """
    names = [field.name for field in dataclasses.fields(Plan)]
    values = {n: parameters[n] for n in names if n in parameters} | {"threads": parameters["fetchers"]}
    other = {n: parameters[f"heldout_{n}"] for n in names if parameters.get(f"heldout_{n}")}
    return Plan(**values), Plan(**values | other)


@dataclass(frozen=True)
class Dropped:
    """An address that gave no page, and why."""

    url: str
    source: str
    reason: str


@dataclass(frozen=True)
class Crawl:
    """What a crawl brought: pages in the order found (source by source), and what it dropped."""

    pages: tuple[Page, ...]
    dropped: tuple[Dropped, ...]


def gather(
    plan: Plan,
    hosts: Mapping[str, str] | None = None,
    *,
    exclude: Iterable[Page] = (),
    day: str = "",
    progress: bool = True,
) -> Crawl:
    """Crawl every source of the plan.

    Args:
        plan: roots and limits.
        hosts: where names are to be reached (`serve.start(...).hosts`); empty for the real internet.
        exclude: pages of the other web: what is also there is dropped, so that training and held-out pages differ.
        day: YYYY-MM-DD for `fetched_at`, today (UTC) if empty. Days, not seconds: two crawls of one day can be
            compared byte for byte.
        progress: show a bar for each source.
    Raises:
        ValueError: not one page was kept; the message counts the reasons.
    """
    day = day or datetime.datetime.now(datetime.UTC).date().isoformat()
    other = {key for page in exclude for key in (page.url, page.sha256)}
    kept: list[Page] = []
    dropped: list[Dropped] = []
    seen: set[str] = set()
    for name in SOURCES:
        walk = _walk(name, plan, dict(hosts or {}))
        for found in tqdm(walk, desc=f"{name:9}", unit=" pages", mininterval=5.0, disable=not progress):
            page = _page(found, day)
            keys = {page.url, page.sha256}
            reason = found.reason or ("in the other web" if keys & other else "duplicate" if keys & seen else "")
            if reason:
                dropped.append(Dropped(found.asked or found.url, found.source, reason))
            else:
                seen |= keys
                kept.append(page)
    if not kept:
        reasons = dict(Counter(d.reason for d in dropped))
        raise ValueError(f"got no page worth keeping (dropped: {reasons}): check the roots of the plan and the network")
    return Crawl(tuple(mention_links(kept)), tuple(dropped))


def _walk(name: str, plan: Plan, hosts: Mapping[str, str]) -> Iterator[Found]:
    """Everything that one source finds."""
    if name == "wikipedia" and plan.wiki_roots:
        yield from sources.wikipedia(
            plan.wiki_api, plan.wiki_roots, hosts, plan.limit, plan.depth, plan.threads, plan.delay
        )
    elif name == "arxiv" and plan.arxiv_query:
        yield from sources.arxiv_papers(plan.arxiv_api, plan.arxiv_query, hosts, plan.limit)
    elif name == "github" and plan.github_query:
        yield from sources.github_repositories(plan.github_api, plan.github_query, hosts, plan.limit)
    elif name == "web" and plan.web_roots:
        with Fetcher(hosts, delay=plan.delay) as fetcher:
            maps = [m for root in plan.web_roots for m in fetcher.sitemaps(root)] if plan.use_sitemaps else []
            yield from sources.site(
                fetcher, plan.web_roots, plan.limit, plan.depth, plan.threads, list(dict.fromkeys(maps))
            )


def _page(found: Found, day: str) -> Page:
    """The record of what was found."""
    cleaned = found.page
    links = tuple(link for link in cleaned.links if link != found.url)
    return Page(
        url=found.url,
        title=cleaned.title or found.url.rpartition("/")[2],
        text=cleaned.text,
        links=links,
        source=found.source,
        fetched_at=day,
        sha256=text_hash(cleaned.text),
        licence=cleaned.licence,
        robots=found.robots,
        date=cleaned.date,
    )


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


def drop_table(crawls: Iterable[Crawl]) -> pd.DataFrame:
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


def metrics(crawl: Crawl) -> dict[str, Any]:
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
