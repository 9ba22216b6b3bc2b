"""Hostile inputs and what must happen: the tools are called by a model, and pages are written by strangers.

Each table is a list of (what comes in, what must come out), run through the real Fetcher and Tools with a server on
loopback. A recorder in the place of the operating system's connect sees every address that would have been asked.
"""

import asyncio
import socket
import threading
import time

import httpcore
import pytest
from hostile_inputs import (
    ADDRESSES,
    ARGUMENTS,
    BODIES,
    BODY,
    MARKUP,
    NAMES,
    PARTS,
    PUBLIC,
    TARGETS,
    TEXTS,
    URLS,
    Site,
    harmless,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webdancer.agent.llm import Reply
from webdancer.agent.summarise import summariser
from webdancer.core import protocol
from webdancer.core.schema import Page
from webdancer.web.download import AsyncFetcher
from webdancer.web.fetch import Fetched, Fetcher
from webdancer.web.frozen import Frozen
from webdancer.web.guard import is_public
from webdancer.web.search import SearchIndex
from webdancer.web.tools import Tools


@pytest.fixture(scope="module")
def running():
    site = Site()
    threading.Thread(target=site.serve_forever, args=(0.01,), daemon=True).start()
    yield site
    site.shutdown()
    site.server_close()


@pytest.fixture
def site(running):
    running.raw.clear()
    running.asked.clear()
    running.pause = 0.0
    return running


@pytest.fixture
def connected(site, monkeypatch):
    """Addresses to which a connection was tried, our own server's left out; only that one is reached."""
    tried: list[str] = []
    real = socket.create_connection

    def connect(address, *args, **options):
        if address[:2] == site.server_address[:2]:
            return real(address, *args, **options)
        tried.append(address[0])
        raise ConnectionRefusedError("no network in a test")

    def resolve(host, port, *args, **options):
        if host in NAMES:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in NAMES[host]]
        return real_resolve(host, port, flags=socket.AI_NUMERICHOST, **options)  # no name of a stranger is looked up

    real_resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return tried


def fetcher(site, **options) -> Fetcher:
    settings_ = {"retries": 0, "delay": 0.0, "respect_robots": False} | options
    return Fetcher({"a.test": site.base}, **settings_)


@pytest.fixture
def plain(site):
    with fetcher(site) as one:
        yield one


@pytest.mark.parametrize("url, says", URLS, ids=[f"url-{n}" for n in range(len(URLS))])
def test_a_hostile_url_asks_nobody_and_is_an_observation(site, connected, url, says):
    with fetcher(site) as plain, fetcher(site, respect_robots=True) as polite:
        got = plain.get(url)
        assert says in got.error and got.error and not got.text
        assert polite.get(url).error
        tools = Tools(SearchIndex.build([Page("http://a.test/tea", "Tea", "Tea.")]), [], reader=plain)
        observation = tools.call_many([("visit", {"url": [url], "goal": "all of it"})])[0]
    assert observation.startswith("Error: ")
    harmless(observation)
    assert connected == [] and site.asked == []


def test_the_crawler_is_as_careful(site, connected, monkeypatch):
    async def connect(self, host, port, *args, **options):
        connected.append(host)
        raise httpcore.ConnectError("no network in a test")

    async def ask() -> list[str]:
        async with AsyncFetcher({"a.test": site.base}) as crawler:
            return [(await crawler.hop(url)).got.error for url, _ in URLS]

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    assert all(error.startswith("refused") for error in asyncio.run(ask()))
    assert connected == [] and site.asked == []


def test_a_public_address_is_asked_and_only_that(site, connected):
    with fetcher(site) as plain:
        assert plain.get("http://public.org/").error == "connection: ConnectError"
    assert connected == [PUBLIC]


@pytest.mark.parametrize("target, says", TARGETS, ids=[f"redirect-{n}" for n in range(len(TARGETS))])
def test_a_redirect_leads_nowhere_hostile(site, connected, target, says):
    site.put("/here", "", "302 Found", location=target)
    with fetcher(site) as plain:
        got = plain.get("http://a.test/here")
    assert says in got.error and got.error and not got.text
    assert connected == [] and site.asked == ["/here"]


def test_every_hop_of_a_chain_is_checked(site, connected):
    site.put("/1", "", "301 Moved", location="/2")
    site.put("/2", "", "307 Moved", location="http://a.test/3")
    site.put("/3", "", "302 Found", location="http://loop.org/secret")
    for n in range(9):
        site.put(f"/c{n}", "", "302 Found", location=f"/c{n + 1}")
    with fetcher(site) as plain:
        assert plain.get("http://a.test/1").error.startswith("refused")
        assert plain.get("http://a.test/c0").error == "too many redirects"
    assert connected == [] and site.asked[:3] == ["/1", "/2", "/3"] and "/c6" not in site.asked


