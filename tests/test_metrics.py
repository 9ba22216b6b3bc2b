"""Pass@k, majority, intervals and the paired test against hand-worked numbers, brute force and simulation."""

from itertools import combinations, product
from math import comb
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


def three_samples(chance, difficulty):
    """Shares right of three samples a question, each question as hard as `difficulty` says."""
    return chance.binomial(3, difficulty) / 3


@pytest.mark.parametrize(("questions", "a", "b"), [(20, 1, 1), (30, 3, 2), (100, 1, 1), (330, 3, 2)])
def test_intervals_cover_the_truth_as_often_as_they_say(questions, a, b):
    """Questions of all grades of difficulty, three samples each, so that samples of a question hang together."""
    chance, inside = np.random.default_rng(0), 0
    for trial in range(1000):
        values = three_samples(chance, chance.beta(a, b, questions))
        low, high = m.bootstrap(values, seed=trial, resamples=2000, share=True)
        inside += low <= a / (a + b) <= high
    assert 0.93 <= inside / 1000 <= 0.97


def test_paired_intervals_cover_a_true_difference():
    chance, inside = np.random.default_rng(0), 0
    for trial in range(400):
        hard = chance.random(120)
        first, second = three_samples(chance, 0.1 + 0.9 * hard), three_samples(chance, 0.9 * hard)
        low, high = m.paired(dict(enumerate(first)), dict(enumerate(second)), trial, 2000)["ci95"]
        inside += low <= 0.1 <= high
    assert 0.93 <= inside / 400 <= 0.97


def test_shares_without_spread_get_the_exact_interval():
    assert m.bootstrap([0.0] * 60, share=True) == (0.0, pytest.approx(1 - 0.025 ** (1 / 60)))
    assert m.bootstrap([1.0] * 3, share=True) == (pytest.approx(0.025 ** (1 / 3)), 1.0)
    assert m.bootstrap([0.5] * 3, share=True) == (0.5, 0.5)
    assert m.bootstrap([0.0] * 60) == (0.0, 0.0)  # tool calls are no shares


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


def brute_force(differences):
    """The p-value of `sign_flip` by writing down every way to give signs."""
    ways = [
        abs(sum(s * d for s, d in zip(w, differences, strict=True))) for w in product((1, -1), repeat=len(differences))
    ]
    return sum(w >= abs(sum(differences)) - 1e-9 for w in ways) / len(ways)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=8))
def test_sign_flip_is_brute_force_and_symmetric(pairs):
    first = {str(i): a / 3 for i, (a, _) in enumerate(pairs)}
    second = {str(i): b / 3 for i, (_, b) in enumerate(pairs)}
    got = m.sign_flip(first, second)
    assert got == pytest.approx(brute_force([a / 3 - b / 3 for a, b in pairs]))
    assert got == m.sign_flip(second, first) and 0 < got <= 1


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (5, 0), (8, 2), (30, 14)])
def test_sign_flip_with_one_sample_is_the_exact_test_of_mcnemar(gained, lost):
    first = {str(i): float(i < gained) for i in range(gained + lost + 20)}
    second = {q: float(gained <= int(q) < gained + lost) for q in first}
    n, more = gained + lost, max(gained, lost)
    binomial = min(1.0, 2 * sum(comb(n, i) for i in range(more, n + 1)) / 2**n)
    assert m.sign_flip(first, second) == pytest.approx(binomial)


@pytest.mark.parametrize("questions", [60, 120])
def test_systems_that_are_alike_differ_significantly_as_often_as_the_level_says(questions):
    """At 5 %: exact, so no more often than that, and little less, although sums of thirds come in steps."""
    chance, found = np.random.default_rng(1), 0
    for _ in range(800):
        hard = chance.random(questions)
        pair = [dict(enumerate(three_samples(chance, hard))) for _ in range(2)]
        found += m.sign_flip(*pair) <= 0.05
    assert 0.025 <= found / 800 <= 0.06


def test_a_real_difference_is_found():
    chance = np.random.default_rng(2)
    hard = chance.random(300)
    better = dict(enumerate(three_samples(chance, 0.15 + 0.85 * hard)))
    assert m.sign_flip(better, dict(enumerate(three_samples(chance, 0.85 * hard)))) < 0.001


@pytest.mark.parametrize("value", [0.12345678, 2**0.5, float("nan")])
def test_sign_flip_wants_shares(value):
    with pytest.raises(ValueError, match="share of at most 1000|NaN"):
        m.sign_flip({"a": value}, {"a": 0.0})


