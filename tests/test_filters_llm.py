"""webdancer.filters_llm: what is asked of judge and rater, what is free, and that nothing is paid for twice."""

import json
from dataclasses import replace

import pytest

from pocketweb import serve
from webdancer import filters_llm
from webdancer.agent.llm import LLM, Budget, BudgetSpent, EndpointError, Reply, Unusable
from webdancer.core.protocol import Turn, render_response, render_turn
from webdancer.core.schema import Trajectory

LOOK = Turn("Look it up.", "search", {"query": ["Kestin mayor"]})


def trace(answer="Tal Veron", gold=("Tal Veron",), number=0):
    messages = (
        {"role": "user", "content": f"Who is mayor number {number} of Kestin?"},
        {"role": "assistant", "content": render_turn(LOOK)},
        {"role": "user", "content": render_response("The mayor of Kestin is Tal Veron.")},
        {"role": "assistant", "content": render_turn(Turn("So.", answer=answer))},
    )
    return Trajectory(messages, (tuple(gold),), stop="answer", prediction=answer)


class Scripted:
    """A model that says what it is told and remembers what it was asked."""

    def __init__(self, reply):
        self.reply, self.seen = reply, []

    async def chat(self, messages, *, seed=0):
        self.seen.append(messages)
        return Reply(self.reply)

    async def ask(self, messages, schema, *, seed=0):
        self.seen.append(messages)
        if self.reply is None:
            raise Unusable("no object", Reply(""))
        return schema.model_validate(self.reply)


def test_an_equal_answer_is_right_without_a_call():
    judge = Scripted("Correct: no")
    correct = filters_llm.by_judge(judge)
    assert correct([trace("the tal veron"), trace("T. Veron"), trace("x", gold=("Ada", "X"))]) == [True, False, True]
    assert correct.asked == len(judge.seen) == 1 and correct.unread == 0


def test_a_reply_without_a_verdict_counts_as_wrong_and_is_counted():
    correct = filters_llm.by_judge(Scripted("Correct: yes or no"))
    assert correct([trace("T. Veron")]) == [False]
    assert correct.unread == 1


def test_the_rules_need_nobody():
    rows = [trace("Tal Veron"), trace("It is Tal Veron."), trace("Ada")]
    assert filters_llm.by_equality(rows) == [True, False, False]
    assert filters_llm.by_match(rows) == [True, True, False]


def test_scores_come_in_the_order_of_the_criteria():
    rater = Scripted({"logical": 2, "non_redundant": 5, "goal_aligned": 4, "reason": "x"})
    assert filters_llm.by_quality(rater)([trace()]) == [(5, 4, 2)]
    assert "<trajectory>" in rater.seen[0][1]["content"]


@pytest.mark.parametrize("score", [0, 6, "good", None])
def test_a_score_outside_the_scale_is_no_rating(score):
    with pytest.raises(ValueError, match="goal_aligned"):
        filters_llm.Rating.model_validate({"logical": 2, "non_redundant": 5, "goal_aligned": score})


def test_no_usable_reply_is_no_rating():
    assert filters_llm.by_quality(Scripted(None))([trace(), trace()]) == [(), ()]


def test_an_endpoint_that_cannot_be_asked_is_an_error():
    llm = LLM("m", "http://127.0.0.1:9/v1", retries=0)
    with pytest.raises(EndpointError, match="127.0.0.1:9"):
        filters_llm.by_quality(llm)([trace()])


def test_a_run_that_ended_early_pays_for_nothing_twice(tmp_path):
    rows = [replace(trace("Ada Lund", number=n)) for n in range(40)]
    with serve.start() as net:

        def client(**limits):
            return LLM("pocket-judge", net.endpoint, cache=tmp_path / "replies.jsonl", concurrency=4, **limits)

        short = client(budget=Budget(tokens=1500))
        with pytest.raises(BudgetSpent):
            filters_llm.by_judge(short)(rows)
        paid = short.usage["calls"]
        assert 0 < paid < 40 and len((tmp_path / "replies.jsonl").read_text().splitlines()) == paid
        full = client()
        assert filters_llm.by_judge(full)(rows) == [False] * 40
        assert (full.usage["cached"], full.usage["calls"]) == (paid, 40 - paid)
        again = client()
        assert filters_llm.by_judge(again)(rows) == [False] * 40 and again.usage["calls"] == 0


def test_the_stand_in_rates_in_the_wanted_form():
    with serve.start() as net:
        ratings = filters_llm.by_quality(LLM("pocket-judge", net.endpoint))([trace(), trace("Ada Lund")])
    assert all(len(row) == 3 and all(1 <= score <= 5 for score in row) for row in ratings)
    assert json.dumps(ratings)
