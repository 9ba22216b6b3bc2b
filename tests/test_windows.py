"""Windows hold all of a page, end at sentences, and a summariser reads a bounded number of them."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.web.windows import nearest, read, spans, windows


def test_short_text_is_one_window_as_it_is():
    assert windows("  One. Two. ", 12) == ["  One. Two. "]
    assert windows("", 5) == [""]


def test_windows_end_at_sentences_and_repeat_whole_ones():
    text = "Aa is b. Cc is d. Ee is f. Gg is h."  # sentences of 9, 9, 9 and 8 characters
    assert windows(text, 18) == ["Aa is b. Cc is d. ", "Ee is f. Gg is h."]
    assert windows(text, 18, 9) == ["Aa is b. Cc is d. ", "Cc is d. Ee is f. ", "Ee is f. Gg is h."]


def test_an_endless_sentence_is_cut_at_a_space_or_anywhere():
    assert windows("aaa bbb ccc ddd", 9) == ["aaa bbb ", "ccc ddd"]
    assert windows("a" * 10, 4) == ["aaaa", "aaaa", "aa"]
    assert windows("第一句很长很长很长。第二句。", 10) == ["第一句很长很长很长。", "第二句。"]


@given(st.text(alphabet="aB. \n。中", max_size=200), st.integers(1, 40), st.data())
def test_windows_hold_all_of_the_text(text, size, data):
    overlap = data.draw(st.integers(0, size // 2))
    found = spans(text, size, overlap)
    assert found[0][0] == 0 and found[-1][1] == len(text)
    assert all(0 <= end - start <= size for start, end in found)
    for (start, end), (following, its_end) in zip(found, found[1:], strict=False):
        assert start < following <= end < its_end and end - following <= overlap
    if overlap == 0:
        assert "".join(windows(text, size)) == text


@pytest.mark.parametrize("size, overlap", [(0, 0), (10, 6), (10, -1)])
def test_limits_that_make_no_sense_are_refused(size, overlap):
    with pytest.raises(ValueError, match="wanted"):
        windows("text", size, overlap)


def test_the_first_window_and_the_nearest_are_read_in_page_order():
    parts = ["head", "tea", "tal mayor", "rain", "tal"]
    assert nearest(parts, "the mayor Tal", 3) == ["head", "tal mayor", "tal"]
    assert nearest(parts, "the mayor Tal", 1) == ["head"]
    assert nearest(parts, "x", 9) == parts


def reader(answers):
    asked = []

    async def summarise(text, goal):
        asked.append(text)
        return answers.get(text, ("", "nothing"))

    return summarise, asked


def test_a_page_of_one_window_is_read_in_one_request():
    summarise, asked = reader({"Tal is mayor.": ("Tal is mayor.", "Tal.")})
    assert asyncio.run(read("Tal is mayor.", "mayor", summarise, 50, 4)) == ("Tal is mayor.", "Tal.")
    assert asked == ["Tal is mayor."]


def test_evidence_of_several_windows_is_merged_once_and_summed_up():
    text = "Aa is b. Cc is d. Ee is f. Gg is h. Ii is j."
    both = "Aa is b.\nCc is d.\nEe is f."
    summarise, asked = reader(
        {
            "Aa is b. Cc is d.": ("Aa is b.\nCc is d.", "first"),
            "Ee is f. Gg is h.": ("Cc is d.\nEe is f.", "second"),
            both[:18]: ("ignored", "all of it"),
        }
    )
    assert asyncio.run(read(text, "goal", summarise, 18, 4)) == (both, "all of it")
    assert asked == ["Aa is b. Cc is d.", "Ee is f. Gg is h.", "Ii is j.", both[:18]]  # at most a window


def test_one_useful_window_needs_no_summing_up_and_none_says_so():
    text = "Aa is b. Cc is d. Ee is f. Gg is h."
    summarise, asked = reader({"Ee is f. Gg is h.": ("Ee is f.", "E.")})
    assert asyncio.run(read(text, "goal", summarise, 18, 4)) == ("Ee is f.", "E.") and len(asked) == 2
    summarise, asked = reader({})
    assert asyncio.run(read(text, "goal", summarise, 18, 4)) == ("", "nothing") and len(asked) == 2


def test_the_number_of_windows_is_bounded_and_chinese_windows_are_smaller():
    summarise, asked = reader({})
    asyncio.run(read("Aa is b. " * 100, "goal", summarise, 20, 3))
    assert len(asked) == 3
    summarise, asked = reader({})
    asyncio.run(read("茶很好喝。" * 6, "茶", summarise, 30, 9))
    assert asked == ["茶很好喝。茶很好喝。"] * 3


def test_what_the_summariser_raises_comes_through():
    async def broken(text, goal):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        asyncio.run(read("a. B. " * 50, "goal", broken, 20, 2))
