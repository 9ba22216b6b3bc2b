"""Sampling inverts the cumulative distribution, block by block, and never draws what has no probability."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from webdancer.agent import sampling


def test_sample_inverts_the_cumulative_distribution():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2]])).repeat(4, 1)
    draws = torch.tensor([0.0, 0.49, 0.51, 0.99], dtype=torch.float64)
    ids, logps = sampling.sample(logits, draws, 1.0, 1.0)
    assert ids == [0, 0, 1, 2]
    assert logps == pytest.approx([-0.6931, -0.6931, -1.2040, -1.6094], abs=1e-4)
    assert sampling.sample(logits, draws, 1.0, 0.6)[0] == [0, 0, 0, 1]  # 0.5 + 0.3 reach 0.6; rescaled to 0.625, 0.375
    assert sampling.sample(logits, draws, 0.0, 1.0)[0] == [0, 0, 0, 0]


def test_temperature_shapes_the_draw_and_not_the_log_probability():
    logits = torch.log(torch.tensor([[0.8, 0.2]]))
    # at temperature 0.5 the odds are squared: 0.64 to 0.04, 16 of 17
    for draw, picked, logp in ((0.94, 0, -0.2231), (0.942, 1, -1.6094)):
        ids, logps = sampling.sample(logits, torch.tensor([draw], dtype=torch.float64), 0.5, 1.0)
        assert ids == [picked] and logps == pytest.approx([logp], abs=1e-4)


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(0, 2**31), st.floats(0, 1, exclude_max=True))
def test_blocks_find_what_one_long_running_sum_finds(vocabulary, seed, draw):
    logits = torch.randn(3, vocabulary, generator=torch.Generator().manual_seed(seed)) * 3
    draws = torch.full((3,), draw, dtype=torch.float64)
    sums = torch.softmax(logits.double(), -1).cumsum(-1)
    aim = draws[:, None] * sums[:, -1:]
    for row, token in enumerate(sampling.sample(logits, draws, 1.0, 1.0)[0]):
        low = sums[row, token - 1] if token else 0.0
        assert low - 1e-6 <= aim[row] <= sums[row, token] + 1e-6


@given(st.integers(0, 150), st.floats(0, 1))
def test_a_token_without_probability_is_never_drawn(token, draw):
    """Also not by a draw of 1 - 2**-53, which may round up to the whole sum."""
    logits = torch.full((1, 151), -torch.inf)
    logits[0, token] = 3.0
    last = 1 - 2**-53
    for at in (min(draw, last), 0.0, last):
        ids, logps = sampling.sample(logits, torch.tensor([at], dtype=torch.float64), 1.0, 1.0)
        assert ids == [token] and logps == [0.0]


def test_the_share_of_draws_is_the_probability():
    logits = torch.log(torch.tensor([[0.1, 0.6, 0.3]])).repeat(1000, 1)
    ids, _ = sampling.sample(logits, torch.arange(1000, dtype=torch.float64) / 1000, 1.0, 1.0)
    assert [ids.count(n) for n in range(3)] == pytest.approx([100, 600, 300], abs=1)


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(0, 2**31), st.floats(0.05, 0.999), st.floats(0.05, 4))
def test_the_nucleus_is_the_smallest_set_of_the_likeliest_that_reaches_top_p(vocabulary, seed, top_p, scale):
    """With few likely tokens and with many alike, where a look at the first ones is not enough."""
    logits = torch.randn(2, vocabulary, generator=torch.Generator().manual_seed(seed)) * scale
    kept = sampling._nucleus(logits, 1.0, top_p)
    for row, probabilities in zip(kept, torch.softmax(logits.double(), -1), strict=True):
        inside = row > 0
        assert torch.equal(row[inside], probabilities[inside])
        assert row.sum() >= top_p - 1e-9 and row.sum() - row[inside].min() < top_p
        assert inside.all() or probabilities[~inside].max() <= row[inside].min()
