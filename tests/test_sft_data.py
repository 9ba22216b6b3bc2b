"""The data of SFT: masks, batches that lose nothing, packed rows, new names that stay the same within an episode."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer import sft_data as sft
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


def seen_in_a_pass(examples, size, packed):
    seen, source = [], sft.batches(examples, size, 0, packed)
    while len(seen) < len(examples):
        seen += next(source)
    return seen


@given(st.lists(st.integers(2, 30), min_size=1, max_size=40), st.integers(5, 60), st.booleans())
def test_a_pass_holds_every_example_once_in_batches_of_the_wanted_size(lengths, size, packed):
    examples = [sft.Example(tuple(range(n)), (True,) * n, at) for at, n in enumerate(lengths)]
    assert sorted(e.hops for e in seen_in_a_pass(examples, size, packed)) == list(range(len(lengths)))
    for part in sft.next_parts(examples, size, packed):
        taken = sum(len(e.ids) for e in part) if packed else max(len(e.ids) for e in part) * len(part)
        assert len(part) == 1 or taken <= size


def test_packed_batches_are_no_longer_sorted_by_length():
    examples = [sft.Example(tuple(range(n)), (True,) * n, 1) for n in range(2, 62)]

    def spread(packed):
        source = sft.batches(examples, 100, 0, packed)
        return max(max(len(e.ids) for e in b) - min(len(e.ids) for e in b) for b in (next(source) for _ in range(8)))

    assert spread(False) < 15 < spread(True)


def test_packing_by_hand():
    a, b = sft.Example((5, 6, 7), (True, False, True), 1), sft.Example((8, 9), (True, True), 1)
    ids, mask, lengths = sft.pack([a, b])
    assert ids.tolist() == [[5, 6, 7, 8, 9]] and lengths == [3, 2]
    assert mask.tolist() == [[False, False, True, False, True]]  # 5 and 8 begin an episode: nothing predicts them
    padded, where = sft.collate([a, b], 0)
    assert padded.tolist() == [[5, 6, 7], [8, 9, 0]]
    assert where.tolist() == [[True, False, True], [True, True, False]]
    assert int(where[:, 1:].sum()) == int(mask.sum()) == 2


def test_a_digest_knows_its_data():
    a, b = sft.Example((5, 6), (False, True), 1), sft.Example((5, 6), (True, True), 1)
    assert sft.digest([a, b]) == sft.digest([a, b])
    assert len({sft.digest(x) for x in ([a], [b], [a, b], [b, a], [])}) == 5


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
