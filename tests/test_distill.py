"""webdancer.distill: which questions the teachers get, what is written, and that an interrupted run loses nothing."""

import asyncio

import pytest

from webdancer import distill
from webdancer.agent.llm import EndpointError, Reply
from webdancer.agent.react import Settings
from webdancer.core.schema import Question, Trajectory, read_jsonl
from webdancer.core.splits import LEFT_OVER

CALL = '<think>\na b c\n</think>\n<tool_call>\n{"name": "search", "arguments": {"query": ["x"]}}\n</tool_call>'
ANSWER = "<think>\nd e\n</think>\n<answer>\nTal Veron\n</answer>"
SHORT, LONG = Settings(prompt_style="brief"), Settings(style="long", prompt_style="brief")


def ask(name, split="sft", checks=()):
    return Question(name, f"Who is {name}?", "Tal Veron", "multihop", 1, checks=checks, split=split)


class Teacher:
    """Searches once and answers; can fail from a certain request on."""

    model, max_tokens, concurrency = "teacher", 100, 3

    def __init__(self, breaks_at=10**9):
        self.left = breaks_at

    async def chat(self, messages, *, seed=0, temperature=None, stop=None):
        await asyncio.sleep(0)
        self.left -= 1
        if self.left < 0:
            raise EndpointError("model 'teacher' answered 401: check the key", 401)
        return Reply(
            CALL if messages[-1]["content"].startswith("Who") else ANSWER, prompt_tokens=4, completion_tokens=1
        )

    def cost(self, reply):
        return 0.5


class Tools:
    async def call(self, name, arguments):
        return "The mayor is Tal Veron."


QUESTIONS = [ask("a"), ask("b"), ask("c")]


def test_choose_takes_the_teachers_questions_in_order():
    rows = [ask("a"), ask("r", "rl"), ask("e", "eval"), ask("m", "rl", (LEFT_OVER,)), ask("b")]
    assert [q.id for q in distill.choose(rows)] == ["a", "m", "b"]
    drawn = distill.choose(rows, 2, seed=3)
    assert len(drawn) == 2
    assert drawn == distill.choose(rows, 2, seed=3)
    assert distill.choose(rows, 99) == distill.choose(rows)


def test_no_question_for_the_teachers_is_one_clear_error():
    with pytest.raises(ValueError, match="no question of split 'sft'.*02_synthesize"):
        distill.choose([ask("e", "eval")])


def test_missing_questions_name_the_stage_that_writes_them(tmp_path):
    with pytest.raises(FileNotFoundError, match="questions.jsonl is missing.*run the notebook"):
        read_jsonl(tmp_path / "questions.jsonl", Question)


def test_run_writes_jobs_questions_and_samples_in_order_and_removes_its_partial_files(tmp_path):
    out = tmp_path / "deep" / "trajectories.jsonl"
    jobs = [(Teacher(), SHORT, 2, QUESTIONS), (Teacher(), LONG, 1, QUESTIONS[:1]), (Teacher(), LONG, 0, QUESTIONS)]
    done = distill.run(jobs, Tools(), out, progress=False)
    assert [(t.style, t.question_id, t.sample) for t in done] == [
        *[("short", q, s) for q in "abc" for s in (0, 1)],
        ("long", "a", 0),
    ]
    assert read_jsonl(out, Trajectory) == done
    assert [p.name for p in out.parent.iterdir()] == ["trajectories.jsonl"]


def test_an_interrupted_run_keeps_what_it_had_and_goes_on(tmp_path):
    out = tmp_path / "trajectories.jsonl"
    with pytest.raises(EndpointError, match="check the key"):
        distill.run([(Teacher(breaks_at=9), SHORT, 2, QUESTIONS)], Tools(), out, progress=False)
    assert not out.exists()
    assert [p.suffix for p in tmp_path.iterdir()] == [".partial"]
    second = Teacher(breaks_at=11)
    done = distill.run([(second, SHORT, 2, QUESTIONS)], Tools(), out, progress=False)
    whole = distill.run([(Teacher(), SHORT, 2, QUESTIONS)], Tools(), tmp_path / "whole.jsonl", progress=False)
    assert done == whole
    assert second.left > 0  # 12 requests make the whole; some were not repeated


def test_no_samples_at_all_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="short_samples or long_samples"):
        distill.run([(Teacher(), SHORT, 0, QUESTIONS)], Tools(), tmp_path / "x.jsonl")


def test_tables_by_hand(tmp_path):
    done = distill.run([(Teacher(), SHORT, 1, QUESTIONS)], Tools(), tmp_path / "x.jsonl", progress=False)
    row = distill.summary(done).iloc[0].to_dict()
    assert row == {
        "style": "short",
        "episodes": 3,
        "answered": 1,
        "tool_calls": 1,
        "thought_words": 5,  # "a b c" and "d e"
        "tokens": 10,
        "cost_usd": 3.0,
    }
    assert distill.stops(done).to_dict("records") == [{"style": "short", "stop": "answer", "episodes": 3}]
    assert distill.calls_by_hops(done).to_dict("records") == [
        {"style": "short", "hops": 1, "tool_calls": 1.0, "episodes": 3}
    ]
    assert distill.thoughts(done[0]) == ["a b c", "d e"]
