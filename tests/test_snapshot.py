"""A snapshot goes out and comes back; texts only under open licences; what was tampered with is refused."""

import json
from dataclasses import replace

import pytest

from webdancer.core.schema import Page, read_jsonl, text_hash, write_jsonl
from webdancer.web import snapshot
from webdancer.web.fetch import Fetched

BY_SA = "https://creativecommons.org/licenses/by-sa/4.0/"


def page(number: int, **fields) -> Page:
    text = fields.pop("text", f"Text {number} é 漢字.")
    fields = {"licence": BY_SA, "language": "en", "fetched_at": "2026-01-02", "date": "2020-05-01"} | fields
    return Page(
        f"http://a.test/{number}", f"Title {number}", text, ("http://b.test/",), sha256=text_hash(text), **fields
    )


PAGES = [
    page(0),
    page(1, licence="", source="arxiv"),
    page(2, licence="All rights reserved", language="zh-Hans"),
    page(3, licence="MIT", source="github", language="no"),
    page(4, robots="disallowed"),
]


@pytest.fixture
def folder(tmp_path):
    snapshot.export(PAGES, tmp_path / "snap", name="Five pages", note="For a test.")
    return tmp_path / "snap"


def test_texts_only_under_open_licences_and_everything_else_comes_back(folder):
    kept = {0, 3}
    assert snapshot.load(folder) == [p if n in kept else replace(p, text="") for n, p in enumerate(PAGES)]
    bytes_of = (folder / "data" / "pages.parquet").read_bytes()
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "data", "manifest.json"] and len(bytes_of) < 20_000


