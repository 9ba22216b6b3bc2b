"""The snapshot service: the very texts of `Tools`, from several processes that share one index; nothing breaks it."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hostile_inputs import ARGUMENTS, TEXTS, harmless
from serving import Running, service

from webdancer.core.schema import Page, write_jsonl
from webdancer.scale.client import MAX_BODY, TOO_LONG, Client
from webdancer.scale.service import MAX_CALLS, main
from webdancer.web.search import SearchIndex
from webdancer.web.tools import Tools

WORDS = "tea lake orlen ford mayor tal veron kestin born 1901 chemist rain 上海 大学 café".split()
LINUX = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads /proc, which this system does not have")


def made(count: int) -> list[Page]:
    """Pages of words drawn by chance, and some written by strangers."""
    draw = random.Random(0)
    texts = [". ".join(" ".join(draw.choices(WORDS, k=8)).capitalize() for _ in range(5)) for _ in range(count)]
    pages = [Page(f"http://a.test/{n}", f"{text[:12]} {n}", text, date="2040-01-02") for n, text in enumerate(texts)]
    hostile = [text.encode("utf-8", "replace").decode() for text in TEXTS]  # no file holds half a character
    return pages + [Page(f"http://b.test/{n}", text[:20], f"Rain. {text}") for n, text in enumerate(hostile)]


PAGES = made(80)
TOOLS = Tools(SearchIndex.build(PAGES), PAGES)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("service") / "pages.jsonl"
    write_jsonl(path, PAGES)
    return path


@pytest.fixture(scope="module")
def running(stored):
    with service(stored) as one:
        yield one


@pytest.fixture(scope="module")
def client(running):
    return Client(running.url)


def calls(count: int) -> list[tuple[str, dict]]:
    draw = random.Random(1)
    found = []
    for n in range(count):
        queries = [" ".join(draw.choices(WORDS, k=draw.randint(1, 6))) for _ in range(draw.randint(1, 5))]
        found.append(("search", {"query": queries if n % 3 else queries[0]}))
        urls = [draw.choice(PAGES).url if draw.random() < 0.8 else "http://nowhere.test/x" for _ in range(2)]
        found.append(("visit", {"url": urls if n % 3 else urls[0], "goal": queries[0]}))
    return found


def test_the_observations_are_those_of_the_tools(client):
    asked = calls(100)
    wanted = TOOLS.call_many(asked)
    assert client.call_many(asked) == wanted
    one_by_one = [
        client.search(a["query"]) if name == "search" else client.visit(a["url"], a["goal"]) for name, a in asked
    ]
    assert one_by_one == wanted and len(set(wanted)) > 150


def test_other_settings_give_other_observations_and_again_those_of_the_tools(stored):
    dials = {"results": 2, "snippet_words": 3, "max_queries": 1, "max_observation_chars": 90}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in dials.items()]
    plain = Tools(SearchIndex.build(PAGES, snippet_words=3), PAGES, **dials)
    with service(stored, "--workers", "1", "--index", str(stored.parent / "other"), *flags) as one:
        client = Client(one.url)
        assert client.about()["settings"] == dials
        assert client.call_many(calls(20)) == plain.call_many(calls(20))


def test_it_says_what_it_serves(client, running):
    assert client.about() == {
        "service": "webdancer snapshot",
        "pages": len(PAGES),
        "built_from": TOOLS.index.built_from,
        "settings": {"results": 10, "snippet_words": 40, "max_queries": 3, "max_observation_chars": 20_000},
    }
    assert running.said == f"{running.url} serves {len(PAGES)} pages with 2 workers\n"


def test_many_clients_at_once_get_what_each_asked_for(running):
    asked = calls(60)
    wanted = TOOLS.call_many(asked)

    def ask(shift: int) -> bool:
        client = Client(running.url)
        turned = asked[shift:] + asked[:shift]
        return [client.call_many([call])[0] for call in turned] == wanted[shift:] + wanted[:shift]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(0, 80, 10)))


@pytest.mark.parametrize("name, arguments", ARGUMENTS, ids=[f"call-{n}" for n in range(len(ARGUMENTS))])
def test_a_hostile_call_is_the_observation_of_the_tools(client, name, arguments):
    got = client.call_many([(name, arguments)])[0]
    harmless(got)
    try:
        plain = name if isinstance(name, str) else ""
        long = len(json.dumps([plain, arguments])) > MAX_BODY - 2
    except RecursionError:  # JSON cannot hold it
        assert got == f"Error: {name} failed (RecursionError). Try another call."
    else:
        assert got == (TOO_LONG if long else TOOLS.call_many([(name, arguments)])[0])


def test_markup_in_a_page_acts_no_more(client):
    for page in PAGES[80:]:
        harmless(client.visit(page.url, page.text[:100]))
        harmless(client.search(page.text[:200]))


REQUESTS = [
    ("GET", "/nowhere", b"", 404, "POST /search, /visit or /calls"),
    ("GET", "/search", b"", 405, "wanted POST"),
    ("DELETE", "/calls", b"", 405, "wanted POST"),
    ("POST", "/", b"{}", 405, "wanted GET"),
    ("POST", "/search/../calls", b"[]", 404, "there is no"),
    ("POST", "/search", b"", 400, "is not JSON"),
    ("POST", "/search", b"\x00\xff\xfe\x80 binary \x1f\x8b", 400, "is not JSON"),
    ("POST", "/search", b"[" * 100_000, 400, "is not JSON (RecursionError)"),
    ("POST", "/search", b'{"query": ' + b"9" * 10_000 + b"}", 400, "is not JSON"),
    ("POST", "/visit", b"x" * (MAX_BODY + 1), 413, "Make it shorter"),
    ("POST", "/calls", b'{"query": "tea"}', 400, "wanted a list of at most"),
    ("POST", "/calls", b'[["search"]]', 400, "pairs [name, arguments]"),
    ("POST", "/calls", json.dumps([["search", {"query": "tea"}]] * (MAX_CALLS + 1)).encode(), 400, "at most 64"),
    ("POST", "/search", b'["tea"]', 200, "Error: the call has no 'query'"),
    ("POST", "/search", b"NaN", 200, "Error: the call has no 'query'"),
    ("POST", "/calls", b'[[{"a": 1}, null]]', 200, "Error: there is no tool named"),
]


def raw(url: str, head: str, body: bytes = b"") -> tuple[int, str]:
    """Status and body of the answer to bytes as they are."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(f"{head}\r\nHost: x\r\nConnection: close\r\n".encode() + b"\r\n" + body)
        with connection.makefile("rb") as answer:
            text = answer.read()
    status, _, rest = text.partition(b"\r\n")
    return int(status.split()[1]), rest.partition(b"\r\n\r\n")[2].decode()


