"""Overlap with benchmarks: runs by hand, files opened and decrypted, and nothing of their text in a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.contamination import Benchmarks

TEXT = "Which river flows through the town in which the painter of the blue bridge was born in spring?"
FIFTEEN = "which river flows through town in which painter of blue bridge was born in spring".split()  # without "the"


def test_thirteen_words_in_a_row_are_an_overlap_and_twelve_are_none():
    bench = Benchmarks([("hand.jsonl", [TEXT])])
    assert bench.questions == {"hand.jsonl": 1}
    assert bench.overlap("And " + " ".join(FIFTEEN[1:14]) + " of 1900?") == "hand.jsonl"
    assert bench.overlap("And " + " ".join(FIFTEEN[1:13]) + " or not?") == ""
    assert bench.overlap(TEXT.upper()) == "hand.jsonl"


def test_a_short_benchmark_question_is_looked_for_as_a_whole():
    bench = Benchmarks([("hand", ["Who is the mother of Ada Moor?"]), ("tiny", ["Who is Ada?"])])
    assert bench.overlap("who is mother of Ada Moor") == "hand"
    assert bench.overlap("Where was the city of the person who is the mother of Ada Moor founded?") == "hand"
    assert bench.overlap("Who is the mother of Ada Dale?") == ""
    assert bench.overlap("Who is Ada?") == ""  # below five words anything could match


def test_chinese_counts_characters():
    bench = Benchmarks([("zh", ["河湾市的第一座公共图书馆是由哪一位市长主持修建的？"])])
    assert bench.overlap("请问第一座公共图书馆是由哪一位市长主持的？") == "zh"
    assert bench.overlap("河湾市的第一座公共图书") == ""


def test_without_benchmarks_nothing_overlaps():
    assert Benchmarks().overlap(TEXT) == ""


def test_files_are_read_and_named(tmp_path):
    path = tmp_path / "made_up.jsonl"
    path.write_text('{"question": "Who is the mother of Ada Moor?", "answer": "Uma"}\n')
    assert Benchmarks.open([path]).overlap("Who is the mother of Ada Moor?") == "made_up.jsonl"
    path.write_text("")
    with pytest.raises(ValueError, match="made_up.jsonl: got no question"):
        Benchmarks.open([path])
    with pytest.raises(ValueError, match="wanted at least 5"):
        Benchmarks(size=4)


@given(st.lists(st.sampled_from("abcdefgh"), min_size=13, max_size=20), st.integers(0, 7), st.integers(0, 7))
def test_any_thirteen_words_of_a_benchmark_are_found_wherever_they_stand(words, cut, before):
    start = min(cut, len(words) - 13)
    bench = Benchmarks([("x", [" ".join(w + "q" for w in words)])])  # "a" alone would be an article
    run = " ".join(w + "q" for w in words[start : start + 13])
    assert bench.overlap("zz " * before + run + " zz") == "x"