def test_a_snapshot_of_a_snapshot_is_the_same(folder, tmp_path):
    counts = snapshot.export(snapshot.load(folder), tmp_path / "again", name="Five pages", note="For a test.")
    assert snapshot.load(tmp_path / "again") == snapshot.load(folder)
    assert (counts.rows, counts.texts) == (5, 2)
    for name in ("README.md", "manifest.json", "data/pages.parquet"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_datasets_opens_it_offline(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    from datasets import load_dataset

    data = load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    assert data.column_names[:4] == ["url", "title", "text", "has_text"]
    assert data["fetched_at"][:2] == ["2026-01-02"] * 2 and data["links"][0] == ["http://b.test/"]
    assert data["has_text"] == [True, False, False, True, False]
    assert data["licence_id"] == ["CC-BY-SA-4.0", "", "", "MIT", "CC-BY-SA-4.0"]
    assert data["sha256"] == [p.sha256 for p in PAGES]


def test_the_card_counts(folder):
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text.startswith('---\nlicense: other\nlanguage:\n- "en"\n- "no"\n- "zh"\nconfigs:\n')
    assert "5 web pages fetched on 2026-01-02: 2 with their text (8 words), 3 with" in text
    for row in ("| CC-BY-SA-4.0 | 2 |", "| none stated | 1 |", "| other, or not understood | 1 |", "| MIT | 1 |"):
        assert row in text
    for row in ("| web | 3 |", "| arxiv | 1 |", "| en | 3 |", "| zh-Hans | 1 |", "| a.test | 5 |", "For a test."):
        assert row in text
    assert "snapshot.refill(" in text and "Limits" in text


def test_fewer_licences_may_be_allowed_and_no_others(tmp_path):
    counts = snapshot.export(PAGES, tmp_path / "mit", allowed=frozenset({"MIT"}))
    assert counts.texts == 1
    with pytest.raises(ValueError, match="allowed: got .'CC-BY-NC-4.0'., wanted identifiers"):
        snapshot.export(PAGES, tmp_path / "nc", allowed=frozenset({"MIT", "CC-BY-NC-4.0"}))
    assert not (tmp_path / "nc").exists()


def test_what_cannot_be_exported(tmp_path, folder):
    with pytest.raises(ValueError, match="got no pages"):
        snapshot.export([], tmp_path / "none")
    with pytest.raises(FileExistsError, match="not written over"):
        snapshot.export(PAGES, folder)
    with pytest.raises(ValueError, match="http://a.test/0: got a text with SHA-256"):
        snapshot.export([replace(PAGES[0], text="another")], tmp_path / "wrong")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["snap"]  # nothing is left of what failed


def test_half_characters_do_not_spoil_the_file(tmp_path):
    odd = replace(page(7, text="half \ud83d"), title="t\ud83d")
    snapshot.export([odd, page(8)], tmp_path / "odd")
    first, second = snapshot.load(tmp_path / "odd")
    assert (first.text, first.title, first.sha256) == ("", "t?", text_hash("half \ud83d")) and second == page(8)


def test_more_pages_than_a_batch(tmp_path):
    many = [page(n) for n in range(2 * snapshot.BATCH + 1)]
    assert snapshot.export(iter(many), tmp_path / "many").rows == len(many)
    assert snapshot.load(tmp_path / "many") == many
    assert write_jsonl(tmp_path / "pages.jsonl", snapshot.iter_pages(tmp_path / "many")) == len(many)  # an import
    assert read_jsonl(tmp_path / "pages.jsonl", Page) == many


def test_a_changed_file_is_refused(folder):
    data = folder / "data" / "pages.parquet"
    whole = data.read_bytes()
    data.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    with pytest.raises(ValueError, match="data/pages.parquet was changed after the export"):
        snapshot.load(folder)
    data.unlink()
    with pytest.raises(FileNotFoundError, match="wanted the folder of a snapshot"):
        snapshot.load(folder)


def tamper(folder, change) -> None:
    """Change rows and the file's hash in the manifest with them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, manifest = folder / snapshot.DATA, json.loads((folder / "manifest.json").read_text())
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path)
    manifest["sha256"] = {snapshot.DATA: snapshot._file_hash(path)}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_changed_row_is_refused_even_if_the_manifest_was_changed_with_it(folder):
    tamper(folder, lambda rows: rows[3].update(text="now an advertisement"))
    with pytest.raises(ValueError, match=r"row 4 \(http://a.test/3\): the text was changed"):
        snapshot.load(folder)


def test_a_missing_row_is_refused(folder):
    tamper(folder, lambda rows: rows.pop())
    with pytest.raises(ValueError, match="got 4 rows, wanted 5"):
        snapshot.load(folder)


@pytest.mark.parametrize("text, says", [("{}", "not that of a snapshot"), ("x", "not that"), ("[]", "not that")])
def test_a_foreign_manifest_is_refused(folder, text, says):
    (folder / "manifest.json").write_text(text)
    with pytest.raises(ValueError, match=says):
        snapshot.load(folder)


def test_a_newer_version_is_refused(folder):
    manifest = json.loads((folder / "manifest.json").read_text()) | {"version": 2}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="got version 2, wanted 1"):
        snapshot.load(folder)


class Web:
    """The pages as they are today: 1 is the same, 2 has changed and moved, 4 is gone."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def get(self, url: str) -> Fetched:
        self.asked.append(url)
        if url.endswith("/4"):
            return Fetched(url, 404, error="status 404")
        text = PAGES[1].text if url.endswith("/1") else "something new"
        return Fetched(url.replace("/2", "/two"), 200, "text/html", text)


def test_refill_fills_what_is_the_same_and_says_what_differs(folder):
    web, before = Web(), (folder / "data" / "pages.parquet").read_bytes()
    refilled = snapshot.refill(folder, web, read=lambda got: got.text)
    assert sorted(web.asked) == ["http://a.test/1", "http://a.test/2", "http://a.test/4"]
    assert [p.text for p in refilled.pages] == [PAGES[0].text, PAGES[1].text, "", PAGES[3].text, ""]
    assert refilled.filled == 1
    assert refilled.report().splitlines() == [
        "5 pages, 1 texts filled in, 2 still missing",
        "http://a.test/2: changed, now at http://a.test/two: 2 words with SHA-256 "
        f"{text_hash('something new')[:12]}, wanted {PAGES[2].sha256[:12]}",
        "http://a.test/4: status 404",
    ]
    assert (folder / "data" / "pages.parquet").read_bytes() == before


def test_refill_reads_html_as_the_crawler_does(tmp_path):
    body = "<html><head><title>T</title></head><body><main><p>" + "Tea is a drink of many people. " * 9 + "</p></main>"

    class One:
        def get(self, url: str) -> Fetched:
            return Fetched(url, 200, "text/html", body)

    text = snapshot.read_page(One().get("http://a.test/9"))
    assert text.startswith("Tea is a drink")
    snapshot.export([page(9, text=text, licence="")], tmp_path / "one")
    assert snapshot.load(tmp_path / "one")[0].text == ""
    assert snapshot.refill(tmp_path / "one", One()).pages[0].text == text
