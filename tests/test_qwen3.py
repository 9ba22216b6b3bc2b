"""The fast forward pass gives transformers' logits, whatever shares a pass, and says where it does not fit."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Qwen3Config, Qwen3ForCausalLM

from webdancer.agent import qwen3


def build(heads=3, keys=3, **other):
    torch.manual_seed(5)
    sizes = {"vocab_size": 50, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3, "head_dim": 8}
    config = Qwen3Config(**sizes, num_attention_heads=heads, num_key_value_heads=keys, **other)
    model = Qwen3ForCausalLM(config).float().eval()
    with torch.no_grad():
        for p in model.parameters():  # norms of all ones would hide a norm that is not applied
            p.normal_(0.3 if p.ndim == 1 else 0.0, 0.4)
    return model


@pytest.fixture(scope="module", params=[(3, 3, True), (4, 2, False)], ids=["tied", "grouped heads"])
def model(request):
    heads, keys, tied = request.param
    return build(heads, keys, tie_word_embeddings=tied)


def whole(model, ids):
    with torch.inference_mode():
        return model(torch.tensor([ids])).logits[0, -1]


def drawn(count, seed=0):
    return torch.randint(0, 50, (count,), generator=torch.Generator().manual_seed(seed)).tolist()


def close(got, wanted):
    assert torch.allclose(got, wanted, atol=1e-5, rtol=1e-5), (got - wanted).abs().max()


@torch.inference_mode()
def test_rows_of_any_length_in_one_pass_equal_transformers(model):
    passes = qwen3.Qwen3(model, slots=40, capacity=64)
    texts = {row: drawn(n, row) for row, n in ((0, 1), (39, 7), (5, 30), (17, 12))}
    for row, logits in zip(texts, passes.feed(list(texts), [0] * 4, list(texts.values())), strict=True):
        close(logits, whole(model, texts[row]))
    new = {39: [3], 0: [4, 5, 6], 17: [7], 5: drawn(9, 99)}  # one token and several, rows in no order
    logits = passes.feed(list(new), [len(texts[row]) for row in new], list(new.values()))
    for row, got in zip(new, logits, strict=True):
        close(got, whole(model, texts[row] + new[row]))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=4), min_size=1, max_size=5), st.randoms())
def test_any_way_to_cut_sequences_gives_the_same(pieces, chance):
    model = build()
    with torch.inference_mode():
        passes = qwen3.Qwen3(model, slots=len(pieces), capacity=32)
        texts = [drawn(sum(cuts), n) for n, cuts in enumerate(pieces)]
        done, last = [0] * len(pieces), [None] * len(pieces)
        while rows := [n for n in range(len(pieces)) if pieces[n]]:
            rows = chance.sample(rows, chance.randint(1, len(rows)))
            new = [texts[n][done[n] : done[n] + pieces[n].pop(0)] for n in rows]
            for n, tokens, logits in zip(rows, new, passes.feed(rows, [done[n] for n in rows], new), strict=True):
                done[n], last[n] = done[n] + len(tokens), logits
        for text, logits in zip(texts, last, strict=True):
            close(logits, whole(model, text))


@torch.inference_mode()
def test_a_prompt_computed_once_serves_other_rows_and_rows_may_move(model):
    passes = qwen3.Qwen3(model, slots=4, capacity=32)
    prompt = drawn(9)
    passes.feed([2], [0], [prompt])
    passes.put([0, 3], passes.keep(2, 9))
    passes.feed([0, 2, 3], [9] * 3, [[1], [2, 4], [3]])
    passes.arrange([3, 2], [10, 11])  # rows 0 and 1 are given up
    assert passes.slots == 2
    logits = passes.feed([0, 1], [10, 11], [[7], [8]])
    close(logits[0], whole(model, [*prompt, 3, 7]))
    close(logits[1], whole(model, [*prompt, 2, 4, 8]))


@torch.inference_mode()
def test_a_row_used_again_forgets_the_episode_before(model):
    passes = qwen3.Qwen3(model, slots=2, capacity=32)
    passes.feed([0, 1], [0, 0], [drawn(20), drawn(5)])
    close(passes.feed([0], [0], [[5, 6]])[0], whole(model, [5, 6]))


def test_it_fits_a_plain_qwen3_in_fp32_and_nothing_else():
    assert qwen3.fits(build())
    assert not qwen3.fits(build().to(torch.bfloat16))
    assert not qwen3.fits(build(attention_bias=True))
    assert not qwen3.fits(build(hidden_act="gelu"))
    assert not qwen3.fits(torch.nn.Linear(2, 2))
    yarn = {"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0, "original_max_position_embeddings": 64}
    assert not qwen3.fits(build(rope_parameters=yarn))
    wrapped = build()
    wrapped.model.layers[0].self_attn.q_proj = torch.nn.Sequential(wrapped.model.layers[0].self_attn.q_proj)
    assert not qwen3.fits(wrapped)


@torch.inference_mode()
def test_the_cache_grows_with_the_longest_row_up_to_its_capacity(model):
    passes = qwen3.Qwen3(model, slots=2, capacity=700)
    long, short = drawn(300, 1), drawn(4, 2)
    passes.feed([0, 1], [0, 0], [long[:200], short])
    passes.feed([0, 1], [200, 4], [long[200:], [9]])
    assert passes.keys[0].shape[2] == 512
    close(passes.feed([0, 1], [300, 5], [[7], [8]])[0], whole(model, [*long, 7]))
    passes.feed([0], [301], [drawn(399, 3)])
    assert passes.keys[0].shape[2] == 700
    close(passes.feed([1], [6], [[3]])[0], whole(model, [*short, 9, 8, 3]))
