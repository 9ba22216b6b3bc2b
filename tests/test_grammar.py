"""The language of the pocket web: templates are well formed, and a told sentence can be read back in one way only."""

import doctest
import re
import string
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketweb import grammar
from pocketweb.grammar import BY_KEY, FUNCTIONAL, LEAD_INS, LISTS, RELATIONS, TYPES, enumerate_names, split_names

WORD = r"[A-Z][a-z]+"
NAME = rf"(?:{WORD}(?: {WORD})*(?: \([a-z]+\))?|[a-z]+-[a-z]+|\d{{4}})"
ENUMERATION = rf"{NAME}(?:, {NAME})*(?: and {NAME})?"
EXAMPLES = {
    "person": ("Tal Veron", "Mira Dalov (chemist)"),
    "city": ("Orlen Ford", "Belgate Haven"),
    "region": ("Orlen Highlands", "Kelville Coast"),
    "university": ("Orlen Technical University", "Belgate Open University"),
    "company": ("Velmar Optics", "Nexcora Foods"),
    "event": ("Velmar Regatta", "Nexcora Open"),
    "paper": ("Sparse Tidal Lattices", "Robust Solar Codes"),
    "repository": ("velmar-parser", "nexcora-cache"),
    "year": ("1850", "2020"),
}


def lowered(template: str) -> str:
    """The template as it stands after a lead-in."""
    return template if template.startswith("{") else template[0].lower() + template[1:]


def reader(template: str, obj: str = NAME) -> re.Pattern:
    """A pattern that reads subject and object out of a sentence of the template."""
    pattern = re.escape(template).replace(r"\{s\}", f"(?P<s>{NAME})").replace(r"\{o\}", f"(?P<o>{obj})")
    return re.compile(pattern)


READERS = [(r, reader(form(t), ENUMERATION)) for r in RELATIONS for t in r.tells for form in (str, lowered)]


def readings(sentence: str) -> set[tuple[str, str, str]]:
    """All (label, subject, object) that some template reads out of a sentence."""
    found = [(r.label, p.fullmatch(sentence)) for r, p in READERS]
    return {(label, m["s"], m["o"]) for label, m in found if m}


def fields(template: str) -> Counter:
    """How often each placeholder stands in a template."""
    return Counter(name for _, name, _, _ in string.Formatter().parse(template) if name is not None)


def test_examples_in_docstrings():
    assert doctest.testmod(grammar).failed == 0


def test_enough_types_and_relations():
    assert len(TYPES) >= 7 and len(RELATIONS) >= 15
    assert len(BY_KEY) == len(RELATIONS)
    assert {r.subject for r in RELATIONS} == set(TYPES)
    assert {r.object for r in RELATIONS} <= {*TYPES, "year"}


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda r: r.key)
def test_templates_are_well_formed(relation):
    assert len(set(relation.tells)) == 4
    for template in relation.tells:
        assert fields(template) == {"s": 1, "o": 1}
        assert template.endswith(".") and template.count(".") == 1
        assert re.search(rf"\b{relation.query}\b", template)
    for template in (*relation.asks, relation.phrase):
        assert fields(template) == {"x": 1}
    assert fields(relation.clause) == {"x": 1}


@pytest.mark.parametrize("relation", LISTS, ids=lambda r: r.key)
def test_list_relations_are_inverses(relation):
    inverse = BY_KEY[relation.inverse_of]
    assert not inverse.many
    assert (inverse.subject, inverse.object) == (relation.object, relation.subject)


def test_labels_and_queries_are_unique_for_a_type():
    for kind in TYPES:
        own = [r for r in RELATIONS if r.subject == kind]
        assert len({r.label for r in own}) == len({r.query for r in own}) == len(own)


def test_asks_are_unique_among_functional_relations():
    asks = Counter(a for r in FUNCTIONAL for a in (*r.asks, r.phrase, r.clause))
    assert max(asks.values()) == 1


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda r: r.key)
def test_a_sentence_reads_back_in_one_way(relation):
    first, second = EXAMPLES[relation.object]
    objects = [first, f"{first} and {second}", f"{first}, {second} and {first}"] if relation.many else [first, second]
    for subject in EXAMPLES[relation.subject]:
        for obj in objects:
            for template in relation.tells:
                for form in (str, lowered):
                    sentence = form(template).format(s=subject, o=obj)
                    assert readings(sentence) == {(relation.label, subject, obj)}


def test_lead_ins_end_so_that_a_sentence_can_follow():
    assert all(lead.endswith((", ", " that ")) and "." not in lead for lead in LEAD_INS)
    assert not any(r.query in re.findall(r"\w+", lead.lower()) for lead in LEAD_INS for r in RELATIONS)


names = st.lists(st.from_regex(r"[A-Z][a-z]{1,6} [A-Z][a-z]{1,6}", fullmatch=True), min_size=1, max_size=6)


@given(names)
def test_enumerations_round_trip(listed):
    assert split_names(enumerate_names(listed)) == listed


def test_enumerations_by_hand():
    assert enumerate_names(["A B"]) == "A B"
    assert enumerate_names(["A B", "C D"]) == "A B and C D"
    assert split_names("A B, C D, E F and G H") == ["A B", "C D", "E F", "G H"]
    assert split_names("Sandy Landing and Andor Land") == ["Sandy Landing", "Andor Land"]
