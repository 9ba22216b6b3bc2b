"""The file of a recording: nothing is lost or written over, long texts are kept once, and damage is seen."""

import sqlite3
import zlib

import pytest

from webdancer.web.recording import VERSION, Recording


@pytest.fixture
def path(tmp_path):
    return tmp_path / "web.sqlite"


def test_a_row_comes_back_as_it_was(path):
    row = {"text": "long é\ud800\x00 " * 99, "body": b"\x00\xff" * 400, "status": 200, "short": "x", "hits": [{"a": 1}]}
    recording = Recording(path, write=True)
    assert recording.add("page", "http://a.test/\ud800", row) == row
    recording.close()
    again = Recording(path, write=False)
    assert again.find("page", "http://a.test/\ud800") == row and again.find("search", "http://a.test/\ud800") is None
    assert again.asked("page") == ["http://a.test/\ud800"] and again.count("page") == 1


def test_the_first_row_counts_unless_the_next_is_put_over_it_and_all_are_kept(path):
    recording = Recording(path, write=True)
    assert recording.add("page", "a", {"n": 1}) == {"n": 1}
    assert recording.add("page", "a", {"n": 2}) == {"n": 1}
    assert recording.add("page", "a", {"n": 3}, over=True) == {"n": 3}
    assert sqlite3.connect(path).execute("SELECT row FROM records").fetchall() == [('{"n": 1}',), ('{"n": 3}',)]
    assert recording.count("page") == 1


def test_two_openers_of_one_file_see_each_other(path):
    one, two = Recording(path, write=True), Recording(path, write=True)
    one.add("page", "a", {"n": 1})
    assert two.add("page", "a", {"n": 2}) == {"n": 1}


def test_equal_bodies_are_stored_once_and_compressed(path):
    recording = Recording(path, write=True)
    for n in range(50):
        recording.add("page", f"http://a.test/{n}", {"text": "the same long text " * 5000})
    recording.close()
    assert [p.name for p in path.parent.iterdir()] == ["web.sqlite"]
    assert path.stat().st_size < 60_000  # 95,000 characters each
    assert sqlite3.connect(path).execute("SELECT count(*) FROM blobs").fetchone() == (1,)


def test_a_write_that_fails_leaves_nothing_behind(path):
    recording = Recording(path, write=True)
    with pytest.raises(TypeError):
        recording.add("page", "a", {"text": "x" * 999, "n": object()})
    assert recording.add("page", "a", {"n": 1}) == {"n": 1}
    assert sqlite3.connect(path).execute("SELECT count(*) FROM blobs").fetchone() == (0,)


def test_a_changed_text_is_seen(path):
    recording = Recording(path, write=True)
    recording.add("page", "a", {"text": "x" * 999})
    other = sqlite3.connect(path)
    for data in (b"junk", zlib.compress(b"another text")):
        other.execute("UPDATE blobs SET data = ?", (data,))
        other.commit()
        with pytest.raises(ValueError, match="web.sqlite was changed or is damaged"):
            recording.find("page", "a")
    other.execute("DELETE FROM blobs")
    other.commit()
    with pytest.raises(ValueError, match="was changed or is damaged"):
        recording.find("page", "a")


def test_what_is_not_a_recording_is_refused(path):
    with pytest.raises(FileNotFoundError, match="record it first"):
        Recording(path, write=False)
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE t (x)")
    other.commit()
    for write in (False, True):
        with pytest.raises(ValueError, match=r"got tables \['t'\], wanted a recording of version 1"):
            Recording(path, write)
    assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("t",)]


def test_a_newer_version_is_refused_and_left_alone(path):
    Recording(path, write=True).close()
    other = sqlite3.connect(path)
    other.execute(f"PRAGMA user_version = {VERSION + 1}")
    for write in (False, True):
        with pytest.raises(ValueError, match=f"got version {VERSION + 1}, wanted"):
            Recording(path, write)
    assert other.execute("PRAGMA user_version").fetchone() == (VERSION + 1,)


def test_a_damaged_database_is_named(path):
    recording = Recording(path, write=True)
    for n in range(200):
        recording.add("page", f"http://a.test/{n}", {"text": f"{n}" * 999})
    recording.close()
    data = path.read_bytes()
    path.write_bytes(data[:100] + b"\xff" * 4096 + data[4196:])
    with pytest.raises(ValueError, match="web.sqlite is damaged or not a recording"):
        Recording(path, write=False)


def test_an_empty_file_is_an_empty_recording(path):
    path.touch()
    assert Recording(path, write=False).count("page") == 0
    assert path.stat().st_size == 0
    Recording(path, write=True).add("page", "a", {"n": 1})
    assert Recording(path, write=False).find("page", "a") == {"n": 1}
