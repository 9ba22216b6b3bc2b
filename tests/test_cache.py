"""The slot cache: rows of different lengths, written in place, give the keys that a plain forward pass would see."""

import pytest
import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from webdancer.agent import policy, tokens
from webdancer.agent.cache import SlotCache, attend, attending


@pytest.fixture(scope="module")
def tiny():
    tokenizer = tokens.train_tokenizer(["a b c d e f"] * 3, 600)
    return policy.build_tiny(tokenizer, hidden=12, layers=2, heads=2, feed_forward=16, seed=3)


def feed(model, cache, rows, starts, ids):
    positions, mask = cache.aim(rows, starts, ids.shape[1])
    return model.base_model(
        input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
    ).last_hidden_state


def test_ragged_rows_fed_in_pieces_equal_whole_sequences(tiny):
    torch.manual_seed(0)
    long, short = torch.randint(0, 250, (1, 9)), torch.randint(0, 250, (1, 5))
    with torch.inference_mode():
        cache = SlotCache(tiny.model.config, 3, 16, torch.float32, torch.device("cpu"))
        feed(tiny.model, cache, [2], [0], long[:, :6])
        feed(tiny.model, cache, [0], [0], short[:, :3])
        # rows 0 and 2 go on together; row 0 gets 2 tokens, padded to 3
        both = torch.cat([torch.cat([short[:, 3:], torch.zeros(1, 1, dtype=torch.long)], 1), long[:, 6:]])
        hidden = feed(tiny.model, cache, [0, 2], [3, 6], both)
        whole_long = tiny.model.base_model(input_ids=long).last_hidden_state
        whole_short = tiny.model.base_model(input_ids=short).last_hidden_state
    assert torch.allclose(hidden[1, 2], whole_long[0, 8], atol=1e-5)
    assert torch.allclose(hidden[0, 1], whole_short[0, 4], atol=1e-5)


def test_a_reused_row_forgets_the_episode_before(tiny):
    ids = torch.tensor([[5, 6, 7]])
    with torch.inference_mode():
        cache = SlotCache(tiny.model.config, 1, 8, torch.float32, torch.device("cpu"))
        feed(tiny.model, cache, [0], [0], torch.tensor([[9, 9, 9, 9, 9]]))
        hidden = feed(tiny.model, cache, [0], [0], ids)
        fresh = tiny.model.base_model(input_ids=ids).last_hidden_state
    assert torch.allclose(hidden, fresh, atol=1e-5)


def test_the_mask_shows_each_query_its_own_past():
    class Config:
        num_key_value_heads, head_dim, num_hidden_layers = 1, 2, 1

        def get_text_config(self):
            return self

    cache = SlotCache(Config(), 2, 8, torch.float32, torch.device("cpu"))
    positions, mask = cache.aim([0, 1], [2, 0], 2)
    assert positions.tolist() == [[2, 3], [0, 1]]
    assert mask[0, 0].int().tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert mask[1, 0].int().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0]]


def test_rows_looked_at_a_few_at_a_time_give_what_all_at_once_gives(tiny):
    lengths = [3, 40, 7, 1, 22, 9, 30, 2, 5, 50, 6]  # more rows than one chunk; the longest is in the second
    torch.manual_seed(0)
    together = SlotCache(tiny.model.config, len(lengths), 64, torch.float32, torch.device("cpu"))
    positions, mask = together.aim(list(range(len(lengths))), lengths, 1)
    assert mask.spans == [41, 51] and together.span == 51
    q, k, v = (torch.randn(len(lengths), 2, n, 16) for n in (1, 51, 51))
    layer = tiny.model.base_model.layers[0].self_attn
    layer.num_key_value_groups = 1
    plain = sdpa_attention_forward(layer, q, k, v, mask)[0]
    assert torch.allclose(attend(layer, q, k, v, mask)[0], plain, atol=1e-6)


def test_the_models_own_attention_comes_back_also_after_an_error(tiny):
    before = tiny.model.config._attn_implementation
    with pytest.raises(RuntimeError, match="stop"), attending(tiny.model.config):
        assert tiny.model.config._attn_implementation == ("slots" if before == "sdpa" else before)
        raise RuntimeError("stop")
    assert tiny.model.config._attn_implementation == before
