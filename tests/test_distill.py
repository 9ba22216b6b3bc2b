"""webdancer.distill: what the teachers are asked, what is written, and that a run killed at random loses nothing."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketweb import serve
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

    def __init__(self, breaks_at=10**9, answer=ANSWER):
        self.left, self.answer = breaks_at, answer

    async def chat(self, messages, *, seed=0, temperature=None, stop=None):
        await asyncio.sleep(0)
        self.left -= 1
        if self.left < 0:
            raise EndpointError("model 'teacher' answered 401: check the key", 401)
        return Reply(
            CALL if messages[-1]["content"].startswith("Who") else self.answer, prompt_tokens=4, completion_tokens=1
        )

    def cost(self, reply):
        return 0.5


class Tools:
    async def call(self, name, arguments):
        return "The mayor is Tal Veron."


class Judge:
    """Says the same of every answer, and counts."""

    def __init__(self, verdict):
        self.verdict, self.asked = verdict, []

    async def ask(self, question, prediction, gold):
        self.asked.append((question, prediction, gold))
        return self.verdict


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


def harder(n, split="sft", name="h"):
    """A question rewritten n times: version i asks i rewrites, has i + 1 hops, and evidence e_{n-i} to e_n."""
    return Question(
        name,
        f"Q with {n}?",
        "A",
        "e2hqa",
        n + 1,
        evidence=tuple(f"e{i}" for i in range(n + 1)),
        support=tuple(f"s{i}" for i in range(n + 1)),
        offsets=tuple(range(n + 1)),
        rewrites=tuple(f"Q with {i}?" for i in range(n)),
        split=split,
    )


def test_versions_by_hand():
    first, second, third = distill.versions(harder(2))
    assert (first.id, first.question, first.hops, first.rewrites) == ("h.n0", "Q with 0?", 1, ())
    assert (first.evidence, first.support, first.offsets) == (("e2",), ("s2",), (2,))
    assert (second.id, second.question, second.hops, second.rewrites) == ("h.n1", "Q with 1?", 2, ("Q with 0?",))
    assert second.evidence == ("e1", "e2")
    assert (third.id, third.question, third.evidence) == ("h.n2", "Q with 2?", ("e0", "e1", "e2"))


@given(st.integers(0, 6))
def test_versions_have_one_answer_each_one_hop_more_and_end_in_the_question(n):
    found = distill.versions(harder(n))
    assert len(found) == n + 1
    assert {v.answer for v in found} == {"A"}
    assert [v.hops for v in found] == list(range(1, n + 2)) == [len(v.evidence) for v in found]
    assert found[-1].question == harder(n).question and found[-1].rewrites == harder(n).rewrites
    assert [distill.versions(v)[-1].question for v in found] == [v.question for v in found]


def test_rewritten_takes_the_most_rewritten_of_the_teachers_questions_first():
    rows = [ask("a"), harder(1, name="h1"), harder(3, name="h3"), harder(3, "eval", "e"), harder(2, name="h2")]
    assert [v.id for v in distill.rewritten(rows, 2)] == ["h3.n0", "h3.n1", "h3.n2", "h3.n3", "h2.n0", "h2.n1", "h2.n2"]
    assert len(distill.rewritten(rows)) == 4 + 3 + 2
    assert distill.rewritten([ask("a")]) == []
    many = [harder(1, name=f"h{i}") for i in range(20)]
    assert (
        distill.rewritten(many, 5, seed=1) == distill.rewritten(many, 5, seed=1) != distill.rewritten(many, 5, seed=2)
    )


def test_run_writes_jobs_questions_and_samples_in_order_and_removes_its_partial_files(tmp_path):
    out = tmp_path / "deep" / "trajectories.jsonl"
    jobs = [(Teacher(), SHORT, 2, QUESTIONS), (Teacher(), LONG, 1, QUESTIONS[:1]), (Teacher(), LONG, 0, QUESTIONS)]
    outcome = distill.run(jobs, Tools(), out, progress=False)
    assert [(t.style, t.question_id, t.sample) for t in read_jsonl(out, Trajectory)] == [
        *[("short", q, s) for q in "abc" for s in (0, 1)],
        ("long", "a", 0),
    ]
    assert (outcome.episodes, outcome.spared.total(), dict(outcome.changes)) == (7, 0, {})
    assert [p.name for p in out.parent.iterdir()] == ["trajectories.jsonl"]


def test_run_stops_a_question_early_and_says_what_was_not_needed(tmp_path):
    out = tmp_path / "x.jsonl"
    wrong = Teacher(answer=ANSWER.replace("Tal Veron", "Ada Quist"))
    outcome = distill.run(
        [(Teacher(), SHORT, 5, QUESTIONS), (wrong, LONG, 5, QUESTIONS)], Tools(), out, enough=1, progress=False
    )
    assert outcome.spared == {"short": 12, "long": 0}
    assert outcome.episodes == 3 + 15 == len(read_jsonl(out, Trajectory))


def test_a_judge_decides_what_is_right_if_there_is_one(tmp_path):
    harsh, mild = Judge(False), Judge(True)
    outcome = distill.run(
        [(Teacher(), SHORT, 3, QUESTIONS)], Tools(), tmp_path / "x.jsonl", enough=1, judge=harsh, progress=False
    )
    assert outcome.episodes == 9
    assert harsh.asked[0] == ("Who is a?", "Tal Veron", "Tal Veron")
    outcome = distill.run(
        [(Teacher(), SHORT, 3, QUESTIONS)], Tools(), tmp_path / "x.jsonl", enough=1, judge=mild, progress=False
    )
    assert outcome.episodes == 3 == len(mild.asked)
    distill.run([(Teacher(), SHORT, 3, QUESTIONS)], Tools(), tmp_path / "x.jsonl", judge=mild, progress=False)
    assert len(mild.asked) == 3  # nobody is asked when all samples are run anyway


def test_what_was_mended_is_counted(tmp_path):
    loose = Teacher(answer="I know it. <answer>Tal Veron")
    outcome = distill.run([(loose, SHORT, 1, QUESTIONS)], Tools(), tmp_path / "x.jsonl", progress=False)
    assert outcome.changes == {"thought before the action": 3, "unclosed block": 3}


def test_an_interrupted_run_keeps_what_it_had_and_goes_on(tmp_path):
    out = tmp_path / "trajectories.jsonl"
    with pytest.raises(EndpointError, match="check the key"):
        distill.run([(Teacher(breaks_at=9), SHORT, 2, QUESTIONS)], Tools(), out, progress=False)
    assert not out.exists()
    assert [p.suffix for p in tmp_path.iterdir()] == [".partial"]
    second = Teacher(breaks_at=11)
    distill.run([(second, SHORT, 2, QUESTIONS)], Tools(), out, progress=False)
    distill.run([(Teacher(), SHORT, 2, QUESTIONS)], Tools(), tmp_path / "whole.jsonl", progress=False)
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert second.left > 0  # 12 requests make the whole; some were not repeated


def test_other_tools_start_anew(tmp_path):
    out = tmp_path / "trajectories.jsonl"
    with pytest.raises(EndpointError):
        distill.run([(Teacher(breaks_at=9), SHORT, 2, QUESTIONS)], Tools(), out, about={"results": 2}, progress=False)
    with pytest.raises(EndpointError):
        distill.run([(Teacher(breaks_at=11), SHORT, 2, QUESTIONS)], Tools(), out, about={"results": 3}, progress=False)
    distill.run([(Teacher(breaks_at=11), SHORT, 2, QUESTIONS)], Tools(), out, about={"results": 2}, progress=False)


def test_what_episodes_depend_on(tmp_path):
    (tmp_path / "pages.jsonl").write_text("{}\n")
    values = dict.fromkeys(distill.TOOL_PARAMETERS, 1) | {"concurrency": 1}
    first = distill.depends(values, tmp_path / "pages.jsonl", None)
    json.dumps(first)
    assert distill.depends(values | {"concurrency": 9}, tmp_path / "pages.jsonl", None) == first
    assert distill.depends(values | {"search_results": 9}, tmp_path / "pages.jsonl", None) != first
    assert distill.depends(values, tmp_path / "pages.jsonl", Teacher()) != first
    (tmp_path / "pages.jsonl").write_text("[]\n")
    assert distill.depends(values, tmp_path / "pages.jsonl", None) != first


def test_no_samples_at_all_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="short_samples or long_samples"):
        distill.run([(Teacher(), SHORT, 0, QUESTIONS)], Tools(), tmp_path / "x.jsonl")


# What the child of the test below runs, until it is killed: both teachers, on questions of single facts.
CHILD = """
import sys
from pathlib import Path
from pocketweb import pages, reading, world
from webdancer import distill
from webdancer.agent.llm import LLM
from webdancer.agent.react import Settings
from webdancer.core.schema import Page, Question
from webdancer.web.search import SearchIndex
from webdancer.web.tools import Tools

