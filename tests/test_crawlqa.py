"""CRAWLQA with an author that says what it is told to say."""

import asyncio
import json
from random import Random

import pytest

from webdancer.agent.llm import Reply
from webdancer.core.schema import Page
from webdancer.crawlqa import Refused, ask, pick, strings, texts, write
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


def test_what_is_read_from_a_row_is_checked():
    assert texts({"a": " x ", "b": 3}, "a", "b") == ["x", "3"]
    assert strings({"a": ["x"]}, "a") == ("x",)
    with pytest.raises(Refused, match="malformed"):
        strings({}, "a")
    assert asyncio.run(ask(Says({"entity": ""}), [{"role": "user", "content": "?"}], 0)) == {"entity": ""}


def test_pick_gives_as_many_pages_as_hops_or_none():
    graph = LinkGraph([KESTIN, ADA])
    assert pick(graph, "multihop", 2, Random(0)) == (KESTIN, ADA)
    assert pick(graph, "multihop", 3, Random(0)) == ()
    assert pick(graph, "count", 1, Random(0)) == ()  # no page holds a list
    assert pick(graph, "intersection", 2, Random(0)) == ()
