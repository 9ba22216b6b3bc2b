"""The author's prompts: few-shot examples that keep the prompt's own rules, and inputs on labelled lines."""

import json
import re

import pytest

from webdancer.checks import leaks
from webdancer.core import prompts, prompts_author
from webdancer.core.schema import Page

PAGE = Page("http://w/O", "Orlen Ford", "The mayor of Orlen Ford is Ada Quist.")
NAMES = [name for name in vars(prompts_author) if name.startswith("AUTHOR_")]


def examples(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines() if line.startswith('{"') and ": str" not in line]


@pytest.mark.parametrize("name", NAMES)
def test_every_prompt_names_its_task_and_is_reached_through_prompts(name):
    text = getattr(prompts_author, name)
    assert re.match(r"Task: [a-z].*\.\n", text) and getattr(prompts, name) == text


@pytest.mark.parametrize("name", ["AUTHOR_CRAWLQA", "AUTHOR_PAIRS"])
def test_the_examples_of_crawlqa_keep_its_rules(name):
    found = examples(getattr(prompts_author, name))
    assert len(found) >= 2
    for row in found:
        assert row["hops"] == len(row["evidence"]) == len(row["support"])
        assert not leaks(row["question"], row["answer"])
        assert all(" ".join(said.split()) in " ".join(getattr(prompts_author, name).split()) for said in row["support"])


def test_the_example_of_a_rewrite_keeps_its_rules():
    (row,) = examples(prompts_author.AUTHOR_REWRITE)
    assert row["description"] in row["question"] and "Moor Ford" not in row["question"]
    assert not leaks(row["question"], "Ada Moor") and "Moor Ford" in row["support"]


@pytest.mark.parametrize(
    ("messages", "parts"),
    [
        (prompts_author.crawlqa("count", 2, [PAGE, PAGE]), ("Kind: count\nHops: 2\n\nPage 1\n", "\n\nPage 2\n")),
        (prompts_author.seed(PAGE), (f"URL: {PAGE.url}\nText:\n{PAGE.text}",)),
        (prompts_author.entity("Who?"), ("Question: Who?",)),
        (prompts_author.rewrite("Who?", "A", "E", "R"), ("Answer: A\nEntity: E\n\nSearch results:\nR",)),
        (prompts_author.identify("the tea", "R"), ("Description: the tea\n\nSearch results:\nR",)),
    ],
)  # fmt: skip
def test_inputs_stand_on_labelled_lines(messages, parts):
    assert [m["role"] for m in messages] == ["system", "user"]
    assert all(part in messages[1]["content"] for part in parts)


def test_pairs_have_a_prompt_of_their_own():
    assert prompts_author.crawlqa("difference", 2, [PAGE])[0]["content"] == prompts_author.AUTHOR_PAIRS
    assert prompts_author.crawlqa("multihop", 2, [PAGE])[0]["content"] == prompts_author.AUTHOR_CRAWLQA
