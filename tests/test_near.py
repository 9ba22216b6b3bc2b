"""Near-duplicates: the measure by hand, what counts as one, and its laws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.core.schema import Question
from webdancer.near import Near, jaccard, runs, tokens

LONG = "In which city of the northern region was the founder of the company that built the old bridge born?"
WORDS = st.lists(st.sampled_from("abcdef"), max_size=8)


def asked(text: str, answer: str = "Tarn") -> Question:
    return Question("", text, answer, "multihop", 1)


def test_jaccard_by_hand():
    # in which city of northern region was founder of company that built old bridge born: 15 words, 13 triples
    one, other = (runs(tokens(text), 3) for text in (LONG, LONG.replace("born", "raised")))
    assert len(one) == 13 and len(one & other) == 12 and jaccard(one, other) == 12 / 14


@pytest.mark.parametrize(
    ("first", "second", "again"),
    [
        (asked(LONG), asked(LONG.upper().replace("?", " ?")), True),  # the same words
        (asked(LONG), asked(LONG.replace("born", "raised")), True),  # 0.857
        (asked(LONG), asked(LONG.replace("old bridge", "new tower")), False),  # 10 of 16 triples
        (asked(LONG), asked(LONG, "Orlen"), False),  # another answer: another question, or one of them is wrong
        (asked(LONG, "Tarn"), asked(LONG, "the TARN"), True),  # answers equal when normalised
        (asked("Where was Ada Moor born?"), asked("Where was Ivo Moor born?"), False),
        (asked("河湾市的第一座图书馆建于哪一年？"), asked("河湾市的第一座图书馆建在哪一年？"), False),  # 10 of 16
        (asked("请问河湾市的第一座公共图书馆是由哪一位市长在任时主持修建的？"),
         asked("河湾市的第一座公共图书馆是由哪一位市长在任时主持修建的？"), True),
    ],
)  # fmt: skip
def test_what_counts_as_nearly_the_same(first, second, again):
    near = Near(0.8)
    assert not near.again(first) and near.again(second) == again


def test_a_repetition_is_not_remembered_and_a_threshold_above_one_sees_none():
    near = Near(0.8)
    assert [near.again(asked(LONG)) for _ in range(3)] == [False, True, True]
    never = Near(1.1)
    assert not never.again(asked(LONG)) and not never.again(asked(LONG))


@given(WORDS, WORDS, st.integers(1, 4))
def test_laws_of_the_measure(one, other, size):
    a, b = runs(one, size), runs(other, size)
    assert jaccard(a, b) == jaccard(b, a) and 0 <= jaccard(a, b) <= 1
    assert jaccard(a, a) == 1 and (jaccard(a, b) < 1 or a == b)
