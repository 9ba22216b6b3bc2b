"""pocketweb.oracle_author: questions from hand-made pages, seeds, rewrites, and the mistakes of a warm author."""

import json
import random

import pytest

from pocketweb import oracle_author
from pocketweb.oracle_paths import OTHER, USUAL
from pocketweb.reading import parse_question
from webdancer.core import prompts
from webdancer.core.schema import Page

VERON = Page(
    "http://w/Tal_Veron",
    "Tal Veron",
    "Tal Veron was born in Orlen Ford. The birth year of Tal Veron is 1901. Tea is hot.",
)
ORLEN = Page(
    "http://w/Orlen_Ford",
    "Orlen Ford",
    "The mayor of Orlen Ford is Ada Quist. Known natives of Orlen Ford are Tal Veron and Bo Lin.",
)
QUIST = Page("http://w/Ada_Quist", "Ada Quist", "Ada Quist studied at Kestin University.")
KESTIN = Page(
    "http://w/Kestin_University",
    "Kestin University",
    "The graduates of Kestin University are Ada Quist, Bo Lin and Cy Dale.",
)


def write(messages, temperature=0.0, seed=0):
    return json.loads(oracle_author.reply(messages, temperature, random.Random(seed)))


@pytest.mark.parametrize("seed", range(5))
def test_multihop_follows_the_pages(seed):
    got = write(prompts.crawlqa("multihop", 3, [VERON, ORLEN, QUIST]), seed=seed)
    assert got["answer"] == "Kestin University" and got["hops"] == 3
    assert got["evidence"] == [VERON.url, ORLEN.url, QUIST.url]
    assert got["support"] == [
        "Tal Veron was born in Orlen Ford.",
        "The mayor of Orlen Ford is Ada Quist.",
        "Ada Quist studied at Kestin University.",
    ]
    plan = parse_question(got["question"])
    assert [(c.entity, c.labels) for c in plan.chains] == [("Tal Veron", ("birthplace", "mayor", "university"))]


def test_the_last_fact_may_be_a_literal():
    pages = [Page("http://w/K", "Kestin", "Tal Veron is the mayor of Kestin."), VERON]
    answers = {write(prompts.crawlqa("multihop", 2, pages), seed=s)["answer"] for s in range(20)}
    assert answers == {"Orlen Ford", "1901"}


def test_count_is_a_chain_and_a_list():
    got = write(prompts.crawlqa("count", 2, [VERON, ORLEN]))
    assert (got["answer"], got["hops"], got["evidence"]) == ("2", 2, [VERON.url, ORLEN.url])
    assert parse_question(got["question"]).chains[0].labels == ("birthplace", "natives")
    assert write(prompts.crawlqa("count", 1, [KESTIN]))["answer"] == "3"


def test_intersection_with_and_without_a_chain():
    got = write(prompts.crawlqa("intersection", 2, [ORLEN, KESTIN]))
    assert (got["answer"], got["hops"], sorted(got["evidence"])) == ("Bo Lin", 2, sorted([ORLEN.url, KESTIN.url]))
    got = write(prompts.crawlqa("intersection", 3, [VERON, ORLEN, KESTIN]))
    assert (got["answer"], got["hops"]) == ("Bo Lin", 3)
    chains = {c.entity: c.labels for c in parse_question(got["question"]).chains}
    assert chains == {"Tal Veron": ("birthplace", "natives"), "Kestin University": ("graduates",)}


def test_no_intersection_with_two_common_members():
    two = Page(KESTIN.url, KESTIN.title, "The graduates of Kestin University are Tal Veron and Bo Lin.")
    assert write(prompts.crawlqa("intersection", 2, [ORLEN, two]))["question"] == ""


@pytest.mark.parametrize(
    ("kind", "hops", "pages"),
    [
        ("multihop", 4, [VERON, ORLEN, QUIST]),
        ("count", 1, [VERON]),
        ("intersection", 1, [ORLEN, KESTIN]),
        ("riddle", 1, [ORLEN]),
        ("multihop", 1, [Page("http://w/x", "Just a moment...", "Checking your browser. Ray ID 8f.")]),
        ("multihop", 1, []),
    ],
)
def test_pages_without_such_a_question_are_refused(kind, hops, pages):
    got = write(prompts.crawlqa(kind, hops, pages))
    assert got["question"] == "" and got["reason"]


def test_the_answer_never_stands_in_the_question():
    own = Page("http://w/O", "Orlen Ford", "Orlen Ford is a twin city of Orlen Ford.")
    assert write(prompts.crawlqa("multihop", 1, [own]))["question"] == ""


def test_seed_asks_for_one_fact():
    got = write(prompts.seed(QUIST))
    assert got["answer"] == "Kestin University" and got["evidence"] == [QUIST.url] and "Ada Quist" in got["question"]
    assert write(prompts.seed(Page("http://w/x", "Tea", "Tea is hot.")))["question"] == ""


def test_entity_is_where_the_question_starts():
    assert write(prompts.entity("Who is the mayor of the city where Tal Veron was born?")) == {"entity": "Tal Veron"}
    assert write(prompts.entity("Why?")) == {"entity": ""}


