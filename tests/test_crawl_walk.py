"""The walk along links, and one request at a time: hand-sized graphs and clocks."""

import json
import random
import time

import httpx
import pytest

from webdancer.crawl_walk import Found, InTurn, Names, breadth_first, found_row, reach, row_found
from webdancer.web.guard import Refused
from webdancer.web.text import Cleaned

GRAPH = {"a": "bc", "b": "cd", "c": "ae", "d": "", "e": "f", "f": ""}


def walk(**options):
    def look(name):
        time.sleep(random.random() / 500)  # whoever comes back first
        return Found(name, "web", Cleaned(name, name), "bad" if name == "b" else ""), list(GRAPH[name])

    return [found.url for found in breadth_first(["a"], look, **{"limit": 99, "depth": 9, "threads": 4} | options)]


def test_breadth_first_in_the_order_of_discovery_whoever_answers_first():
    assert walk() == list("abcdef") and all(walk() == list("abcdef") for _ in range(5))


def test_depth_counts_links_and_the_limit_counts_good_pages():
    assert walk(depth=0) == ["a"]
    assert walk(depth=1) == ["a", "b", "c"]
    assert walk(limit=1) == ["a"]
    assert walk(limit=3) == ["a", "b", "c", "d"]  # b is bad


def test_names_each_once_in_the_order_in_which_they_came():
    names = Names()
    assert (names.add(["b", "a", "b"]), names.add(["a", "c"], 1)) == (2, 1)
    assert names.take(2) == [("b", 0), ("a", 0)]
    assert names.add(["d", "b"], 2) == 1  # what was taken is not forgotten
    assert names.take(9) == [("c", 1), ("d", 2)] and names.take(9) == []
    assert names.add(["e"]) == 1 and names.take(1) == [("e", 0)]


def test_what_was_found_is_the_same_after_a_journal():
    page = Cleaned("Tea", "Hot.", ("http://a.test/",), "CC0-1.0", "2020-01-02", 0.25, "en")
    found = Found("http://a.test/x", "github", page, "", "api", "http://a.test/y")
    assert row_found(json.loads(json.dumps(found_row(found)))) == found
    assert row_found(found_row(found), "2026-01-02").day == "2026-01-02"


def test_reach():
    hosts = {"a.test": "http://127.0.0.1:8000/a/"}
    assert reach("http://a.test/api?x", hosts) == "http://127.0.0.1:8000/a/api?x"
    assert reach("https://export.arxiv.org/api/query", hosts) == "https://export.arxiv.org/api/query"


class Clock:
    """A clock that moves only by sleeping."""

    def __init__(self) -> None:
        self.now, self.slept = 100.0, []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_a_real_host_gets_one_request_at_a_time_and_an_own_one_no_pause(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("webdancer.crawl_walk.time", clock)
    turn = InTurn({"own.test": "http://127.0.0.1:9"}, delay=2.0)

    class Inner:
        def handle_request(self, request):
            clock.now += 0.5  # the answer takes half a second
            return httpx.Response(200)

    turn._inner = Inner()
    for _ in range(3):
        turn.handle_request(httpx.Request("GET", "https://a.test/x"))
    assert clock.slept == [0.0, 2.0, 2.0] and clock.now == 100 + 3 * 0.5 + 2 * 2.0
    turn.handle_request(httpx.Request("GET", "http://own.test/x"))
    assert len(clock.slept) == 3


def test_the_guard_stands_behind_it():
    turn = InTurn({}, delay=0.0)
    with pytest.raises(Refused):
        turn.handle_request(httpx.Request("GET", "http://127.0.0.1/w/api.php"))
    turn.close()
