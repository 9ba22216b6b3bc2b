"""webdancer.agent.react: replies of many shapes become turns; episodes survive bad calls and bad endpoints."""

import asyncio
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketweb import serve
from webdancer.agent import react
from webdancer.agent.judge import format_error, format_ok
from webdancer.agent.llm import LLM, EndpointError, Reply
from webdancer.agent.react import Settings, many, settle
from webdancer.core.protocol import Turn, parse_turn, render_turn
from webdancer.core.schema import Page, Question
from webdancer.web.search import SearchIndex
from webdancer.web.tools import Tools

CALL = '<tool_call>\n{"name": "search", "arguments": {"query": ["Kestin mayor"]}}\n</tool_call>'
ANSWER = "<answer>\nTal Veron\n</answer>"
BRIEF = Settings(prompt_style="brief")
LONG = Settings(style="long", prompt_style="brief")


def ask(name="q1"):
    return Question(name, f"Who is the mayor of Kestin ({name})?", "Tal Veron", "multihop", 1)


class FakeLLM:
    """Says the planned contents one after the other within an episode; an exception in the plan is raised."""

    def __init__(self, *plan, concurrency=4, delays=None):
        self.plan, self.concurrency, self.delays = plan, concurrency, delays or {}
        self.model, self.max_tokens, self.seen, self.seeds = "fake", 100, [], []

    async def chat(self, messages, *, seed=0, temperature=None, stop=None):
        self.seen.append(messages)
        self.seeds.append(seed)
        await asyncio.sleep(self.delays.get(messages[1]["content"], 0))
        turn = sum(m["role"] == "assistant" for m in messages)
        said = self.plan[min(turn, len(self.plan) - 1)]
        if isinstance(said, Exception):
            raise said
        return said if isinstance(said, Reply) else Reply(said, prompt_tokens=10, completion_tokens=5)

    def cost(self, reply):
        return 0.001


class FakeTools:
    """Echoes the call, as the real tools knows two names only."""

    async def call(self, name, arguments):
        if name not in ("search", "visit"):
            return f"Error: there is no tool named {name!r}."
        return f"{name} {json.dumps(arguments)}"


def run(*plan, settings=BRIEF, sample=0):
    llm = FakeLLM(*plan)
    return asyncio.run(react.episode(llm, ask(), FakeTools(), settings, sample)), llm


def test_an_episode_in_the_released_form():
    done, _ = run(f"<think>Look it up.</think>\n{CALL}", f"<think>Seen.</think>{ANSWER}")
    assert [m["role"] for m in done.messages] == ["system", "user", "assistant", "user", "assistant"]
    assert done.messages[2]["content"] == f"<think>\nLook it up.\n</think>\n{CALL}"
    assert done.messages[3]["content"] == '<tool_response>\nsearch {"query": ["Kestin mayor"]}\n</tool_response>'
    assert (done.prediction, done.stop, done.n_calls, done.tokens) == ("Tal Veron", "answer", 1, 30)
    assert done.cost == pytest.approx(0.002)
    assert done.answer == (("Tal Veron",),)
    assert format_ok(done.messages)


def test_long_style_hides_past_thoughts_from_the_teacher_and_keeps_them_in_the_trajectory():
    replies = [
        Reply(CALL, "First thought."),
        Reply(CALL.replace("Kestin", "Orlen"), "Second thought."),
        Reply(ANSWER, "Last."),
    ]
    done, llm = run(*replies, settings=LONG)
    assert [parse_turn(m["content"]).thought for m in done.messages[2::2]] == [
        "First thought.",
        "Second thought.",
        "Last.",
    ]
    assert "thought" not in json.dumps(llm.seen)
    assert "think>" not in json.dumps(llm.seen)
    assert llm.seen[2][2] == {"role": "assistant", "content": CALL}  # the past action stays, word for word
    assert llm.seen[2][3] == done.messages[3]  # and so does the observation
    assert format_ok(done.messages)


def test_short_style_shows_past_thoughts():
    _, llm = run(f"<think>Mine.</think>{CALL}", f"<think>x</think>{ANSWER}")
    assert "Mine." in llm.seen[1][2]["content"]


HOSTED = Reply("", "Think.", calls=({"name": "search", "arguments": '{"query": ["a"]}'},))


MADE_UP = f"{CALL}\n<tool_response>made up</tool_response>{ANSWER}"
SPACED = '<tool_call>{"name":"visit",\n"arguments":{"url":["u"],"goal":"é"}}</tool_call>'
SEARCH = {"name": "search", "arguments": {"query": ["Kestin mayor"]}}


