"""The checks on two things over a web of seven pages: every rule with a question that only it turns down."""

import doctest
import json
import re
from dataclasses import replace
from decimal import Decimal

import pytest

from webdancer import checks_pairs
from webdancer.checks_pairs import answerable_pair, direction, pair, unique_pair, value
from webdancer.core import prompts
from webdancer.core.schema import Page, Question
from webdancer.linkgraph import LinkGraph

W = "http://w.test/"
BORN, IN_TARN = "Ada was born in Kestin.", "Ivo was born in Tarn."
KESTIN, TARN = "Kestin was founded in 1871.", "Tarn was founded on 3 May 1902."
KESTIN_MAYOR, TARN_MAYOR = "The mayor of Kestin is Uma.", "The mayor of Tarn is Tor."


def page(name: str, text: str, *links: str) -> Page:
    return Page(W + name, name, text, tuple(W + link for link in links))


def web(tarn: str = f"{TARN} {TARN_MAYOR}") -> LinkGraph:
    people = [page("Uma", "Uma likes tea."), page("Tor", "Tor likes tea.")]
    return LinkGraph(
        [
            page("Ada", BORN, "Kestin"),
            page("Ivo", IN_TARN, "Tarn"),
            page("Kestin", f"{KESTIN} {KESTIN_MAYOR}", "Uma"),
            page("Tarn", tarn, "Tor"),
            page("Bern", "Bern was founded in 1871. The mayor of Bern is Tor.", "Tor"),
            *people,
        ]
    )


def asked(question: str, answer: str, kind: str, *facts: tuple[str, str]) -> Question:
    evidence, support = zip(*((W + name, said) for name, said in facts), strict=True)
    return Question("", question, answer, kind, len(facts), evidence, support)


LED = (("Ada", BORN), ("Kestin", KESTIN))
MAYOR = asked(
    "Who is the mayor of the older one of the city where Ada was born and Tarn?", "Uma", "comparison",
    *LED, ("Tarn", TARN), ("Kestin", KESTIN_MAYOR),
)  # fmt: skip
WHICH = asked(
    "Which city was founded later, the birthplace of Ada or the birthplace of Ivo?", "Tarn", "comparison",
    *LED, ("Ivo", IN_TARN), ("Tarn", TARN),
)  # fmt: skip
APART = asked(
    "How many years lie between the founding of Ada's birthplace and that of Tarn?", "31", "difference",
    *LED, ("Tarn", TARN),
)  # fmt: skip


def test_examples_in_docstrings():
    assert doctest.testmod(checks_pairs).failed == 0


@pytest.mark.parametrize("question", [MAYOR, WHICH, APART], ids=["asked", "which", "apart"])
def test_a_sound_question_passes(question):
    assert answerable_pair(question, web()) and unique_pair(question, web())


def test_the_examples_in_the_authors_prompt_pass():
    moor, hill = "http://a.test/Moor_Ford", "http://a.test/Hill_End"
    told = [
        Page("http://a.test/Ada_Moor", "Ada Moor", "Ada Moor was born in Moor Ford.", (moor,)),
        Page(moor, "Moor Ford", "Moor Ford was founded in 1871. The mayor of Moor Ford is Cy Dale."),
        Page(hill, "Hill End", "Hill End was founded in 1902. The mayor of Hill End is Ben Lark."),
    ]
    shown = prompts.crawlqa("comparison", 4, told)[0]["content"]
    rows = [json.loads(line) for line in shown.splitlines() if line.startswith('{"question": "') and "http" in line]
    kinds = re.findall(r"Example\. Kind: (\w+), Hops: (\d)\.", shown)
    assert kinds == [("comparison", "4"), ("difference", "3")] and len(rows) == 2
    for (kind, hops), row in zip(kinds, rows, strict=True):
        facts = tuple(row["evidence"]), tuple(row["support"])
        question = Question("", row["question"], row["answer"], kind, int(hops), *facts)
        assert row["hops"] == int(hops) == len(facts[1])
        assert answerable_pair(question, LinkGraph(told)) and unique_pair(question, LinkGraph(told))


def test_the_facts_compared_are_found_by_hand():
    found = pair(MAYOR, web())
    assert found.places == (1, 2) and found.values == (Decimal(1871), Decimal(1902))
    assert [p.title for p in found.pages] == ["Kestin", "Tarn"]
    assert pair(WHICH, web()).places == (1, 3)


