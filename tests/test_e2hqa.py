"""E2HQA step by step, with an author whose replies stand in a table."""

import asyncio
import json

import pytest

from webdancer.agent.llm import Reply
from webdancer.checks import REASONS
from webdancer.core.schema import Page
from webdancer.e2hqa import Rewrite, extended, find, fitting, rejected, rewrite, seed_question, write
from webdancer.web.search import Hit

KESTIN = Page("http://w.test/Kestin", "Kestin", "The mayor of Kestin is Ada.")
TWIN = Hit("http://w.test/Tarn", "Tarn", "The twin city of Tarn is Kestin.")
OWN = Hit(KESTIN.url, "Kestin", KESTIN.text)
OTHER = Hit("http://w.test/Orlen", "Orlen", "Orlen has a harbour.")
CAPITAL = Hit("http://w.test/Ostland", "Ostland", "The capital of Ostland is Tarn.")
REPLIES = {
    "write one simple": {
        "question": "Who is the mayor of Kestin?", "answer": "Ada", "evidence": [KESTIN.url], "support": [KESTIN.text],
    },
    "name the entity Kestin": {"entity": "Kestin"},
    "name the entity Tarn": {"entity": "Tarn"},
    "replace Kestin": {
        "question": "Who is the mayor of the twin city of Tarn?", "description": "the twin city of Tarn",
        "evidence": TWIN.url, "support": TWIN.snippet,
    },
    "replace Tarn": {
        "question": "Who is the mayor of the twin city of the capital of Ostland?",
        "description": "the capital of Ostland", "evidence": CAPITAL.url, "support": CAPITAL.snippet,
    },
    "list the twin city of Tarn": {"entities": ["Kestin"]},
    "list the capital of Ostland": {"entities": ["Tarn"]},
}  # fmt: skip
STEP = REPLIES["replace Kestin"]


class Table:
    """Looks the reply up by the first words of the task and by the thing it is about."""

    def __init__(self, **changes: object):
        self.replies = REPLIES | {key.replace("_", " "): value for key, value in changes.items()}
        self.seen: list[str] = []

    async def chat(self, messages, *, seed=0):
        task, user = messages[0]["content"], messages[1]["content"]  # a repair comes after these
        self.seen.append(user)
        if task.startswith("Task: write one simple"):
            key = "write one simple"
        elif task.startswith("Task: name"):
            key = f"name the entity {'Kestin' if 'Kestin' in user else 'Tarn'}"
        elif task.startswith("Task: replace"):
            key = f"replace {user.split('Entity: ')[1].split(chr(10))[0]}"
        else:
            key = f"list {user.split('Description: ')[1].split(chr(10))[0]}"
        reply = self.replies[key]
        return Reply(reply if isinstance(reply, str) else json.dumps(reply))


def search(query: str, k: int) -> list[Hit]:
    return [h for h in (OWN, TWIN, OTHER, CAPITAL) if set(query.split()) & set(h.snippet.rstrip(".").split())][:k]


def test_two_rewrites_by_hand():
    author = Table()
    question = asyncio.run(write(author, search, KESTIN, 2, 0))
    assert question.question == "Who is the mayor of the twin city of the capital of Ostland?"
    assert question.rewrites == ("Who is the mayor of Kestin?", "Who is the mayor of the twin city of Tarn?")
    assert question.answer == "Ada" and question.kind == "e2hqa" and question.hops == 3
    assert question.evidence == (CAPITAL.url, TWIN.url, KESTIN.url)
    assert question.support == (CAPITAL.snippet, TWIN.snippet, KESTIN.text)
    assert len(author.seen) == 1 + 3 * 2  # the seed; entity, description and uniqueness of each rewrite (exercise 2)


def test_the_seed_and_one_step():
    first = asyncio.run(seed_question(Table(), KESTIN, 0))
    assert (first.question, first.answer, first.hops, first.rewrites) == ("Who is the mayor of Kestin?", "Ada", 1, ())
    step = asyncio.run(rewrite(Table(), search, first, 0))
    assert (step.entity, step.description) == ("Kestin", "the twin city of Tarn")
    second = extended(first, step)
    assert second.answer == first.answer and second.rewrites == (first.question,) and second.hops == 2


