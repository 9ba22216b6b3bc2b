"""Sitemaps: which to read next, and what they name in the end."""

import pytest

from webdancer.web import seeds as module
from webdancer.web.answer import Fetched
from webdancer.web.host_queue import ROBOTS, SITEMAP, HostQueue
from webdancer.web.politeness import rules
from webdancer.web.seeds import Seeds, seeds, sitemaps
from webdancer.web.store import Store

ROOT = "http://a.test/"
TOP, ONE, TWO = (f"http://a.test/{n}.xml" for n in ("top", "one", "two"))


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "x.sqlite") as it:
        yield it


def test_step_by_step(store):
    queues: dict[str, HostQueue] = {}
    found = Seeds(store, [ROOT, "http://a.test/x"], lambda host: queues.setdefault(host, HostQueue(host, True)), True)
    assert found.missing() == [(ROBOTS, "http://a.test/robots.txt")] and not found.ready
    assert found.missing() == [] and not found.ready  # on its way
    queues["a.test"].learn("http://a.test", rules(Fetched("", 200, text=f"Sitemap: {TOP}")))
    assert found.missing() == [(SITEMAP, TOP)]
    store.save_map(TOP, True, [ONE, TWO, TOP])
    assert found.missing() == [(SITEMAP, ONE), (SITEMAP, TWO)]
    store.save_map(TWO, False, ["http://a.test/2"])
    assert found.missing() == [] and not found.ready
    store.save_map(ONE, False, ["http://a.test/1"])
    assert found.missing() == [] and found.ready
    assert list(found.pages()) == ["http://a.test/1", "http://a.test/2"]


def test_none_wanted(store):
    found = Seeds(store, [ROOT], lambda host: HostQueue(host, True), False)
    assert found.ready and found.missing() == [] == list(found.pages())


def test_sitemaps_without_end_come_to_one(store, monkeypatch):
    for n in range(70):
        store.save_map(f"http://a.test/{n}", True, [f"http://a.test/{n + 1}"])
    assert sitemaps(store, "http://a.test/0") == ([], [])
    assert sitemaps(store, "http://a.test/60") == ([], ["http://a.test/70"])
    monkeypatch.setattr(module, "MAX_SEEDS", 3)
    store.save_map(ONE, False, ["u1", "u2"])
    store.save_map(TWO, False, ["u3", "u4"])
    assert list(seeds(store, [ONE, TWO, ONE])) == ["u1", "u2", "u3"]
