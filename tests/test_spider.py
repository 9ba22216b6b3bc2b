"""The crawler against small servers: order, limits, manners, faults, and being killed."""

import asyncio
import gzip
import http.server
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

from pocketweb import serve
from webdancer.web.host_queue import Manners
from webdancer.web.order import Limits
from webdancer.web.spider import Spider
from webdancer.web.store import Store

FAULTS = {"429": 0.1, "500": 0.05, "truncated": 0.02, "slow": 0.05, "redirect": 0.02, "retry_after": 1, "delay": 0.5}
SENTENCE = "There is a long story about {}, told by the people who live there and by those who came to see it."


class Site(http.server.ThreadingHTTPServer):
    """Sites by host name: `pages[host][path]` is a body, or (status, headers, body); `slow` hosts take seconds."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages: dict[str, dict[str, object]] = {}
        self.slow: dict[str, float] = {}
        self.log: list[tuple[str, str, float]] = []
        self.agents: set[str] = set()

    def hosts(self) -> dict[str, str]:
        return {host: f"http://127.0.0.1:{self.server_address[1]}" for host in self.pages}

    def asked(self, host: str) -> list[str]:
        return [path for name, path, _ in self.log if name == host and path != "/robots.txt"]

    def link(self, host: str, path: str, *links: str, etag: str = "") -> None:
        """A page with a story of its own and some links."""
        anchors = "".join(f'<p>See <a href="{link}">the next</a>.</p>' for link in links)
        body = f"<html><title>{path}</title><article><p>{SENTENCE.format(host + path)}</p>{anchors}</article></html>"
        self.pages.setdefault(host, {})[path] = (200, {"etag": etag} if etag else {}, body)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        host = self.headers["host"]
        self.server.agents.add(self.headers["user-agent"])
        self.server.log.append((host, self.path, time.monotonic()))
        time.sleep(self.server.slow.get(host, 0.0))
        answer = self.server.pages.get(host, {}).get(self.path, (404, {}, "none"))
        answer = answer.pop(0) if isinstance(answer, list) and len(answer) > 1 else answer
        status, headers, body = answer[0] if isinstance(answer, list) else answer
        if headers.get("etag") and self.headers["if-none-match"] == headers["etag"]:
            status, body = 304, ""
        data = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        for name, value in ({"content-type": "text/html", "content-length": str(len(data))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments) -> None:
        """Stay quiet."""


@pytest.fixture
def site():
    running = Site()
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "crawl.sqlite"


ALL, QUICK = Limits(), Manners(max_wait=0.05)


def crawl(path, roots, hosts, limits=ALL, manners=QUICK, **options):
    """Run a crawl; returns (address, reason) of every rank."""
    with Store(path) as store:
        asyncio.run(Spider(store, roots, hosts, limits, manners, **options).run())
        return [(doc.url, doc.reason) for _, _, doc in store.results()]


def kept(path):
    with Store(path) as store:
        return [doc.url for _, _, doc in store.results(kept=True)]


def test_breadth_first_whatever_answer_comes_first(site, path, tmp_path):
    site.link("a.test", "/", "/slow", "http://b.test/", "/1")
    site.link("a.test", "/slow", "/s1", "/s2")
    site.link("a.test", "/1", "/s2", "/11")
    site.link("b.test", "/", "/b1", "http://a.test/s1", "http://c.test/")
    for name in ("/s1", "/s2", "/11"):
        site.link("a.test", name)
    site.link("b.test", "/b1")
    roots = ["http://a.test/", "http://b.test/"]
    wanted = [
        "http://a.test/", "http://b.test/", "http://a.test/slow", "http://a.test/1", "http://b.test/b1",
        "http://a.test/s1", "http://a.test/s2", "http://a.test/11",
    ]  # fmt: skip
    for slow in ({}, {"a.test": 0.1}, {"b.test": 0.1}):
        site.slow = slow
        found = crawl(tmp_path / f"{slow}.sqlite", roots, site.hosts())
        assert [url for url, _ in found] == wanted and not any(reason for _, reason in found)
    assert "c.test" not in {host for host, _, _ in site.log}


def test_limits(site, path, tmp_path):
    site.link("a.test", "/", "/1", "/2", "/3", "http://b.test/")
    site.link("b.test", "/", "/1", "/2")
    for host in ("a.test", "b.test"):
        for n in "123":
            site.link(host, f"/{n}", f"/{n}{n}")
            site.link(host, f"/{n}{n}")
    root, cases = ["http://a.test/"], iter(range(99))

    def short(**limits):
        found = crawl(tmp_path / f"{next(cases)}.sqlite", root, site.hosts(), Limits(**limits))
        return " ".join(url.removeprefix("http://").replace(".test/", "") for url, _ in found)

    assert short(depth=1) == "a a1 a2 a3"
    assert short(depth=2, breadth=2) == "a a1 a2 a11 a22"
    assert short(pages=3) == "a a1 a2"
    assert short(pages=6, hosts=("b.test",)) == "a a1 a2 a3 b a11"
    assert short(host_pages=2, hosts=("*.test",)) == "a a1 b b1"
    assert short(depth=1, hosts=("*",), max_hosts=1) == "a a1 a2 a3"
    site.log.clear()
    short(pages=2)
    assert Counter(site.asked("a.test")) == {"/": 1, "/1": 1}  # a limit is not passed behind the scenes either


def test_a_slow_host_holds_nobody_up(site, path):
    for host in ("slow.test", "fast.test"):
        site.link(host, "/", *(f"/{n}" for n in range(20)))
        for n in range(20):
            site.link(host, f"/{n}", f"/{n}x")
            site.link(host, f"/{n}x")
    site.slow = {"slow.test": 0.15}
    found = crawl(path, ["http://slow.test/", "http://fast.test/"], site.hosts(), manners=Manners(threads=4))
    assert len(found) == 82
    when = {host: [t for name, _, t in site.log if name == host] for host in ("slow.test", "fast.test")}
    assert len(when["fast.test"]) == 42
    # fast.test is done before slow.test, at two requests at once, has come half way
    assert sum(t < max(when["fast.test"]) for t in when["slow.test"]) < 21


def test_manners_towards_a_host_that_is_not_ones_own(site, path):
    site.link("a.test", "/", "/1", "/2", "/no/x")
    site.link("a.test", "/1")
    good = site.pages["a.test"]["/1"]
    site.pages["a.test"]["/2"] = [(429, {"retry-after": "0"}, "later"), good]
    site.pages["a.test"]["/robots.txt"] = (200, {"content-type": "text/plain"}, "User-agent: *\nDisallow: /no/")
    manners = Manners("crawl@a.test", delay=0.1, polite_everywhere=True)
    found = crawl(path, ["http://a.test/"], site.hosts(), manners=manners)
    assert found[-1] == ("http://a.test/no/x", "robots.txt: disallowed") and "/no/x" not in site.asked("a.test")
    assert site.agents == {"webdancer-reproduction/0.1 (research crawler; reads robots.txt; contact: crawl@a.test)"}
    times = [t for _, _, t in site.log]
    assert len(times) == 5 and min(b - a for a, b in zip(times, times[1:], strict=False)) > 0.09


def test_a_crawl_delay_counts_if_it_is_longer(site, path):
    site.link("a.test", "/", "/1")
    site.link("a.test", "/1")
    site.pages["a.test"]["/robots.txt"] = (200, {"content-type": "text/plain"}, "User-agent: *\nCrawl-delay: 0.3")
    crawl(path, ["http://a.test/"], site.hosts(), manners=Manners("a@b.test", delay=0.0, polite_everywhere=True))
    first, second = [t for _, p, t in site.log if p != "/robots.txt"]
    assert second - first > 0.25  # the server's clock, on a busy machine; without the delay it is a few thousandths


def test_many_hosts_at_once_each_at_its_own_pace(site, path):
    """Six hosts of four pages: their pauses pass side by side, and no host is asked sooner than it wants."""
    hosts = [f"h{n}.test" for n in range(6)]
    for number, host in enumerate(hosts):
        site.link(host, "/", "/1", "/2", "/3")
        for page in "123":
            site.link(host, f"/{page}")
        delay = "User-agent: *\nCrawl-delay: 0.3" if number == 5 else ""
        site.pages[host]["/robots.txt"] = (200, {"content-type": "text/plain"}, delay)
    manners = Manners("a@b.test", delay=0.1, polite_everywhere=True)
    assert len(crawl(path, [f"http://{host}/" for host in hosts], site.hosts(), manners=manners)) == 24
    asked = [name for name, path, _ in site.log if path != "/robots.txt"]
    assert sum(a != b for a, b in itertools.pairwise(asked)) > 5  # one host after the other would change hosts 5 times
    for number, host in enumerate(hosts):
        times = [t for name, path, t in site.log if name == host and path != "/robots.txt"]
        pause = 0.3 if number == 5 else 0.1  # over three pauses, as a request may be late on a busy machine
        assert len(times) == 4 and times[-1] - times[0] > 3 * pause - 0.05, host


def test_real_hosts_need_a_contact(site, path):
    with Store(path) as store, pytest.raises(ValueError, match="contact='' for https://example.org/.*`contact`"):
        Spider(store, ["https://example.org/"], {}, Limits(), Manners())
    with Store(path) as store, pytest.raises(ValueError, match="wanted absolute http"):
        Spider(store, ["ftp://example.org/"], {}, Limits(), Manners("a@b.test"))
    site.link("a.test", "/")
    site.pages["a.test"]["/out"] = (302, {"location": "https://example.org/"}, "")
    found = crawl(path, ["http://a.test/out"], site.hosts())
    assert found == [("https://example.org/", "refused: a real host, and the parameter contact is empty")]


def test_redirects_loops_and_foreign_types(site, path):
    site.link("a.test", "/", "/old", "/new", "/loop", "/film", "/none")
    site.link("a.test", "/new")
    pages = site.pages["a.test"]
    pages["/old"] = (301, {"location": "/new"}, "")
    pages["/loop"], pages["/pool"] = (302, {"location": "/pool"}, ""), (302, {"location": "/loop"}, "")
    pages["/film"] = (200, {"content-type": "video/mp4"}, "x")
    found = crawl(path, ["http://a.test/"], site.hosts())
    a = "http://a.test"
    assert found == [
        (f"{a}/", ""), (f"{a}/new", ""), (f"{a}/new", ""), (f"{a}/loop", "redirect loop"),
        (f"{a}/film", "not text: video/mp4"), (f"{a}/none", "status 404"),
    ]  # fmt: skip
    assert kept(path) == [f"{a}/", f"{a}/new"]
    assert Counter(site.asked("a.test"))["/new"] == 1


def test_a_root_that_moved_takes_the_crawl_along(site, path):
    site.pages["a.test"] = {"/": (301, {"location": "http://www.a.test/"}, "")}
    site.link("www.a.test", "/", "/1", "http://other.test/")
    site.link("www.a.test", "/1")
    assert [url for url, _ in crawl(path, ["http://a.test/"], site.hosts())] == [
        "http://www.a.test/",
        "http://www.a.test/1",
    ]


def test_sitemaps_packed_nested_and_naming_themselves(site, path):
    robots = "User-agent: *\nSitemap: http://a.test/index.xml\nSitemap: http://a.test/none.xml"
    site.link("a.test", "/", "/linked")
    for name in ("/linked", "/s1", "/s2"):
        site.link("a.test", name)
    locs = "<urlset><url><loc>http://a.test/s{}</loc></url><url><loc>http://else.test/</loc></url></urlset>"
    index = "".join(f"<sitemap><loc>http://a.test/{n}</loc></sitemap>" for n in ("1.xml.gz", "2.xml", "index.xml"))
    xml = {"content-type": "application/xml"}
    site.pages["a.test"] |= {
        "/robots.txt": (200, {"content-type": "text/plain"}, robots),
        "/index.xml": (200, xml, f"<sitemapindex>{index}</sitemapindex>"),
        "/1.xml.gz": (200, {"content-type": "application/gzip"}, gzip.compress(locs.format(1).encode())),
        "/2.xml": (301, {"location": "/two.xml"}, ""),
        "/two.xml": (200, xml, locs.format(2)),
    }
    found = [url.removeprefix("http://a.test") for url, _ in crawl(path, ["http://a.test/"], site.hosts())]
    assert found == ["/", "/s1", "/s2", "/linked"]
    assert max(Counter(site.asked("a.test")).values()) == 1
    site.log.clear()
    assert len(crawl(path.with_name("b"), ["http://a.test/"], site.hosts(), use_sitemaps=False)) == 2


def test_a_second_crawl_asks_only_for_what_changed(site, path):
    site.link("a.test", "/", "/1", "/2", "/3", etag='"r"')
    for n in "123":
        site.link("a.test", f"/{n}", etag=f'"{n}"')
    first = crawl(path, ["http://a.test/"], site.hosts(), day="2026-01-01")
    site.log.clear()
    assert crawl(path, ["http://a.test/"], site.hosts(), day="2026-01-02") == first and site.log == []
    site.link("a.test", "/1", "/new", etag='"other"')
    site.link("a.test", "/new")
    site.pages["a.test"]["/3"] = (503, {}, "")  # cannot be had today
    again = crawl(path, ["http://a.test/"], site.hosts(), day="2026-01-03", refresh=True)
    assert again == [*first, ("http://a.test/new", "")]
    with Store(path) as store:
        days = {doc.url.removeprefix("http://a.test"): day for _, day, doc in store.results()}
    assert days == {"/": "2026-01-01", "/1": "2026-01-03", "/2": "2026-01-01", "/3": "2026-01-01", "/new": "2026-01-03"}
    site.log.clear()
    crawl(path, ["http://a.test/"], site.hosts(), day="2026-01-03", refresh=True)
    assert site.log == []  # once a day


def test_another_plan_fetches_no_page_again(site, path):
    site.link("a.test", "/", "/1", "/2")
    for n in "12":
        site.link("a.test", f"/{n}", f"/{n}{n}")
        site.link("a.test", f"/{n}{n}")
    assert len(crawl(path, ["http://a.test/"], site.hosts(), Limits(pages=2))) == 2
    assert len(crawl(path, ["http://a.test/"], site.hosts(), Limits(depth=1))) == 3
    assert len(crawl(path, ["http://a.test/"], site.hosts())) == 5
    assert max(Counter(site.asked("a.test")).values()) == 1


def test_a_retry_after_that_is_too_long_is_not_waited_for_and_not_ignored(site, path):
    site.link("a.test", "/", "/1")
    site.pages["a.test"]["/1"] = (429, {"retry-after": "3600"}, "")
    assert crawl(path, ["http://a.test/"], site.hosts())[1] == ("http://a.test/1", "status 429")
    assert site.asked("a.test") == ["/", "/1"]


def test_half_a_page_is_asked_for_again(site, path):
    site.link("a.test", "/")
    whole = site.pages["a.test"]["/"]
    site.pages["a.test"]["/"] = [(200, {"content-length": "900"}, "<p>cut"), (200, {}, "<html><p>cut <a hr"), whole]
    assert crawl(path, ["http://a.test/"], site.hosts()) == [("http://a.test/", "")]
    assert site.asked("a.test") == ["/"] * 3


def pocket(net, path, **options):
    return crawl(path, [f"http://{host}/" for host in net.hosts], net.hosts, manners=Manners(), **options)


def test_faults_lose_no_page_and_store_none_twice(tmp_path):
    with serve.start([1], pages=200, endpoint=False) as net:
        plain = pocket(net, tmp_path / "plain.sqlite")
    with serve.start([1], pages=200, endpoint=False, faults=FAULTS) as net:
        faulty = pocket(net, tmp_path / "faulty.sqlite")
        log = list(net.log)
    loops = {url for url, reason in faulty if reason == "redirect loop"}
    assert 0 < len(loops) < 10
    reached = [(url, reason) for url, reason in plain if url not in loops]
    assert [(url, reason) for url, reason in faulty if url not in loops] == reached
    stored = kept(tmp_path / "faulty.sqlite")
    assert len(set(stored)) == len(stored) and set(stored) == set(kept(tmp_path / "plain.sqlite")) - loops
    assert any(reason == "robots.txt: disallowed" for _, reason in faulty)
    assert not any(path.startswith("/drafts/") for _, path in log)


CHILD = """
import asyncio, json, sys
from webdancer.web.host_queue import Manners
from webdancer.web.order import Limits
from webdancer.web.spider import Spider
from webdancer.web.store import Store
hosts = json.loads(sys.argv[2])
with Store(sys.argv[1]) as store:
    asyncio.run(Spider(store, [f"http://{h}/" for h in hosts], hosts, Limits(), Manners(threads=2)).run())