RESULTS = (
    "A search for 'Orlen Ford' found 3 results:\n\n## Web Results\n"
    "1. [Orlen Ford](http://w/O)\n\nThe mayor of Orlen Ford is Ada Quist.\n\n"
    "2. [Bo Lin](http://w/Bo)\n\nAt last. Bo Lin was born in Orlen Ford.\n\n"
    "3. [Cy](http://w/Cy)\n\nThe natives of Orlen Ford are Cy Dale."
)


def test_rewrite_puts_a_clause_in_the_place_of_the_entity():
    got = write(prompts.rewrite("Who is the mayor of Orlen Ford?", "Ada Quist", "Orlen Ford", RESULTS))
    assert got == {
        "question": "Who is the mayor of the city where Bo Lin was born?",
        "description": "the city where Bo Lin was born",
        "evidence": "http://w/Bo",
        "support": "Bo Lin was born in Orlen Ford.",
    }
    again = write(
        prompts.rewrite(
            got["question"], "Ada Quist", "Bo Lin", "1. [K](http://w/K)\n\nThe mentor of Cy Dale was Bo Lin."
        )
    )
    assert again["question"] == "Who is the mayor of the city where the person who was mentor to Cy Dale was born?"


def test_rewrite_of_one_side_of_an_intersection():
    asked = "Which person is a native of Orlen Ford and is a graduate of Kestin University?"
    got = write(prompts.rewrite(asked, "Cy Dale", "Orlen Ford", RESULTS))
    assert got["question"].startswith("Which person is a native of the city where Bo Lin was born and is a graduate of")


def test_rewrite_that_would_leak_or_say_nothing_is_refused():
    assert (
        write(prompts.rewrite("Name the twin city of Orlen Ford.", "Bo Lin", "Orlen Ford", RESULTS))["question"] == ""
    )
    assert write(prompts.rewrite("Who is the mayor of Kestin?", "A B", "Kestin", RESULTS))["question"] == ""
    assert write(prompts.rewrite("Who is the mayor of Kestin?", "A B", "Orlen Ford", RESULTS))["question"] == ""


def test_identify_lists_all_that_fit():
    assert write(prompts.identify("the city where Bo Lin was born", RESULTS)) == {"entities": ["Orlen Ford"]}
    assert write(prompts.identify("is a native of the city where Bo Lin was born", RESULTS)) == {
        "entities": ["Cy Dale"]
    }
    two = RESULTS + "\n\nBo Lin was born in Kestin."
    assert write(prompts.identify("the city where Bo Lin was born", two)) == {"entities": ["Orlen Ford", "Kestin"]}
    assert write(prompts.identify("something blue", RESULTS)) == {"entities": []}


def test_a_warm_author_makes_the_mistakes_of_the_released_sample():
    ask = prompts.crawlqa("multihop", 3, [VERON, ORLEN, QUIST])
    rows = [write(ask, 2.0, seed) for seed in range(300)]
    bad = [r for r in rows if r["answer"] != "Kestin University" or r["answer"] in r["question"]]
    assert 0.2 < len(bad) / len(rows) < 0.4  # 0.15 at temperature 1
    assert any(r["answer"] == "yes" for r in bad) and any("or another?" in r["question"] for r in bad)
    assert any(r["answer"] in ("Orlen Ford", "Tal Veron", "Bo Lin", "Ada Quist") for r in bad)


@pytest.mark.parametrize("kind", ["multihop", "count", "intersection"])
def test_the_other_author_asks_for_the_same_in_other_forms(kind):
    shown = [VERON, ORLEN, KESTIN] if kind == "intersection" else [VERON, ORLEN, QUIST]
    ask = prompts.crawlqa(kind, 2 if kind == "count" else 3, shown)
    usual, other = set(), set()
    for seed in range(40):
        for voice, found in ((USUAL, usual), (OTHER, other)):
            got = json.loads(oracle_author.reply(ask, 0.0, random.Random(seed), voice))
            found.add((got["question"], got["answer"]))
    assert len(other) > 1 and not {q for q, _ in usual} & {q for q, _ in other}
    assert {a for _, a in usual} == {a for _, a in other}
    plans = [{frozenset(parse_question(q).chains) for q, _ in found} for found in (usual, other)]
    assert plans[0] == plans[1]


def test_the_other_author_rewrites_in_its_own_words():
    asked = prompts.rewrite("For Orlen Ford, who is the mayor?", "Ada Quist", "Orlen Ford", RESULTS)
    got = json.loads(oracle_author.reply(asked, 0.0, random.Random(0), OTHER))
    assert got["question"] == "For the birthplace that belongs to Bo Lin, who is the mayor?"
    fits = prompts.identify(got["description"], RESULTS)
    assert json.loads(oracle_author.reply(fits, 0.0, random.Random(0), OTHER)) == {"entities": ["Orlen Ford"]}


def test_a_prompt_of_another_kind_is_told_apart():
    assert "rule-based stand-in" in oracle_author.reply([{"role": "user", "content": "Hello"}], 0.0, random.Random(0))
