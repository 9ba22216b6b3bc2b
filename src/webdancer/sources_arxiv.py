"""arXiv: papers of a search through the arxiv client, and on request the text of their PDFs.

Part of 01_crawl. In: the address of the query interface and a search. Out: an iterator of `Found`. Departures from the
paper: it names arXiv as an example of its roots and does not say whether it read abstracts or whole papers; here the
abstract is always read and the PDF (`arxiv_pdf` pages of it) if asked. What came is kept in a `Journal`, one request's
papers or one PDF a piece.
"""

import itertools
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from webdancer.crawl_walk import TRIES, Found, found_row, reach, row_found
from webdancer.web.answer import passes
from webdancer.web.fetch import USER_AGENT, Fetcher
from webdancer.web.journal import Journal
from webdancer.web.language import guess
from webdancer.web.pdf import pdf_text
from webdancer.web.text import Cleaned, block_reason, canonical, tidy, urls_in

PAUSE = 3.0  # seconds between requests that arXiv's terms of use ask for
FEED = 100  # papers a request
PDF_BYTES = 25_000_000  # of one paper


def arxiv_papers(
    api: str,
    query: str,
    hosts: Mapping[str, str],
    limit: int,
    *,
    pdf_pages: int = 0,
    user_agent: str = USER_AGENT,
    journal: Journal | None = None,
) -> Iterator[Found]:
    """Papers of a category or search through the arxiv client, newest first: abstract, comment and authors.

    Links are the URLs written in comment, abstract and PDF. The licence of a paper is not in the feed. Against the
    real site the client waits 3 seconds between requests, as arXiv asks; PDFs come at the pace of its robots.txt.

    Args:
        api: address of the query interface.
        query: in arXiv's search language.
        hosts, limit: as elsewhere.
        pdf_pages: most pages of a paper's PDF to read, 0 for the abstract alone. A PDF that cannot be read is a
            `Found` of its own, with the reason; the paper is kept with its abstract.
        user_agent: who asks.
        journal: what an earlier crawl brought; None for none. Papers that were submitted meanwhile move the others
            down: a paper may then come twice, and is dropped as a duplicate, but none is left out.
    """
    local = urlsplit(api).netloc in hosts
    journal = journal or Journal()
    papers = _papers(_client(reach(api, hosts), min(FEED, limit), local, user_agent), api, query, limit, journal)
    if not pdf_pages:
        yield from (found for found, _ in papers)
        return
    pause = 0.0 if local else PAUSE
    with Fetcher(hosts, user_agent, delay=pause, max_bytes=PDF_BYTES, timeout=30.0, accept_pdf=True) as fetcher:
        for found, url in papers:
            yield from _with_pdf(found, url, fetcher, pdf_pages, journal) if url and not found.reason else [found]


def _client(address: str, size: int, local: bool, user_agent: str) -> Any:
    """The client, pointed at `address`; its requests say who asks, not only by which program."""
    import arxiv
    import requests

    class Named(requests.Session):
        """A session that puts our name before the client's."""

        def request(self, *what: Any, **options: Any) -> requests.Response:
            headers = {name.lower(): value for name, value in (options.pop("headers", None) or {}).items()}
            headers["user-agent"] = f"{user_agent} {headers.get('user-agent', '')}".strip()
            return super().request(*what, headers=headers, **options)

    client = arxiv.Client(page_size=size, delay_seconds=0 if local else PAUSE)
    client.query_url_format = address + "?{}"
    client._session = Named()
    return client


def _papers(client: Any, api: str, query: str, limit: int, journal: Journal) -> Iterator[tuple[Found, str]]:
    """The papers with the addresses of their PDFs; a feed that keeps failing ends them with a reason."""
    import arxiv

    feed = _Feed(client, arxiv.Search(query, max_results=limit, sort_by=arxiv.SortCriterion.SubmittedDate))
    done = 0
    while done < limit:
        size = min(FEED, limit - done)
        try:
            rows, day = journal.once(("feed", api, query, done, size), lambda at=done, n=size: feed.rows(at, n))
        except (arxiv.ArxivError, OSError) as error:  # an error of requests is an OSError
            yield Found(api, "arxiv", Cleaned("", ""), f"error: {type(error).__name__}", "api"), ""
            return
        yield from ((row_found(found, day), url) for found, url in rows)
        done += len(rows)
        if len(rows) < size:
            break
    if not done:
        yield Found(api, "arxiv", Cleaned("", ""), "nothing found", "api"), ""


class _Feed:
    """The papers of a search from any place on; where the last ones ended it goes on without asking again."""

    def __init__(self, client: Any, search: Any) -> None:
        self._client, self._search = client, search
        self._papers: Iterator[Any] = iter(())
        self._at = -1

    def rows(self, start: int, most: int) -> list[tuple[dict[str, Any], str]]:
        """Papers from the place `start` on, as plain data; raises what the client raised in its last try."""
        import arxiv

        for attempt in range(TRIES):
            try:
                if self._at != start or attempt:
                    self._papers = self._client.results(self._search, offset=start)
                papers = list(itertools.islice(self._papers, most))
            except (arxiv.ArxivError, OSError):
                if attempt == TRIES - 1:
                    raise
                time.sleep((10 * self._client.delay_seconds or 0.05) * 2**attempt)  # the client tries without a pause
                continue
            self._at = start + len(papers)
            return [(found_row(_paper(p)), p.pdf_url or "") for p in papers]
        raise AssertionError("not reached: the last try returns or raises")


def _paper(paper: Any) -> Found:
    """One paper of the feed."""
    links = [canonical(u) for u in urls_in(f"{paper.comment or ''} {paper.summary}")]
    comment = re.sub(r"(?:\w+:\s*)?https?://\S+", "", paper.comment or "").strip(" ,;")
    authors = ", ".join(author.name for author in paper.authors)
    text = tidy("\n".join([paper.summary, comment, f"Authors: {authors}" if authors else ""]))
    title = " ".join(paper.title.split())
    page = Cleaned(title, text, tuple(dict.fromkeys(links)), "", f"{paper.published:%Y-%m-%d}", language=guess(text))
    reason = block_reason(title, paper.summary)
    return Found(canonical(paper.entry_id), "arxiv", page, reason, "api")


def _with_pdf(found: Found, url: str, fetcher: Fetcher, pages: int, journal: Journal) -> Iterator[Found]:
    """The paper with the text of its PDF behind the abstract; without one the paper and the reason."""
    work = lambda: _read_pdf(url, fetcher, pages)  # noqa: E731
    said, day = journal.once(("pdf", url, pages), work, lasts=lambda answer: not answer["passes"])
    if said["reason"]:
        yield found
        yield Found(url, "arxiv", Cleaned(found.page.title, ""), said["reason"], said["robots"], url, day)
        return
    links = [canonical(u) for u in urls_in(said["text"])]
    text = f"{found.page.text}\n{said['text']}"
    page = replace(found.page, text=text, links=tuple(dict.fromkeys([*found.page.links, *links])))
    yield replace(found, page=page)


def _read_pdf(url: str, fetcher: Fetcher, pages: int) -> dict[str, Any]:
    """The text of a PDF, or the reason why it has none and whether that may pass."""
    got = fetcher.get(url)
    read = pdf_text(got.body, pages) if not got.error else None
    said = {"text": read.text if read else "", "reason": read.reason if read else got.error, "robots": got.robots}
    return said | {"passes": passes(got) or got.robots == "unreachable"}