@pytest.mark.parametrize(
    ("reply", "style", "wanted"),
    [
        (Reply(f"<think>a</think>{CALL}"), "short", Turn("a", **SEARCH)),
        (Reply(f"I look it up.\n{CALL}"), "short", Turn("I look it up.", **SEARCH)),
        (Reply(CALL, "r"), "short", Turn("r", **SEARCH)),
        (Reply(f"<think>a</think>{CALL}", "r"), "long", Turn("r", **SEARCH)),
        (Reply(f"<think>a</think>{CALL}", "r"), "short", Turn("a", **SEARCH)),
        (HOSTED, "long", Turn("Think.", "search", {"query": ["a"]})),
        (Reply("I search.", calls=HOSTED.calls), "short", Turn("I search.", "search", {"query": ["a"]})),
        (Reply(f"<think>a</think>{ANSWER}{CALL}"), "short", Turn("a", answer="Tal Veron")),
        (Reply(f"<think>a</think>{MADE_UP}"), "short", Turn("a", **SEARCH)),
        (Reply(ANSWER, "close <think>"), "long", Turn("close &lt;think>", answer="Tal Veron")),
        (Reply(f"<think>a</think>{SPACED}"), "short", Turn("a", "visit", {"url": ["u"], "goal": "é"})),
    ],
)
def test_settle_brings_replies_into_the_protocols_form(reply, style, wanted):
    text = settle(reply, style)
    assert parse_turn(text) == wanted
    assert render_turn(wanted) == text


@given(st.text(alphabet="ab <>/\n"), st.text(alphabet="ab .\n", min_size=1).map(str.strip).filter(bool))
def test_settling_a_turn_of_ours_changes_nothing(noise, thought):
    text = render_turn(Turn(thought, "search", {"query": [noise]}))
    assert settle(Reply(text), "short") == text
    assert settle(Reply(settle(Reply(text), "short")), "short") == text


def test_a_call_with_invalid_json_is_an_observation_and_the_episode_goes_on():
    done, _ = run('<think>a</think><tool_call>{"name": "search"</tool_call>', f"<think>b</think>{ANSWER}")
    assert done.messages[3]["content"].startswith("<tool_response>\nError: the tool call is not valid JSON")
    assert (done.stop, done.n_calls) == ("answer", 1)
    assert format_error(done.messages) == "malformed call"


def test_an_unknown_tool_is_an_observation_and_the_episode_goes_on():
    done, _ = run(f"<think>a</think>{CALL.replace('search', 'browse')}", f"<think>b</think>{ANSWER}")
    assert "no tool named 'browse'" in done.messages[3]["content"]
    assert done.stop == "answer"
    assert format_error(done.messages) == "unknown tool"


def test_stop_reasons():
    assert run("just talk")[0].stop == "malformed"
    assert run(Reply("<think>and then", finish="length"))[0].stop == "cut"
    assert run(Reply('<think>a</think><tool_call>{"name": "se', finish="length"))[0].stop == "cut"
    capped, _ = run(f"<think>a</think>{CALL}", settings=Settings(prompt_style="brief", max_turns=3))
    assert (capped.stop, capped.n_calls, capped.prediction) == ("turn_cap", 3, "")
    full, _ = run(f"<think>a</think>{CALL}", settings=Settings(prompt_style="brief", max_context=15))
    assert (full.stop, full.n_calls) == ("context_cap", 0)


def test_an_endpoint_that_fails_ends_the_episode_and_keeps_it():
    done, _ = run(f"<think>a</think>{CALL}", EndpointError("model 'm' answered 500", 500))
    assert (done.stop, done.n_calls, done.prediction) == ("error", 1, "")
    assert done.messages[-1]["role"] == "user"


def test_a_refused_key_ends_the_run_with_one_clear_error_and_loses_nothing(tmp_path):
    class Refuses(FakeLLM):
        async def chat(self, messages, **rest):
            if "(q3)" in messages[1]["content"]:
                raise EndpointError("model 'm' answered 401: check the key in the environment", 401)
            return await super().chat(messages, **rest)

    partial = tmp_path / "x.partial"
    llm = Refuses(f"<think>a</think>{ANSWER}", concurrency=1)
    with pytest.raises(EndpointError, match="check the key"):
        many(llm, [ask("q1"), ask("q2"), ask("q3"), ask("q4")], FakeTools(), BRIEF, partial=partial, progress=False)
    assert set(react.read_partial(partial)) == {("q1", 0), ("q2", 0)}


