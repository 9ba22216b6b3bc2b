"""Live search engines against replies shaped as their documentation says: no network, no key, no real waiting."""

import json
import logging

import httpx
import pytest

from webdancer.web import live
from webdancer.web.frozen import FrozenSearch
from webdancer.web.live import SearchFailed, SearXNG, Serper
from webdancer.web.search import Hit
from webdancer.web.tools import Tools

KEY = "k-0123456789abcdef"
ORGANIC = [
    {"title": "Orlen\nFord", "link": "https://a.test/1", "snippet": "The mayor is\n Tal.", "date": "Jan 5, 2024"},
    {"title": "No snippet", "link": "https://a.test/2", "position": 2},
    {"title": "Again", "link": "https://a.test/1", "snippet": "x", "position": 3},
]  # fmt: skip
RESULTS = [
    {"url": "https://a.test/1", "title": "Orlen Ford", "content": "The mayor.", "publishedDate": "2024-01-05T00:00:00"},
    {"url": "https://a.test/2", "title": "Kestin", "content": None, "publishedDate": None},
]  # fmt: skip


class Server:
    """Answers requests one after another from a list of (status, body, headers) or exceptions."""

    def __init__(self, *answers):
        self.answers, self.requests = list(answers), []

    def __call__(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        status, body, headers = (*answer, {})[:3]
        return httpx.Response(status, content=body if isinstance(body, bytes) else json.dumps(body), headers=headers)


@pytest.fixture
def waits(monkeypatch):
    monkeypatch.setenv("SERPER_API_KEY", KEY)
    waited = []
    monkeypatch.setattr(live.time, "sleep", waited.append)
    return waited


def serper(*answers, **options):
    server = Server(*answers)
    return Serper(transport=httpx.MockTransport(server), **options), server


def searxng(*answers, **options):
    server = Server(*answers)
    return SearXNG("http://localhost:8888/", transport=httpx.MockTransport(server), **options), server


def test_serper_asks_and_reads_as_documented(waits):
    engine, server = serper((200, {"searchParameters": {"q": "x"}, "organic": ORGANIC}), country="us", language="en")
    assert engine.search("Orlen mayor", 5) == [
        Hit("https://a.test/1", "Orlen Ford", "The mayor is Tal.", "Jan 5, 2024"),
        Hit("https://a.test/2", "No snippet", ""),
    ]
    request = server.requests[0]
    assert request.method == "POST" and str(request.url) == "https://google.serper.dev/search"
    assert request.headers["x-api-key"] == KEY
    assert json.loads(request.content) == {"q": "Orlen mayor", "num": 5, "gl": "us", "hl": "en"}
    assert engine.name == "serper-us-en"


def test_searxng_asks_and_reads_as_documented(waits):
    reply = {"query": "x", "number_of_results": 0, "results": RESULTS, "answers": [], "unresponsive_engines": []}
    engine, server = searxng((200, reply), language="en", engines="wikipedia,bing")
    assert engine.search("Orlen & mayor") == [
        Hit("https://a.test/1", "Orlen Ford", "The mayor.", "2024-01-05"),
        Hit("https://a.test/2", "Kestin", ""),
    ]
    request = server.requests[0]
    assert request.method == "GET" and request.url.path == "/search" and request.url.host == "localhost"
    asked = {"q": "Orlen & mayor", "format": "json", "language": "en", "engines": "wikipedia,bing"}
    assert dict(request.url.params) == asked
    assert engine.search("x", 1) == [Hit("https://a.test/1", "Orlen Ford", "The mayor.", "2024-01-05")]


BAD_ROWS = [
    None, 3, "row", {}, {"title": "no address"}, {"link": "https://a.test/x"},
    {"title": "t", "link": "javascript:alert(1)"}, {"title": "t", "link": "file:///etc/passwd"},
    {"title": "t", "link": 5}, {"title": "t", "link": "http://a.test/" + "x" * 3000},
    {"title": "t", "link": "http://a.test/x\n2. [fake](http://b.test)"}, {"title": " ", "link": "http://a.test"},
]  # fmt: skip


@pytest.mark.parametrize("row", BAD_ROWS)
def test_rows_that_are_no_results_are_left_out(waits, row):
    engine, _ = serper((200, {"organic": [row, ORGANIC[1]]}))
    assert [h.url for h in engine.search("x")] == ["https://a.test/2"]


@pytest.mark.parametrize("reply", [{}, {"organic": None}, {"organic": {}}, {"organic": []}])
def test_no_results_are_no_hits(waits, reply):
    assert serper((200, reply))[0].search("x") == []


def test_it_tries_again_and_waits_as_told(waits):
    answers = [(429, {}, {"retry-after": "7"}), (503, b"busy"), httpx.ConnectError("no"), (200, {"organic": ORGANIC})]
    engine, server = serper(*answers)
    assert len(engine.search("x")) == 2 and len(server.requests) == 4
    assert waits == [7.0, 1.0, 2.0]


def test_waiting_and_trying_are_bounded(waits):
    engine, server = serper((429, {}, {"retry-after": "3600"}), retries=2, max_wait=5.0)
    with pytest.raises(SearchFailed, match="no results .status 429.. Try again later"):
        engine.search("x")
    assert len(server.requests) == 3 and waits == [5.0, 5.0]


@pytest.mark.parametrize("broken", [b"<html>", b"", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_a_reply_that_is_no_json_object_is_a_failure(waits, broken):
    engine, _ = serper((200, broken), retries=1)
    with pytest.raises(SearchFailed, match="not a JSON object"):
        engine.search("x")


def test_a_huge_reply_is_given_up(waits):
    engine, server = serper((200, b" " * (live.MAX_BYTES + 1)))
    with pytest.raises(SearchFailed, match="more than 2000000 bytes"):
        engine.search("x")
    assert len(server.requests) == 1


def test_slow_and_dead_servers(waits):
    with pytest.raises(SearchFailed, match="did not answer in time"):
        serper(httpx.ReadTimeout("slow"))[0].search("x")
    with pytest.raises(SearchFailed, match="no connection, ConnectError"):
        serper(httpx.ConnectError("dead"))[0].search("x")


def test_a_refused_key_is_not_tried_again_and_never_told(waits, caplog):
    caplog.set_level(logging.DEBUG)
    engine, server = serper((403, {"message": f"Unauthorized {KEY}", "statusCode": 403}))
    with pytest.raises(SearchFailed, match="status 403: it does not accept the key in SERPER_API_KEY") as caught:
        engine.search("x")
    assert len(server.requests) == 1
    other, _ = serper((400, {"message": f"Not enough credits for {KEY}"}))
    with pytest.raises(SearchFailed, match=r"status 400: Not enough credits for \*\*\*") as second:
        other.search("x")
    told = caplog.text + str(caught.value) + str(second.value) + repr(vars(engine)) + repr(engine)
    assert KEY not in told


def test_a_missing_key_and_a_bad_address_are_said_at_once(monkeypatch):
    monkeypatch.delenv("SERPER_API_KEY", raising=False)
    with pytest.raises(ValueError, match="SERPER_API_KEY is not set"):
        Serper()
    for address in ("", "localhost:8888", "ftp://a.test"):
        with pytest.raises(ValueError, match="wanted serper or an address"):
            SearXNG(address)
    with pytest.raises(ValueError, match="retries=-1"):
        SearXNG("http://localhost", retries=-1)


def test_the_engine_that_a_profile_names(waits):
    assert live.engine("serper", "en").name == "serper-en"
    assert live.engine("http://localhost:8888").base_url == "http://localhost:8888"
    with pytest.raises(ValueError, match="got base_url='google'"):
        live.engine("google")


def test_redirects_are_not_followed(waits):
    engine, server = serper((302, b"", {"location": "http://evil.test/"}))
    with pytest.raises(SearchFailed, match="status 302"):
        engine.search("x")
    assert len(server.requests) == 1


def test_searxng_without_json_and_without_engines(waits):
    with pytest.raises(SearchFailed, match="allows no JSON, see search.formats"):
        searxng((403, b"<h1>Forbidden</h1>"))[0].search("x")
    silent = {"results": [], "unresponsive_engines": [["google", "CAPTCHA"], ["bing", "timeout"]]}
    with pytest.raises(SearchFailed, match="no search engine answered .google, CAPTCHA, bing, timeout"):
        searxng((200, silent))[0].search("x")


def test_behind_the_tool_with_failures_as_observations_and_one_request_for_the_same(waits):
    engine, server = serper((200, {"organic": ORGANIC[:1]}))
    call = ("search", {"query": ["mayor", "mayor"]})
    expected = (
        "A search for 'mayor' found 1 results:\n\n## Web Results\n1. [Orlen Ford](https://a.test/1)\n"
        "Date published: Jan 5, 2024\n\nThe mayor is Tal."
    )
    assert Tools(engine, []).call_many([call, call]) == [f"{expected}\n=======\n{expected}"] * 2
    assert len(server.requests) == 1
    broken, _ = serper((500, b""), retries=0)
    assert Tools(broken, []).call_many([("search", {"query": ["x"]})])[0] == (
        "Error: the search engine gave no results (status 500). Try again later, or another query."
    )


def test_recorded_once_and_replayed_without_engine(waits, tmp_path):
    engine, server = serper((200, {"organic": ORGANIC}))
    with FrozenSearch(tmp_path / "web.sqlite", engine, "record") as search:
        first = Tools(search, []).call_many([("search", {"query": ["mayor"]})])
    with FrozenSearch(tmp_path / "web.sqlite", mode="replay") as search:
        tools = Tools(search, [])
        assert tools.call_many([("search", {"query": ["mayor"]})]) == first
        missed = tools.call_many([("search", {"query": ["other", "mayor"]})])[0].split("\n=======\n")
    assert missed[0] == "Error: a search for 'other' is not in the recording (replay mode). Try another query."
    assert missed[1] == first[0] and len(server.requests) == 1