@pytest.mark.parametrize(
    "question",
    [
        replace(MAYOR, answer="Tor"),  # the mayor of the younger one
        replace(MAYOR, question=MAYOR.question.replace("older", "younger")),
        replace(MAYOR, question=MAYOR.question.replace("older", "finer")),  # the words pick neither
        replace(MAYOR, question=MAYOR.question.replace("older", "older or younger")),
        replace(MAYOR, support=(*MAYOR.support[:3], TARN_MAYOR)),  # a sentence of another page
        replace(MAYOR, evidence=(*MAYOR.evidence[:3], W + "Ada"), support=(*MAYOR.support[:3], BORN), answer="Ada"),
        replace(MAYOR, answer="Kestin"),  # what the chain passes through
        replace(WHICH, answer="Kestin"),
        replace(WHICH, question="Which city was founded later, the birthplace of Ada or Tarn?"),
        replace(WHICH, question="Which city was founded later, Kestin or the birthplace of Ivo?"),
        replace(WHICH, hops=3, evidence=(*WHICH.evidence[:2], W + "Tarn"), support=(*WHICH.support[:2], TARN)),
        replace(APART, answer="30"),
        replace(APART, answer="31 years or so"),
        replace(APART, question=APART.question[:-1] + ", 31 or another?"),
        replace(APART, support=(BORN, "Kestin was founded in 1870.", TARN), answer="32"),  # an invented sentence
        replace(APART, support=(BORN, KESTIN_MAYOR, TARN)),  # no number
        replace(APART, evidence=(W + "Ivo", *APART.evidence[1:]), support=(IN_TARN, KESTIN, TARN)),  # no link
        replace(APART, evidence=(*APART.evidence[:2], W + "Kestin"), support=(BORN, KESTIN, KESTIN), answer="0"),
        replace(APART, evidence=(*APART.evidence[:2], W + "Gone")),
    ],
)
def test_what_the_evidence_does_not_carry_is_refused(question):
    assert not answerable_pair(question, web())


def test_equal_numbers_are_answerable_both_ways_and_never_unique():
    tie = asked(
        "Who is the mayor of the older one of Kestin and Bern?", "Uma", "comparison",
        ("Kestin", KESTIN), ("Bern", "Bern was founded in 1871."), ("Kestin", KESTIN_MAYOR),
    )  # fmt: skip
    assert answerable_pair(tie, web()) and not unique_pair(tie, web())
    apart = asked("How far apart?", "0", "difference", ("Kestin", KESTIN), ("Bern", "Bern was founded in 1871."))
    assert answerable_pair(apart, web()) and not unique_pair(apart, web())


def test_an_answer_that_both_things_share_needs_no_comparison():
    graph = web(f"{TARN} The mayor of Tarn is Uma.")
    assert answerable_pair(MAYOR, graph) and not unique_pair(MAYOR, graph)


@pytest.mark.parametrize(
    ("sentence", "title", "wanted"),
    [
        ("Kestin was founded in 1871.", "Kestin", 1871),
        ("Founded in 1871, Kestin has 12,400 people.", "Kestin", 1871),
        ("Kestin has 12,400 people.", "Kestin", 12400),
        ("The index of Kestin is 311.499.", "Kestin", Decimal("311.499")),
        ("Between 1871 and 1902 Kestin grew.", "Kestin", None),
        ("Area 51 has 3 gates.", "Area 51", 3),
        ("Area 51 (Nevada) has 3 gates, says Area 51.", "Area 51 (Nevada)", 3),
        ("Kestin grew in the 1870s.", "Kestin", None),
        ("Kestin is old.", "Kestin", None),
    ],
)
def test_the_number_of_a_sentence(sentence, title, wanted):
    assert value(sentence, title) == wanted


@pytest.mark.parametrize(
    ("question", "sign"),
    [
        ("Which opened earlier?", -1),
        ("Which has more people?", 1),
        ("Which was founded first?", -1),
        ("Who led the later one first?", 1),  # the plain word counts
        ("Which is larger, or is it smaller?", 0),
        ("Where is Lower Kestin?", 0),  # a name
        ("Which thoroughfare moreover lessens?", 0),  # whole words only
    ],
)
def test_the_words_that_pick(question, sign):
    assert direction(question) == sign
