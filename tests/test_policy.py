"""Policies are ordinary folders: built, saved, loaded, and refused when damaged."""

import pytest
import torch

from webdancer.agent import policy, tokens


@pytest.fixture(scope="module")
def tiny():
    tokenizer = tokens.train_tokenizer(["a b c d e f"] * 3, 600)
    return policy.build_tiny(tokenizer, hidden=12, layers=2, heads=2, feed_forward=16, seed=3)


def test_the_seed_fixes_the_weights(tiny):
    again = policy.build_tiny(tiny.tokenizer, hidden=12, layers=2, heads=2, feed_forward=16, seed=3)
    other = policy.build_tiny(tiny.tokenizer, hidden=12, layers=2, heads=2, feed_forward=16, seed=4)
    same = [torch.equal(a, b) for a, b in zip(tiny.model.parameters(), again.model.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(tiny.model.lm_head.weight, other.model.lm_head.weight)


def test_saved_folder_opens_with_the_auto_classes(tiny, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = policy.save(tiny, tmp_path / "sft")
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert torch.equal(model.lm_head.weight, tiny.model.lm_head.weight)
    assert tokenizer.chat_template == tokens.TEMPLATE
    policy.save(tiny, folder)  # replacing works too
    loaded = policy.load(folder)
    ids = torch.tensor([[5, 6, 7]])
    assert torch.equal(loaded.model(ids).logits, tiny.model(ids).logits)


def test_a_corrupt_checkpoint_is_refused_with_one_clear_error(tiny, tmp_path):
    folder = policy.save(tiny, tmp_path / "sft")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ValueError, match="could not load a model from sft"):
        policy.load(folder)


def test_a_missing_folder_names_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="run the notebook that trains it first"):
        policy.load(tmp_path / "nothing")


def test_unknown_backend_and_missing_unsloth(tiny, tmp_path):
    folder = policy.save(tiny, tmp_path / "sft")
    with pytest.raises(ValueError, match="got backend='jax'"):
        policy.load(folder, backend="jax")
    if torch.cuda.is_available():
        pytest.skip("a GPU is at hand: the error without one cannot be shown")
    with pytest.raises(ValueError, match="webdancer\\[gpu\\]"):
        policy.load(folder, backend="unsloth")


def test_head_size_must_be_even(tiny):
    with pytest.raises(ValueError, match="multiple of 2"):
        policy.build_tiny(tiny.tokenizer, hidden=9, heads=3)


def test_trained_logits_are_the_rows_that_a_full_forward_gives(tiny):
    ids = torch.tensor([[5, 6, 7, 8], [9, 10, 0, 0]])
    mask = torch.tensor([[True, False, True, True], [False, True, False, False]])
    logits, targets = policy.trained_logits(tiny.model, ids, mask)
    full = tiny.model(ids).logits
    # position 0 is never trained; token t is predicted at t - 1
    wanted = torch.stack([full[0, 1], full[0, 2], full[1, 0]])
    assert targets.tolist() == [7, 8, 10]
    assert torch.allclose(logits, wanted, atol=1e-6)


def test_chatml_takes_the_place_of_the_folder_s_own_template(tiny, tmp_path):
    folder = policy.save(tiny, tmp_path / "sft")
    assert policy.load(folder, chat_template="chatml").tokenizer.chat_template == tokens.CHATML
    assert policy.load(folder).tokenizer.chat_template == tokens.TEMPLATE
    with pytest.raises(ValueError, match="got chat_template='qwen', wanted"):
        policy.load(folder, chat_template="qwen")
