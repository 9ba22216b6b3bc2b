"""arXiv: papers of a search through the arxiv client, and on request the text of their PDFs.

Part of 01_crawl. In: the address of the query interface and a search. Out: an iterator of `Found`. Departures from the
paper: it names arXiv as an example of its roots and does not say whether it read abstracts or whole papers; here the
abstract is always read and the PDF (`arxiv_pdf` pages of it) if asked.
"""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from webdancer.crawl_walk import TRIES, Found, reach
from webdancer.web.fetch import USER_AGENT, Fetcher
from webdancer.web.language import guess
from webdancer.web.pdf import pdf_text
from webdancer.web.text import Cleaned, block_reason, canonical, tidy, urls_in

PAUSE = 3.0  # seconds between requests that arXiv's terms of use ask for
PDF_BYTES = 25_000_000  # of one paper


def arxiv_papers(
    api: str, query: str, hosts: Mapping[str, str], limit: int, *, pdf_pages: int = 0, user_agent: str = USER_AGENT
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
        user_agent: who asks for the PDFs (the client names itself in its own requests).
    """
    local = urlsplit(api).netloc in hosts
    papers = _papers(api, query, hosts, limit, local)
    if not pdf_pages:
        yield from (found for found, _ in papers)
        return
    pause = 0.0 if local else PAUSE
    with Fetcher(hosts, user_agent, delay=pause, max_bytes=PDF_BYTES, timeout=30.0, accept_pdf=True) as fetcher:
        for found, url in papers:
            yield from _with_pdf(found, url, fetcher, pdf_pages) if url and not found.reason else [found]


def _papers(api: str, query: str, hosts: Mapping[str, str], limit: int, local: bool) -> Iterator[tuple[Found, str]]:
    """The papers with the addresses of their PDFs; a feed that keeps failing ends them with a reason."""
    import arxiv

    client = arxiv.Client(page_size=min(100, limit), delay_seconds=0 if local else PAUSE)
    client.query_url_format = reach(api, hosts) + "?{}"
    search = arxiv.Search(query, max_results=limit, sort_by=arxiv.SortCriterion.SubmittedDate)
    done = 0
    for attempt in range(TRIES):
        try:
            for paper in client.results(search, offset=done):
                done += 1
                yield _paper(paper), paper.pdf_url or ""
            if not done:
                yield Found(api, "arxiv", Cleaned("", ""), "nothing found", "api"), ""
            return
        except (arxiv.ArxivError, OSError) as error:  # an error of requests is an OSError
            if attempt == TRIES - 1:
                yield Found(api, "arxiv", Cleaned("", ""), f"error: {type(error).__name__}", "api"), ""
            else:
                time.sleep(0.05 if local else 10 * PAUSE * 2**attempt)  # the client itself tries on without a pause


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


def _with_pdf(found: Found, url: str, fetcher: Fetcher, pages: int) -> Iterator[Found]:
    """The paper with the text of its PDF behind the abstract; without one the paper and the reason."""
    got = fetcher.get(url)
    read = pdf_text(got.body, pages) if not got.error else None
    reason = got.error if read is None else read.reason
    if reason:
        yield found
        yield Found(url, "arxiv", Cleaned(found.page.title, ""), reason, got.robots, url)
        return
    links = [canonical(u) for u in urls_in(read.text)]
    text = f"{found.page.text}\n{read.text}"
    page = replace(found.page, text=text, links=tuple(dict.fromkeys([*found.page.links, *links])))
    yield replace(found, page=page)
