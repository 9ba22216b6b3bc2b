"""CRAWLQA with an author that says what it is told to say."""

import asyncio
import json
from random import Random

import pytest

from webdancer.agent.llm import Reply
from webdancer.core.prompts import AUTHOR_CRAWLQA, AUTHOR_PAIRS, crawlqa
from webdancer.core.schema import KINDS, Page, Question
from webdancer.crawlqa import FEWEST_HOPS, MOST_HOPS, located, pick, write
from webdancer.linkgraph import LinkGraph

KESTIN = Page("http://w.test/Kestin", "Kestin", "The mayor of Kestin is Ada.", ("http://w.test/Ada",))
ADA = Page("http://w.test/Ada", "Ada", "Ada was born in Tarn.")
GOOD = {
    "question": "Where was the mayor of Kestin born?",
    "answer": "Tarn",
    "hops": 2,
    "evidence": [KESTIN.url, ADA.url],
    "support": [KESTIN.text, ADA.text],
}


class Says:
    """An author that always replies the same, and remembers what it was asked."""

    def __init__(self, content: object):
        self.content = content if isinstance(content, str) else json.dumps(content)
        self.asked: list[tuple[str, int]] = []

    async def chat(self, messages, *, seed=0):
        self.asked.append((messages[-1]["content"], seed))
        return Reply(self.content)


def written(content: object):
    author = Says(content)
    return asyncio.run(write(author, "multihop", 2, (KESTIN, ADA), 7)), author


def test_a_good_reply_becomes_a_question():
    question, author = written(GOOD)
    assert (question.question, question.answer, question.kind, question.hops) == (
        GOOD["question"],
        "Tarn",
        "multihop",
        2,
    )
    assert question.evidence == (KESTIN.url, ADA.url) and question.support == (KESTIN.text, ADA.text)
    ((prompt, seed),) = author.asked
    assert seed == 7 and "multihop" in prompt and KESTIN.text in prompt and ADA.url in prompt


def test_a_fence_and_words_around_the_json_do_not_matter():
    assert written(f"Sure!\n```json\n{json.dumps(GOOD)}\n```\nDone.")[0] == written(GOOD)[0]


def test_a_number_may_be_the_answer():
    assert written(GOOD | {"answer": 1871})[0].answer == "1871"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "malformed"),
        ("I cannot do that.", "malformed"),
        ("{'question': 'x'}", "malformed"),
        ("[1, 2]", "malformed"),
        ({k: v for k, v in GOOD.items() if k != "answer"}, "malformed"),
        (GOOD | {"answer": ["Tarn"]}, "malformed"),
        (GOOD | {"answer": True}, "malformed"),
        (GOOD | {"support": "Ada was born in Tarn."}, "malformed"),
        (GOOD | {"evidence": [1, 2]}, "malformed"),
        ({"question": "", "reason": "the pages do not hang together"}, "refused"),
        (GOOD | {"hops": 1}, "wrong_hops"),
        (GOOD | {"hops": None}, "wrong_hops"),
    ],
)
def test_a_bad_reply_becomes_a_reason(reply, reason):
    assert written(reply)[0] == reason


def test_pick_gives_as_many_pages_as_hops_or_none():
    graph = LinkGraph([KESTIN, ADA])
    assert pick(graph, "multihop", 2, Random(0)) == (KESTIN, ADA)
    assert pick(graph, "multihop", 3, Random(0)) == ()
    assert pick(graph, "count", 1, Random(0)) == ()  # no page holds a list
    assert pick(graph, "intersection", 2, Random(0)) == ()


TARN = Page("http://w.test/Tarn", "Tarn", "Tarn was founded in 1871.")
BERN = Page("http://w.test/Bern", "Bern", "Bern was founded in 1902.")
UMA = Page("http://w.test/Uma", "Uma", "Uma was born in Bern.", (BERN.url,))
BORN = Page(ADA.url, "Ada", "Ada was born in Tarn.", (TARN.url,))


def test_pick_of_two_things_leaves_room_for_both_numbers_and_what_is_asked():
    graph = LinkGraph([BORN, TARN, UMA, BERN])
    pages = {
        (kind, hops): {tuple(p.title for p in pick(graph, kind, hops, Random(s))) for s in range(60)}
        for kind, hops in (("difference", 2), ("difference", 4), ("comparison", 3), ("comparison", 4))
    }
    named = {("Tarn", "Bern"), ("Bern", "Tarn")}
    led = {("Ada", "Tarn", "Bern"), ("Uma", "Bern", "Tarn"), ("Tarn", "Uma", "Bern"), ("Bern", "Ada", "Tarn")}
    hidden = {("Ada", "Tarn", "Uma", "Bern"), ("Uma", "Bern", "Ada", "Tarn")}
    assert pages["difference", 2] == pages["comparison", 3] == named
    assert pages["comparison", 4] == led | hidden  # one link and a fact asked for, or both things hidden
    assert pages["difference", 4] == hidden  # no two links lead to either


def test_every_kind_has_its_bounds():
    assert set(FEWEST_HOPS) == set(MOST_HOPS) == set(KINDS)
    assert all(1 <= FEWEST_HOPS[kind] <= MOST_HOPS[kind] <= 5 for kind in KINDS)


def test_each_kind_has_the_prompt_that_tells_of_it():
    system = {kind: crawlqa(kind, 3, [KESTIN])[0]["content"] for kind in set(KINDS) - {"e2hqa"}}
    assert all(f"- {kind}:" in text and f"Example. Kind: {kind}" in text for kind, text in system.items())
    assert {system[k] for k in ("comparison", "difference")} == {AUTHOR_PAIRS} and system["count"] == AUTHOR_CRAWLQA
    assert {text.partition("\n")[0] for text in system.values()} == {"Task: write one question from linked pages."}


def test_where_the_sentences_stand_is_kept():
    long = Page(KESTIN.url, "Kestin", f"It rains.  {KESTIN.text}", KESTIN.links)
    question = asyncio.run(write(Says(GOOD), "multihop", 2, (long, ADA), 7))
    assert question.offsets == (11, 0) and long.text[11:] == KESTIN.text


def test_a_sentence_that_stands_nowhere_is_marked():
    question = Question("", "?", "a", "multihop", 3, (ADA.url, ADA.url, "http://gone"), ("Ada was  born\nin", "x", "y"))
    assert located(question, {ADA.url: ADA}).offsets == (0, -1, -1)
