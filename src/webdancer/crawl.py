"""Stage 01: gather linked pages from Wikipedia, arXiv, GitHub and plain web sites, and keep those worth reading.

In: a `Plan` of roots and limits. Out: a `Crawl`: a file of pages (`pages_train`, `pages_heldout`), and what was
dropped, each with its reason. Shown in 01_crawl; each site is read by its `sources_...` module, plain sites by
`web.spider`. Pages pass one by one from there into the file: memory does not grow with them. Departures from the
paper: it publishes neither roots, depth nor page filters, so these are ours. wikipedia-api hands out links between
articles only, so a link from an article to a stored page of another site is added where the article names that page's
title in full (`crawl_mentions`).
"""

import asyncio
import dataclasses
import datetime
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tqdm import tqdm

from webdancer.core.schema import Page, text_hash
from webdancer.crawl_result import Crawl, Dropped
from webdancer.crawl_tables import (
    SOURCES,
    coverage,
    drop_table,
    link_table,
    links_in,
    metrics,
    most_linked,
    neighbourhood,
    shared_titles,
    source_table,
)
from webdancer.crawl_walk import Found
from webdancer.sources_arxiv import arxiv_papers
from webdancer.sources_github import github_repositories
from webdancer.sources_wiki import wikipedia
from webdancer.web.host_queue import Manners
from webdancer.web.journal import Journal
from webdancer.web.order import Limits
from webdancer.web.politeness import check_contact, user_agent
from webdancer.web.spider import Spider
from webdancer.web.store import Store

__all__ = [
    "SOURCES",
    "Crawl",
    "Dropped",
    "Found",
    "Plan",
    "coverage",
    "drop_table",
    "gather",
    "link_table",
    "links_in",
    "metrics",
    "most_linked",
    "neighbourhood",
    "nothing",
    "plans",
    "shared_titles",
    "source_table",
    "stored_pages",
]


