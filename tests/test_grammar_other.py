"""The other forms of questions: well formed, in known words, read back in one way, and none a usual form."""

import re

import pytest

from pocketweb import grammar, grammar_other
from pocketweb.grammar import RELATIONS, TYPES
from pocketweb.reading import Chain, Plan, parse_condition, parse_phrase, parse_question

PAIRS = list(zip(RELATIONS, grammar_other.OTHER, strict=True))
each = pytest.mark.parametrize(("usual", "other"), PAIRS, ids=lambda r: r.key)
NAMES = {
    "person": "Tal Veron (chemist)",
    "city": "Orlen Ford",
    "region": "Orlen Highlands",
    "university": "Orlen Technical University",
    "company": "Velmar Optics",
    "event": "Velmar Regatta",
    "paper": "Sparse Tidal Lattices",
    "repository": "velmar-parser",
}


def said(relation) -> list[str]:
    """Every form of a question that a relation has (the phrase of a list is never said)."""
    return [*relation.asks, relation.clause, *([] if relation.many else [relation.phrase])]


@each
def test_only_the_wording_of_questions_differs(usual, other):
    for name in ("key", "subject", "object", "label", "query", "tells", "many", "inverse_of"):
        assert getattr(usual, name) == getattr(other, name)
    assert not set(said(usual)) & set(said(other))
    assert all(form.count("{x}") == 1 for form in said(other))


def test_no_other_form_is_a_usual_form_of_any_relation():
    usual = {form for r in RELATIONS for form in said(r)} | set(grammar.INTERSECTION_ASKS)
    other = {form for r in grammar_other.OTHER for form in said(r)} | set(grammar_other.INTERSECTION_ASKS)
    assert not usual & other
    assert len(other) > 100


def test_every_word_is_one_that_usual_pages_or_questions_use():
    def words(texts) -> set[str]:
        return set(re.findall(r"[a-z]+", " ".join(texts).lower()))

    known = words([t for r in RELATIONS for t in (*r.asks, r.phrase, r.clause, *r.tells[: grammar.NOVEL])])
    known |= words([*grammar.LEAD_INS, *grammar.INTERSECTION_ASKS, *TYPES])
    forms = [form for r in grammar_other.OTHER for form in said(r)]
    assert words([*forms, *grammar_other.INTERSECTION_ASKS]) <= known


@each
def test_every_form_is_read_back_as_what_it_means(usual, other):
    name = NAMES[usual.subject]
    chain = Chain(name, (usual.label,))
    for ask in other.asks:
        assert parse_question(ask.replace("{x}", name)) == Plan("count" if usual.many else "value", (chain,))
    if usual.many:
        assert parse_condition(other.clause.replace("{x}", name)) == chain
    else:
        for form in (other.phrase, other.clause):
            assert parse_phrase(form.replace("{x}", name)) == chain


def test_nested_to_any_depth_and_mixed_with_usual_forms():
    text = "the birthplace that belongs to the person listed as mentor of the mayor of Orlen Ford"
    assert parse_phrase(text) == Chain("Orlen Ford", ("mayor", "mentor", "birthplace"))
    asked = parse_question(f"For {text}, how many natives are listed?")
    assert asked == Plan("count", (Chain("Orlen Ford", ("mayor", "mentor", "birthplace", "natives")),))
    assert parse_question("For the mayor that belongs to Orlen Ford, what is the capital?") is None  # of a person


@pytest.mark.parametrize("form", grammar_other.INTERSECTION_ASKS)
def test_intersections(form):
    sides = ("belongs to the natives of Orlen Ford", "belongs to the staff of the employer that belongs to Bo Lin")
    plan = parse_question(form.replace("{t}", "person").replace("{a}", sides[0]).replace("{b}", sides[1]))
    assert plan == Plan("both", (Chain("Orlen Ford", ("natives",)), Chain("Bo Lin", ("employer", "staff"))))
    assert parse_question(form.replace("{t}", "city").replace("{a}", sides[0]).replace("{b}", sides[1])) is None