"""


def test_killed_at_any_point_it_goes_on_and_fetches_no_stored_page_again(path, tmp_path):
    with serve.start([1], pages=200, endpoint=False, faults={"slow": 0.5, "delay": 0.02}) as net:
        command = [sys.executable, "-c", CHILD, str(path), json.dumps(net.hosts)]
        kills = 0
        for more in (1, 9, 25, 41, 60):
            already = len(net.log)
            with Store(path) as store:
                have = stored_addresses(store)
            child = subprocess.Popen(command)
            while child.poll() is None and len(net.log) < already + more + 8:
                time.sleep(0.001)
            kills += child.poll() is None
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
            assert not [h + p for h, p in net.log[already:] if h + p in have]
        assert kills >= 3
        already = len(net.log)
        with Store(path) as store:
            have = stored_addresses(store)
        assert have and subprocess.run(command, timeout=60).returncode == 0
        assert not [h + p for h, p in net.log[already:] if h + p in have]
    with serve.start([1], pages=200, endpoint=False) as net:
        assert pocket(net, tmp_path / "whole.sqlite")
    assert kept(path) == kept(tmp_path / "whole.sqlite")


def stored_addresses(store):
    """Host with path of every address that the store has a document of."""
    rows = store._db.execute("SELECT url FROM frontier WHERE state != 0").fetchall()
    return {url.partition("://")[2] for (url,) in rows}