docs = [d for d in pages.render(world.build(3, 200)) if d.kind not in ("redirect", "dead")]
facts = [f for d in docs for f in reading.facts_in(d.text)][:480:24]
asked = [
    Question(f"q{i}", reading.BY_LABEL[f.label].asks[0].format(x=f.subject), f.objects[0], "multihop", 1)
    for i, f in enumerate(facts)
]
found = [Page(d.url, d.title, d.text) for d in docs]
tools = Tools(SearchIndex.build(found), found, results=2, snippet_words=8)
jobs = [
    (LLM(f"pocket-{style}", sys.argv[1], concurrency=4), Settings(style, "brief", temperature=1.0), 3, asked)
    for style in ("short", "long")
]
distill.run(jobs, tools, Path(sys.argv[2]), enough=int(sys.argv[3]), progress=False)
"""


def lines_in(folder: Path) -> int:
    return sum(p.read_bytes().count(b"\n") for p in folder.glob("*.partial"))


@pytest.mark.parametrize("enough", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_run_killed_three_times_at_random_writes_the_same_bytes_as_an_unbroken_one(tmp_path, enough):
    net = serve.start([], endpoint="process")
    try:

        def start(name: str) -> subprocess.Popen:
            command = [sys.executable, "-c", CHILD, net.endpoint, str(tmp_path / name / "t.jsonl"), str(enough)]
            return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})

        assert start("whole").wait(100) == 0
        whole = (tmp_path / "whole" / "t.jsonl").read_bytes()
        rows = whole.count(b"\n")
        chance, broken = random.Random(enough), tmp_path / "broken"
        for part in (0.3, 0.6, 0.9):
            goal = chance.uniform(part - 0.25, part) * rows
            child = start("broken")
            while lines_in(broken) < goal and child.poll() is None:
                time.sleep(0.002)
            child.send_signal(signal.SIGKILL)
            assert child.wait(30) == -signal.SIGKILL  # it had not ended by itself
            assert not (broken / "t.jsonl").exists()
        kept = lines_in(broken)
        assert start("broken").wait(100) == 0
    finally:
        net.close()
    assert kept > 0
    assert (broken / "t.jsonl").read_bytes() == whole
    assert [p.name for p in broken.iterdir()] == ["t.jsonl"]
    stops = [json.loads(line)["sample"] for line in whole.splitlines()]
    assert rows == 120 if enough == 0 else 40 < rows < 120 and 1 in stops