@pytest.mark.parametrize(
    "method, path, body, status, says", REQUESTS, ids=[f"request-{n}" for n in range(len(REQUESTS))]
)
def test_a_hostile_request_is_refused_with_a_sentence(running, client, method, path, body, status, says):
    got, text = raw(running.url, f"{method} {path} HTTP/1.1\r\nContent-Length: {len(body)}", body)
    assert (got, says in text) == (status, True), text[:200]
    assert client.search("tea") == TOOLS.call_many([("search", {"query": "tea"})])[0]


def test_a_body_that_hides_its_length_is_cut_off(running):
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    status, text = raw(running.url, "POST /search HTTP/1.1\r\nTransfer-Encoding: chunked", chunk * 6 + b"0\r\n\r\n")
    assert status == 413 and "Make it shorter" in text


@pytest.mark.parametrize("head", ["\x00\x01\x02", "HELLO", "POST /search HTTP/1.1\r\nContent-Length: -1"])
def test_what_is_not_http_gets_a_400(running, client, head):
    assert raw(running.url, head)[0] == 400
    assert client.about()["pages"] == len(PAGES)


@LINUX
def test_the_workers_map_one_index_and_none_builds_it_again(stored, running, client):
    client.call_many(calls(20))
    folder = stored.with_suffix(".index")
    written = (folder / "index.json").stat().st_mtime_ns
    assert len(running.workers()) == 2
    for worker in running.workers():
        maps = Path(f"/proc/{worker}/maps").read_text()
        mapped = {line.rsplit("/", 1)[-1] for line in maps.splitlines() if str(folder) in line}
        assert {"pages.jsonl", "data.csc.index.npy", "indices.csc.index.npy"} <= mapped
    with service(stored, "--workers", "1") as second:
        assert Client(second.url).about()["built_from"] == TOOLS.index.built_from
    assert (folder / "index.json").stat().st_mtime_ns == written


@LINUX
def test_a_killed_worker_is_replaced_and_the_client_sees_nothing_of_it(stored):
    with service(stored) as one:
        client, wanted = Client(one.url), TOOLS.call_many(calls(5))
        before = one.workers()
        for worker in before:
            assert client.call_many(calls(5)) == wanted
            os.kill(worker, signal.SIGKILL)
        assert client.call_many(calls(5)) == wanted
        assert len(one.workers()) == 2 and not set(before) & set(one.workers())


@LINUX
@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -9)])
def test_it_ends_with_its_workers_and_frees_the_port(stored, number, code):
    one = Running(stored)
    Client(one.url).search("tea")  # leaves an idle connection open
    workers = one.workers()
    assert one.stop(number) == code
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{w}").exists() for w in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{w}").exists() for w in workers)
    with service(stored, "--port", one.url.rpartition(":")[2]) as again:
        assert again.url == one.url


def test_a_port_in_use_a_missing_file_and_bad_pages_are_told(stored, running, tmp_path, capsys):
    bad, other = tmp_path / "bad.jsonl", tmp_path / "other"
    bad.write_text('{"url": "http://a.test"}\n')
    other.mkdir()
    (other / "mine.txt").write_text("x")
    port = running.url.rpartition(":")[2]
    cases = [
        (["--pages", str(stored), "--port", port], f"cannot listen on port {port}.*choose another with --port"),
        (["--pages", str(stored), "--port", "70000"], "cannot listen on port 70000"),
        (["--pages", str(tmp_path / "no.jsonl"), "--port", "0"], "there is no file.*01_crawl"),
        (["--pages", str(bad), "--port", "0"], "bad.jsonl, line 1: not a Page: missing"),
        (["--pages", str(stored), "--port", "0", "--index", str(other)], "other holds other files"),
        (["--pages", str(stored), "--port", "0", "--workers", "0"], "got 0 workers, wanted 1 or more"),
        (["--pages", str(stored), "--port", "0", "--results", "0"], "got a limit below 1"),
    ]
    for arguments, says in cases:
        assert main(arguments) == 1
        error = capsys.readouterr().err
        assert error.startswith("Error: ") and re.search(says, error), (error, says)


def test_help_names_every_flag():
    command = [sys.executable, "-m", "webdancer.scale.service", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert all(flag in text for flag in ("--pages", "--index", "--port", "--workers", "--results", "--snippet-words"))
