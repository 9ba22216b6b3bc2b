"""Pass@k, Cons@k, intervals and paired differences against hand-worked numbers, brute force and simulation."""

from itertools import combinations
from pathlib import Path

import nbformat
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer import metrics as m
from webdancer.show import lessons


@pytest.mark.parametrize(
    ("n", "c", "k", "wanted"),
    [
        (3, 0, 1, 0.0),
        (3, 1, 1, 1 / 3),
        (3, 1, 2, 2 / 3),
        (3, 1, 3, 1.0),
        (3, 3, 1, 1.0),
        (5, 2, 2, 0.7),
        (4, 2, 3, 1.0),
    ],
)
def test_pass_at_k_by_hand(n, c, k, wanted):
    assert m.pass_at_k(n, c, k) == pytest.approx(wanted)


@given(st.lists(st.booleans(), min_size=1, max_size=7), st.data())
def test_pass_at_k_is_brute_force_grows_with_k_and_is_the_mean_at_one(right, data):
    k = data.draw(st.integers(1, len(right)))
    subsets = [any(s) for s in combinations(right, k)]
    assert m.pass_at_k(len(right), sum(right), k) == pytest.approx(sum(subsets) / len(subsets))
    values = [m.pass_at_k(len(right), sum(right), j) for j in range(1, len(right) + 1)]
    assert values == sorted(values)
    assert values[0] == pytest.approx(np.mean(right))


@pytest.mark.parametrize(("n", "c", "k"), [(2, 1, 3), (3, 1, 0), (3, 4, 1), (3, -1, 1)])
def test_pass_at_k_refuses(n, c, k):
    with pytest.raises(ValueError, match="got"):
        m.pass_at_k(n, c, k)


def test_cons_at_k_is_the_share_of_the_first_k():
    assert m.cons_at_k([True, False, True, True], 3) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="sample more"):
        m.cons_at_k([True], 3)


def test_bootstrap_of_a_constant_and_of_a_coin():
    assert m.bootstrap([0.25] * 7) == (0.25, 0.25)
    low, high = m.bootstrap([0.0, 1.0] * 50)
    assert low == pytest.approx(0.5 - 1.96 * 0.05, abs=0.02) and high == pytest.approx(0.5 + 1.96 * 0.05, abs=0.02)
    assert m.bootstrap([0.0, 1.0] * 50) == (low, high)
    uneven = [i**0.5 for i in range(50)]
    assert m.bootstrap(uneven, seed=1) != m.bootstrap(uneven, seed=0)


def test_bootstrap_refuses_nothing_and_too_few_draws():
    with pytest.raises(ValueError, match="0 questions"):
        m.bootstrap([])
    with pytest.raises(ValueError, match="2000"):
        m.bootstrap([1.0], resamples=100)


def test_intervals_cover_the_truth():
    chance = np.random.default_rng(0)
    inside = 0
    for trial in range(200):
        low, high = m.bootstrap(chance.random(100) < 0.6, seed=trial, resamples=2000)
        inside += low <= 0.6 <= high
    assert 0.90 <= inside / 200 <= 0.99


def test_pairing_removes_what_the_questions_share():
    hard = {f"q{i}": float(i % 2) for i in range(100)}
    easier = {q: min(1.0, v + (0.5 if int(q[1:]) % 10 == 0 else 0.0)) for q, v in hard.items()}
    got = m.paired(easier, hard)
    assert got["value"] == pytest.approx(0.05) and got["n"] == 100
    assert got["ci95"][0] > 0
    assert got["ci95"][1] - got["ci95"][0] < 0.1  # two separate intervals would be 0.2 wide each


def test_paired_wants_the_same_questions():
    with pytest.raises(ValueError, match="1 questions that only one system answered .b"):
        m.paired({"a": 1.0, "b": 1.0}, {"a": 1.0})


def test_the_exercises_of_the_notebook_accept_a_right_solution():
    path = Path(__file__).parents[1] / "notebooks" / "07_evaluate.ipynb"
    cells = [c.source for c in nbformat.read(path, 4).cells if c.source.startswith("mine = None")]
    majority = lambda right: sum(right) * 2 > len(right)  # noqa: E731
    for cell, mine in zip(cells, (majority, 0.7), strict=True):
        *_, call = cell.split("mine = None\n")
        assert eval(call, {"lessons": lessons, "metrics": m, "mine": mine}) is True
        assert eval(call, {"lessons": lessons, "metrics": m, "mine": None}) is None