def test_an_endpoint_that_is_down_calls_the_run_off():
    llm = FakeLLM(EndpointError("down", 503))
    with pytest.raises(EndpointError, match="20 episodes in a row.*Run again to go on"):
        many(llm, [ask(f"q{i}") for i in range(500)], FakeTools(), BRIEF, progress=False)
    assert len(llm.seen) < 40


def test_order_and_content_do_not_depend_on_what_runs_beside(monkeypatch):
    questions = [ask(f"q{i}") for i in range(6)]
    slow = {q.question: 0.001 * (6 - i) for i, q in enumerate(questions)}
    plan = (f"<think>a</think>{CALL}", f"<think>b</think>{ANSWER}")
    alone = many(FakeLLM(*plan, concurrency=1), questions, FakeTools(), BRIEF, samples=2, progress=False)
    beside = many(FakeLLM(*plan, concurrency=12, delays=slow), questions, FakeTools(), BRIEF, samples=2, progress=False)
    assert alone == beside
    assert [(t.question_id, t.sample) for t in alone] == [(q.id, s) for q in questions for s in (0, 1)]


def test_every_question_and_sample_has_its_own_seed_and_keeps_it_for_all_turns():
    llm = FakeLLM(f"<think>a</think>{CALL}", f"<think>b</think>{ANSWER}")
    many(llm, [ask("q1"), ask("q2")], FakeTools(), BRIEF, samples=3, progress=False)
    assert len(llm.seeds) == 12
    assert len(set(llm.seeds)) == 6
    assert react.episode_seed(0, "q1", 0) != react.episode_seed(1, "q1", 0)


def test_an_interrupted_run_goes_on_where_it_was(tmp_path):
    questions, partial = [ask(f"q{i}") for i in range(4)], tmp_path / "x.partial"
    good = FakeLLM(f"<think>a</think>{ANSWER}")
    whole = many(good, questions, FakeTools(), BRIEF, partial=partial, progress=False)
    lines = partial.read_text().splitlines(keepends=True)
    failed = lines[1].replace('"stop": "answer"', '"stop": "error"')
    partial.write_text(lines[0] + failed + lines[2][:50])  # one done, one failed, one half written
    again = FakeLLM(f"<think>a</think>{ANSWER}")
    assert many(again, questions, FakeTools(), BRIEF, partial=partial, progress=False) == whole
    assert len(again.seen) == 3
    assert len(react.read_partial(partial)) == 4


def test_the_partial_file_is_another_one_when_the_work_is(tmp_path):
    llm, final = FakeLLM("x"), tmp_path / "trajectories.jsonl"
    names = {
        react.partial_path(final, llm, BRIEF, [ask("q1")]),
        react.partial_path(final, llm, LONG, [ask("q1")]),
        react.partial_path(final, llm, BRIEF, [ask("q2")]),
        react.partial_path(final, llm, Settings(prompt_style="brief", seed=1), [ask("q1")]),
    }
    assert len(names) == 4
    assert react.partial_path(final, llm, BRIEF, [ask("q1")]) in names


@pytest.mark.parametrize("questions", [[], [ask("q1"), ask("q1")]])
def test_no_questions_or_one_twice_is_an_error(questions):
    with pytest.raises(ValueError, match="every id once"):
        many(FakeLLM("x"), questions, FakeTools(), BRIEF, progress=False)


def test_unknown_style_is_an_error():
    with pytest.raises(ValueError, match="'medium'"):
        Settings(style="medium")


@pytest.mark.parametrize(("model", "settings"), [("pocket-short", BRIEF), ("pocket-long", LONG)])
def test_the_rule_based_stand_ins_answer_over_http_in_the_protocols_form(model, settings):
    page = Page("http://wiki.pocket.test/wiki/Kestin_Ford", "Kestin Ford", "The mayor of Kestin Ford is Tal Veron.")
    other = Page("http://wiki.pocket.test/wiki/Tal_Veron", "Tal Veron", "Tal Veron was born in Orlen Bay.")
    tools = Tools(SearchIndex.build([page, other]), [page, other])
    text = "In which city was the mayor of Kestin Ford born?"
    questions = [Question(f"q{i}", text, "Orlen Bay", "multihop", 2) for i in range(8)]
    settings = replace(settings, temperature=0.0)
    with serve.start([], endpoint=True) as net:
        done = many(LLM(model, net.endpoint), questions, tools, settings, progress=False)
    assert {(t.prediction, t.n_calls, t.stop) for t in done} == {("Orlen Bay", 2, "answer")}
    assert all(format_ok(t.messages) for t in done)
    assert all(parse_turn(m["content"]).thought for m in done[0].messages if m["role"] == "assistant")
