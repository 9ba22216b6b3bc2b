"""The solver: what it finds, what it knows, what is dropped; and the rule-based stand-in in its place."""

import asyncio
from dataclasses import replace

import pytest

from pocketweb import oracle
from webdancer.agent.llm import EndpointError, Reply
from webdancer.agent.react import Settings
from webdancer.checks import REASONS
from webdancer.core.schema import Page, Question
from webdancer.solver import Solver, Verdict, guessable, over
from webdancer.synthesize import Web

ASKED = Question("x", "Who is the mayor of Kestin?", "Ada Marr", "multihop", 1, split="eval")
SEARCH = '<think>look</think><tool_call>{"name": "search", "arguments": {"query": ["Kestin"]}}</tool_call>'


class Scripted:
    """Answers from memory with `memory`, then plays the tries: a name is an answer after one search, None a failure."""

    def __init__(self, memory: str, *tries: str | None):
        self.memory, self.tries, self.asked, self.last_error = memory, list(tries), [], "500"
        self.model, self.concurrency = "scripted", 4

    def cost(self, reply):
        return 0.0

    async def chat(self, messages, *, seed=0, temperature=None, stop=None):
        self.asked.append(messages)
        if messages[0]["content"].startswith("Task: answer from memory."):
            assert "Kestin" in messages[1]["content"] and "Ada" not in messages[1]["content"]
            return Reply(self.memory)
        if self.tries[0] is None:
            self.tries.pop(0)
            raise EndpointError("the server answered 500", 500)
        if len(messages) == 2:
            return Reply(SEARCH)
        return Reply(f"<think>so</think><answer>{self.tries.pop(0)}</answer>")


class Shelf:
    async def call(self, name, arguments):
        return "nothing to see"


def solver(llm, **more) -> Solver:
    return Solver(llm, {"eval": Shelf()}, Settings(date="2025-01-01"), **{"tries": 2} | more)


@pytest.mark.parametrize(
    ("memory", "tries", "verdict", "reason"),
    [
        ("unknown", ("Ada Marr",), Verdict(True, 1, 1, False), ""),
        ("unknown", ("Ivo", "It is Ada Marr."), Verdict(True, 2, 1, False), ""),
        ("unknown", ("Ivo", "Uma"), Verdict(False, 2, 0, False), "unsolved"),
        ("Ada Marr", ("Ada Marr",), Verdict(True, 1, 1, True), "known"),
        ("Ada Marr", ("Ivo", "Uma"), Verdict(False, 2, 0, True), "unsolved"),
        ("unknown", (None, "Ada Marr"), Verdict(True, 2, 1, False), ""),
    ],
)
def test_verdicts(memory, tries, verdict, reason):
    mine = solver(Scripted(memory, *tries))
    assert asyncio.run(mine.check(ASKED)) == verdict
    assert mine.reason(ASKED, verdict) == reason and reason in (*REASONS, "")


def test_without_all_tries_there_is_no_verdict():
    with pytest.raises(EndpointError, match="lost 1 of 2 tries"):
        asyncio.run(solver(Scripted("unknown", "Ivo", None)).check(ASKED))


def test_a_judge_is_asked_about_what_the_rule_turns_down():
    class Judge:
        def __init__(self):
            self.asked = []

        async def ask(self, question, prediction, gold):
            self.asked.append(prediction)
            return prediction == "Mayor A. Marr"

    judge = Judge()
    mine = solver(Scripted("unknown", "Ivo", "Mayor A. Marr"), judge=judge)
    assert asyncio.run(mine.check(ASKED)) == Verdict(True, 2, 1, False)
    assert judge.asked == ["unknown", "Ivo", "Mayor A. Marr"]


def test_a_number_that_may_be_a_guess_is_not_called_knowledge():
    counted, lucky = Question("x", "How many?", "2", "count", 1), Verdict(True, 1, 1, True)
    assert solver(Scripted("")).reason(counted, lucky) == ""
    assert solver(Scripted(""), drop_guesses=True).reason(counted, lucky) == "known"
    assert [guessable(a) for a in ("12", "13", "no", "2.5", "")] == [True, False, True, False, False]


def test_the_question_decides_the_seed_and_not_its_id():
    seeds = []

    class Notes(Scripted):
        async def chat(self, messages, *, seed=0, **more):
            seeds.append(seed)
            return await super().chat(messages, seed=seed, **more)

    for name in ("one", "two"):
        asyncio.run(solver(Notes("unknown", "Ada Marr")).check(replace(ASKED, id=name)))
    assert seeds[:3] == seeds[3:]


def test_no_try_is_no_solver():
    with pytest.raises(ValueError, match="got 0 tries"):
        solver(Scripted(""), tries=0)


def test_tools_over_the_webs_of_the_splits_named():
    web = Web.build([Page("http://w.test/K", "Kestin", "The mayor of Kestin is Ada Marr.")])
    webs, settings = {"sft": web, "eval": web}, Settings(date="2025-01-01")
    mine = over(Scripted("I do not know", "Ada Marr"), webs, ["eval"], settings, 2, tries=1)
    assert list(mine.tools) == ["eval"] and asyncio.run(mine.check(ASKED)) == Verdict(True, 1, 1, False)
    assert "1. [Kestin](http://w.test/K)" in mine.llm.asked[-1][-1]["content"]  # the observation of a real search
    assert over(None, webs, ["eval"], settings, 2) is None and over(Scripted(""), webs, [], settings, 2) is None
    with pytest.raises(ValueError, match="got solver_splits .'rm'., wanted some of sft, eval"):
        over(Scripted(""), webs, ["rm"], settings, 2)


def test_the_rule_based_stand_in_finds_and_does_not_know():
    page = Page("http://w.test/K", "Kestin", "The mayor of Kestin is Ada Marr.")

    class StandIn(Scripted):
        async def chat(self, messages, *, seed=0, temperature=None, stop=None):
            return Reply(
                oracle.reply({"model": "pocket-short", "messages": messages})["choices"][0]["message"]["content"]
            )

    mine = over(StandIn(""), {"eval": Web.build([page])}, ["eval"], Settings(date="2025-01-01"), 2, tries=1)
    assert asyncio.run(mine.check(ASKED)) == Verdict(True, 1, 1, False)
