"""Muon and the schedule, against what they promise."""

import pytest
import torch

from webdancer.agent import optim


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 16, 6), (2, 6, 16)])
def test_orthogonalise_brings_singular_values_near_one(shape):
    torch.manual_seed(0)
    values = torch.linalg.svdvals(optim.orthogonalise(torch.randn(shape)))
    assert values.min() > 0.3 and values.max() < 1.35


def test_muon_first_step_is_the_scaled_orthogonal_gradient():
    weight = torch.nn.Parameter(torch.zeros(4, 4))
    weight.grad = torch.diag(torch.tensor([3.0, 3.0, 3.0, 3.0]))
    optim.Muon([weight], lr=0.1).step()
    # all singular values equal: the update is c * I with c near 1, times 0.2 * sqrt(4) * 0.1 = 0.04
    off = weight - torch.diag(weight.diagonal())
    assert off.abs().max() < 1e-6
    assert -0.05 < weight[0, 0].item() < -0.025


def test_decay_shrinks_without_gradient_noise():
    weight = torch.nn.Parameter(torch.ones(2, 2))
    weight.grad = torch.zeros(2, 2)
    optim.Muon([weight], lr=0.1, weight_decay=0.5).step()
    assert torch.allclose(weight, torch.full((2, 2), 0.95))


def test_build_splits_the_parameters_once_each():
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=32,
        hidden_size=12,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=6,
        intermediate_size=16,
    )
    model = Qwen3ForCausalLM(config)
    muon, adamw = optim.build(model, "muon", 1e-3)
    seen = [id(p) for o in (muon, adamw) for g in o.param_groups for p in g["params"]]
    assert sorted(seen) == sorted({id(p) for p in model.parameters()})
    assert sum(len(g["params"]) for g in muon.param_groups) == 2 * 7


def test_unknown_optimizer_is_refused():
    with pytest.raises(ValueError, match="wanted 'muon' or 'adamw'"):
        optim.build(torch.nn.Linear(2, 2), "sgd", 0.1)


def test_schedule_warms_up_stays_flat_and_ends_near_zero():
    assert optim.schedule(0, 100, 10) == pytest.approx(0.1)
    assert optim.schedule(60, 100, 10) == 1.0
    assert optim.schedule(80, 100, 10) == pytest.approx(0.5)
    assert optim.schedule(99, 100, 10) == pytest.approx(0.025)


def test_linear_and_cosine_fall_from_the_end_of_the_warm_up():
    linear = [optim.schedule(s, 110, 10, shape="linear") for s in (9, 10, 60, 110)]
    assert linear == pytest.approx([1.0, 1.0, 0.5, 0.0])
    # half way 0.5; a quarter of the way 0.5 + 0.5 * cos(pi / 4) = 0.854
    assert [optim.schedule(s, 110, 10, shape="cosine") for s in (35, 60)] == pytest.approx([0.853553, 0.5], abs=1e-5)
    with pytest.raises(ValueError, match="got schedule='step', wanted one of"):
        optim.schedule(0, 10, 1, shape="step")
