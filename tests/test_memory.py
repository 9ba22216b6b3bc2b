"""The memory estimate against sums done by hand, and against what training a model really takes."""

from types import SimpleNamespace

import pytest

from webdancer.agent import memory

TOY = SimpleNamespace(
    hidden_size=4,
    intermediate_size=10,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=3,
    vocab_size=7,
    tie_word_embeddings=False,
)
QWEN3_8B = memory.QWEN3_8B
QWEN3_4B = SimpleNamespace(
    **{**vars(QWEN3_8B), "hidden_size": 2560, "intermediate_size": 9728, "tie_word_embeddings": True}
)


def test_parameters_by_hand():
    # q 6x4, k and v 3x4, o 4x6, three feed-forward matrices of 40: 24 + 12 + 12 + 24 + 120 = 192 a block
    assert memory.shapes(TOY) == [(6, 4), (3, 4), (3, 4), (4, 6), (10, 4), (10, 4), (4, 10)]
    assert memory.count(TOY) == (2 * 192, 2 * 28)


def test_parameters_of_real_models_are_those_on_their_cards():
    assert sum(memory.count(QWEN3_4B)) / 1e9 == pytest.approx(4.02, abs=0.01)
    assert sum(memory.count(QWEN3_8B)) / 1e9 == pytest.approx(8.19, abs=0.01)


def test_parts_by_hand():
    found = memory.estimate(TOY, memory.Plan(tokens=5, trained=0.4, bits=16))
    whole = {name: value * memory.GIB for name, value in found.items()}
    # inner values of a token and layer: 2 * 6 + 2 * 3 + 3 * 10 + 4 * 4 = 64; kept a layer: 2 * 4
    assert whole == pytest.approx(
        {
            "weights": 2 * (384 + 56),
            "adapters": 0,
            "gradients and optimiser": 12 * 440,
            "activations": 2 * 5 * (8 * 2 + 64 * 2),
            "logits": 10 * 2 * 7,
            "all": 880 + 5280 + 1440 + 140,
        }
    )


def test_parts_by_hand_with_adapters_beside_four_bits():
    plan = memory.Plan(tokens=5, trained=0.4, bits=4, rank=3, recompute=True)
    whole = {name: value * memory.GIB for name, value in memory.estimate(TOY, plan).items()}
    adapters = 2 * 3 * ((6 + 4) + 2 * (3 + 4) + (4 + 6) + 2 * (10 + 4) + (4 + 10))
    assert adapters == 456
    assert whole["weights"] == pytest.approx(384 * 0.515869140625 + 2 * 56)
    assert whole["adapters"] == 4 * 456 and whole["gradients and optimiser"] == 12 * 456
    assert whole["activations"] == 2 * 5 * (8 * 2 + 64)


def test_muon_keeps_one_moment_less():
    found = memory.estimate(TOY, memory.Plan(5, optimizer="muon"))["gradients and optimiser"]
    assert found * memory.GIB == pytest.approx(384 * 8 + 56 * 12)


def test_the_estimate_of_optimiser_and_weights_is_what_a_tiny_run_holds():
    """Counted in the tensors themselves: weights, gradients and AdamW's moments after one step."""
    import torch

    from webdancer import sft
    from webdancer.agent import optim, policy, tokens

    tiny = policy.build_tiny(tokens.train_tokenizer(["a b"] * 3, 600), hidden=24, layers=2, heads=2, feed_forward=48)
    (adamw,) = optim.build(tiny.model, "adamw", 1e-3)
    sft.gradient(tiny, [sft.Example((5, 6, 7), (False, True, True), 1)], sft.Recipe(steps=1))
    adamw.step()
    weights = list(tiny.model.parameters())
    held = [p.grad for p in weights] + [v for s in adamw.state.values() for v in s.values() if v.ndim]
    found = memory.estimate(tiny.model.config, memory.Plan(3, bits=32))
    sizes = [sum(t.numel() * t.element_size() for t in part) for part in (weights, held)]
    assert found["weights"] * memory.GIB == pytest.approx(sizes[0], rel=0.01)  # norms are left out
    assert found["gradients and optimiser"] * memory.GIB == pytest.approx(sizes[1], rel=0.01)
    assert all(t.dtype == torch.float32 for t in held)


def test_an_8b_model_fits_24_gb_in_four_bits_only():
    common = {"tokens": 8192, "trained": 0.3, "rank": 32, "recompute": True}
    four, sixteen = (memory.estimate(QWEN3_8B, memory.Plan(bits=b, **common)) for b in (4, 16))
    # 6.95e9 * 0.516 + 1.245e9 * 2 bytes = 5.66 GiB; 8.19e9 * 2 = 15.26 GiB
    assert four["weights"] == pytest.approx(5.66, abs=0.02) and sixteen["weights"] == pytest.approx(15.26, abs=0.02)
    assert four["adapters"] == pytest.approx(87.3e6 * 4 / memory.GIB, abs=0.01)
    assert "hardly fit" not in memory.fits(QWEN3_8B, memory.Plan(bits=4, **common), 24.0)
    assert "hardly fit; try a smaller model or four_bit" in memory.fits(QWEN3_8B, memory.Plan(bits=16, **common), 20.0)
    assert "try lora_rank above 0" in memory.fits(QWEN3_8B, memory.Plan(tokens=8192, recompute=True), 80.0)


def test_the_table_has_a_column_a_plan():
    found = memory.table(TOY, {"all weights": memory.Plan(5), "adapters": memory.Plan(5, rank=2)})
    assert list(found.columns) == ["all weights", "adapters"] and found.index[-1] == "all"


def test_plans_that_nothing_can_do_are_refused():
    with pytest.raises(ValueError, match="got bits=8, wanted 4, 16 or 32"):
        memory.Plan(5, bits=8)
    with pytest.raises(ValueError, match="4-bit weights cannot be trained"):
        memory.Plan(5, bits=4)


def test_some_memory_is_there():
    assert 0.5 < memory.available() < 100_000
