"""SFT: the mask decides what is learned, batches are exact, loss falls, nothing is lost in silence."""

import math
import random

import pytest
import torch

from webdancer import sft
from webdancer.agent import policy, tokens
from webdancer.core.schema import Trajectory


def trajectory(word, hops=1):
    turns = [
        {"role": "system", "content": "Search, visit, answer."},
        {"role": "user", "content": f"Who is {word}?"},
        {"role": "assistant", "content": f"<think>\n{word}.\n</think>\n<answer>\n{word}\n</answer>"},
    ]
    return Trajectory(tuple(turns), ((word,),), hops=hops)


@pytest.fixture(scope="module")
def data():
    return [trajectory(w, hops=1 + n % 3) for n, w in enumerate("Tal Veron Kor Hask Orlen Ford".split() * 4)]


@pytest.fixture
def tiny(data):
    tokenizer = tokens.train_tokenizer(tokens.corpus(data), 600)
    return policy.build_tiny(tokenizer, hidden=24, layers=2, heads=2, feed_forward=32, seed=1)


def test_prepare_masks_the_assistant_only_and_counts_what_is_too_long(data, tiny):
    examples, dropped = sft.prepare(data, tiny.tokenizer, prompt_style="keep")
    assert (len(examples), dropped) == (24, 0)
    first = examples[0]
    written = [i for i, m in zip(first.ids, first.mask, strict=True) if m]
    assert tiny.tokenizer.decode(written) == data[0].messages[2]["content"] + tokens.END
    with pytest.raises(ValueError, match="none of at most 5 tokens"):
        sft.prepare(data, tiny.tokenizer, prompt_style="keep", max_length=5)


def test_batches_hold_about_the_wanted_tokens_and_every_example_once_a_pass():
    examples = [sft.Example(tuple(range(n)), (True,) * n, 1) for n in [3, 9, 4, 8, 5, 7, 6, 3]]
    seen, source = [], sft.batches(examples, 16, seed=0)
    while len(seen) < len(examples):
        batch = next(source)
        assert max(len(e.ids) for e in batch) * len(batch) <= 16
        seen += [id(e) for e in batch]
    assert sorted(seen) == sorted(id(e) for e in examples)


def test_loss_of_uniform_logits_is_the_log_of_the_vocabulary(tiny):
    with torch.no_grad():
        for p in tiny.model.parameters():
            p.zero_()
    ids, mask = torch.tensor([[5, 6, 7]]), torch.tensor([[False, True, True]])
    loss, count = sft.loss_sum(tiny.model, ids, mask)
    assert count == 2
    assert loss.item() == pytest.approx(2 * math.log(len(tiny.tokenizer)), rel=1e-5)


def test_no_gradient_comes_from_observation_tokens(tiny):
    """Changing which observation token is *predicted* changes nothing: only its use as context may matter."""
    rows = tiny.model.get_input_embeddings().weight

    def gradient(mask):
        tiny.model.zero_grad()
        loss, _ = sft.loss_sum(tiny.model, torch.tensor([[5, 6, 7, 8]]), torch.tensor([mask]))
        loss.backward()
        return rows.grad.clone()

    both = gradient([False, True, False, True])
    only_first, only_last = gradient([False, True, False, False]), gradient([False, False, False, True])
    assert torch.allclose(both, only_first + only_last, atol=1e-6)
    untied = policy.build_tiny(tiny.tokenizer, hidden=24, layers=2, heads=2, feed_forward=32)
    untied.model.config.tie_word_embeddings = False
    untied.model.lm_head.weight = torch.nn.Parameter(untied.model.lm_head.weight.detach().clone())
    logits, _ = policy.trained_logits(
        untied.model, torch.tensor([[5, 6, 7, 8]]), torch.tensor([[False, True, False, True]])
    )
    assert logits.shape[0] == 2  # the masked position has no logits at all, so it can send no gradient


def test_micro_batches_give_the_gradient_of_the_whole_batch(data, tiny):
    examples, _ = sft.prepare(data, tiny.tokenizer, prompt_style="keep")

    def gradient(micro):
        tiny.model.zero_grad()
        trained = sum(sum(e.mask[1:]) for e in examples)
        for part in sft.next_parts(examples, micro):
            loss, _ = sft.loss_sum(tiny.model, *sft.collate(part, tiny.tokenizer.pad_token_id))
            (loss / trained).backward()
        return torch.cat([p.grad.flatten() for p in tiny.model.parameters()])

    whole = gradient(10_000)
    for micro in (1, 60, 130):
        assert torch.allclose(gradient(micro), whole, atol=1e-6)


def test_training_lowers_the_loss_and_repeats_to_the_bit(data, tiny, tmp_path):
    examples, _ = sft.prepare(data, tiny.tokenizer, prompt_style="keep")
    recipe = sft.Recipe(steps=80, batch_tokens=256, warmup=3)
    before = sft.evaluate_loss(tiny, examples)
    start = {k: v.clone() for k, v in tiny.model.state_dict().items()}
    log = sft.train(tiny, examples, recipe, log_file=tmp_path / "log.csv")
    after = sft.evaluate_loss(tiny, examples)
    assert after < 0.5 * before
    assert list(log.step) == list(range(80)) and (tmp_path / "log.csv").read_text().count("\n") == 81
    end = {k: v.clone() for k, v in tiny.model.state_dict().items()}
    tiny.model.load_state_dict(start)
    sft.train(tiny, examples, recipe)
    assert all(torch.equal(end[k], v) for k, v in tiny.model.state_dict().items())


def test_reading_puts_the_loss_on_every_token(data, tiny):
    examples, _ = sft.prepare(data, tiny.tokenizer, prompt_style="keep")
    read = sft.everything(examples)
    assert all(all(e.mask) for e in read)
    assert [e.ids for e in read] == [e.ids for e in examples]


def test_names_change_places_everywhere_alike_and_other_words_stay(data, tiny):
    examples, _ = sft.prepare(data, tiny.tokenizer, prompt_style="keep")
    titles = "Tal Veron|Kor Hask|Orlen Ford".split("|") * 50  # 150 titles: a name in 50 of them is not rare
    numbers = sft.name_groups(tiny.tokenizer, examples, titles)
    spelled = [[tiny.tokenizer.convert_ids_to_tokens(i) for i in group] for group in numbers]
    assert [(len(g), g[0], g[-1]) for g in spelled] == [(100, "⟨00", "⟨99"), (100, "00", "99"), (10, "0", "9")]
    titles += [f"Other{n} Thing{n}" for n in range(2500)]
    groups = sft.name_groups(tiny.tokenizer, [], titles)[: -len(numbers)]
    words = [{tiny.tokenizer.convert_ids_to_tokens(i)[1:] for i in group} for group in groups]
    assert sorted(map(sorted, words)) == [["Ford", "Hask", "Veron"], ["Kor", "Orlen", "Tal"]]
    again = sft.renamed(examples, groups, random.Random(1))
    inside = {i for group in groups for i in group}
    for old, new in zip(examples, again, strict=True):
        swap = dict(zip(old.ids, new.ids, strict=True))
        assert tuple(swap[i] for i in old.ids) == new.ids and len(set(swap.values())) == len(swap)
        assert all(swap[i] == i for i in swap if i not in inside)
        assert new.mask == old.mask
    assert again != examples


def test_a_loss_that_is_not_finite_stops_with_the_step_named(data, tiny):
    examples, _ = sft.prepare(data, tiny.tokenizer, prompt_style="keep")
    with torch.no_grad():
        tiny.model.get_input_embeddings().weight.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="at step 0"):
        sft.train(tiny, examples, sft.Recipe(steps=2))