def test_only_results_that_name_the_entity_and_are_not_used_reach_the_author():
    assert find(search, "Kestin", [KESTIN.url]) == [TWIN]
    assert find(search, "Kestin", [KESTIN.url, TWIN.url]) == []


def test_the_uniqueness_question_shows_the_sentence_and_what_a_search_finds():
    author = Table()
    first = asyncio.run(seed_question(author, KESTIN, 0))
    step = asyncio.run(rewrite(author, search, first, 0))
    assert asyncio.run(fitting(author, search, step, 0)) == {"Kestin"}
    assert author.seen[-1].count(TWIN.snippet) == 1 and OTHER.snippet not in author.seen[-1]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"write_one_simple": {"question": "", "reason": "an error page"}}, "refused"),
        ({"write_one_simple": "no"}, "malformed"),
        ({"name_the_entity_Kestin": {"entity": ""}}, "refused"),
        ({"name_the_entity_Kestin": {}}, "malformed"),
        ({"replace_Kestin": {"question": "", "reason": "none"}}, "refused"),
        ({"replace_Kestin": STEP | {"question": "Who is mayor of Kestin, the twin of Tarn?"}}, "rewrite_keeps_entity"),
        ({"replace_Kestin": STEP | {"question": "Is Ada the mayor of the twin city of Tarn?"}}, "rewrite_leaks"),
        ({"replace_Kestin": STEP | {"question": "Who founded the twin city of Tarn?"}}, "rewrite_changes_answer"),
        ({"replace_Kestin": STEP | {"description": "a town"}}, "malformed"),
        ({"list_the_twin_city_of_Tarn": {"entities": ["Kestin", "Orlen"]}}, "rewrite_ambiguous"),
        ({"list_the_twin_city_of_Tarn": {"entities": []}}, "rewrite_ambiguous"),
    ],
)  # fmt: skip
def test_each_failure_has_its_reason(changes, reason):
    assert asyncio.run(write(Table(**changes), search, KESTIN, 1, 0)) == reason and reason in REASONS


def test_a_seed_that_contains_its_answer_is_given_up_before_anything_is_rewritten():
    author = Table(write_one_simple=REPLIES["write one simple"] | {"question": "Is the mayor of Kestin Ada or Ivo?"})
    assert asyncio.run(write(author, search, KESTIN, 2, 0)) == "leaked" and len(author.seen) == 1


@pytest.mark.parametrize(
    ("text", "description", "reason"),
    [
        ("Who is mayor of the twin city of Tarn?", "the twin city of Tarn", ""),  # a small word less
        ("Name the mayor of the twin city of Tarn.", "the twin city of Tarn", "rewrite_changes_answer"),  # no "who"
        ("Who is the mayor of the twin of KESTIN?", "the twin of KESTIN", "rewrite_keeps_entity"),
        ("Who is the mayor of Kestinow?", "Kestinow", ""),  # another name that begins alike
        ("Who is the mayor of the city that Ada leads?", "the city that Ada leads", "rewrite_leaks"),
        ("Who is the mayor of the twin city of Tarn?", "", "malformed"),
    ],
)  # fmt: skip
def test_a_rewrite_is_rejected_on_its_words(text, description, reason):
    first = asyncio.run(seed_question(Table(), KESTIN, 0))
    assert rejected(first, Rewrite(text, "Kestin", description, TWIN.url, TWIN.snippet)) == reason


def test_a_seed_question_from_elsewhere_is_grown_in_the_same_way():
    author = Table()
    first = asyncio.run(seed_question(author, KESTIN, 0))
    grown = asyncio.run(write(Table(), search, first, 2, 0))
    assert grown == asyncio.run(write(Table(), search, KESTIN, 2, 0))


def test_without_rewrites_the_seed_question_comes_back():
    assert asyncio.run(write(Table(), search, KESTIN, 0, 0)).hops == 1