def test_sign_flip_wants_the_same_questions_and_a_common_unit():
    with pytest.raises(ValueError, match="only one system answered"):
        m.sign_flip({"a": 1.0}, {"b": 1.0})
    odd = {str(n): 1 / n for n in (7, 11, 13, 17, 19, 23, 29, 31, 37)}
    with pytest.raises(ValueError, match="as many samples of every question"):
        m.sign_flip(odd, dict.fromkeys(odd, 0.0))


@pytest.mark.parametrize(
    ("answers", "right", "wanted"),
    [
        (["ada", "ada", "bo"], [1, 1, 0], 1.0),
        (["bo", "ada", "bo"], [0, 1, 0], 0.0),
        (["ada", "bo", "cy"], [1, 0, 0], 1 / 3),  # a tie of three
        (["ada", "bo"], [1, 0], 0.5),
        (["", "", "ada"], [0, 0, 1], 1.0),  # no answer is no vote
        (["", ""], [0, 0], 0.0),
        (["ada veron", "veron", "bo", "bo"], [1, 1, 0, 0], 0.0),  # two right spellings do not stand together
        (["ada", "ada"], [1, 0], 0.5),  # the judge could not decide
    ],
)
def test_majority_by_hand(answers, right, wanted):
    assert m.majority(answers, right) == pytest.approx(wanted)


@given(
    st.lists(st.tuples(st.sampled_from(["ada", "bo", "cy", ""]), st.booleans()), min_size=1, max_size=7), st.randoms()
)
def test_majority_is_a_share_and_the_order_of_samples_is_nothing(rows, chance):
    got = m.majority(*zip(*rows, strict=True))
    assert 0 <= got <= 1
    chance.shuffle(rows)
    assert m.majority(*zip(*rows, strict=True)) == pytest.approx(got)


@given(st.lists(st.booleans(), min_size=1, max_size=7))
def test_majority_of_answers_that_all_differ_is_the_share_right(right):
    assert m.majority([f"answer {i}" for i in range(len(right))], right) == pytest.approx(np.mean(right))


@pytest.mark.parametrize(("answers", "right"), [([], []), (["a"], [True, False])])
def test_majority_refuses(answers, right):
    with pytest.raises(ValueError, match="wanted one or more"):
        m.majority(answers, right)


def test_best_of_k_takes_whole_runs():
    right = [[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]]
    got = m.best_of_k(right, 3)
    assert got["value"] == 0.5 and got["n"] == 4 and got["ci95"][0] <= 0.5 <= got["ci95"][1]
    assert m.best_of_k(right, 1)["value"] == 0.5
    with pytest.raises(ValueError, match="2 samples"):
        m.best_of_k([[1, 0], [1, 0, 0]], 3)
    with pytest.raises(ValueError, match="0 samples"):
        m.best_of_k([], 1)


def test_the_best_of_runs_that_are_alike_is_any_of_them():
    shares = [1.0, 0.0, 1.0, 1.0, 0.0]
    assert m.best_of_k([[v] * 3 for v in shares], 3) == m.estimate(shares, share=True)
    assert m.best_of_k([[False] * 3] * 60, 3)["ci95"][1] > 0.05  # nothing right of 60 is not nothing


def test_best_of_k_lies_between_the_mean_and_any_of_k():
    chance = np.random.default_rng(3)
    right = chance.random((50, 3)) < 0.4
    once, best = right.mean(), m.best_of_k(right, 3)["value"]
    assert once < best < np.mean([m.pass_at_k(3, int(sum(r)), 3) for r in right])


@given(st.dictionaries(st.sampled_from("abcd"), st.lists(st.integers(0, 3), min_size=1, max_size=6), min_size=1))
def test_parts_add_up_to_the_total(levels):
    parts = {name: {"value": float(np.mean(v)) / 3, "n": len(v)} for name, v in levels.items()}
    everything = [x / 3 for v in levels.values() for x in v]
    total = {"value": float(np.mean(everything)), "n": len(everything)}
    m.add_up(parts, total)
    with pytest.raises(ValueError, match="by_level: got .* of the total"):
        m.add_up(parts, {**total, "n": total["n"] + 1}, "by_level")
    with pytest.raises(ValueError, match="in two of them, or in none"):
        m.add_up(parts, {**total, "value": total["value"] + 0.001})


def test_the_exercises_of_the_notebook_accept_a_right_solution():
    path = Path(__file__).parents[1] / "notebooks" / "07_evaluate.ipynb"
    cells = [c.source for c in nbformat.read(path, 4).cells if c.source.startswith("mine = None")]
    for cell, mine in zip(cells, (m.majority, 0.7), strict=True):
        *_, call = cell.split("mine = None\n")
        assert eval(call, {"lessons": lessons, "metrics": m, "mine": mine}) is True
        assert eval(call, {"lessons": lessons, "metrics": m, "mine": None}) is None