@pytest.mark.parametrize("what, body, headers, says", BODIES, ids=[row[0] for row in BODIES])
def test_a_hostile_body_is_a_value(site, what, body, headers, says):
    site.put("/x", body, **headers)
    with fetcher(site, max_bytes=100_000) as plain:
        got = plain.get("http://a.test/x")
    assert says in got.error and len(got.text) <= 100_000


@pytest.mark.parametrize(
    "name",
    ["idna", "punycode", "undefined", "unicode_escape", "utf-7", "hex", "base64", "rot13", "zlib", "x" * 99, "mbcs"],
)
def test_a_hostile_charset_is_read_somehow_and_soon(site, name):
    site.put("/x", b"caf\xc3\xa9 " * 20_000, content_type=f"text/html; charset={name}")
    with fetcher(site) as plain:
        started = time.monotonic()
        got = plain.get("http://a.test/x")
    assert isinstance(got.text, str) and got.status == 200 and time.monotonic() - started < 2


def test_a_codec_that_takes_forever_is_not_used(site, plain):
    site.put("/x", b"a" * 1_900_000, content_type="text/html; charset=-PunyCode")
    started = time.monotonic()
    assert len(plain.get("http://a.test/x").text) == 1_900_000 and time.monotonic() - started < 2


@pytest.mark.parametrize(
    "value",
    ["-1", "1e9", "9" * 400, "²", "nan", "Mon, 01 Jan 0001 00:00:00 -0000", "Mon, 99 Foo 2999 99:99:99 GMT", "\xff"],
)
def test_a_hostile_retry_after_delays_nobody(site, value):
    site.put("/x", "busy", "503 Busy", retry_after=value)
    with fetcher(site, retries=1, max_wait=0.01) as plain:
        started = time.monotonic()
        assert plain.get("http://a.test/x").error == "status 503"
    assert time.monotonic() - started < 2


def test_a_server_that_drips_is_left(site):
    site.put("/body", b"x" * 2000)
    head, _, body = site.raw["/body"][0].partition(b"\r\n\r\n")
    site.raw["/body"] = [head + b"\r\n\r\n", *(body[i : i + 1] for i in range(len(body)))]
    site.pause = 0.02
    with fetcher(site, timeout=0.15) as plain:
        started = time.monotonic()
        assert "slower than" in plain.get("http://a.test/body").error
    assert time.monotonic() - started < 3


def test_a_server_that_drips_its_headers_is_left(site):
    site.raw["/x"] = [b"HTTP/1.1 200 OK\r\n", *[b"x: y\r\n"] * 500]
    site.pause = 0.02
    with fetcher(site, timeout=0.1) as plain:
        started = time.monotonic()
        assert plain.get("http://a.test/x").error == "connection: ReadTimeout"
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("markup", MARKUP, ids=[f"markup-{n}" for n in range(len(MARKUP))])
def test_a_page_made_to_break_the_parser_is_an_observation_and_soon(site, markup):
    kind = "application/pdf" if markup.startswith("%PDF") else "text/html; charset=utf-8"
    site.put("/x", f"<html><body><main>{markup}" if "html" in kind else markup, content_type=kind)
    index = SearchIndex.build([Page("http://b.test/", "Tea", "Tea.")])
    with fetcher(site, accept_pdf=True) as plain:
        started = time.monotonic()
        observation = Tools(index, [], reader=plain).call_many(
            [("visit", {"url": ["http://a.test/x"], "goal": "tea"})]
        )[0]
    assert time.monotonic() - started < 5
    harmless(observation)


def test_hostile_robots_files(site):
    for text in (
        "\x00" * 500,
        "User-agent: *\nDisallow: " + "/*" * 2000,
        "Disallow: /\n" * 2000,
        "\xff\xfe=\xd8",
    ):
        site.put("/robots.txt", text)
        site.put("/x", BODY)
        with fetcher(site, respect_robots=True) as polite:
            started = time.monotonic()
            assert isinstance(polite.get("http://a.test/x"), Fetched)
        assert time.monotonic() - started < 2


def observe(page: Page, calls: list[tuple[str, dict]], **options) -> list[str]:
    return Tools(SearchIndex.build([page]), [page], **options).call_many(calls)


def everywhere(text: str) -> list[str]:
    """Observations with the text in each place that a stranger writes."""
    page = Page("http://a.test/tea", f"Tea {text}", f"Tea. {text} Tea is hot.", date=text[:60])
    url = Page(f"http://a.test/tea?{text[:3000]}", "Tea", "Tea is hot.")
    search, visit = ("search", {"query": ["tea"]}), ("visit", {"url": [page.url], "goal": "tea"})
    found = observe(
        page, [search, visit, ("search", {"query": [f"tea {text}"]}), (visit[0], visit[1] | {"goal": text})]
    )
    found += observe(url, [search, ("visit", {"url": [url.url], "goal": "tea"})])

    async def told(page_text: str, goal: str) -> tuple[str, str]:
        return text, text

    return found + observe(page, [visit], summarise=told)


