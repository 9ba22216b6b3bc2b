"""webdancer.agent.llm_cache: what is written is found again, whoever else writes and whatever is damaged."""

import json
import multiprocessing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.agent.completion import Reply
from webdancer.agent.llm_cache import ReplyCache, key_of

CALLS = ({"name": "search", "arguments": '{"query": ["a"]}'},)
FULL = Reply('é\n"}\u2028\ud83d', "why", 7, 3, CALLS, "length")


def name(n):
    return key_of("http://a/v1", {"n": n}, 0)


def test_a_reply_is_found_at_once_and_by_the_next_client(tmp_path):
    path = tmp_path / "deep" / "c.jsonl"
    cache = ReplyCache(path)
    assert cache.get(name(1)) is None and len(cache) == 0
    cache.put(name(1), FULL)
    cache.put(name(2), Reply("b"))
    for one in (cache, ReplyCache(path)):
        assert (one.get(name(1)), one.get(name(2)), one.get(name(3))) == (FULL, Reply("b"), None)
        assert len(one) == 2
    assert [json.loads(line)["key"] for line in path.read_text().splitlines()] == [name(1), name(2)]


def test_without_a_path_nothing_is_kept():
    cache = ReplyCache(None)
    cache.put(name(1), FULL)
    assert cache.get(name(1)) is None


@pytest.mark.parametrize("torn", [1, 30, 80, 100])
def test_a_torn_last_line_costs_only_itself(tmp_path, torn):
    path = tmp_path / "c.jsonl"
    first = ReplyCache(path)
    first.put(name(1), FULL)
    first.put(name(2), FULL)
    line = path.read_bytes().splitlines(keepends=True)[1]
    path.write_bytes(path.read_bytes()[: -len(line)] + line[:torn])
    second = ReplyCache(path)
    assert (second.get(name(1)), second.get(name(2))) == (FULL, None)
    second.put(name(3), Reply("c"))
    third = ReplyCache(path)
    assert (third.get(name(1)), third.get(name(2)), third.get(name(3))) == (FULL, None, Reply("c"))


@pytest.mark.parametrize("inside", [b"rubbish\n", b"\n", b'{"key": "short"}\n', b"\xff\xfe\n"])
def test_lines_that_are_no_reply_are_passed_over(tmp_path, inside):
    path = tmp_path / "c.jsonl"
    ReplyCache(path).put(name(1), FULL)
    path.write_bytes(inside + path.read_bytes() + inside)
    assert ReplyCache(path).get(name(1)) == FULL


def test_a_damaged_line_is_asked_again_and_the_later_one_counts(tmp_path):
    path = tmp_path / "c.jsonl"
    ReplyCache(path).put(name(1), Reply("a" * 50))
    path.write_bytes(path.read_bytes().replace(b"aaaa", b'"aa,', 1))
    cache = ReplyCache(path)
    assert cache.get(name(1)) is None and cache.get(name(1)) is None
    cache.put(name(1), Reply("b"))
    assert ReplyCache(path).get(name(1)) == Reply("b")


def test_a_file_that_went_away_is_no_reply(tmp_path):
    cache = ReplyCache(tmp_path / "c.jsonl")
    cache.put(name(1), FULL)
    (tmp_path / "c.jsonl").unlink()
    assert cache.get(name(1)) is None


def _write(path: str, number: int) -> None:
    cache = ReplyCache(Path(path))
    for n in range(200):
        cache.put(key_of("", {"w": number, "n": n}, 0), Reply(f"{number}-{n}" * (n % 40)))
    assert all(cache.get(key_of("", {"w": number, "n": n}, 0)) for n in range(200))


def test_several_processes_append_to_one_file(tmp_path):
    path = tmp_path / "c.jsonl"
    fork = multiprocessing.get_context("spawn")
    writers = [fork.Process(target=_write, args=(str(path), k)) for k in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    cache = ReplyCache(path)
    assert len(cache) == 600
    for k in range(3):
        assert [cache.get(key_of("", {"w": k, "n": n}, 0)).content for n in (0, 7, 199)] == [
            f"{k}-{n}" * (n % 40) for n in (0, 7, 199)
        ]


values = st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3), max_size=3)


@given(values, values, st.integers(0, 3), st.integers(0, 3))
def test_keys_are_equal_only_for_equal_requests(one, two, seed, other):
    same = one == two and seed == other
    assert (key_of("http://a/v1", one, seed) == key_of("http://a/v1", two, other)) is same
    assert key_of("http://a/v1", one, seed) != key_of("http://b/v1", one, seed)
    assert key_of("", dict(reversed(one.items())), 0) == key_of("", one, 0)
