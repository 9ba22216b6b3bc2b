"""Forms of an author: what fits, what is sent back with the validator's words, what counts as a refusal."""

import asyncio
import json

import pytest

from webdancer.agent.completion import Reply
from webdancer.author_forms import REPAIRS, Draft, Entities, Entity, Refused, Rewritten, ask

TASK = [{"role": "user", "content": "Kind: multihop"}]
GOOD = {"question": "Where?", "answer": "Tarn", "evidence": ["u"], "support": ["s"], "hops": 1}


class Says:
    """An author with a list of replies; the last one is repeated."""

    def __init__(self, *replies: object):
        self.replies = [r if isinstance(r, str) else json.dumps(r) for r in replies]
        self.asked: list[list[dict[str, str]]] = []

    async def chat(self, messages, *, seed=0):
        self.asked.append(messages)
        return Reply(self.replies[min(len(self.asked), len(self.replies)) - 1])


def run(author: Says, form: type):
    return asyncio.run(ask(author, TASK, 3, form))


def test_a_good_reply_costs_one_request():
    author = Says(GOOD | {"answer": 1871})
    assert run(author, Draft).answer == 1871 and author.asked == [TASK]


def test_a_bad_reply_goes_back_with_what_is_wrong():
    author = Says({k: v for k, v in GOOD.items() if k != "support"}, GOOD)
    assert run(author, Draft).support == ["s"]
    assert len(author.asked) == 2 and author.asked[1][:1] == TASK
    assert "a question needs also: support" in author.asked[1][-1]["content"]


@pytest.mark.parametrize(
    ("form", "reply"),
    [
        (Draft, "no"),
        (Draft, GOOD | {"answer": True}),
        (Draft, GOOD | {"evidence": [1]}),
        (Draft, {"answer": "Tarn"}),
        (Rewritten, {"question": "Who?", "description": "the town", "evidence": ["u"], "support": "s"}),
        (Rewritten, {"question": "Who?", "description": "the town"}),
        (Entity, {}),
        (Entities, {"entities": "Tarn"}),
    ],
)
def test_a_stubborn_author_is_given_up(form, reply):
    author = Says(reply)
    with pytest.raises(Refused, match="malformed"):
        run(author, form)
    assert len(author.asked) == 1 + REPAIRS


@pytest.mark.parametrize("form", [Draft, Rewritten])
def test_an_empty_question_is_a_refusal_and_needs_no_repair(form):
    author = Says({"question": " ", "reason": "no fact"})
    with pytest.raises(Refused, match="refused"):
        run(author, form)
    assert len(author.asked) == 1


def test_nothing_to_replace_is_an_answer():
    assert run(Says({"entity": ""}), Entity).entity == "" and run(Says({"entities": []}), Entities).entities == []
