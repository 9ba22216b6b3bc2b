"""The three records and their JSONL files; the released WebDancer file opens as ours."""

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.core import schema
from webdancer.core.schema import Page, Question, Trajectory

RELEASED = Path(__file__).parents[2] / "shared" / "data" / "webdancer" / "sample_traj.jsonl"
text = st.text(max_size=20)
texts = st.lists(text, max_size=3).map(tuple)
pages = st.builds(Page, url=text, title=text, text=text, links=texts, sha256=text)
questions = st.builds(
    Question, id=text, question=text, answer=text, kind=text, hops=st.integers(), evidence=texts, rewrites=texts
)
messages = st.lists(st.fixed_dictionaries({"role": text, "content": text}), max_size=3).map(tuple)
trajectories = st.builds(
    Trajectory, messages=messages, answer=st.lists(texts, max_size=2).map(tuple), cost=st.floats(0, 1)
)


@given(st.one_of(pages, questions, trajectories))
def test_a_record_survives_json(record):
    row = json.loads(json.dumps(schema.to_row(record)))
    assert schema.from_row(row, type(record)) == record


def test_files_round_trip_with_any_text(tmp_path):
    records = [Page("http://a", "Ünï\u2028code", "line\nbreak", ("http://b",)), Page("http://c", "", "")]
    path = tmp_path / "pages.jsonl"
    assert schema.write_jsonl(path, records) == 2
    assert schema.read_jsonl(path, Page) == records
    assert schema.write_jsonl(path, []) == 0 and schema.read_jsonl(path, Page) == []


def test_records_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Page("u", "t", "x").title = "other"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"url": "u", "title": "t"}, r"not a Page: missing \['text'\], unknown nothing"),
        ({"url": "u", "title": "t", "text": "x", "body": 1}, r"unknown \['body'\]"),
        ({"url": 3, "title": "t", "text": "x"}, "Page.url: got 3, wanted str"),
        ({"url": "u", "title": "t", "text": "x", "links": "http://b"}, "Page.links: got 'http://b'"),
        ({"url": "u", "title": "t", "text": "x", "version": True}, "Page.version: got True, wanted int"),
        ([1], "got a JSON list, wanted an object with the fields of Page"),
    ],
)
def test_a_wrong_row_says_what_is_wrong(row, says):
    with pytest.raises(ValueError, match=says):
        schema.from_row(row, Page)


def test_a_malformed_line_is_named_by_file_and_number(tmp_path):
    path = tmp_path / "pages.jsonl"
    good = json.dumps(schema.to_row(Page("u", "t", "x")))
    path.write_text(f"{good}\n\n{good[:-5]}\n")
    with pytest.raises(ValueError, match="pages.jsonl, line 3: "):
        schema.read_jsonl(path, Page)
    assert next(schema.iter_jsonl(path, Page)).title == "t"  # what stands before it can be read


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="questions.jsonl is missing .*run the notebook that writes it first"):
        schema.read_jsonl(tmp_path / "questions.jsonl", Question)


def test_a_failing_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "pages.jsonl"
    schema.write_jsonl(path, [Page("u", "t", "x")])

    def broken():
        yield Page("v", "t", "x")
        raise RuntimeError("the crawl stopped")

    with pytest.raises(RuntimeError):
        schema.write_jsonl(path, broken())
    assert [p.url for p in schema.read_jsonl(path, Page)] == ["u"]
    assert list(tmp_path.iterdir()) == [path]


def test_text_hash_is_sha256_of_utf8():
    assert schema.text_hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert len(schema.text_hash("\ud800")) == 64  # a lone surrogate from a broken page


@pytest.mark.skipif(not RELEASED.is_file(), reason="the released trajectories are not here (../shared/data/webdancer)")
def test_the_released_file_is_a_trajectory_file():
    released = schema.read_jsonl(RELEASED, Trajectory)
    assert len(released) == 200
    assert sum(m["role"] == "assistant" for t in released for m in t.messages) == 422
    raw = json.loads(RELEASED.open(encoding="utf-8").readline())
    assert {k: json.loads(json.dumps(schema.to_row(released[0])))[k] for k in raw} == raw
