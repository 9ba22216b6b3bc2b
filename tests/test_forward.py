"""Which pass a model gets, and that transformers' own pass keeps rows apart, copies and moves them."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

from webdancer.agent import forward, qwen3

SIZES = {"vocab_size": 50, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 2}


@pytest.fixture(scope="module")
def llama():
    torch.manual_seed(1)
    return LlamaForCausalLM(LlamaConfig(**SIZES, num_key_value_heads=1)).float().eval()


def last(model, ids):
    with torch.inference_mode():
        return model(torch.tensor([ids])).logits[0, -1]


def close(got, wanted):
    assert torch.allclose(got, wanted, atol=1e-5), (got - wanted).abs().max()


def test_qwen3_gets_the_fast_pass_and_another_architecture_or_adapters_the_general_one(llama):
    peft = pytest.importorskip("peft", reason="adapters need the package peft")
    model = Qwen3ForCausalLM(Qwen3Config(**SIZES, num_key_value_heads=2, head_dim=8)).float()
    assert isinstance(forward.of(model, 2, 8), qwen3.Qwen3)
    assert isinstance(forward.of(llama, 2, 8), forward.Hub)
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    passes = forward.of(adapted, 2, 8)
    assert isinstance(passes, forward.Hub)
    with torch.inference_mode():
        close(passes.feed([1], [0], [[3, 4, 5]])[0], last(adapted, [3, 4, 5]))


@torch.inference_mode()
def test_rows_go_on_together_are_copied_and_moved(llama):
    passes = forward.Hub(llama, 4, 16)
    first = passes.feed([3, 0], [0, 0], [[1, 2, 3, 4], [5]])
    close(first[0], last(llama, [1, 2, 3, 4]))
    close(first[1], last(llama, [5]))
    passes.put([1, 2], passes.keep(3, 4))
    new = passes.feed([2, 0, 1], [4, 1, 4], [[6], [7], [8, 9]])
    for got, ids in zip(new, ([1, 2, 3, 4, 6], [5, 7], [1, 2, 3, 4, 8, 9]), strict=True):
        close(got, last(llama, ids))
    passes.arrange([1, 0], [6, 2])
    for got, ids in zip(passes.feed([0, 1], [6, 2], [[1], [2]]), ([1, 2, 3, 4, 8, 9, 1], [5, 7, 2]), strict=True):
        close(got, last(llama, ids))


@torch.inference_mode()
def test_a_row_that_waits_loses_nothing_while_the_others_decode(llama):
    passes = forward.Hub(llama, 3, 16)
    passes.feed([0, 1, 2], [0, 0, 0], [[1, 2], [3, 4], [5, 6]])
    passes.feed([0, 1], [2, 2], [[7], [8]])  # row 2 waits for a tool
    close(passes.feed([2], [2], [[9]])[0], last(llama, [5, 6, 9]))


def test_a_model_that_unsloth_runs_is_sent_to_a_server(llama, monkeypatch):
    monkeypatch.setattr(type(llama).forward, "__module__", "unsloth.models.llama", raising=True)
    with pytest.raises(ValueError, match="cache of its own: let a server play"):
        forward.of(llama, 2, 8)
