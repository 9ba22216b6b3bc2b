"""DAPO's arithmetic against numbers worked by hand, and its laws."""

import math
from pathlib import Path

import nbformat
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from webdancer import dapo_loss as d
from webdancer.show import lessons

ONE_RIGHT = [1.0] + [0.0] * 7


@pytest.mark.parametrize(
    ("rewards", "ddof", "wanted"),
    [
        (ONE_RIGHT, 1, [2.475] + [-0.354] * 7),  # mean 1/8, std sqrt(1/8): 7/8 / 0.35355 and -1/8 / 0.35355
        (ONE_RIGHT, 0, [2.646] + [-0.378] * 7),  # std sqrt(7)/8: sqrt(7) and -1 / sqrt(7)
        ([1.0, 0.0], 1, [0.707, -0.707]),
        ([1.0, 0.1, 0.1, 0.0], 1, [1.4924, -0.4264, -0.4264, -0.6396]),  # mean 0.3, std sqrt(0.66 / 3)
        ([1.0] * 8, 1, [0.0] * 8),
        ([0.1] * 8, 1, [0.0] * 8),
        ([0.3], 1, [0.0]),
    ],
)
def test_group_advantage_by_hand(rewards, ddof, wanted):
    assert d.group_advantage(rewards, ddof).tolist() == pytest.approx(wanted, abs=6e-4)


@pytest.mark.parametrize(
    ("rewards", "ddof", "word"),
    [([], 1, "at least one"), ([[1.0]], 1, "one dimension"), ([1.0, math.nan], 1, "finite"), ([1.0], 2, "ddof")],
)
def test_group_advantage_refuses(rewards, ddof, word):
    with pytest.raises(ValueError, match=word):
        d.group_advantage(rewards, ddof)


@given(st.lists(st.sampled_from([0.0, 0.1, 0.9, 1.0]), min_size=2, max_size=16))
def test_advantage_sums_to_zero_and_keeps_order(rewards):
    advantage = d.group_advantage(rewards).tolist()
    assert sum(advantage) == pytest.approx(0, abs=1e-4)
    for i, j in zip(range(len(rewards)), range(1, len(rewards)), strict=False):
        assert (advantage[i] > advantage[j]) == (rewards[i] > rewards[j])


def test_live_groups():
    assert [d.is_live(c) for c in ([0, 0], [1, 1], [0, 1], [])] == [False, False, True, False]


CASES = [  # ratio, advantage, loss, gradient of the loss by logp, low, high
    (1.0, 2.0, -2.0, -2.0, False, False),
    (1.2, 2.0, -2.4, -2.4, False, False),
    (1.28 + 1e-3, 2.0, -2.56, 0.0, False, True),  # clipped high
    (1.5, 2.0, -2.56, 0.0, False, True),
    (0.5, 2.0, -1.0, -1.0, False, False),  # a good token that fell may always rise
    (1.0, -2.0, 2.0, 2.0, False, False),
    (0.9, -2.0, 1.8, 1.8, False, False),
    (0.8 - 1e-3, -2.0, 1.6, 0.0, True, False),  # clipped low
    (0.5, -2.0, 1.6, 0.0, True, False),
    (1.5, -2.0, 3.0, 3.0, False, False),  # a bad token that rose may always fall
    (1.5, 0.0, 0.0, 0.0, False, False),
    (0.5, 0.0, 0.0, 0.0, False, False),
]


@pytest.mark.parametrize(("ratio", "advantage", "loss", "slope", "low", "high"), CASES)
def test_surrogate_by_hand(ratio, advantage, loss, slope, low, high):
    old = torch.tensor([-1.0])
    logp = torch.tensor([-1.0 + math.log(ratio)], requires_grad=True)
    got = d.surrogate(logp, old, torch.tensor([advantage]))
    got.loss.sum().backward()
    assert got.loss.item() == pytest.approx(loss, abs=1e-5)
    assert logp.grad.item() == pytest.approx(slope, abs=1e-5)
    assert (got.low.item(), got.high.item()) == (low, high)
    assert got.ratio.item() == pytest.approx(ratio, abs=1e-5) and not got.ratio.requires_grad


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_clip_higher_acts_only_where_the_advantage_is_positive(change, advantage):
    got = d.surrogate(torch.tensor([change]), torch.zeros(1), torch.tensor([advantage]))
    assert not (got.high.item() and advantage <= 0)
    assert not (got.low.item() and advantage >= 0)


