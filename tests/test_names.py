"""Names: no two seeds share one, words are shared, and none holds what the grammar needs for itself."""

import doctest
import re
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pocketweb import grammar_other, grammar_pairs, names, pages, world
from pocketweb.grammar import INTERSECTION_ASKS, LEAD_INS, RELATIONS, TYPES

KINDS = tuple(names.SHARES)


def test_examples_in_docstrings():
    assert doctest.testmod(names).failed == 0


def test_shares_of_the_entity_types_add_up_to_one():
    assert sum(names.SHARES[k] for k in TYPES) == pytest.approx(1.0)


def test_coin_by_hand():
    assert sorted(names.coin("ta tal", "lon on")) == ["Tallon", "Talon", "Taon"]  # ta+lon and tal+on are one word
    assert names.coin("ta", "lon", taken=("Talon",)) == ()


@pytest.mark.parametrize("size", [200, 450, 5000, 20000])
@pytest.mark.parametrize("kind", KINDS)
def test_every_seed_has_the_same_number_of_names_and_enough(kind, size):
    a, b = names.words_used(kind, size)
    first, second, _ = names.word_lists()[kind]
    assert a % 31 == 0 and a <= len(first) and b <= len(second)
    counted = [sum((i + j) % 31 == seed for i in range(31) for j in range(b)) * a // 31 for seed in range(31)]
    assert set(counted) == {a * b // 31}
    assert a * b // 31 >= names.counts(size)[kind]


@given(st.integers(200, 20000))
def test_counts_add_up(size):
    counts = names.counts(size)
    assert sum(counts[k] for k in TYPES) == size
    assert counts["city"] % 2 == 0 and min(counts.values()) > 0


@given(st.integers(200, 1200), st.integers(200, 1200), st.sampled_from(list(combinations(range(31), 2))))
@settings(max_examples=25, deadline=None)
def test_two_seeds_share_no_name_whatever_their_sizes(size_a, size_b, seeds):
    for kind in KINDS:
        a = set(names.draw(seeds[0], size_a, kind, names.counts(size_a)[kind]))
        b = set(names.draw(seeds[1], size_b, kind, names.counts(size_b)[kind]))
        assert not a & b


def test_names_are_distinct_and_drawn_the_same_twice():
    for kind in KINDS:
        drawn = names.draw(7, 900, kind, names.counts(900)[kind])
        assert len(set(drawn)) == len(drawn)
        assert drawn == names.draw(7, 900, kind, names.counts(900)[kind])


def test_nearly_all_words_of_a_held_out_world_occur_in_the_training_worlds():
    def words(seed: int, size: int) -> set[str]:
        drawn = [n for k in TYPES for n in names.draw(seed, size, k, names.counts(size)[k])]
        return {w.lower() for n in drawn for w in re.findall(r"[A-Za-z]+", n)}

    assert len(words(17, 300) - words(1, 300) - words(2, 300)) <= 0.02 * len(words(17, 300))
    trained = set().union(*(words(s, 450) for s in (1, 2, 3, 4)))
    assert len(words(17, 600) - trained) <= 0.02 * len(words(17, 600))


def test_too_many_names_are_refused():
    with pytest.raises(ValueError, match=r"got 5000 names of kind city, wanted at most"):
        names.draw(1, 400, "city", 5000)


def test_no_word_of_a_name_is_a_word_of_the_grammar():
    told = [t for r in RELATIONS for t in (r.label, r.query, r.phrase, r.clause, *r.asks, *r.tells)]
    grammar_words = set(re.findall(r"[a-z]+", " ".join([*told, *LEAD_INS, *INTERSECTION_ASKS]).lower()))
    for first, second, _ in names.word_lists().values():
        for word in re.findall(r"[a-z]+", " ".join(first + second).lower()):
            assert word not in grammar_words


def test_word_lists_are_free_of_repeats_and_plain():
    for first, second, _ in names.word_lists().values():
        assert len(set(first)) == len(first) and len(set(second)) == len(second)
        assert all(re.fullmatch(r"[A-Za-z]+( [A-Za-z]+)*", w) and w.lower() != "and" for w in first + second)


def test_coined_words_of_different_lists_differ():
    lists = names.word_lists()
    for a, b in combinations(("person", "city", "company"), 2):
        assert not set(lists[a][0]) & set(lists[b][0])
    assert not set(lists["person"][1]) & (set(lists["city"][0]) | set(lists["company"][0]))


def test_kinds_that_share_first_words_differ_in_the_second():
    lists = names.word_lists()
    for a, b in [*combinations(("city", "region", "noise"), 2), *combinations(("company", "event", "block"), 2)]:
        assert not set(lists[a][1]) & set(lists[b][1])


def all_words(texts) -> set[str]:
    return set(re.findall(r"[a-z]+", " ".join(texts).lower()))


def test_unheard_words_are_words_of_no_name_and_of_no_sentence():
    lists = names.word_lists().values()
    usual = all_words(text for first, second, form in lists for text in (*first, *second, form))
    told = [t for r in (*RELATIONS, *grammar_other.OTHER) for t in (r.label, r.query, r.phrase, r.clause, *r.asks)]
    told += [t for r in RELATIONS for t in r.tells]
    told += [*LEAD_INS, *INTERSECTION_ASKS, *grammar_other.INTERSECTION_ASKS, *pages.FILLERS, *pages.NOISE, *TYPES]
    told += [*grammar_pairs.PICKS, *grammar_pairs.WHICH, *grammar_pairs.APART, *pages.CATEGORIES.values()]
    told += [*world.PROFESSIONS, *world.ALIAS_FORMS.values()]
    unheard = {names.unheard(word) for word in usual}
    assert not unheard & (usual | all_words(told))
    assert len(unheard) == len(usual) > 5000


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ -()", max_size=30))
def test_unheard_keeps_lengths_capitals_and_vowels_and_changes_every_letter(name):
    other = names.unheard(name)
    assert len(other) == len(name)
    assert [(c.isupper(), c.islower()) for c in other] == [(c.isupper(), c.islower()) for c in name]
    assert all((a == b) == (not a.isalpha()) for a, b in zip(name, other, strict=True))
    assert [c in "aeiouAEIOU" for c in other] == [c in "aeiouAEIOU" for c in name]


def test_unheard_makes_no_two_letters_one():
    letters = "abcdefghijklmnopqrstuvwxyz"
    assert sorted(map(names.unheard, letters)) == sorted(letters)


def test_drawn_with_other_words_are_the_same_names_unheard():
    for kind in KINDS:
        usual = names.draw(7, 400, kind, 4)
        assert names.draw(7, 400, kind, 4, other_words=True) == [names.unheard(name) for name in usual]