@pytest.mark.parametrize("text", TEXTS, ids=[f"text-{n}" for n in range(len(TEXTS))])
def test_page_text_is_data_wherever_it_stands(text):
    for observation in everywhere(text):
        harmless(observation)


@pytest.mark.parametrize("text", TEXTS, ids=[f"reply-{n}" for n in range(len(TEXTS))])
def test_a_summariser_that_repeats_the_page_fakes_no_call(text):
    class Parrot:
        async def chat(self, messages, **options) -> Reply:
            return Reply(text, "", 0, 0)

    page = Page("http://a.test/tea", "Tea", text + " Tea is hot.")
    for observation in observe(page, [("visit", {"url": [page.url], "goal": "tea"})], summarise=summariser(Parrot())):
        harmless(observation)


@pytest.mark.parametrize("text", TEXTS, ids=[f"live-{n}" for n in range(len(TEXTS))])
def test_a_live_page_fakes_no_call_and_is_replayed(site, tmp_path, text):
    body = f"<html><title>Tea {text}</title><body><main>{BODY[39:-14]}<p>{text}</p></main></body></html>"
    site.put("/tea", body.encode("utf-8", "replace"), content_type="text/html; charset=utf-8")
    index = SearchIndex.build([Page("http://b.test/", "Tea", "Tea.")])
    call = ("visit", {"url": ["http://a.test/tea"], "goal": "many people"})
    with fetcher(site) as plain, Frozen(tmp_path / "web.sqlite", plain) as frozen:
        first = Tools(index, [], reader=frozen).call_many([call])[0]
    harmless(first)
    with Frozen(tmp_path / "web.sqlite") as frozen:
        assert Tools(index, [], reader=frozen).call_many([call])[0] == first
    assert site.asked == ["/tea"]


@pytest.mark.parametrize("name, arguments", ARGUMENTS, ids=[f"call-{n}" for n in range(len(ARGUMENTS))])
def test_a_hostile_call_is_an_observation(name, arguments):
    started = time.monotonic()
    page = Page("http://a.test/tea", "Tea", "Tea is hot.")
    for observation in observe(page, [(name, arguments)]):
        harmless(observation)
    assert time.monotonic() - started < 5


def test_no_token_of_an_observation_acts():
    from webdancer.agent import tokens

    tokenizer = tokens.train_tokenizer(["Tea is hot."] * 2, size=600)
    special = set(tokenizer.all_special_ids) | {tokenizer.convert_tokens_to_ids(f"<|{role}|>") for role in tokens.ROLES}
    end, call = (tokens.encode(tokenizer, piece) for piece in ("\n</tool_response>", '"}}\n</tool_call>'))
    assert len(end) == len(call) == 1 and None not in special
    for text in TEXTS:
        for observation in everywhere(text):
            ids = tokens.encode(tokenizer, protocol.render_response(observation))
            assert ids.count(end[0]) == 1 and ids[-1] == end[0] and call[0] not in ids and not special & set(ids)


def test_deep_json_in_a_turn_is_malformed_and_no_crash():
    for inside in (
        "[" * 100_000,
        '{"name": "search", "arguments": ' + '{"a":' * 50_000,
        '{"name": "x", "arguments": 1}',
    ):
        with pytest.raises(protocol.ProtocolError):
            protocol.parse_turn(f"<think>\nx\n</think>\n<tool_call>\n{inside}\n</tool_call>")


@settings(max_examples=60, deadline=None)
@given(st.lists(PARTS | st.text(max_size=5), max_size=14).map("".join))
def test_no_observation_ever_yields_a_call(text):
    for observation in everywhere(text):
        harmless(observation)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(ADDRESSES, st.text(max_size=30)), st.ip_addresses())
def test_no_request_ever_leaves_to_an_address_that_is_not_public(connected, plain, url, resolved):
    connected.clear()
    NAMES["drawn.org"] = [str(resolved)]
    for address in (url, "http://drawn.org/"):
        assert isinstance(plain.get(address), Fetched)
    assert all(is_public(address) for address in connected)
    assert (str(resolved) in connected) == is_public(resolved) or str(resolved) in url


def test_a_call_inside_a_running_loop_is_as_harmless(site):
    async def notebook() -> list[str]:
        with fetcher(site) as plain:
            tools = Tools(SearchIndex.build([Page("http://a.test/tea", "Tea", "Tea.")]), [], reader=plain)
            return await asyncio.gather(*(tools.call("visit", {"url": [u], "goal": "x"}) for u, _ in URLS[:10]))

    for observation in asyncio.run(notebook()):
        assert observation.startswith("Error: ")
        harmless(observation)