@dataclass(frozen=True)
class Plan:
    """Where to start, and how far to go. A source without roots (or query) is left out.

    `wiki_roots` are titles or `Category:...`, `arxiv_query` and `github_query` searches in the sites' own languages,
    `web_roots` absolute URLs. `limit` counts pages kept a source, `depth` links followed from a root, `threads` pages
    fetched at once, `delay` seconds between requests to a host of the real internet. `contact` is an e-mail address or
    a URL that every request carries; without it no real host is asked.

    For plain sites: `web_hosts` may be visited besides those of the roots (names, `*.example.org`, `*`), `max_hosts`
    of them and `host_limit` pages of each (0: any number), following the first `breadth` links of a page (0: all).
    `parsers` are processes that clean pages (0: a thread). For the clients: pages of each paper's PDF to read, and
    files of docs, issues' titles and releases of each repository.
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
    contact: str = ""
    web_hosts: tuple[str, ...] = ()
    max_hosts: int = 0
    host_limit: int = 0
    breadth: int = 0
    parsers: int = 0
    arxiv_pdf: int = 0
    github_docs: int = 0
    github_issues: int = 0
    github_releases: int = 0

    def __post_init__(self) -> None:
        for name in ("wiki_roots", "web_roots", "web_hosts"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if min(self.limit, self.threads) < 1 or min(self.depth, self.delay) < 0:
            got = f"limit={self.limit}, threads={self.threads}, depth={self.depth}, delay={self.delay}"
            raise ValueError(f"got {got}, wanted limit and threads from 1, depth and delay from 0")
        small = ("max_hosts", "host_limit", "breadth", "parsers")
        if min(getattr(self, name) for name in small) < 0:
            raise ValueError(f"got {[getattr(self, n) for n in small]} for {', '.join(small)}, wanted numbers from 0")
        if not (self.wiki_roots or self.arxiv_query or self.github_query or self.web_roots):
            raise ValueError("got a plan without roots, wanted wiki_roots, arxiv_query, github_query or web_roots")
        bad = [u for u in self.web_roots if urlsplit(u).scheme not in ("http", "https")]
        if bad:
            raise ValueError(f"web_roots: got {bad[0]!r}, wanted absolute http(s) URLs")

    def addresses(self) -> list[str]:
        """An address of each host that the plan starts from."""
        asked = ((self.wiki_roots, self.wiki_api), (self.arxiv_query, self.arxiv_api))
        asked += ((self.github_query, self.github_api),)
        return [api for root, api in asked if root] + list(self.web_roots)


def plans(parameters: Mapping[str, Any]) -> tuple[Plan, Plan]:
    """The plans of the training and the held-out web from a notebook's parameters.

    Parameters named as the fields of `Plan` make the first (`fetchers` are its threads); `heldout_...` replaces a root
    or a query in the second where it is not empty.
    """
    names = [field.name for field in dataclasses.fields(Plan)]
    values = {n: parameters[n] for n in names if n in parameters} | {"threads": parameters["fetchers"]}
    other = {n: parameters[f"heldout_{n}"] for n in names if parameters.get(f"heldout_{n}")}
    return Plan(**values), Plan(**values | other)


def gather(
    plan: Plan,
    hosts: Mapping[str, str] | None = None,
    path: str | Path | None = None,
    *,
    exclude: Iterable[Crawl] = (),
    day: str = "",
    progress: bool = True,
    store: str | Path | None = None,
    refresh: bool = False,
) -> Crawl:
    """Crawl every source of the plan.

    Args:
        plan: roots and limits.
        hosts: where names are to be reached (`serve.start(...).hosts`); empty for the real internet.
        path: the JSONL file to write, when all is there; None for one that is gone with the result.
        exclude: crawls of other webs: what is also there is dropped, so that training and held-out pages differ.
        day: YYYY-MM-DD for `fetched_at`, today (UTC) if empty. Days, not seconds: two crawls of one day can be
            compared byte for byte.
        progress: show a bar for each source.
        store: file for what is fetched. A crawl that was killed goes on there, and what was complete is read from it;
            None for a file that is gone afterwards.
        refresh: ask again, once a `day`: plain sites for every page in `store` that has changed, the others for all.
    Raises:
        ValueError: not one page was kept (the message counts the reasons), or a host is not in `hosts` and the plan
            has no `contact`.
    """
    check_contact(plan.contact, plan.addresses(), hosts or {})
    day = day or datetime.datetime.now(datetime.UTC).date().isoformat()
    others, crawl = list(exclude), Crawl(path)
    for name in SOURCES:
        walk = _walk(name, plan, dict(hosts or {}), day, store, refresh)
        for found in tqdm(walk, desc=f"{name:9}", unit=" pages", mininterval=5.0, disable=not progress):
            page = _page(found, found.day or day)
            reason = found.reason or ("in the other web" if any(o.knows(page) for o in others) else "")
            reason = reason or ("duplicate" if crawl.knows(page) else "")
            if reason:
                crawl.drop(found.asked or found.url, found.source, reason)
            else:
                crawl.keep(page)
    if not len(crawl):
        reasons = metrics(crawl)["dropped_by_reason"]
        raise ValueError(f"got no page worth keeping (dropped: {reasons}): check the roots of the plan and the network")
    return crawl.settle()


def nothing(path: str | Path | None = None) -> Crawl:
    """A crawl without pages, for a web that is not wanted."""
    return Crawl(path).settle()


def _walk(
    name: str, plan: Plan, hosts: Mapping[str, str], day: str, store: str | Path | None, refresh: bool
) -> Iterator[Found]:
    """Everything that one source finds."""
    if name == "web" and plan.web_roots:
        with tempfile.TemporaryDirectory() as folder:
            yield from _web(plan, hosts, day, Path(store or f"{folder}/crawl.sqlite"), refresh)
        return
    with Journal(store or "", day, refresh) as journal:
        who = {"user_agent": user_agent(plan.contact), "journal": journal}
        if name == "wikipedia" and plan.wiki_roots:
            limits = (plan.limit, plan.depth, plan.threads, plan.delay)
            yield from wikipedia(plan.wiki_api, plan.wiki_roots, hosts, *limits, **who)
        elif name == "arxiv" and plan.arxiv_query:
            search = (plan.arxiv_api, plan.arxiv_query)
            yield from arxiv_papers(*search, hosts, plan.limit, pdf_pages=plan.arxiv_pdf, **who)
        elif name == "github" and plan.github_query:
            more = {"docs": plan.github_docs, "issues": plan.github_issues, "releases": plan.github_releases}
            yield from github_repositories(plan.github_api, plan.github_query, hosts, plan.limit, **more, **who)


def spider(
    plan: Plan, hosts: Mapping[str, str], store: Store, day: str, refresh: bool = False, manners: Manners | None = None
) -> Spider:
    """The crawler of the plan's plain sites, ready to run."""
    limits = Limits(plan.limit, plan.host_limit, plan.depth, plan.breadth, plan.web_hosts, plan.max_hosts)
    manners = manners or Manners(plan.contact, plan.delay, plan.threads)
    return Spider(store, plan.web_roots, hosts, limits, manners, day, plan.use_sitemaps, refresh, plan.parsers)


def _web(plan: Plan, hosts: Mapping[str, str], day: str, path: Path, refresh: bool) -> Iterator[Found]:
    """Crawl the plain sites in a thread (a notebook's own event loop is busy); what is settled comes out meanwhile."""
    failed: list[BaseException] = []
    with Store(path) as mine, Store(path) as its:
        crawler = spider(plan, hosts, its, day, refresh)

        def work() -> None:
            try:
                asyncio.run(crawler.run())
            except BaseException as error:  # noqa: BLE001 - raised again below, where somebody sees it
                failed.append(error)

        thread = threading.Thread(target=work, name="spider", daemon=True)
        thread.start()
        at, alive = -1, True
        try:
            while alive:
                alive = thread.is_alive()
                for rank, fetched, doc in mine.results(at):
                    at = rank
                    yield Found(doc.url, "web", doc.page, doc.reason, doc.robots, doc.asked, fetched)
                thread.join(0.05)
        finally:
            crawler.stop = True
            thread.join()
    if failed:
        raise failed[0]


def stored_pages(store: Store) -> Iterator[Page]:
    """The pages that a crawl of plain sites kept, one after the other: for crawls too large for memory."""
    for _, day, doc in store.results(kept=True):
        yield _page(Found(doc.url, "web", doc.page, "", doc.robots, doc.asked), day)


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
        language=cleaned.language,
    )


if __name__ == "__main__":
    from webdancer.crawl_plan import main

    main()
