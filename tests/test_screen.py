"""The checks of a run that remember: repetitions, near-repetitions, benchmarks, the share of yes/no questions."""

from dataclasses import replace

import pytest

from webdancer.checks import COMPARED, PASSED
from webdancer.contamination import Benchmarks
from webdancer.core.schema import Page, Question
from webdancer.linkgraph import LinkGraph
from webdancer.screen import Screen
from webdancer.synthesize_plan import Cell

URL = "http://w.test/Kestin"
FACTS = ("Kestin was founded in 1871.", "Kestin had a harbour in 1902.", "The castle of Kestin fell in 1650.")
GRAPH = LinkGraph([Page(URL, "Kestin", " ".join(FACTS))])
CELLS = [Cell("sft", "multihop", 1, 5), Cell("sft", "count", 1, 5), Cell("eval", "multihop", 1, 3)]
FOUNDED = "What is the year in which the first settlers of the eastern shore founded the town of Kestin?"


def asked(text: str, answer: str, fact: int, split: str = "sft") -> Question:
    return Question("", text, answer, "multihop", 1, (URL,), (FACTS[fact],), split=split)


def reasons(screen: Screen, *questions: Question) -> list[str]:
    screen.expect(CELLS)
    return [screen.reason(q, GRAPH, 1) for q in questions]


def test_repetitions_in_any_split():
    first = asked(FOUNDED, "1871", 0)
    same_fact = asked("When was Kestin founded?", "1871", 0)
    same_words = replace(first, split="eval")
    assert reasons(Screen(), first, same_fact, same_words) == ["", "duplicate", "duplicate"]


def test_nearly_the_same_words_with_the_same_answer():
    twice = Page(URL, "Kestin", "Kestin was founded in 1871. Kestin was first named in 1871.")
    first = asked(FOUNDED, "1871", 0)
    second = replace(
        first, question=FOUNDED.replace("settlers", "people"), support=("Kestin was first named in 1871.",)
    )
    screen = Screen(near=0.6)
    screen.expect(CELLS)
    assert [screen.reason(q, LinkGraph([twice]), 1) for q in (first, second)] == ["", "near_duplicate"]
    lenient = Screen(near=0.9)
    lenient.expect(CELLS)
    assert [lenient.reason(q, LinkGraph([twice]), 1) for q in (first, second)] == ["", ""]


def test_a_benchmark_question_is_contaminated_and_the_check_is_named():
    screen = Screen(benchmarks=Benchmarks([("made_up", ["What is the founding year of the old town of Kestin?"])]))
    told = asked("What is the founding year of the old town of Kestin?", "1871", 0)
    assert reasons(screen, told, asked("When did the castle of Kestin fall?", "1650", 2)) == ["contaminated", ""]
    assert screen.passed == PASSED + COMPARED and Screen().passed == PASSED


def test_yes_no_questions_up_to_their_share_of_each_split():
    yes = [
        asked(f"Did Kestin {what}?", "yes", n) for n, what in enumerate(("exist in 1871", "trade", "lose its castle"))
    ]
    assert reasons(Screen(), *yes) == ["yes_no"] * 3
    assert reasons(Screen(yes_no_share=0.2), *yes) == ["", "", "yes_no"]  # 0.2 of the 10 wanted for sft
    held = [replace(q, split="eval") for q in yes]
    assert reasons(Screen(yes_no_share=0.2), *held) == ["yes_no"] * 3  # 0.2 of 3 is not one whole question


def test_another_number_of_hops_than_wanted():
    screen = Screen()
    screen.expect(CELLS)
    assert screen.reason(asked(FOUNDED, "1871", 0), GRAPH, 2) == "wrong_hops"


@pytest.mark.parametrize("wrong", [{"yes_no_share": 1.1}, {"yes_no_share": -0.1}, {"near": 0.0}])
def test_shares_out_of_range(wrong):
    with pytest.raises(ValueError, match="wanted a share from 0 to 1 and a similarity above 0"):
        Screen(**wrong)
