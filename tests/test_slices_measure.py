"""What is new about a slice, counted on four pages by hand; scores and gains on hand-made episodes."""

import doctest
from dataclasses import replace

import pytest

from webdancer import slices_measure as m
from webdancer.core.schema import Page, Question, Trajectory
from webdancer.evaluate_predictions import Prediction

TAL = Page("u/tal", "Tal Veron", "Tal Veron was born in Orlen Ford.", ("u/ford",))
FORD = Page("u/ford", "Orlen Ford", "The mayor of Orlen Ford is Ada Quist. Orlen Ford was founded in 1901.", ("u/ada",))
ADA = Page("u/ada", "Ada Quist", "Ada Quist was born in Orlen Ford.", ("u/ford",))
OTHER = Page("u/bay", "Orlen Bay", "Tea is hot.")
TRAINED = [
    Question("t1", "Who is the mayor of the city where Tal Veron was born?", "Ada Quist", "multihop", 2,
             ("u/tal", "u/ford"), split="sft"),
    Question("t2", "Who is the mayor of Orlen Ford?", "Ada Quist", "multihop", 1, ("u/ford",), split="rl"),
    Question("t3", "Why so new a form?", "x", "multihop", 5, split="eval"),  # seen by no policy
]  # fmt: skip
SEEN = m.Seen.of([TAL, FORD, ADA], TRAINED)

BO = Page("v/bo", "Bo Veron", "Bo Veron was born in Kestin Ford.", ("v/ford",))
KESTIN = Page("v/ford", "Kestin Ford", "Voters of Kestin Ford chose Ada Quist for mayor.", ("v/ada",))
ADA_TOO = Page("v/ada", "Ada Quist", "Nothing.")
BAY = Page("v/bay", "Kestin Bay", "Nothing.")
ASKED = Question(
    "names/q1", "Who is the mayor of the city where Bo Veron was born?", "Ada Quist", "multihop", 2, ("v/bo", "v/ford"),
    (BO.text, KESTIN.text), split="eval",
)  # fmt: skip
PART = m.Slice("names", "other names", (ASKED,), (BO, KESTIN, ADA_TOO, BAY))


def test_examples_in_docstrings():
    assert doctest.testmod(m).failed == 0


def test_forms_leave_out_names_and_numbers():
    assert m.forms("Orlen Ford was founded in 1901.", ["Orlen Ford"]) == {
        ("*", "was", "founded"), ("was", "founded", "in"), ("founded", "in", "#"),
    }  # fmt: skip
    assert m.forms("velmar-parser implements Deep Codes.", ["velmar-parser", "Deep Codes"]) == {
        ("*", "implements", "*")
    }
    longer = m.forms("Tal Veron (chemist) works for Tal Foods.", ["Tal Veron", "Tal Veron (chemist)", "Tal Foods"])
    assert longer == {("*", "works", "for"), ("works", "for", "*")}


def test_seen_reads_pages_and_trained_questions_only():
    assert SEEN.titles == {"Tal Veron", "Orlen Ford", "Ada Quist"}
    assert {"tal", "mayor", "city"} <= SEEN.words and "why" not in SEEN.words
    assert ("*", "is", "*") in SEEN.told and ("orlen", "ford", "was") not in SEEN.told
    assert ("mayor", "of", "*") in SEEN.asked and ("so", "new", "a") not in SEEN.asked
    assert SEEN.hops == 2


def test_without_trained_questions_nothing_can_be_new():
    with pytest.raises(ValueError, match="got no question of the splits sft and rl, wanted those that the policies"):
        m.Seen.of([TAL], TRAINED[2:])


def test_measures_by_hand():
    row = m.measure(PART, SEEN)
    assert (row["slice"], row["changed"], row["questions"], row["pages"]) == ("names", "other names", 1, 4)
    assert row["distractors"] == 1  # Kestin Bay; Ada Quist shares no word with the two pages that carry the question
    assert (row["hops"], row["beyond"]) == (2, 0)
    assert row["names_seen"] == pytest.approx(1 / 3, abs=1e-4)  # Bo Veron, Kestin Ford, Ada Quist
    assert row["name_words_seen"] == pytest.approx(4 / 6, abs=1e-4)  # all but bo and kestin
    assert row["new_sentences"] == 0.5  # the second one: nobody was chosen in training
    assert row["new_questions"] == 0
    others = {"was", "born", "in", "who", "is", "the", "mayor", "of", "city", "where", "voters", "chose", "for"}
    assert row["other_words_seen"] == pytest.approx(10 / len(others), abs=1e-4)
    assert "tokens_per_name" not in row


def test_what_is_made_new_is_counted_as_new():
    deep = replace(ASKED, hops=3, question="For the birthplace that belongs to Bo Veron, who is the mayor?")
    row = m.measure(replace(PART, questions=(deep,)), SEEN)
    assert (row["beyond"], row["new_questions"]) == (1, 1)
    assert row["other_words_seen"] < 10 / 13  # birthplace, that, belongs, to


def test_tokens_of_a_name_are_those_of_the_tokenizer():
    class Letters:
        def encode(self, text, **_):
            return list(text)

    row = m.measure(PART, SEEN, Letters())
    assert row["tokens_per_name"] == pytest.approx((8 + 11 + 9) / 3, abs=1e-4)


def predicted(model, q, sample, right, stop="answer"):
    turns = ({"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Ada"})
    episode = Trajectory(turns, (("Ada",),), question_id=q, sample=sample, hops=1, prediction="Ada", stop=stop)
    return Prediction(model, episode, right, stop == "answer")


def played():
    verdicts = {"names/a": "11", "names/b": "10", "words/a": "00", "words/b": "10"}
    sft = [predicted("sft", q, i, c == "1") for q, v in verdicts.items() for i, c in enumerate(v)]
    dapo = [predicted("dapo", q, i, q.startswith("names")) for q in verdicts for i in (0, 1)]
    return sft + dapo + [predicted("base", "words/a", i, False, "cut") for i in (0, 1)]


def test_scores_by_hand():
    rows = {(row["slice"], row["model"]): row for row in m.scores(played())}
    assert list(rows) == [("names", "sft"), ("words", "sft"), ("names", "dapo"), ("words", "dapo"), ("words", "base")]
    assert (rows["names", "sft"]["value"], rows["names", "sft"]["n"]) == (0.75, 2)
    assert rows["words", "sft"]["value"] == 0.25
    assert rows["names", "sft"]["low"] <= 0.75 <= rows["names", "sft"]["high"]
    assert (rows["names", "sft"]["cut_off"], rows["names", "sft"]["invalid"]) == (0, 0)
    assert (rows["words", "base"]["cut_off"], rows["words", "base"]["invalid"]) == (1, 1)
    assert rows["words", "base"]["high"] > 0.5  # one question that failed proves little


def test_gains_are_paired_and_only_where_both_played():
    rows = m.gains([p for p in played() if p.model != "base"])
    assert [(row["slice"], row["value"], row["n"]) for row in rows] == [("names", 0.25, 2), ("words", -0.25, 2)]
    assert m.gains([p for p in played() if p.model != "sft"]) == []


def test_gains_over_other_questions_are_refused():
    with pytest.raises(ValueError, match="only one system answered"):
        m.gains([p for p in played() if (p.model, p.trajectory.question_id) != ("sft", "names/b")])
