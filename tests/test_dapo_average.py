"""The running mean by hand, its use and its way through a checkpoint."""

import pytest
import torch

from webdancer.dapo_average import Average


def model(value: float) -> torch.nn.Linear:
    layer = torch.nn.Linear(1, 1)
    with torch.no_grad():
        layer.weight.fill_(value)
        layer.bias.fill_(0.0)
    layer.bias.requires_grad_(False)
    return layer


def test_the_mean_by_hand():
    layer = model(0.0)
    average = Average(layer, 0.5)
    layer.weight.data.fill_(11.0)
    average.update(1)  # d = min(0.5, 2 / 11): the mean is 9 / 11 of the new weight
    assert average.mean["weight"].item() == pytest.approx(9.0)
    layer.weight.data.fill_(1.0)
    average.update(100)  # d = 0.5
    assert average.mean["weight"].item() == pytest.approx(5.0)
    assert layer.weight.item() == 1.0 and "bias" not in average.mean


def test_the_mean_is_applied_and_taken_back_even_after_an_error():
    layer = model(2.0)
    average = Average(layer, 0.9)
    layer.weight.data.fill_(4.0)
    with average.applied():
        assert layer.weight.item() == 2.0
    with pytest.raises(RuntimeError), average.applied():
        raise RuntimeError
    assert layer.weight.item() == 4.0


def test_without_a_mean_the_weights_are_the_models_own():
    layer = model(2.0)
    average = Average(layer, 0.0)
    layer.weight.data.fill_(4.0)
    average.update(1)
    assert average.weights()["weight"].item() == 4.0 and average.tensors() == {}
    with average.applied():
        assert layer.weight.item() == 4.0
    kept = average.weights()
    layer.weight.data.fill_(5.0)
    assert kept["weight"].item() == 4.0


def test_it_comes_back_from_a_checkpoint():
    one, other = Average(model(3.0), 0.9), Average(model(0.0), 0.9)
    other.restore(one.tensors() | {"weight": torch.zeros(1, 1)})
    assert other.weights()["weight"].item() == 3.0


@pytest.mark.parametrize("decay", [-0.1, 1.0, 2.0])
def test_a_decay_that_is_none_is_refused(decay):
    with pytest.raises(ValueError, match="wanted at least 0"):
        Average(model(0.0), decay)
