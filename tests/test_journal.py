"""Answers written down: once each, whatever happens in between; and whole crawls through the clients, killed."""

import multiprocessing
import threading
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketweb import serve
from webdancer import crawl, sources_arxiv, sources_github
from webdancer.web.journal import Journal, _packed, _unpacked
from webdancer.web.store import Store


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "crawl.sqlite"


class Work:
    """Work that counts how often it was done."""

    def __init__(self, result="done", error=None):
        self.result, self.error, self.times = result, error, 0

    def __call__(self):
        self.times += 1
        if self.error:
            raise self.error
        return self.result


def test_a_piece_of_work_is_done_once_and_keeps_its_day(path):
    work = Work({"text": "tea", "links": ["a", "b"]})
    for day in ("2026-01-02", "2026-01-03"):
        with Journal(path, day) as journal:
            assert journal.once(("article", "Tea"), work) == (work.result, "2026-01-02")
            assert journal.names() == [("article", "Tea")]
    assert work.times == 1
    with Journal(path, "2026-01-03") as journal:
        assert journal.once(("article", "tea"), Work("other")) == ("other", "2026-01-03")
        assert journal.once(("feed", 1), Work([1])) == ([1], "2026-01-03")
        assert journal.once(("feed", "1"), Work([2])) == ([2], "2026-01-03")


def test_what_fails_or_does_not_last_is_done_again(path):
    with Journal(path) as journal:
        failing = Work(error=KeyError("no"))
        for _ in range(2):
            with pytest.raises(KeyError, match="no"):
                journal.once(("x",), failing)
        assert failing.times == 2 and journal.names() == []
        passing = Work({"reason": "status 503"})
        for _ in range(2):
            assert journal.once(("y",), passing, lasts=lambda said: not said["reason"])[0] == passing.result
        assert passing.times == 2 and journal.names() == []
        assert journal.once(("x",), Work(7)) == (7, "")


def test_a_refresh_asks_once_a_day(path):
    work = Work()
    for day, refresh, times in (("1", False, 1), ("2", False, 1), ("2", True, 2), ("2", True, 2), ("3", True, 3)):
        with Journal(path, day, refresh) as journal:
            journal.once(("x",), work)
        assert work.times == times, (day, refresh)


def test_without_a_file_nothing_is_written_down():
    work = Work()
    with Journal(day="2026-01-02") as journal:
        assert [journal.once(("x",), work) for _ in range(2)] == [("done", "2026-01-02")] * 2
        assert work.times == 2 and journal.names() == []


def test_it_shares_a_file_with_the_crawl_of_plain_sites(path):
    with Store(path) as store, Journal(path) as journal:
        journal.once(("x",), Work())
        store.add("http://a.test/", "a.test", 0)
        with store.change():
            store.forget_order()
        assert journal.names() == [("x",)]


def test_threads_may_share_it(path):
    with Journal(path) as journal:
        said = []
        threads = [
            threading.Thread(target=lambda n=n: said.append(journal.once((n % 5,), Work(n % 5))[0])) for n in range(40)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert Counter(said) == dict.fromkeys(range(5), 8) and len(journal.names()) == 5


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(plain)
def test_what_is_read_is_what_was_written(answer):
    assert _unpacked(_packed(answer)) == answer


# --- killed at any point

PLANS = {
    "wikipedia": {
        "wiki_roots": ["Main Page", "Category:Universities"],
        "wiki_api": "http://wiki.pocket.test/w/api.php",
    },
    "arxiv": {"arxiv_query": "cat:cs.LG", "arxiv_api": "http://arxiv.pocket.test/api/query", "arxiv_pdf": 1},
    "github": {"github_query": "topic:software", "github_api": "http://github.pocket.test", "github_docs": 2},
}
PLANS["github"] |= {"github_issues": 3, "github_releases": 3}
FREE = ("/robots.txt", "/rate_limit")  # asked once at each start
FROM = multiprocessing.get_context("forkserver")  # starts a process in no time, with the library imported
FROM.set_forkserver_preload(["webdancer.crawl", "wikipediaapi", "arxiv", "github"])


def gather(hosts, plan, pages, store):
    """A crawl in small pieces: five papers or four repositories a request."""
    sources_arxiv.FEED, sources_github.ROWS = 5, 4
    plan = crawl.Plan(**plan)
    return crawl.gather(plan, hosts, pages, store=store, day="2026-01-02", progress=False)


@pytest.mark.parametrize("source, threads", [("wikipedia", 1), ("wikipedia", 4), ("arxiv", 1), ("github", 1)])
def test_killed_at_any_point_it_asks_for_nothing_that_it_has(source, threads, tmp_path, monkeypatch):
    """A kill costs at most the pieces under way, one a thread: an article's two requests, or one of the others."""
    monkeypatch.setattr(sources_arxiv, "FEED", 5)
    monkeypatch.setattr(sources_github, "ROWS", 4)
    store, pages = tmp_path / "crawl.sqlite", tmp_path / "pages.jsonl"
    plan = {"depth": 9, "threads": threads, "limit": 60} | PLANS[source]
    under_way = 2 * threads if source == "wikipedia" else 1
    with serve.start([3], pages=200, endpoint=False, faults={"slow": 1.0, "delay": 0.01}) as net:
        kills = 0
        for more in (1, 12, 3, 9, 20) if source == "wikipedia" else (1, 4, 2, 5, 3):
            already, have = len(net.log), names(store)
            child = FROM.Process(target=gather, args=(net.hosts, plan, pages, store))
            child.start()
            while child.is_alive() and asked(net, already) < more:
                time.sleep(0.001)
            kills += child.is_alive()
            child.kill()
            child.join()
            assert have <= names(store)
        assert kills >= 4 and not pages.exists() and len(names(store)) > 4
        broken = gather(net.hosts, plan, pages, store).path.read_bytes()
        times = Counter((host, path) for host, path in net.log if path not in FREE)
        assert sum(n - 1 for n in times.values()) <= under_way * kills
        already = len(net.log)
        assert gather(net.hosts, plan, pages, store).path.read_bytes() == broken
        assert asked(net, already) == 0  # complete: nothing is asked for
    with serve.start([3], pages=200, endpoint=False) as net:
        whole = gather(net.hosts, plan, tmp_path / "whole.jsonl", None)
        assert whole.path.read_bytes() == broken and len(whole) > 10


def asked(net, since):
    return sum(path not in FREE for _, path in net.log[since:])


def names(store):
    with Journal(store) as journal:
        return set(journal.names())
