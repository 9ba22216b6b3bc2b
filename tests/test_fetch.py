"""The fetcher against a small real server on loopback: manners, guard, limits, retries."""

import http.server
import socket
import threading

import pytest

from webdancer.web import fetch
from webdancer.web.fetch import Fetched, Fetcher, public_address


class Server(http.server.ThreadingHTTPServer):
    """Answers from a table of paths; counts requests by path and remembers the Host headers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.table: dict[str, list[tuple[int, dict[str, str], bytes]]] = {}
        self.asked: list[str] = []
        self.names: list[str] = []
        self.base = f"http://127.0.0.1:{self.server_address[1]}"

    def put(self, path: str, *answers) -> None:
        """Answers for successive requests; the last one stays."""
        self.table[path] = [(a[0], a[1], a[2] if isinstance(a[2], bytes) else a[2].encode()) for a in answers]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.names.append(self.headers["host"])
        answers = self.server.table.get(self.path, [(404, {"content-type": "text/html"}, b"not here")])
        status, headers, body = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        for name, value in (
            {"content-type": "text/html; charset=utf-8", "content-length": str(len(body))} | headers
        ).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments) -> None:
        """Stay quiet."""


@pytest.fixture
def server():
    running = Server()
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def fetcher(server):
    with Fetcher({"a.test": server.base}, max_wait=0.01) as it:
        yield it


def ok(body: bytes | str, **headers: str) -> tuple:
    return 200, headers, body


def test_a_page_under_its_own_name(server, fetcher):
    server.put("/x", ok("<p>hello</p>"))
    assert fetcher.get("http://a.test/x#part") == Fetched(
        "http://a.test/x", 200, "text/html", "<p>hello</p>", "", "allowed"
    )
    assert server.names[-1] == "a.test"


def test_hosts_may_lead_to_a_folder(server):
    server.put("/wiki/x", ok("in the folder"))
    with Fetcher({"a.test": server.base + "/wiki/"}, respect_robots=False) as fetcher:
        assert fetcher.get("http://a.test/x").text == "in the folder"


PRIVATE = [
    "http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://0.0.0.0/", "http://10.0.0.7/", "http://192.168.1.1/",
    "http://169.254.169.254/latest", "http://[::ffff:127.0.0.1]/", "http://2130706433/", "http://224.0.0.1/", "http://[fe80::1]/",
]  # fmt: skip


@pytest.mark.parametrize("url", PRIVATE)
def test_private_addresses_are_refused(url):
    with Fetcher(respect_robots=False) as fetcher:
        got = fetcher.get(url)
    assert got.error.startswith("refused: ") and got.status == 0
    with Fetcher() as fetcher:
        assert fetcher.get(url).error  # robots.txt cannot be had there either


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://a.test/x", "gopher://a.test", "", "x", "http://", "http://a b/"]
)
def test_only_http_and_https(url):
    with Fetcher(respect_robots=False) as fetcher:
        got = fetcher.get(url)
    assert got.error and got.text == ""


def test_a_redirect_cannot_lead_past_the_guard(server, fetcher):
    server.put("/out", (302, {"location": f"{server.base}/secret"}, ""))
    server.put("/secret", ok("secret"))
    got = fetcher.get("http://a.test/out")
    assert got.text == "" and got.error
    assert "/secret" not in server.asked


def test_a_name_that_leads_to_a_private_address_is_refused(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: [(0, 0, 0, "", ("10.1.2.3", 80))])
    with pytest.raises(fetch.Refused, match="evil.test is not a public address: list it in `hosts`"):
        public_address("evil.test", 80)
    answers = [(0, 0, 0, "", ("93.184.216.34", 80)), (0, 0, 0, "", ("127.0.0.1", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: answers)
    with pytest.raises(fetch.Refused):
        public_address("half.test", 80)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: answers[:1])
    assert public_address("good.test", 80) == "93.184.216.34"


def test_redirects_are_followed_and_the_last_address_is_kept(server, fetcher):
    server.put("/old", (301, {"location": "/new"}, ""))
    server.put("/new", ok("here"))
    got = fetcher.get("http://a.test/old")
    assert (got.url, got.text, got.status) == ("http://a.test/new", "here", 200)


def test_redirect_loops_and_chains_end(server, fetcher):
    server.put("/a", (302, {"location": "/b"}, ""))
    server.put("/b", (302, {"location": "/a"}, ""))
    assert fetcher.get("http://a.test/a").error == "redirect loop"
    for i in range(9):
        server.put(f"/{i}", (302, {"location": f"/{i + 1}"}, ""))
    assert fetcher.get("http://a.test/0").error == "too many redirects"
    assert "/7" not in server.asked


def test_robots_txt_is_asked_once_and_obeyed(server, fetcher):
    server.put(
        "/robots.txt",
        ok("User-agent: *\nDisallow: /private/\nSitemap: http://a.test/map.xml", **{"content-type": "text/plain"}),
    )
    server.put("/x", ok("fine"))
    server.put("/private/y", ok("no"))
    server.put("/lead", (302, {"location": "/private/y"}, ""))
    assert fetcher.get("http://a.test/x").robots == "allowed"
    got = fetcher.get("http://a.test/private/y")
    assert (got.robots, got.error, got.text) == ("disallowed", "robots.txt: disallowed", "")
    assert fetcher.get("http://a.test/lead").error == "robots.txt: disallowed"
    assert "/private/y" not in server.asked and server.asked.count("/robots.txt") == 1
    assert fetcher.sitemaps("http://a.test/") == ["http://a.test/map.xml"]


def test_an_unreadable_robots_txt_is_a_no_and_a_missing_one_a_yes(server):
    server.put("/x", ok("fine"))
    with Fetcher({"a.test": server.base}, retries=1, max_wait=0) as fetcher:
        assert fetcher.get("http://a.test/x").text == "fine"
    server.put("/robots.txt", (500, {}, ""))
    with Fetcher({"a.test": server.base}, retries=1, max_wait=0) as fetcher:
        got = fetcher.get("http://a.test/x")
        assert (got.robots, got.error) == ("unreachable", "robots.txt: unreachable")
        assert fetcher.sitemaps("http://a.test/x") == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_trouble_that_passes_is_tried_again(server, fetcher, status):
    server.put("/x", (status, {"retry-after": "0"}, "busy"), (status, {}, "busy"), ok("there"))
    assert fetcher.get("http://a.test/x").text == "there"
    assert server.asked.count("/x") == 3


def test_trouble_that_stays_is_a_value(server, fetcher):
    server.put("/x", (500, {}, "broken"))
    got = fetcher.get("http://a.test/x")
    assert (got.status, got.error) == (500, "status 500")
    assert server.asked.count("/x") == 4  # once and three retries
    got = fetcher.get("http://a.test/none")
    assert (got.status, got.error) == (404, "status 404") and server.asked.count("/none") == 1


def test_a_page_that_has_not_changed_is_not_sent_again(server, fetcher):
    server.put("/x", ok("tea", etag='"1"', **{"last-modified": "then"}), (304, {}, ""))
    got = fetcher.get("http://a.test/x")
    assert (got.etag, got.modified, got.not_modified) == ('"1"', "then", False)
    again = fetcher.get("http://a.test/x", etag=got.etag, modified=got.modified)
    assert (again.status, again.not_modified, again.text, again.error) == (304, True, "", "")


def test_the_bytes_of_a_pdf_for_those_who_want_them(server, fetcher):
    server.put("/p", ok(b"%PDF-1.7", **{"content-type": "application/pdf"}))
    assert fetcher.get("http://a.test/p").error == "not text: application/pdf"
    with Fetcher({"a.test": server.base}, accept_pdf=True) as it:
        assert it.get("http://a.test/p").body == b"%PDF-1.7"


def test_half_a_page_is_asked_for_again(server, fetcher):
    server.put("/x", ok("<html><p>te<a hr"), ok("<html><p>tea</p></html>"))
    assert fetcher.get("http://a.test/x").text == "<html><p>tea</p></html>"
    server.put("/y", ok("<html><p>te<a hr"))
    assert fetcher.get("http://a.test/y").error == "" and server.asked.count("/y") == 4


def test_large_slow_and_foreign_bodies_are_given_up(server):
    server.put("/large", ok(b"x" * 5000))
    server.put("/film", ok(b"\x00\x01", **{"content-type": "video/mp4"}))
    with Fetcher({"a.test": server.base}, max_bytes=4999, respect_robots=False) as fetcher:
        assert fetcher.get("http://a.test/large").error == "larger than 4999 bytes"
        assert fetcher.get("http://a.test/film").error == "not text: video/mp4"
        fetcher.timeout = -1.0  # every answer is too slow now
        server.put("/slow", ok("x"))
        assert fetcher.get("http://a.test/slow").error.startswith("slower than")


def test_a_connection_that_breaks_is_a_value(server, fetcher):
    server.put("/cut", (200, {"content-length": "100"}, "only this"))
    assert fetcher.get("http://a.test/cut").error == "connection: RemoteProtocolError"
    with Fetcher({"b.test": "http://127.0.0.1:9"}, retries=0, respect_robots=False) as other:
        assert other.get("http://b.test/").error == "connection: ConnectError"


def test_charsets(server, fetcher):
    server.put("/latin", ok("é".encode("latin-1"), **{"content-type": "text/html; charset=iso-8859-1"}))
    server.put("/meta", ok('<meta charset="cp1252">€'.encode("cp1252"), **{"content-type": "text/html"}))
    server.put("/odd", ok(b"caf\xc3\xa9 \xff", **{"content-type": "text/html; charset=klingon"}))
    assert fetcher.get("http://a.test/latin").text == "é"
    assert fetcher.get("http://a.test/meta").text.endswith("€")
    assert fetcher.get("http://a.test/odd").text == "café \ufffd"


def test_a_pause_between_requests_to_a_real_host_and_none_to_a_listed_one(monkeypatch):
    slept: list[float] = []
    monkeypatch.setattr(fetch.time, "sleep", slept.append)
    with Fetcher({"a.test": "http://127.0.0.1:9"}, delay=2.0) as fetcher:
        for _ in range(3):
            fetcher._pause("http://b.test/x")
        assert [round(s) for s in slept] == [0, 2, 4]
        slept.clear()
        fetcher._pause("http://a.test/x")
        assert slept == []
