"""The four ways into a web: wikipedia-api, arxiv, PyGithub, and a crawler for plain HTML.

Part of 01_crawl. In: roots and limits. Out: an iterator of `Found`, one for each address looked at, kept or not, in
an order that does not depend on which request came back first. The real client libraries are used as they are;
`hosts` only says where a name is to be reached. Departures from the paper: it names arXiv, GitHub and Wikipedia as
examples of its roots but neither the roots nor the depth; ours are parameters.
"""

import itertools
import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from lxml import etree

from webdancer.web.fetch import USER_AGENT, Fetched, Fetcher, HostsTransport
from webdancer.web.frozen import Frozen
from webdancer.web.text import Cleaned, block_reason, canonical, clean, markdown, tidy, urls_in

WIKI_LICENCE = (
    "https://creativecommons.org/licenses/by-sa/4.0/"  # of Wikipedia's texts; another wiki's is not in its API
)
_LOC = re.compile(r"<loc>\s*([^<\s]+)\s*</loc>")
MAX_SITEMAPS, TRIES = 50, 3
Result = TypeVar("Result")


@dataclass(frozen=True)
class Found:
    """One address looked at: its page, or (`reason` not empty) why there is none; `asked` is it before redirects."""

    url: str
    source: str
    page: Cleaned
    reason: str = ""
    robots: str = "allowed"
    asked: str = ""


def reach(url: str, hosts: Mapping[str, str]) -> str:
    """The address to send a request for `url` to.

    >>> reach("http://arxiv.pocket.test/api/query", {"arxiv.pocket.test": "http://127.0.0.1:8000"})
    'http://127.0.0.1:8000/api/query'
    """
    parts = urlsplit(url)
    return hosts[parts.netloc].rstrip("/") + url.partition(parts.netloc)[2] if parts.netloc in hosts else url


def breadth_first(
    roots: Sequence[str],
    look: Callable[[str], tuple[Found, Sequence[str]]],
    limit: int,
    depth: int,
    threads: int,
) -> Iterator[Found]:
    """Walk from the roots along links, breadth first, many looks at once, results in the order of discovery.

    Args:
        roots: names to start from (URLs or titles), at depth 0.
        look: what is found under a name, and the names it links to; called in threads.
        limit: stop after this many good pages.
        depth: how many links to follow from a root.
        threads: looks at once.
    """
    queue = deque((name, 0) for name in dict.fromkeys(roots))
    known = {name for name, _ in queue}
    good: set[str] = set()
    with ThreadPoolExecutor(threads) as pool:
        while queue and len(good) < limit:
            batch = [queue.popleft() for _ in range(min(len(queue), 4 * threads, limit - len(good)))]
            for (_, level), (found, names) in zip(batch, pool.map(look, [n for n, _ in batch]), strict=True):
                good |= set() if found.reason else {found.url}
                yield found
                if level < depth:
                    fresh = [n for n in dict.fromkeys(names) if n not in known]
                    known.update(fresh)
                    queue.extend((n, level + 1) for n in fresh)


def wikipedia(
    api: str, roots: Sequence[str], hosts: Mapping[str, str], limit: int, depth: int, threads: int, delay: float
) -> Iterator[Found]:
    """Pages of a MediaWiki through wikipedia-api: two requests a page (text and links), breadth first from the roots.

    Args:
        api: address of `api.php`, for example `https://en.wikipedia.org/w/api.php`.
        roots: titles; `Category:...` stands for the members of that category.
        hosts, limit, depth, threads: as elsewhere.
        delay: seconds that each thread waits before a page of a real site.
    """
    import wikipediaapi  # lazily: nobody who only searches needs it

    class Wiki(wikipediaapi.Wikipedia):
        """The client, pointed at `api`."""

        def _build_url(self, language: str) -> str:
            return api

    local = urlsplit(api).netloc in hosts
    wiki = Wiki(user_agent=USER_AGENT, transport=HostsTransport(hosts), retry_wait=0.1 if local else 1.0)
    home = api.rpartition("/w/")[0] + "/wiki/"

    def look(title: str) -> tuple[Found, Sequence[str]]:
        if not local:
            time.sleep(delay)
        return _wiki_page(wiki, home, title)

    yield from breadth_first(_members(wiki, roots), look, limit, depth, threads)


def _members(wiki: Any, roots: Sequence[str]) -> list[str]:
    """The roots with every category replaced by the titles of its pages."""
    titles: list[str] = []
    for root in roots:
        is_category = root.startswith("Category:")
        titles += [p.title for p in wiki.page(root).categorymembers.values() if p.ns == 0] if is_category else [root]
    return list(dict.fromkeys(titles))


def _wiki_page(wiki: Any, home: str, title: str) -> tuple[Found, Sequence[str]]:
    """One article and the titles it links to; a request that keeps failing is a reason, not an exception."""
    from wikipediaapi.exceptions import WikipediaException

    asked = wiki_url(home, title)
    try:
        page, linked = _again(lambda: _article(wiki, title), (WikipediaException, KeyError))
    except (WikipediaException, KeyError) as error:
        return Found(asked, "wikipedia", Cleaned(title, ""), f"error: {type(error).__name__}", "api", asked), ()
    reason = block_reason(page.title, page.text) if linked is not None else "missing"
    links = tuple(wiki_url(home, t) for t in linked or ())
    licence = WIKI_LICENCE if urlsplit(home).netloc.endswith(".wikipedia.org") else ""
    found = Cleaned(page.title, tidy(page.text), links, licence)
    return Found(wiki_url(home, page.title), "wikipedia", found, reason, "api", asked), linked or ()


