"""The sums behind the calculator, each done by hand here with round numbers."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.agent import memory
from webdancer.scale import calculator_rates as rates
from webdancer.scale.calculator_rates import Gpu, Range

# One block of 4 matrices of 10 x 10 and 3 of 20 x 10: 1,000 parameters; embeddings and head of 100 x 10: 1,000 each.
TOY = SimpleNamespace(
    hidden_size=10,
    intermediate_size=20,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=2,
    head_dim=5,
    vocab_size=100,
    tie_word_embeddings=False,
)


def test_published_sizes_of_the_models():
    """Qwen's model cards: 7.61, 32.5 and 72.7 billion parameters (norms and biases are left out here)."""
    found = {name: sum(memory.count(config)) / 1e9 for name, config in rates.MODELS.items()}
    assert found["7B"] == pytest.approx(7.61, rel=0.002)
    assert found["32B"] == pytest.approx(32.76, rel=0.002)
    assert found["72B"] == pytest.approx(72.7, rel=0.002)


def test_worked_parameters_leave_out_the_table_that_is_only_looked_up():
    assert rates.worked(TOY) == 1000 + 1000
    assert rates.worked(SimpleNamespace(**vars(TOY) | {"tie_word_embeddings": True})) == 1000 + 1000


def test_hours_of_training_by_hand():
    """6 * 1e9 * 1e9 operations on a GPU of 100 TFLOPS: 60,000 s at all of its peak, 33.3 hours at half of it."""
    gpu = Gpu("g", 100, 80, 1, "")
    assert rates.hours(6e18, gpu, Range(0.5, 1.0)).high == pytest.approx(60_000 / 0.5 / 3600)
    assert rates.hours(6e18, gpu, Range(0.5, 1.0)).low == pytest.approx(60_000 / 3600)


def test_cache_of_a_token_by_hand():
    assert rates.cache_bytes(TOY) == 2 * 1 * 2 * 5 * 2
    assert rates.cache_bytes(rates.MODELS["32B"]) == 2 * 64 * 8 * 128 * 2 == 262_144


def test_decoding_is_bound_by_memory_or_by_operations():
    """6,000 bytes of weights; room of 20,000: 14,000 for caches of 40 bytes a token, 100 tokens each: 3 episodes."""
    gib = 20_000 / 0.9 / memory.GIB
    slow_memory = Gpu("m", 1e3, gib, 1e-12, "")  # one byte a second
    found = rates.decoding(TOY, slow_memory, 100, Range(1, 1), Range(0.5, 1))
    assert (found.gpus, found.episodes) == (1, 3)
    step = 6000 + 3 * 100 * 40  # bytes, so seconds
    assert found.rate.high == pytest.approx(3 / step) and found.rate.low == pytest.approx(3 / (2 * step))
    assert found.each.high == pytest.approx(1 / step)
    slow_compute = Gpu("c", 1e-12, gib, 1.0, "")  # one operation a second
    found = rates.decoding(TOY, slow_compute, 100, Range(1, 1), Range(1, 1))
    assert found.rate.low == found.rate.high == pytest.approx(3 / (2 * 2000 * 3))


def test_with_fewer_episodes_than_fit_each_is_faster_and_all_together_are_slower():
    gpu = Gpu("m", 1e3, 20_000 / 0.9 / memory.GIB, 1e-12, "")
    full, one = (rates.decoding(TOY, gpu, 100, Range(1, 1), Range(1, 1), most) for most in (9, 1))
    assert (full.episodes, one.episodes) == (3, 1)
    assert one.each.low == pytest.approx(1 / (6000 + 100 * 40)) and one.each.low > full.each.low
    assert one.rate.low < full.rate.low


def test_decoding_takes_more_gpus_for_larger_weights_and_says_when_nothing_fits():
    half = Gpu("h", 1, 6000 / 0.9 / memory.GIB, 1, "")  # one GPU holds the weights, but not twice
    assert rates.decoding(TOY, half, 10, Range(1, 1), Range(1, 1)).gpus == 2
    with pytest.raises(ValueError, match="at most half of 8 s"):
        rates.decoding(TOY, Gpu("s", 1, 100 / memory.GIB, 1, ""), 10, Range(1, 1), Range(1, 1))
    with pytest.raises(ValueError, match="wanted one to fit"):
        rates.decoding(TOY, half, 10**6, Range(1, 1), Range(1, 1))


def test_fsdp_divides_the_states_and_nothing_else():
    one, four = (rates.fsdp_gib(TOY, n, 64) for n in (1, 4))
    states = "weights, gradient, moments"
    assert one[states] == pytest.approx(16 * 3000 / memory.GIB) and four[states] == pytest.approx(one[states] / 4)
    assert {k: v for k, v in one.items() if k not in (states, "all")} == {
        k: v for k, v in four.items() if k not in (states, "all")
    }
    assert one["gathered layer"] == pytest.approx(2 * 1000 / memory.GIB)
    assert four["all"] == pytest.approx(sum(v for k, v in four.items() if k != "all"))
    with pytest.raises(ValueError, match="got 0 GPUs"):
        rates.fsdp_gib(TOY, 0, 64)


def test_fewest_gpus_by_hand():
    """32.76 billion parameters: 488 GiB of states. On 96 GB GPUs at least 8, as the other parts take a good deal."""
    found = rates.fewest(rates.MODELS["32B"], rates.GPUS["H20"], 16384)
    fits = [rates.fsdp_gib(rates.MODELS["32B"], n, 16384)["all"] <= 0.9 * 96 for n in (found // 2, found)]
    assert fits == [False, True] and found >= 8
    with pytest.raises(ValueError, match="wanted fewer"):
        rates.fewest(rates.MODELS["32B"], rates.GPUS["H20"], 10**7)


def test_ranges_refuse_what_is_none():
    for low, high in ((2, 1), (-1, 1), (float("nan"), 1)):
        with pytest.raises(ValueError, match="wanted 0 <= low <= high"):
            Range(low, high)
    with pytest.raises(ValueError, match="divisor"):
        Range(1, 2) / Range(0, 1)


ends = st.tuples(st.floats(0.01, 1e6), st.floats(0.01, 1e6)).map(sorted).map(lambda e: Range(*e))


@given(ends, ends, st.floats(0, 1), st.floats(0, 1))
def test_a_result_lies_inside_whatever_values_of_the_ranges_are_true(a, b, s, t):
    x, y = a.low + s * (a.high - a.low), b.low + t * (b.high - b.low)
    for found, true in ((a + b, x + y), (a * b, x * y), (a / b, x / y), (rates.longer(a, b), max(x, y))):
        assert found.low * (1 - 1e-9) <= true <= found.high * (1 + 1e-9)


@given(st.integers(1, 10), st.integers(1, 10))
def test_more_gpus_never_need_more_memory_each(first, more):
    config = rates.MODELS["7B"]
    small, large = rates.fsdp_gib(config, first, 4096), rates.fsdp_gib(config, first + more, 4096)
    assert large["all"] < small["all"]
