"""Seeds from files of others: dealt to the splits, and grounded in a page or left out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.core.qa_files import QA
from webdancer.core.schema import Page
from webdancer.linkgraph import LinkGraph
from webdancer.seed_questions import deal, ground
from webdancer.web.search import SearchIndex

PAGES = [
    Page("http://w.test/Kestin", "Kestin", "Kestin is a town. The mayor of Kestin is Ada Marr. It has a harbour."),
    Page("http://w.test/Ada", "Ada Marr", "Ada Marr was born in Tarn. The mother of Ada Marr was Uma Marr."),
    Page("http://w.test/Blog", "Thoughts", "I think that Ada Marr is the mayor of Kestin."),
]
GRAPH, SEARCH = LinkGraph(PAGES), SearchIndex.build(PAGES).search


def test_a_fact_on_the_page_of_what_is_asked_about():
    found = ground(QA("Who is the mayor of Kestin?", "Ada Marr"), GRAPH, SEARCH)
    assert (found.evidence, found.support) == (("http://w.test/Kestin",), ("The mayor of Kestin is Ada Marr.",))
    assert (found.hops, found.kind, found.rewrites, found.answer) == (1, "e2hqa", (), "Ada Marr")


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        ("Who is the mayor of Kestin?", "Ivo Tal", "no_seed"),  # no page tells this
        ("Who is the mother of the mayor of Kestin?", "Uma Marr", "no_seed"),  # two facts: not on Kestin's page
        ("Who is the mayor of Orlen?", "Ada Marr", "no_seed"),  # no page of that name
        ("Who was born in the town of thoughts?", "Ada Marr", "no_seed"),  # a page called Thoughts is another matter
        ("Is Ada Marr mayor of Kestin?", "yes", "yes_no"),
        ("Who is mayor of Kestin, Ada Marr or Ivo?", "Ada Marr", "leaked"),
        ("Who is the current mayor of Kestin?", "Ada Marr", "undated"),
    ],
)
def test_seeds_that_cannot_be_used(question, answer, reason):
    assert ground(QA(question, answer), GRAPH, SEARCH) == reason


def test_twice_the_same_question_and_one_without_an_answer():
    seeds = [QA("a?", "1"), QA("a?", "2"), QA("b?", ""), QA("c?", "3")]
    assert sorted(qa.answer for qa in deal(seeds, {"sft": 1}, 0)["sft"]) == ["1", "3"]


@given(st.integers(0, 40), st.integers(0, 50), st.integers(0, 50), st.integers(0, 3))
def test_every_seed_goes_to_one_split_and_each_gets_its_share(n, sft, held, seed):
    parts = deal([QA(f"{i}?", "x") for i in range(n)], {"sft": sft, "eval": held}, seed)
    dealt = [qa for part in parts.values() for qa in part]
    assert len(dealt) == len(set(dealt)) == (n if sft + held else 0)
    if sft + held:
        assert abs(len(parts["sft"]) - n * sft / (sft + held)) < 1
    assert parts == deal([QA(f"{i}?", "x") for i in range(n)], {"sft": sft, "eval": held}, seed)
