"""Papers through the arxiv client: feeds, PDFs on request, the pace of the real site, and what fails."""

from dataclasses import replace

import arxiv
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from pocketweb import serve, world
from webdancer import sources_arxiv
from webdancer.sources_arxiv import arxiv_papers
from webdancer.web.journal import Journal

API = "http://arxiv.pocket.test/api/query"
PAPERS = {e.title for e in world.build(3, 200).entities if e.type == "paper"}


@pytest.fixture(scope="module")
def net():
    with serve.start([world.build(3, 200)], endpoint=False) as running:
        yield running


def test_without_pdfs_one_request_a_hundred_papers(net):
    before = len(net.log)
    found = list(arxiv_papers(API, "cat:cs.LG", net.hosts, 1000))
    assert {f.page.title for f in found} == PAPERS and "en" in {f.page.language for f in found}
    assert [path.partition("?")[0] for _, path in net.log[before:]] == ["/api/query"]


def test_papers_come_with_the_links_of_their_comments_and_a_limit_counts(net):
    found = list(arxiv_papers(API, "cat:cs.LG", net.hosts, 1000))
    assert all(f.page.links and "http" not in f.page.text and f.page.date for f in found)
    assert all("\nAuthors: " in f.page.text for f in found)
    assert list(arxiv_papers(API, "cat:cs.LG", net.hosts, 3)) == found[:3]


def test_feeds_of_any_size_give_the_same_papers(net, monkeypatch):
    found = list(arxiv_papers(API, "cat:cs.LG", net.hosts, 1000))
    for size in (1, 4, len(found)):  # at the last the end falls together with the end of a feed
        monkeypatch.setattr(sources_arxiv, "FEED", size)
        before = len(net.log)
        assert list(arxiv_papers(API, "cat:cs.LG", net.hosts, 1000)) == found
        assert len(net.log) - before == -(-len(found) // size)
    monkeypatch.setattr(sources_arxiv, "FEED", 4)
    assert list(arxiv_papers(API, "cat:cs.LG", net.hosts, 6)) == found[:6]


def test_what_is_in_the_journal_is_not_asked_for_again(net, monkeypatch, tmp_path):
    monkeypatch.setattr(sources_arxiv, "FEED", 4)
    options = {"limit": 12, "pdf_pages": 2}
    with Journal(tmp_path / "arxiv.sqlite", "2026-01-02") as journal:
        walk = arxiv_papers(API, "cat:cs.LG", net.hosts, journal=journal, **options)
        some = [next(walk) for _ in range(6)]
        walk.close()
    before = len(net.log)
    with Journal(tmp_path / "arxiv.sqlite", "2026-01-05") as journal:
        found = list(arxiv_papers(API, "cat:cs.LG", net.hosts, journal=journal, **options))
    asked = [path for _, path in net.log[before:]]
    assert len([p for p in asked if "/api/query" in p]) == 1 and len(asked) == len(set(asked))
    plain = list(arxiv_papers(API, "cat:cs.LG", net.hosts, **options))
    assert [replace(f, day="") for f in found] == plain and found[:6] == some
    assert {f.day for f in found} == {"2026-01-02", "2026-01-05"}


def test_faults_that_pass_lose_no_paper(net):
    faults = {"429": 0.1, "500": 0.1, "truncated": 0.1, "retry_after": 0, "failing": 1}
    with serve.start([world.build(3, 200)], endpoint=False, faults=faults) as faulty:
        got = list(arxiv_papers(API, "cat:cs.LG", faulty.hosts, 50))
    assert got == list(arxiv_papers(API, "cat:cs.LG", net.hosts, 50))


def test_a_site_that_is_down_is_a_reason_and_no_answer(tmp_path):
    with Journal(tmp_path / "arxiv.sqlite") as journal:
        down = {"arxiv.pocket.test": "http://127.0.0.1:9"}
        (found,) = arxiv_papers(API, "cat:cs.LG", down, 5, journal=journal)
        assert found.reason == "error: ConnectionError" and journal.names() == []


def test_with_pdfs_the_text_follows_the_abstract_and_failures_are_told(net):
    plain = {f.url: f.page for f in arxiv_papers(API, "cat:cs.LG", net.hosts, 1000)}
    found = list(arxiv_papers(API, "cat:cs.LG", net.hosts, 1000, pdf_pages=9))
    papers = {f.url: f.page for f in found if not f.reason}
    assert papers.keys() == plain.keys()  # a paper is kept even if its PDF cannot be read
    whole = [u for u, page in papers.items() if page != plain[u]]
    assert all(papers[u].text.startswith(f"{plain[u].text}\n{plain[u].title} ") for u in whole)
    assert all("\n2 Measurements\nEverything was measured three times," in papers[u].text for u in whole)
    assert all(set(plain[u].links) <= set(papers[u].links) for u in whole)
    lost = [f for f in found if f.reason]
    assert len(whole) + len(lost) == len(plain) and len(whole) > len(lost)
    assert {f.reason for f in lost} <= {"status 404", "pdf: broken (PdfStreamError)"}
    assert all("/pdf/" in f.url and f.source == "arxiv" for f in lost)


def test_pdfs_go_through_robots_and_faults(net):
    assert ("arxiv.pocket.test", "/robots.txt") in net.log
    faults = {"429": 0.2, "500": 0.2, "truncated": 0.2, "retry_after": 0, "failing": 1}
    with serve.start([world.build(3, 200)], endpoint=False, faults=faults) as faulty:
        got = list(arxiv_papers(API, "cat:cs.LG", faulty.hosts, 9, pdf_pages=9))
    assert got == list(arxiv_papers(API, "cat:cs.LG", net.hosts, 9, pdf_pages=9))


def test_nothing_found_is_said(net):
    (found,) = arxiv_papers(API, "ti:nothing", net.hosts, 5)
    assert (found.reason, found.url) == ("nothing found", API)


class Client:
    """The arxiv client, without a network."""

    made: list["Client"] = []

    def __init__(self, page_size: int, delay_seconds: float) -> None:
        self.page_size, self.delay_seconds = page_size, delay_seconds
        Client.made.append(self)

    def results(self, search, offset):
        raise arxiv.HTTPError("https://export.arxiv.org/api/query", 3, 503)


def test_the_real_site_is_given_three_seconds_and_after_a_failure_half_a_minute(monkeypatch):
    slept = []
    monkeypatch.setattr(arxiv, "Client", Client)
    monkeypatch.setattr(sources_arxiv.time, "sleep", slept.append)
    (found,) = arxiv_papers("https://export.arxiv.org/api/query", "cat:cs.IR", {}, 250)
    assert found.reason == "error: HTTPError"
    assert (Client.made[-1].delay_seconds, Client.made[-1].page_size) == (3.0, 100)
    assert Client.made[-1].query_url_format == "https://export.arxiv.org/api/query?{}"
    assert slept == [30.0, 60.0]


def test_the_feed_is_asked_for_with_a_contact():
    agents = []

    async def feed(request):
        agents.append(request.headers["user-agent"])
        return Response("<feed xmlns='http://www.w3.org/2005/Atom'></feed>", media_type="application/atom+xml")

    net = serve.Net()
    base = serve._serve(net, Starlette(routes=[Route("/api/query", feed)]), 0, "critical")
    try:
        list(arxiv_papers(API, "x", {"arxiv.pocket.test": base}, 5, user_agent="tester (mail@example.org)"))
    finally:
        net.close()
    assert agents and all(agent.startswith("tester (mail@example.org) arxiv.py/") for agent in agents)
