"""The crawl on disk: what is written is there afterwards, and what was not finished is not."""

import pytest

from webdancer.web.document import Document
from webdancer.web.store import LATER, STORED, TODO, Row, Store
from webdancer.web.text import Cleaned

A, B, C = (f"http://a.test/{x}" for x in "abc")
PAGE = Cleaned("Kestin", "Kestin lies by a lake.", (B, C), "CC0", "2040-01-02")


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "deep" / "crawl.sqlite") as it:
        yield it


def put(store, url, page=PAGE, reason="", etag=""):
    """Rank, save and settle one address."""
    rank = store.ranks()
    store.rank(url, "a.test", 0, rank)
    row = store.row(url=url)
    store.save(row.id, Document(url, url, page, reason, etag=etag), "2026-01-01")
    brief = store.brief(row.id)
    return store.settle(row, row.id, brief.url, brief.reason, brief.sha256)


def test_certain_ranks_come_before_the_others(store):
    store.add(A, "a.test", 3)
    store.add(B, "a.test", 2)
    store.rank(C, "a.test", 0, 0)
    assert [url for _, url, _, _ in store.waiting("a.test", 9)] == [C, B, A]
    assert store.rank(A, "a.test", 1, 1) and not store.rank(A, "a.test", 0, 5)
    assert store.row(url=A) == Row(1, A, "a.test", 1, 1, TODO)
    assert [url for _, url, _, _ in store.waiting("a.test", 2)] == [C, A]
    store.hurry(2, 0)
    assert [url for _, url, _, _ in store.waiting("a.test", 9)] == [B, C, A]
    assert store.waiting_hosts() == ["a.test"] and store.waiting("b.test", 9) == [] and store.ranks() == 2


def test_a_document_comes_back_as_it_went_in(store):
    assert put(store, A, etag='"1"')
    (found,) = store.results()
    assert found == (0, "2026-01-01", Document(A, A, PAGE, etag='"1"'))
    assert store.brief(1).links == (B, C) and store.row(ident=1).state == STORED
    odd = Cleaned("half \ud800", "a surrogate \udfff")
    put(store, B, odd)
    assert list(store.results(after=0))[0][2].page.text == "a surrogate ?"


def test_twice_the_same_address_or_text_is_kept_once(store):
    assert [put(store, A), put(store, B), put(store, C, Cleaned("C", "Other."), "empty")] == [True, False, False]
    assert [doc.url for _, _, doc in store.results(kept=True)] == [A]
    assert len(list(store.results())) == 3 and store.counts("kept") == {"a.test": 1}
    assert store.counts("stored") == {"a.test": 3} and store.use(1) and not store.use(1)
    assert store.counts("stored") == {"a.test": 2}


def test_a_change_is_whole_or_not_at_all(store):
    with pytest.raises(KeyError), store.change():
        store.add(A, "a.test", 0)
        raise KeyError
    assert store.row(url=A) is None
    with store.change():
        store.note("word", "one")
    assert (store.noted("word"), store.noted("none", "x")) == ("one", "x")


def test_a_new_order_over_the_old_pages(store):
    put(store, A, etag='"1"')
    store.add(B, "a.test", 1)
    store.forget_order()
    assert store.row(url=B) is None and store.ranks() == 0 and list(store.results()) == []
    assert store.rank(A, "a.test", 0, 0) and store.waiting("a.test", 9) == []  # its page still counts
    store.ask_again()
    assert store.waiting("a.test", 9) == []  # not before it is found again
    store.add(A, "a.test", 1)
    assert store.waiting("a.test", 9) == [(1, A, '"1"', "")] and store.good(1)
    store.keep(1)
    assert store.waiting("a.test", 9) == []
    store.ask_again()
    store.rank(A, "a.test", 0, 0)
    assert len(store.waiting("a.test", 9)) == 1 and LATER > 1 << 40


def test_sitemaps(store):
    store.save_map(A, True, [B])
    assert (store.is_index(A), store.locs(A), store.is_index(B)) == (True, [B], None)


def test_a_reader_sees_what_was_committed(store, tmp_path):
    with Store(tmp_path / "deep" / "crawl.sqlite") as reader:
        with store.change():
            put(store, A)
            assert list(reader.results()) == []
        assert len(list(reader.results())) == 1
