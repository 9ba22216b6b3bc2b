"""pocketweb.grammar_pairs: forms are well formed, and each is read back as what was meant, and as nothing else."""

import doctest

import pytest

from pocketweb import grammar_pairs
from pocketweb.grammar import FUNCTIONAL
from pocketweb.grammar_pairs import APART, COMPARED, NOVEL, PICKS, VERBS, WHICH, WORDS, worded
from pocketweb.reading import Chain, Plan, parse_question
from webdancer.checks_pairs import direction

HIDDEN = {  # per type two descriptions of a thing with their chains
    "person": (("the mayor of Orlen Ford", "Orlen Ford", ("mayor",)), ("Tal Veron", "Tal Veron", ())),
    "city": (("the city where Tal Veron was born", "Tal Veron", ("birthplace",)), ("Kestin", "Kestin", ())),
    "company": (("the employer of Tal Veron", "Tal Veron", ("employer",)), ("Halxo Foods", "Halxo Foods", ())),
}
each = pytest.mark.parametrize("relation", COMPARED, ids=lambda r: r.key)
both = pytest.mark.parametrize("wanted", WORDS)


def chains(relation, *sides):
    return tuple(Chain(entity, (*labels, relation.label)) for _, entity, labels in sides)


def test_examples_in_docstrings():
    assert doctest.testmod(grammar_pairs).failed == 0


def test_every_group_has_forms_for_all_worlds_and_one_for_novel_pages():
    assert all(len(group) == NOVEL + 1 and len(set(group)) == len(group) for group in (PICKS, WHICH, APART))
    assert {r.key for r in COMPARED} == set(VERBS) and all(r.object == "year" for r in COMPARED)


@each
@both
def test_a_picked_thing_fills_every_question_about_it(relation, wanted):
    one, other = HIDDEN[relation.subject]
    for form in PICKS:
        picked = worded(form, relation, wanted).format(a=one[0], b=other[0])
        for asked in (r for r in FUNCTIONAL if r.subject == relation.subject):
            for ask in asked.asks:
                question = ask.replace("{x}", picked)
                plan = parse_question(question)
                assert plan == Plan(wanted, chains(relation, one, other), asked.label), question
                assert direction(question) == {"lower": -1, "higher": 1}[wanted]


@each
@both
def test_which_of_the_two(relation, wanted):
    one, other = HIDDEN[relation.subject]
    for form in WHICH:
        question = worded(form, relation, wanted).format(a=one[0], b=other[0])
        assert parse_question(question) == Plan(wanted, chains(relation, one, other))
        assert direction(question) == {"lower": -1, "higher": 1}[wanted]


@each
def test_how_far_apart(relation):
    one, other = HIDDEN[relation.subject]
    for form in APART:
        for template in (relation.phrase, relation.clause):
            question = form.format(a=template.replace("{x}", one[0]), b=relation.phrase.replace("{x}", other[0]))
            assert parse_question(question) == Plan("difference", chains(relation, one, other))


@pytest.mark.parametrize(
    "question",
    [
        "Who is the mayor of the older one of the mayor of Kestin and Orlen Ford?",  # a person is no city
        "Who is the mayor of the older one of Kestin?",
        "How many natives of the older one of Kestin and Orlen Ford are listed?",  # lists are not asked for
        "Which person was founded earlier, Kestin or Orlen Ford?",  # persons are born
        "How many years lie between Kestin and Orlen Ford?",
        "How many years lie between the mayor of Kestin and the founding year of Orlen Ford?",
    ],
)
def test_what_makes_no_sense_has_no_plan(question):
    assert parse_question(question) is None
