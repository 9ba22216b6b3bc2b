"""A saved index: the same answers without a rebuild, and a folder that is wrong in any way is refused by name."""

import json
import shutil

import numpy as np
import pytest

from webdancer.core.schema import Page
from webdancer.web import saved
from webdancer.web.search import SearchIndex
from webdancer.web.tools import Tools

PAGES = [
    Page("http://a.test/1", "Orlen Ford", "Rain falls. The mayor of Orlen Ford is Tal Veron.", date="2040-01-02"),
    Page("http://a.test/2", "上海大学", "上海大学在上海市。宝山校区最大。", links=("http://a.test/1",)),
    Page("http://a.test/3", "Kestin", "Kestin lies by a lake.\nIt was founded in 1901."),
]
QUERIES = ["Orlen Ford mayor", "宝山校区", "lake 1901", "zebra", ""]


@pytest.fixture
def folder(tmp_path):
    SearchIndex.build(PAGES, snippet_words=5, title_weight=3).save(tmp_path / "index")
    return tmp_path / "index"


@pytest.mark.parametrize("mmap", [True, False])
def test_a_loaded_index_answers_as_the_one_that_was_saved(folder, mmap):
    built, loaded = SearchIndex.build(PAGES, 5, 3), SearchIndex.load(folder, mmap=mmap, pages=PAGES)
    for query in QUERIES:
        assert loaded.search(query) == built.search(query)
        assert np.array_equal(loaded.scores(query), built.scores(query))
    assert list(loaded.pages) == PAGES and len(loaded) == 3 and loaded.pages[-1] == PAGES[2]
    assert (loaded.snippet_words, loaded.title_weight, loaded.built_from) == (5, 3, saved.fingerprint(PAGES))


def test_scores_stay_on_disk_and_nothing_is_counted_again(folder, monkeypatch):
    monkeypatch.setattr("webdancer.web.search._Counts.through", None)
    loaded = SearchIndex.load(folder)
    base = loaded._data
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


def test_one_pass_over_a_generator_straight_to_a_folder(tmp_path):
    passed = []

    def stream():
        for page in PAGES:
            passed.append(page.url)
            yield page

    index = SearchIndex.build(stream(), 5, 3, folder=tmp_path / "index")
    assert passed == [p.url for p in PAGES]
    assert isinstance(index.pages, saved.StoredPages)
    assert index.search("lake") == SearchIndex.build(iter(PAGES), 5, 3).search("lake")


def test_tools_visit_the_pages_of_a_loaded_index(folder):
    index = SearchIndex.load(folder)
    got = Tools(index, index.pages).call_many([("visit", {"url": ["http://a.test/3"], "goal": "founded"})])[0]
    assert "It was founded in 1901." in got


def test_saving_again_replaces_and_a_loaded_index_can_be_saved_over_itself(folder):
    SearchIndex.load(folder).save(folder)
    assert SearchIndex.load(folder, mmap=False).search("lake")[0].title == "Kestin"
    SearchIndex.build(PAGES[:1]).save(folder)
    assert len(SearchIndex.load(folder)) == 1
    assert [p.name for p in folder.parent.iterdir()] == ["index"]


def test_other_peoples_files_are_not_overwritten(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="holds other files"):
        SearchIndex.build(PAGES).save(tmp_path)
    with pytest.raises(ValueError, match="holds other files"):
        SearchIndex.build(PAGES, folder=tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_build_that_dies_leaves_nothing(tmp_path):
    def stream():
        yield PAGES[0]
        raise OSError("the crawl died")

    with pytest.raises(OSError, match="the crawl died"):
        SearchIndex.build(stream(), folder=tmp_path / "index")
    with pytest.raises(ValueError, match="got no pages"):
        SearchIndex.build([], folder=tmp_path / "index")
    assert list(tmp_path.iterdir()) == []


def test_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder index: build it"):
        SearchIndex.load(tmp_path / "index")


@pytest.mark.parametrize("manifest", [None, "", "[]", '{"format": "something else"}', "{broken"])
def test_a_foreign_folder(folder, manifest):
    (folder / "index.json").unlink()
    if manifest is not None:
        (folder / "index.json").write_text(manifest)
    with pytest.raises(ValueError, match="index is not a search index"):
        SearchIndex.load(folder)


@pytest.mark.parametrize("name", ["pages.jsonl", "offsets.npy", "data.csc.index.npy", "vocab.index.json"])
def test_a_folder_that_was_cut_off(folder, name):
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[:-3])
    with pytest.raises(ValueError, match=f"damaged: {name} has {len(whole) - 3} bytes, wanted {len(whole)}"):
        SearchIndex.load(folder)
    (folder / name).unlink()
    with pytest.raises(ValueError, match=f"damaged: {name} has 0 bytes"):
        SearchIndex.load(folder)


def test_changed_contents_are_seen_when_all_is_read(folder):
    data = (folder / "pages.jsonl").read_bytes()
    (folder / "pages.jsonl").write_bytes(data.replace(b"Tal Veron", b"Tal Vorin"))
    with pytest.raises(ValueError, match="damaged: pages.jsonl has other contents"):
        SearchIndex.load(folder, mmap=False)


def test_a_stale_folder(folder):
    newer = [*PAGES[:2], Page("http://a.test/3", "Kestin", "Kestin has moved.")]
    with pytest.raises(ValueError, match="stale: it was built from other pages.*build it again"):
        SearchIndex.load(folder, pages=newer)
    assert saved.fingerprint(PAGES) != saved.fingerprint(PAGES[::-1]) != saved.fingerprint(newer)


@pytest.mark.parametrize("key", ["version", "words"])
def test_another_version(folder, key):
    manifest = json.loads((folder / "index.json").read_text())
    manifest[key] += 1
    (folder / "index.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="has version .*wanted"):
        SearchIndex.load(folder)


def test_a_folder_can_be_moved(folder, tmp_path):
    shutil.move(folder, tmp_path / "elsewhere")
    assert SearchIndex.load(tmp_path / "elsewhere").search("lake")
