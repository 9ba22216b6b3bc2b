"""The order of discovery, with pages that come in any order: hand-made webs, and a law."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webdancer.web.document import Document, redirect
from webdancer.web.order import Limits, Order, host_of
from webdancer.web.store import Store
from webdancer.web.text import Cleaned

HOME = "http://a.test/"


def url(name):
    return f"http://{'b' if name.isupper() else 'a'}.test/{name}"


def walk(web, arrivals, limits=None, roots=("r",), folder=None):
    """Crawl a web (name to links; a text is a redirect) whose pages arrive in an order of one's own; names ranked.

    `arrivals` are numbers: which of the waiting addresses that may be fetched is answered next.
    """
    with tempfile.TemporaryDirectory() as fresh, Store(Path(folder or fresh) / "x") as store:
        order = Order(store, [url(r) for r in roots], limits or Limits(hosts=("*",)))
        order.begin()
        arrivals = iter(arrivals)
        for _ in range(200):
            waiting = [(row, host) for host in store.waiting_hosts() for row in store.waiting(host, 99)]
            waiting = [(row, host) for row, host in waiting if order.may_start(row[0], host, 0, 0)]
            if order.finished or not waiting:
                break
            (ident, address, *_), host = waiting[next(arrivals, 0) % len(waiting)]
            links = web.get(address.rpartition("/")[2], [])
            page = Cleaned("t", f"text of {address}", tuple(map(url, links)))
            if isinstance(links, str):
                store.save(ident, redirect(address, url(links), "allowed"), "")
            else:
                store.save(ident, Document(address, address, page), "")
            order.stored(host)
            if not order.started:
                order.start([])
            order.advance()
            order.look_ahead(ident)
        assert order.finished
        return [f"{doc.asked.rpartition('/')[2]}{doc.reason and '!'}" for _, _, doc in store.results()]


WEB = {"r": ["a", "B", "c"], "a": ["d", "e"], "B": ["D", "a", "r"], "c": ["e", "F"], "D": ["G"], "F": ["r"]}
IN_ORDER = ["r", "a", "B", "c", "d", "e", "D", "F", "G"]


@pytest.mark.parametrize("arrivals", [[], [9] * 99, [1, 0, 2, 0, 3, 1, 2]])
def test_breadth_first_in_whatever_order_pages_come(arrivals):
    assert walk(WEB, arrivals) == IN_ORDER


def test_limits_cut_that_order():
    everywhere = ("*",)
    assert walk(WEB, [9] * 99, Limits(pages=5, hosts=everywhere)) == IN_ORDER[:5]
    assert walk(WEB, [], Limits(depth=1, hosts=everywhere)) == ["r", "a", "B", "c"]
    assert walk(WEB, [], Limits(breadth=1, hosts=everywhere)) == ["r", "a", "d"]
    assert walk(WEB, [9] * 99, Limits()) == ["r", "a", "c", "d", "e"]
    assert walk(WEB, [9] * 99, Limits(host_pages=2, hosts=("b.test",))) == ["r", "a", "B", "D"]
    assert walk(WEB, [], Limits(max_hosts=1, hosts=everywhere)) == ["r", "a", "c", "d", "e"]


def test_redirects():
    web = {"r": ["a", "b", "l"], "a": "b", "b": ["d"], "l": "m", "m": "l"}
    assert walk(web, []) == walk(web, [9] * 99) == ["r", "a", "b", "l!", "d"]
    long = {"r": ["a"], "a": "b", "b": "c", "c": "d", "d": "e", "e": "f", "f": "g", "g": []}
    assert walk(long, []) == ["r", "a!"]


def test_hosts():
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "x") as store:
        order = Order(store, [HOME], Limits(hosts=("b.test", "*.c.test")))
        hosts = ("a.test", "b.test", "x.b.test", "c.test", "x.c.test", "notc.test")
        assert [order.allows(f"https://{h}/") for h in hosts] == [True, True, False, True, True, False]
    assert host_of("https://a.test:8443/x") == "a.test:8443"


NAMES = "abcDEF"


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from("r" + NAMES), st.lists(st.sampled_from(NAMES), max_size=4) | st.sampled_from(NAMES)
    ),
    st.lists(st.integers(0, 9), max_size=30),
    st.integers(1, 8),
    st.integers(0, 3),
)
def test_the_order_is_that_of_a_crawler_that_waits(web, arrivals, pages, depth):
    limits = Limits(pages=pages, depth=depth, hosts=("*",))
    assert walk(web, arrivals, limits) == walk(web, [], limits)
