"""pocketweb.oracle_pairs: comparisons and differences from pages made by hand."""

import json
import random

import pytest

from pocketweb import oracle_author, oracle_pairs
from pocketweb.grammar_pairs import APART, NOVEL, PICKS, WHICH
from pocketweb.oracle_paths import OTHER, told_in
from pocketweb.reading import parse_question
from webdancer.core import prompts
from webdancer.core.schema import Page

VERON = Page("http://w/Tal_Veron", "Tal Veron", "Tal Veron was born in Orlen Ford.")
ORLEN = Page(
    "http://w/Orlen_Ford", "Orlen Ford", "Orlen Ford was founded in 1871. The mayor of Orlen Ford is Ada Quist."
)
LIN = Page("http://w/Bo_Lin", "Bo Lin", "Bo Lin was born in Kestin Bay.")
KESTIN = Page(
    "http://w/Kestin_Bay", "Kestin Bay", "Kestin Bay was founded in 1902. The mayor of Kestin Bay is Cy Dale."
)
LED = [VERON, ORLEN, LIN, KESTIN]


def write(kind, hops, pages, seed=0):
    return json.loads(oracle_author.reply(prompts.crawlqa(kind, hops, pages), 0.0, random.Random(seed)))


@pytest.mark.parametrize("seed", range(6))
def test_a_comparison_of_two_named_things(seed):
    got = write("comparison", 3, [ORLEN, KESTIN], seed)
    plan = parse_question(got["question"])
    assert (plan.kind, got["answer"]) in (("lower", "Ada Quist"), ("higher", "Cy Dale")) and plan.asked == "mayor"
    assert got["hops"] == 3 and got["evidence"][2] == {"lower": ORLEN, "higher": KESTIN}[plan.kind].url
    assert {tuple(c.labels) for c in plan.chains} == {("founding year",)}
    told = [f"{c.entity} was founded in" for c in plan.chains]
    assert all(sentence.startswith(start) for sentence, start in zip(got["support"], told, strict=False))


def test_a_comparison_of_four_facts_asks_a_fact_or_the_thing_itself():
    rows = [write("comparison", 4, LED, seed) for seed in range(60)]
    which = [r for r in rows if not parse_question(r["question"]).asked]
    assert {r["answer"] for r in which} == {"Orlen Ford", "Kestin Bay"} and len(which) < len(rows)
    assert all("Orlen Ford" not in r["question"] and "Kestin Bay" not in r["question"] for r in which)
    row = next(r for r in which if r["support"][0] == VERON.text)
    assert row["support"] == [
        "Tal Veron was born in Orlen Ford.",
        "Orlen Ford was founded in 1871.",
        "Bo Lin was born in Kestin Bay.",
        "Kestin Bay was founded in 1902.",
    ]
    asked = next(r for r in rows if r not in which)
    assert asked["hops"] == len(asked["support"]) == 4 and "mayor" in asked["support"][3]


@pytest.mark.parametrize(("hops", "pages"), [(2, [ORLEN, KESTIN]), (3, [VERON, ORLEN, KESTIN]), (4, LED)])
def test_a_difference_is_the_number_of_years(hops, pages):
    for seed in range(6):
        got = write("difference", hops, pages, seed)
        assert (got["answer"], got["hops"], len(got["support"])) == ("31", hops, hops)
        assert parse_question(got["question"]).kind == "difference" and "31" not in got["question"]


@pytest.mark.parametrize(
    ("kind", "hops", "pages"),
    [
        ("comparison", 2, [ORLEN, KESTIN]),  # would name its answer
        ("comparison", 3, [ORLEN, VERON]),
        ("difference", 2, [ORLEN]),
        ("difference", 2, [ORLEN, Page("http://w/B", "Belm", "Belm was founded in 1871.")]),  # a tie
        ("difference", 2, [ORLEN, Page("http://w/H", "Halxo Foods", "Halxo Foods opened in 1902.")]),  # another sort
        ("comparison", 3, [ORLEN, Page(KESTIN.url, "Kestin Bay", KESTIN.text.replace("Cy Dale", "Ada Quist"))]),
    ],
)
def test_pages_without_such_a_question_are_refused(kind, hops, pages):
    assert write(kind, hops, pages)["question"] == ""


def test_a_fact_that_both_things_share_is_never_asked_for():
    same = Page(KESTIN.url, "Kestin Bay", f"{KESTIN.text} The region of Kestin Bay is off the map.")
    orlen = Page(ORLEN.url, "Orlen Ford", f"{ORLEN.text} Orlen Ford has Cy Dale as its twin.")  # odd, but a name shared
    answers = {write("comparison", 3, [orlen, same], seed)["answer"] for seed in range(40)}
    assert answers == {"Ada Quist"}  # Cy Dale stands on both pages


def test_novel_forms_are_heard_only_where_pages_are_novel():
    novel = Page(ORLEN.url, "Orlen Ford", "In 1871 the first houses of Orlen Ford were founded.")
    plain, odd = (
        {write("difference", 2, [first, KESTIN], seed)["question"].split(" the ")[0] for seed in range(60)}
        for first in (ORLEN, novel)
    )
    heads = [form.split(" {a}")[0] for form in APART]
    assert plain == set(heads[:NOVEL]) and odd == set(heads)
    assert NOVEL == len(PICKS) - 1 == len(WHICH) - 1


def test_no_candidate_meets_the_same_thing_on_both_sides():
    pages = [Page("http://w/A", "Ada Quist", "Ada Quist was born in Orlen Ford. Ada Quist works for Halxo Foods.")]
    told = told_in(prompts.crawlqa("difference", 3, [*pages, ORLEN, KESTIN])[-1]["content"])
    for pair in oracle_pairs.differences(told, 3):
        one, other = (side.path.names() for side in pair.sides)
        assert not one & other


@pytest.mark.parametrize(("kind", "hops"), [("comparison", 3), ("comparison", 4), ("difference", 3)])
def test_the_other_author_uses_the_forms_of_novel_pages_and_no_others(kind, hops):
    pages = [ORLEN, KESTIN] if hops == 3 and kind == "comparison" else LED[: hops + 1]
    ask = prompts.crawlqa(kind, hops, pages)
    rows = [json.loads(oracle_author.reply(ask, 0.0, random.Random(seed), OTHER)) for seed in range(20)]
    for row in (row for row in rows if row["question"]):
        assert any(word in row["question"] for word in ("whichever", "Of ", "How far apart"))
        assert parse_question(row["question"]) is not None
    assert any(row["question"] for row in rows)