def _article(wiki: Any, title: str) -> tuple[Any, list[str] | None]:
    """The client's page with its text, and the titles of the articles it links to (None: there is no such page)."""
    page = wiki.page(title)
    if page.text == "" and not page.exists():
        return page, None
    return page, [linked.title for linked in page.links.values() if linked.ns == 0]


def _again(work: Callable[[], Result], errors: tuple[type[Exception], ...]) -> Result:
    """The result of `work`, tried up to `TRIES` times: the clients do not retry an answer that breaks off."""
    for _ in range(TRIES - 1):
        try:
            return work()
        except errors:
            time.sleep(0.1)
    return work()


def wiki_url(home: str, title: str) -> str:
    """Address of an article.

    >>> wiki_url("http://wiki.pocket.test/wiki/", "Tal Veron (chemist)")
    'http://wiki.pocket.test/wiki/Tal_Veron_(chemist)'
    """
    return canonical(home + quote(title.replace(" ", "_")))


def arxiv_papers(api: str, query: str, hosts: Mapping[str, str], limit: int) -> Iterator[Found]:
    """Papers of a category or search through the arxiv client, newest first: abstract, comment and authors.

    Links are the URLs written in comment and abstract. The licence of a paper is not in the feed. Against the real
    site the client waits 3 seconds between requests, as arXiv asks.
    """
    import arxiv

    client = arxiv.Client(page_size=min(100, limit), delay_seconds=0 if urlsplit(api).netloc in hosts else 3.0)
    client.query_url_format = reach(api, hosts) + "?{}"
    search = arxiv.Search(query, max_results=limit, sort_by=arxiv.SortCriterion.SubmittedDate)
    done = 0
    for last in [False] * (TRIES - 1) + [True]:
        try:
            for paper in client.results(search, offset=done):
                done += 1
                yield _paper(paper)
            return
        except (arxiv.ArxivError, OSError) as error:  # an error of requests is an OSError
            if last:
                yield Found(api, "arxiv", Cleaned("", ""), f"error: {type(error).__name__}", "api")


def _paper(paper: Any) -> Found:
    """One paper of the feed."""
    links = [canonical(u) for u in urls_in(f"{paper.comment or ''} {paper.summary}")]
    comment = re.sub(r"(?:\w+:\s*)?https?://\S+", "", paper.comment or "").strip(" ,;")
    authors = ", ".join(author.name for author in paper.authors)
    text = tidy("\n".join([paper.summary, comment, f"Authors: {authors}" if authors else ""]))
    title = " ".join(paper.title.split())
    page = Cleaned(title, text, tuple(dict.fromkeys(links)), "", f"{paper.published:%Y-%m-%d}")
    reason = block_reason(title, paper.summary)
    return Found(canonical(paper.entry_id), "arxiv", page, reason, "api")


def github_repositories(api: str, query: str, hosts: Mapping[str, str], limit: int) -> Iterator[Found]:
    """Repositories of a search through PyGithub: the README as plain text, its links, the licence that GitHub names.

    A token in the environment variable GITHUB_TOKEN raises the real site's rate limit; it is used for nothing else.
    """
    import github

    local, token = urlsplit(api).netloc in hosts, os.environ.get("GITHUB_TOKEN", "")
    client = github.Github(
        base_url=reach(api, hosts),
        auth=github.Auth.Token(token) if token and not local else None,
        seconds_between_requests=0 if local else 0.25,
        per_page=100,
        retry=github.GithubRetry(total=3, backoff_factor=0.1 if local else 1.0),
    )
    errors = (github.GithubException, OSError)
    try:
        listed = _again(lambda: list(itertools.islice(client.search_repositories(query), limit)), errors)
    except errors as error:
        yield Found(api, "github", Cleaned("", ""), f"error: {type(error).__name__}", "api")
        return
    for repository in listed:
        url = canonical(repository.html_url)
        try:
            yield _again(lambda r=repository: _repository(r), errors)
        except errors as error:
            yield Found(url, "github", Cleaned(repository.name, ""), f"error: {type(error).__name__}", "api")


def _repository(repository: Any) -> Found:
    """One repository with its README; without one its description counts."""
    import github

    url = canonical(repository.html_url)
    try:
        readme = repository.get_readme().decoded_content.decode("utf-8", "replace")
    except github.UnknownObjectException:
        readme = repository.description or ""
    page = markdown(readme, f"{url}/blob/{repository.default_branch}/")
    licence = repository.license.spdx_id if repository.license else ""
    text = page.text.removeprefix(f"{page.title}\n")  # the heading is the title
    found = Cleaned(repository.name, text, page.links, licence, f"{repository.created_at:%Y-%m-%d}")
    return Found(url, "github", found, block_reason(found.title, found.text), "api")


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