def test_surrogate_stays_finite_and_refuses_bad_input():
    assert torch.isfinite(d.surrogate(torch.tensor([0.0]), torch.tensor([-1e4]), torch.tensor([-1.0])).loss).all()
    with pytest.raises(ValueError, match="shapes"):
        d.surrogate(torch.zeros(2), torch.zeros(3), torch.zeros(2))
    with pytest.raises(ValueError, match="eps_low"):
        d.surrogate(torch.zeros(2), torch.zeros(2), torch.zeros(2), eps_low=1.0)


@pytest.mark.parametrize(("length", "penalty"), [(0, 0), (80, 0), (81, -0.05), (90, -0.5), (100, -1), (500, -1)])
def test_soft_overlong_by_hand(length, penalty):
    assert d.soft_overlong(length, 100, 20) == pytest.approx(penalty)
    assert d.soft_overlong(length, 100, 0) == 0


def test_leave_one_out_by_hand_and_its_bad_input():
    wanted = [1 - 0.2 / 3, 0.1 - 1.1 / 3, 0.1 - 1.1 / 3, -0.4]
    assert d.leave_one_out([1.0, 0.1, 0.1, 0.0]).tolist() == pytest.approx(wanted)
    assert d.leave_one_out([0.5, 0.5]).tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="at least two"):
        d.leave_one_out([1.0])
    with pytest.raises(ValueError, match="finite"):
        d.leave_one_out([1.0, math.nan])


@given(st.lists(st.floats(-2, 2), min_size=2, max_size=16))
def test_leave_one_out_sums_to_zero_and_is_the_groups_own_difference_stretched(rewards):
    """R - mean of the others = G / (G - 1) (R - mean of all)."""
    got = d.leave_one_out(rewards)
    assert got.sum().item() == pytest.approx(0, abs=1e-5)
    mean, size = sum(rewards) / len(rewards), len(rewards)
    assert got.tolist() == pytest.approx([size / (size - 1) * (r - mean) for r in rewards], abs=1e-5)


def test_token_weights_by_hand():
    # groups of 4 and 6 tokens: token mean 1/10 each; group token mean 1/(4*2) and 1/(6*2)
    assert d.token_weights([1, 3, 6], [7, 7, 9]) == pytest.approx([0.1] * 3)
    assert d.token_weights([1, 3, 6], [7, 7, 9], "group_token_mean") == pytest.approx([1 / 8, 1 / 8, 1 / 12])
    with pytest.raises(ValueError, match="token_mean, group_token_mean"):
        d.token_weights([1], [0], "mean")
    with pytest.raises(ValueError, match="tokens"):
        d.token_weights([0, 0], [0, 1])


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3)), min_size=1), st.sampled_from(d.AGGREGATIONS))
def test_weights_times_tokens_is_one(rows, aggregation):
    tokens, groups = zip(*rows, strict=True)
    if sum(tokens):
        weights = d.token_weights(tokens, groups, aggregation)
        assert sum(w * t for w, t in zip(weights, tokens, strict=True)) == pytest.approx(1)


@settings(max_examples=50)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=40), st.integers(1, 1000))
def test_buckets_hold_every_episode_once_and_respect_the_size(lengths, size):
    batches = d.buckets(lengths, size)
    assert sorted(i for b in batches for i in b) == list(range(len(lengths)))
    assert all(len(b) == 1 or max(lengths[i] for i in b) * len(b) <= size for b in batches)


def test_pad_and_spread():
    mask = d.pad([[False, True, True], [True, False]], False, torch.bool)
    assert mask.tolist() == [[False, True, True], [True, False, False]]
    assert d.spread([0.5, 2.0], mask).tolist() == [0.5, 0.5]  # column 0 never counts


def leave_one_out(rewards):
    return [r - (sum(rewards) - r) / (len(rewards) - 1) for r in rewards]


def clipped_low(ratio, eps_low):
    one = torch.tensor([ratio]).log()
    return d.surrogate(one, torch.zeros(1), torch.tensor([-1.0]), eps_low).low.item()


def test_the_exercises_of_the_notebook_accept_a_right_solution():
    path = Path(__file__).parents[1] / "notebooks" / "06_dapo.ipynb"
    cells = [c.source for c in nbformat.read(path, 4).cells if c.source.startswith("mine = None")]
    for cell, mine in zip(cells, (leave_one_out, clipped_low), strict=True):
        *_, call = cell.split("mine = None\n")
        assert eval(call, {"lessons": lessons, "mine": mine}) is True
        assert eval(call, {"lessons": lessons, "mine": None}) is None
