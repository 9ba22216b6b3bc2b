"""A packed row computes what its episodes compute alone: logits, gradients, and nothing from one to the next."""

import pytest
import torch

from webdancer.agent import packed, policy, tokens


@pytest.fixture(scope="module", params=[2, 1], ids=["as many kv heads", "grouped heads"])
def model(request):
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=request.param,
        head_dim=8,
        intermediate_size=24,
        tie_word_embeddings=True,
    )
    return Qwen3ForCausalLM(config)


EPISODES = [[5, 6, 7, 8, 9], [5, 6], [11, 12, 13]]
TRAINED = [[False, True, False, True, True], [True, True], [True, False, True]]


def as_row():
    ids = torch.tensor([[i for e in EPISODES for i in e]])
    mask = torch.tensor([[m and at > 0 for e in TRAINED for at, m in enumerate(e)]])
    return ids, mask, [len(e) for e in EPISODES]


def alone(model):
    parts = [
        policy.trained_logits(model, torch.tensor([ids]), torch.tensor([mask]))
        for ids, mask in zip(EPISODES, TRAINED, strict=True)
    ]
    return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])


def test_logits_of_a_packed_row_are_those_of_each_episode_alone(model):
    logits, targets = policy.trained_logits(model, *as_row())
    wanted, wanted_targets = alone(model)
    assert targets.tolist() == wanted_targets.tolist() == [6, 8, 9, 6, 13]
    assert torch.allclose(logits, wanted, atol=1e-5)
    assert model.config._attn_implementation == "sdpa"  # put back


def test_gradients_are_those_of_each_episode_alone(model):
    def gradient(logits, targets):
        model.zero_grad()
        torch.nn.functional.cross_entropy(logits, targets, reduction="sum").backward()
        return torch.cat([p.grad.flatten() for p in model.parameters()])

    packed_one = gradient(*policy.trained_logits(model, *as_row()))
    assert torch.allclose(packed_one, gradient(*alone(model)), atol=1e-5)


def test_without_the_lengths_episodes_do_see_each_other(model):
    """The row taken for one long episode gives other logits: so the tests above can fail."""
    ids, mask, _ = as_row()
    logits, _ = policy.trained_logits(model, ids, mask)
    assert (logits - alone(model)[0]).abs().max() > 1e-2


def test_changing_one_episode_changes_no_other(model):
    ids, mask, lengths = as_row()
    before, _ = policy.trained_logits(model, ids, mask, lengths)
    ids[0, 5] = 30  # the first token of the second episode
    after, _ = policy.trained_logits(model, ids, mask, lengths)
    differs = (before != after).any(dim=1).tolist()
    assert differs == [False, False, False, True, False]


def test_attending_by_episode_is_the_block_mask(model):
    torch.manual_seed(1)
    q, k, v = (torch.randn(1, 2, 10, 8) for _ in range(3))
    got, _ = packed.attend(None, q, k, v, None, lengths=[5, 2, 3], scaling=0.3)
    mask = packed.block_mask([5, 2, 3])
    wanted = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=0.3)
    assert torch.allclose(got.transpose(1, 2), wanted, atol=1e-6)
    assert int(mask.sum()) == 15 + 3 + 6  # triangles of 5, 2 and 3


def test_positions_start_anew():
    assert packed.positions([3, 1, 2]).tolist() == [[0, 1, 2, 0, 0, 1]]


def test_a_tiny_policy_packs_too():
    tokenizer = tokens.train_tokenizer(["a b c d"] * 3, 600)
    tiny = policy.build_tiny(tokenizer, hidden=12, layers=1, heads=2, feed_forward=16)
    logits, _ = policy.trained_logits(tiny.model, *as_row())
    assert torch.allclose(logits, alone(tiny.model)[0], atol=1e-5)
