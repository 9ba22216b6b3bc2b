"""What 02_synthesize wants of which kind and how many hops: shares, cells, and plans that cannot be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.core.schema import KINDS, Question
from webdancer.synthesize_plan import Cell, plan, share_out

EQUAL = dict.fromkeys(KINDS, 0.25)
HOPS = [0.25, 0.25, 0.25, 0.25]


def test_share_out_by_hand():
    assert share_out(7, {"a": 1, "b": 1, "c": 1}) == {"a": 3, "b": 2, "c": 2}
    assert share_out(0, {"a": 1.0}) == {"a": 0}


@given(st.integers(0, 5000), st.lists(st.floats(0.0, 10.0), min_size=1, max_size=6).filter(lambda s: sum(s) > 0.01))
def test_shares_add_up_and_differ_from_the_exact_ones_by_less_than_one(total, shares):
    parts = share_out(total, {str(i): s for i, s in enumerate(shares)})
    assert sum(parts.values()) == total
    assert all(abs(parts[str(i)] - total * s / sum(shares)) < 1 for i, s in enumerate(shares))


def test_plan_by_hand():
    cells = plan({"sft": 8, "eval": 4}, {"multihop": 0.5, "e2hqa": 0.5}, [0.5, 0.5, 0.0, 0.0])
    got = {(c.split, c.kind, c.hops): c.wanted for c in cells}
    assert got == {
        ("sft", "multihop", 1): 2, ("sft", "multihop", 2): 2, ("sft", "e2hqa", 2): 4,
        ("eval", "multihop", 1): 1, ("eval", "multihop", 2): 1, ("eval", "e2hqa", 2): 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "kinds", "hops", "says"),
    [
        ({"sft": 0}, EQUAL, HOPS, "some above"),
        ({"sft": 5}, {"count": 0.0}, HOPS, "some above"),
        ({"sft": 5}, {"count": -1.0, "multihop": 2.0}, HOPS, "none below 0"),
        ({"sft": 5}, {"e2hqa": 1.0}, [1.0, 0.0, 0.0, 0.0], "leave no hops for e2hqa"),
        ({"sft": 5}, EQUAL, [0.0, 0.0, 0.0, 0.0, 0.0, 1.0], "no kind has more hops"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(counts, kinds, hops, says):
    with pytest.raises(ValueError, match=says):
        plan(counts, kinds, hops)


def test_only_e2hqa_goes_to_five_hops():
    cells = plan({"sft": 90}, dict.fromkeys(KINDS, 1.0), [0.0, 0.0, 0.0, 0.5, 0.5])
    assert {c.kind for c in cells if c.hops == 5} == {"e2hqa"}
    assert {(c.kind, c.hops): c.wanted for c in cells}["e2hqa", 5] == 7  # half of 15, the odd one to the first


def test_a_shorter_list_of_hops_stops_earlier():
    assert {c.hops for c in plan({"sft": 40}, {"multihop": 1.0}, [0.5, 0.5])} == {1, 2}


def test_drafts_for_the_next_round_by_hand():
    cell = Cell("sft", "multihop", 1, 9)
    assert cell.name == "sft-multihop-1" and cell.attempts() == 10  # 9 missing, a yield of 0.9
    cell.questions, cell.tried = [Question("a", "?", "b", "multihop", 1)] * 3, 10  # yield (3 + 9) / (10 + 10) = 0.6
    assert cell.missing == 6 and cell.attempts() == 10
    cell.wanted = 3
    assert cell.attempts() == 0
