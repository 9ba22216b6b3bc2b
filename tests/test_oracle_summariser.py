"""pocketweb.oracle_summariser: which sentences serve a goal."""

import json
import random

from pocketweb import oracle_summariser
from webdancer.core import prompts

PAGE = "Ada Quist is the mayor of Orlen Ford. It rains. Orlen Ford was founded in 1871. Kestin is far away."


def summary(text, goal, temperature=0.0, seed=0):
    return json.loads(oracle_summariser.reply(prompts.summarise(text, goal), temperature, random.Random(seed)))


def test_two_whole_sentences_the_best_one_first():
    got = summary(PAGE, "Orlen Ford founded")
    assert got["summary"] == "Orlen Ford was founded in 1871."
    assert got["evidence"] == "Orlen Ford was founded in 1871. Ada Quist is the mayor of Orlen Ford."
    assert got["rational"]


def test_ties_go_to_the_earlier_sentence():
    assert oracle_summariser.best_sentences("A tea. B tea.", "tea", 1) == ["A tea."]


def test_nothing_to_the_point():
    got = summary("Tea is hot.", "Orlen Ford founded")
    assert got["evidence"] == "" and got["summary"] == "The page says nothing about the goal."
    assert summary("", "x")["evidence"] == ""


def test_mistakes_leave_the_best_sentence_out():
    got = {
        summary(PAGE + " Orlen Ford lies in the region of Kestin.", "Orlen Ford mayor", 2.0, s)["summary"]
        for s in range(200)
    }
    assert len(got) == 2 and "Ada Quist is the mayor of Orlen Ford." in got


def test_another_prompt_is_told_apart():
    text = oracle_summariser.reply([{"role": "user", "content": "hello"}], 0.0, random.Random(0))
    assert "rule-based stand-in" in text
