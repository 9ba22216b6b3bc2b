"""Prefix sharing: the tree of common beginnings, and that sharing changes neither log-probabilities nor gradients."""

import by_heart
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from webdancer import dapo_loss
from webdancer.agent import lora, prefixes

rows = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=9), min_size=1, max_size=9)


@given(rows)
def test_every_path_spells_its_sequence_and_no_beginning_stands_twice(sequences):
    tree = prefixes.lay(sequences)
    for sequence, path in zip(sequences, tree.paths, strict=True):
        assert tree.ids[path].tolist() == sequence
        assert tree.positions[path].tolist() == list(range(len(sequence)))
    beginnings = {tuple(s[: n + 1]) for s in sequences for n in range(len(s))}
    assert len(tree.ids) == len(beginnings) == sum(tree.pieces) == sum(new for new, _ in tree.runs)


@given(rows)
def test_a_run_s_pieces_are_the_path_of_its_last_node(sequences):
    tree = prefixes.lay(sequences)
    starts = np.cumsum([0, *tree.pieces])
    ends = np.cumsum([new for new, _ in tree.runs])
    paths = {path[-1]: path.tolist() for path in tree.paths}
    for end, (_, pieces) in zip(ends, tree.runs, strict=True):
        assert [n for p in pieces for n in range(starts[p], starts[p + 1])] == paths[end - 1]


@given(rows, st.integers(1, 30), st.integers(1, 3))
def test_parts_hold_everything_once_within_the_bound(sequences, most, multiple):
    found = prefixes.parts(sequences, most, multiple)
    assert sorted(n for part in found for n in part) == list(range(len(sequences)))
    for part in found:
        assert len(part) == 1 or len(prefixes.lay([sequences[n] for n in part]).ids) <= most


def test_by_hand():
    tree = prefixes.lay([[1, 2, 3, 4], [1, 2, 5], [1, 2, 3, 4], [9]])
    # 1 2 | 3 4 | 5 | 9
    assert tree.ids.tolist() == [1, 2, 3, 4, 5, 9] and tree.pieces == [2, 2, 1, 1]
    assert tree.runs == [(4, [0, 1]), (1, [0, 2]), (1, [3])]
    assert [p.tolist() for p in tree.paths] == [[0, 1, 2, 3], [0, 1, 4], [0, 1, 2, 3], [5]]
    assert prefixes.parts([[1, 2, 3, 4], [1, 2, 5], [9, 9, 9, 9]], 5) == [[0, 1], [2]]
    assert prefixes.parts([[1, 1], [2, 2], [3, 3], [4, 4]], 8, 2) == [[0, 1], [2, 3]]  # one for each of two


@pytest.mark.parametrize("sequences", [[], [[1], []]])
def test_nothing_to_lay_out_is_refused(sequences):
    with pytest.raises(ValueError, match="wanted at least one, and none that is empty"):
        prefixes.lay(sequences)


@pytest.fixture(scope="module")
def samples():
    """Three samples of one question and one of another, with what was written in each."""
    chance = torch.Generator().manual_seed(3)
    start = torch.randint(0, 500, (17,), generator=chance).tolist()
    tails = [torch.randint(0, 500, (n,), generator=chance).tolist() for n in (9, 1, 14)]
    ids = [start + tails[0], start + tails[1], start + tails[0][:4] + tails[2], tails[2]]
    mask = [[n % 3 != 1 for n in range(len(row))] for row in ids]
    return ids, mask


def padded(model, ids, mask):
    return dapo_loss.token_logp(model, dapo_loss.pad(ids, 0, torch.long), dapo_loss.pad(mask, False, torch.bool))


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("kv_heads", [1, 2])
def test_log_probabilities_entropies_and_gradients_are_those_of_the_episodes_alone(samples, kv_heads):
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=500,
            hidden_size=32,
            num_hidden_layers=3,
            num_attention_heads=2,
            num_key_value_heads=kv_heads,
            head_dim=16,
            intermediate_size=48,
            initializer_range=0.3,
        )  # fmt: skip
    )
    assert prefixes.fits(model)
    ids, mask = samples
    logp, entropy = dapo_loss.shared_logp(model, ids, mask)
    wanted, uncertain = padded(model, ids, mask)
    assert logp.shape == wanted.shape == (sum(sum(m[1:]) for m in mask),)
    assert torch.allclose(logp, wanted, atol=1e-5) and torch.allclose(entropy, uncertain, atol=1e-5)
    weights = torch.linspace(-1, 2, len(logp))
    shared = gradients(model, (dapo_loss.shared_logp(model, ids, mask)[0] * weights).sum())
    apart = gradients(model, (padded(model, ids, mask)[0] * weights).sum())
    assert all(torch.allclose(a, b, atol=1e-4, rtol=1e-4) for a, b in zip(shared, apart, strict=True))
    assert model.config._attn_implementation == "sdpa", "put back"


def test_an_adapter_around_the_model_makes_no_difference(samples):
    agent = by_heart.trained(0)
    model = lora.add(agent.model, lora.Lora(rank=2))
    ids, mask = samples
    assert prefixes.fits(model)
    logp, _ = dapo_loss.shared_logp(model, ids, mask)
    assert torch.allclose(logp, padded(model, ids, mask)[0], atol=1e-4)
    assert len(gradients(model, logp.sum())) > 0, "the adapter learns"


def test_models_that_look_another_way_do_not_fit():
    from transformers import MistralConfig, MistralForCausalLM

    config = MistralConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
        intermediate_size=32, sliding_window=8,
    )  # fmt: skip
    assert not prefixes.fits(MistralForCausalLM(config))
    assert not prefixes.fits(torch.nn.Linear(2, 2))
