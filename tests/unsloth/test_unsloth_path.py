"""The Unsloth path, run and not only imported: load, SFT, save, through Unsloth's CPU backend or a GPU.

Left out of the normal run, because Unsloth patches transformers, peft and trl for the whole process and needs an
environment of its own: `make test-unsloth` builds it (`setup.sh`, which says what and why) and runs this folder.
On a CPU nothing is quantised and the forward pass is that of transformers; only a GPU shows Unsloth's own kernels.
"""

import math
import os

import pytest

os.environ.setdefault("UNSLOTH_DISABLE_STATISTICS", "1")  # Unsloth would otherwise ask the hub when it loads
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# This folder, too, is called unsloth: a submodule tells the package from it.
pytest.importorskip("unsloth.models", reason="Unsloth is not installed here: make test-unsloth")

import torch  # noqa: E402

from webdancer import sft, sft_data  # noqa: E402
from webdancer.agent import lora, policy, tokens, unsloth_policy  # noqa: E402
from webdancer.core.schema import Trajectory  # noqa: E402


def trajectory(word):
    turns = [
        {"role": "system", "content": "Search, visit, answer."},
        {"role": "user", "content": f"Who is {word}?"},
        {"role": "assistant", "content": f"<think>\n{word}.\n</think>\n<answer>\n{word}\n</answer>"},
    ]
    return Trajectory(tuple(turns), ((word,),))


DATA = [trajectory(w) for w in "Tal Veron Kor Hask Orlen Ford".split() * 4]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A Qwen3 folder with random weights."""
    tokenizer = tokens.train_tokenizer(tokens.corpus(DATA), 600)
    tiny = policy.build_tiny(tokenizer, hidden=64, layers=2, heads=2, feed_forward=96, seed=1)
    return policy.save(tiny, tmp_path_factory.mktemp("unsloth") / "base")


@pytest.fixture(scope="module")
def taught(folder):
    """The folder through Unsloth, before and after a few steps of SFT."""
    agent = policy.load(folder, "unsloth", adapter=lora.Lora(8), max_length=256, four_bit=True, seed=3)
    examples, _ = sft_data.prepare(DATA, agent.tokenizer, prompt_style="keep")
    before = sft.evaluate_loss(agent, examples)
    recipe = sft.Recipe(steps=30, batch_tokens=256, micro_tokens=128, optimizer="adamw", lr=0.02, warmup=2)
    log = sft.train(agent, examples, recipe)
    return agent, examples, before, log


def test_it_is_unsloth_that_loaded_the_model_and_lora_that_is_trained(taught):
    import unsloth  # noqa: F401

    agent = taught[0]
    names = [n for n, p in agent.model.named_parameters() if p.requires_grad]
    assert names and all("lora_" in n for n in names) and lora.is_lora(agent.model)
    assert len(names) == 2 * 7 * 2  # layers, matrices a layer, A and B


def test_the_loss_starts_at_chance_and_falls(taught):
    agent, examples, before, log = taught
    assert before == pytest.approx(math.log(len(agent.tokenizer)), abs=0.1)
    assert sft.evaluate_loss(agent, examples) < before - 0.5  # embeddings and head are frozen noise: no more to win
    assert log["loss"].iloc[-1] < log["loss"].iloc[0]


def test_the_trained_logits_are_those_of_the_whole_forward_pass(taught):
    """On a GPU this is the guard that the hidden states are causal and are those that the head would see."""
    agent, examples, *_ = taught
    device = next(agent.model.parameters()).device
    ids, mask = sft.collate(examples[:1], agent.tokenizer.pad_token_id, device)
    agent.model.eval()
    with torch.no_grad():
        logits, targets = policy.trained_logits(agent.model, ids, mask)
        whole = agent.model(input_ids=ids).logits.float()
    wanted = whole[0, :-1][mask[0, 1:]]
    close = 1e-4 if device.type == "cpu" else 0.1
    assert torch.allclose(logits, wanted, atol=close) and len(targets) == sum(examples[0].mask)
    if device.type == "cpu":
        assert not unsloth_policy.is_patched(agent.model)


def test_the_result_is_an_ordinary_folder_with_the_adapter_beside(taught, tmp_path):
    agent, examples, *_ = taught
    saved = policy.save(agent, tmp_path / "sft")
    assert (saved / "adapter" / "adapter_model.safetensors").is_file() and (saved / "config.json").is_file()
    plain = policy.load(saved, device="cpu")
    assert not lora.is_lora(plain.model)
    assert sft.evaluate_loss(plain, examples) == pytest.approx(sft.evaluate_loss(agent, examples), abs=0.02)


def test_packing_is_refused_where_unsloth_runs_the_forward_pass(taught):
    agent, examples, *_ = taught
    ids, mask, lengths = sft.pack(examples[:2], next(agent.model.parameters()).device)
    if not unsloth_policy.is_patched(agent.model):
        pytest.skip("Unsloth's CPU backend keeps transformers' forward pass, which packs")
    with pytest.raises(ValueError, match="packing = False"):
        policy.trained_logits(agent.model, ids, mask, lengths)
