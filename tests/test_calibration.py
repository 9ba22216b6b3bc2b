"""webdancer.agent.calibration: calibration error and kappa by hand, and the laws that hold for all."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.agent.calibration import disagreement, kappa, rms_error

ROWS = st.lists(st.tuples(st.integers(0, 20).map(lambda n: n / 20), st.booleans()), min_size=1, max_size=60)


def error(rows, size):
    return rms_error([c for c, _ in rows], [r for _, r in rows], size)


def test_two_bins_by_hand():
    """Bin one: 0.2, 0.4 of which one is right: 0.5 - 0.3 = 0.2. Bin two: 0.8, 0.9, 1.0, all right: 1 - 0.9 = 0.1."""
    found = rms_error([0.9, 0.2, 1.0, 0.4, 0.8], [True, True, True, False, True], size=2)
    assert found["n"] == 5
    assert found["bins"] == [
        {"n": 2, "confidence": 0.3, "right": 0.5},
        {"n": 3, "confidence": 0.9, "right": 1.0},  # what is left over joins the last bin
    ]
    assert found["value"] == pytest.approx(math.sqrt(2 / 5 * 0.04 + 3 / 5 * 0.01), abs=1e-6)


def test_one_bin_is_the_difference_of_the_means():
    found = rms_error([1.0, 0.8, 0.6], [True, False, False])  # 0.8 stated, a third right
    assert found["value"] == pytest.approx(0.8 - 1 / 3, abs=1e-6) and len(found["bins"]) == 1


def test_equal_confidences_stay_together():
    """Cut in the middle of the equal ones, the order of the answers would decide which bin is right."""
    rows = [(0.5, True), (0.9, False), (0.9, True), (0.9, True), (0.9, False), (0.9, True)]
    found = error(rows, 2)
    assert [b["n"] for b in found["bins"]] == [6]
    assert [b["n"] for b in error(rows + [(0.95, True)] * 2, 2)["bins"]] == [6, 2]


def test_all_bins_count():
    """The highest confidences are the ones that matter: here only they are wrong."""
    rows = [(0.5, n % 2 == 0) for n in range(100)] + [(1.0, False)] * 100
    assert error(rows, 100)["value"] == pytest.approx(math.sqrt(0.5), abs=1e-6)


def test_no_answers_and_bad_input():
    assert rms_error([], []) == {"value": None, "n": 0, "bins": []}
    for wrong in (([0.5], []), ([1.5], [True]), ([-0.1], [True])):
        with pytest.raises(ValueError, match="wanted one confidence from 0 to 1 for each verdict"):
            rms_error(*wrong)
    with pytest.raises(ValueError, match="bins of 0"):
        rms_error([0.5], [True], 0)


@given(ROWS, st.integers(1, 20), st.randoms(use_true_random=False))
def test_the_order_changes_nothing_and_the_error_is_a_share(rows, size, chance):
    found = error(rows, size)
    shuffled = rows[:]
    chance.shuffle(shuffled)
    assert error(shuffled, size) == found
    assert 0 <= found["value"] <= 1 and sum(b["n"] for b in found["bins"]) == len(rows)
    assert all(b["n"] >= size for b in found["bins"]) or len(found["bins"]) == 1
    assert found["value"] >= abs(sum(c - r for c, r in rows) / len(rows)) - 1e-5  # Jensen: bins never hide the mean gap


def test_a_calibrated_agent_has_a_small_error():
    chance = random.Random(0)
    stated = [chance.random() for _ in range(20_000)]
    assert rms_error(stated, [chance.random() < c for c in stated], 1000)["value"] < 0.03
    assert rms_error(stated, [chance.random() < c / 2 for c in stated], 1000)["value"] > 0.25


def test_kappa_by_hand():
    """20 both yes, 5 only the first, 10 only the second, 15 both no: agreement 0.7, by chance 0.5."""
    first = [True] * 25 + [False] * 25
    second = [True] * 20 + [False] * 5 + [True] * 10 + [False] * 15
    assert kappa(first, second) == 0.4


def test_kappa_at_its_ends():
    assert kappa([True, False], [True, False]) == 1.0
    assert kappa([True, False], [False, True]) == -1.0
    assert kappa([True, True, False, False], [True, False, True, False]) == 0.0
    assert kappa([True, True], [True, True]) is None  # nothing else was said: chance explains all
    with pytest.raises(ValueError, match="got 1 and 2 verdicts"):
        kappa([True], [True, False])
    with pytest.raises(ValueError, match="got 0 and 0"):
        kappa([], [])


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_kappa_is_the_same_both_ways_and_for_no_in_the_place_of_yes(pairs):
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    found = kappa(first, second)
    assert found == kappa(second, first) == kappa([not a for a in first], [not b for b in second])
    assert found is None or -1 <= found <= 1
    if first == second and len(set(first)) == 2:
        assert found == 1


def test_disagreement_names_each_pair_of_judges():
    said = {
        "match": [True, True, False, False],
        "yes_no": [True, False, False, False],
        "one_word": [True, True, False, True],
    }
    rows = disagreement(said)
    assert [(r["first"], r["second"]) for r in rows] == [
        ("match", "yes_no"),
        ("match", "one_word"),
        ("yes_no", "one_word"),
    ]
    assert (rows[0]["differ"]["value"], rows[0]["only_first"], rows[0]["only_second"]) == (0.25, 1, 0)
    assert rows[0]["kappa"] == 0.5 and rows[2]["differ"]["count"] == 2
    assert disagreement({"match": [True]}) == []
