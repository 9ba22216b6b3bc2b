"""LoRA: nothing changes at first, only adapters learn, and the merged folder computes what the adapters computed."""

import pytest
import torch

from webdancer import sft
from webdancer.agent import lora, optim, policy, tokens

pytest.importorskip("peft", reason="peft is not installed: pip install peft")


@pytest.fixture
def tiny():
    tokenizer = tokens.train_tokenizer(["a b c d e f"] * 3, 600)
    return policy.build_tiny(tokenizer, hidden=12, layers=2, heads=2, feed_forward=16, seed=3)


IDS = torch.tensor([[5, 6, 7, 8]])
EXAMPLES = [sft.Example((5, 6, 7, 8), (False, True, False, True), 1), sft.Example((9, 5), (False, True), 1)] * 3


def logits(model):
    with torch.inference_mode():
        return model(IDS).logits


def taught(tiny, **recipe):
    base = {k: v.clone() for k, v in tiny.model.state_dict().items()}
    before = logits(tiny.model)
    tiny.model = lora.add(tiny.model, lora.Lora(2), seed=5)
    assert torch.equal(logits(tiny.model), before)  # B is zero
    sft.train(tiny, EXAMPLES, sft.Recipe(steps=8, batch_tokens=16, optimizer="adamw", lr=0.05, warmup=1, **recipe))
    return base


def test_parameters_counted_by_hand(tiny):
    # a block: q, k, v, o are 12 x 12; gate and up 16 x 12; down 12 x 16; rank 2 times (in + out)
    a_block = 2 * (4 * (12 + 12) + 3 * (12 + 16))
    assert a_block == 360
    shapes = [(12, 12)] * 4 + [(16, 12)] * 2 + [(12, 16)]
    assert lora.parameters(shapes, 2) == a_block
    model = lora.add(tiny.model, lora.Lora(2))
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 2 * a_block


def test_only_the_adapters_learn(tiny):
    base = taught(tiny)
    for name, value in tiny.model.get_base_model().state_dict().items():
        plain = name.replace(".base_layer", "")
        if "lora_" not in name:
            assert torch.equal(value, base[plain]), name
    grown = [p for n, p in tiny.model.named_parameters() if "lora_B" in n]
    assert all(p.abs().max() > 0 for p in grown)


def test_the_folder_is_an_ordinary_model_and_holds_the_adapter(tiny, tmp_path):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    start = policy.save(tiny, tmp_path / "base")
    taught(tiny)
    wanted = logits(tiny.model)
    folder = policy.save(tiny, tmp_path / "sft")
    assert torch.equal(logits(tiny.model), wanted)  # saving changed nothing
    merged = policy.load(folder)
    assert not lora.is_lora(merged.model) and torch.allclose(logits(merged.model), wanted, atol=1e-5)
    beside = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(start), folder / "adapter")
    assert torch.allclose(logits(beside), wanted, atol=1e-6)


def test_trained_logits_look_below_the_adapters(tiny):
    taught(tiny)
    mask = torch.tensor([[False, True, True, True]])
    got, _ = policy.trained_logits(tiny.model, IDS, mask)
    assert torch.allclose(got, logits(tiny.model)[0, :-1], atol=1e-6)
    packed, _ = policy.trained_logits(tiny.model, IDS, mask, [4])
    assert torch.allclose(packed, got, atol=1e-5)


def test_load_adds_adapters_and_the_seed_fixes_them(tiny, tmp_path):
    folder = policy.save(tiny, tmp_path / "base")
    one, two, other = (policy.load(folder, adapter=lora.Lora(2), seed=s).model for s in (1, 1, 2))
    first = [torch.cat([p.flatten() for n, p in m.named_parameters() if "lora_A" in n]) for m in (one, two, other)]
    assert torch.equal(first[0], first[1]) and not torch.equal(first[0], first[2])


def test_what_cannot_be_is_refused(tiny, monkeypatch):
    import sys

    with pytest.raises(ValueError, match="got lora_rank=0, wanted at least 1"):
        lora.Lora(0)
    with pytest.raises(ValueError, match="optimizer='muon' for LoRA adapters"):
        optim.build(lora.add(tiny.model, lora.Lora(2)), "muon", 0.1)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ValueError, match="pip install peft"):
        lora.add(tiny.model, lora.Lora(2))
