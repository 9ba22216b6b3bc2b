"""webdancer.agent.turns: one episode: what is stored, what the teacher sees, bad calls, bad endpoints, budgets."""

import asyncio
import json

import pytest
from fake_agent import ANSWER, BRIEF, CALL, LONG, FakeLLM, FakeTools, ask

from pocketweb.reading import facts_in
from webdancer.agent import turns
from webdancer.agent.judge import format_error, format_ok
from webdancer.agent.llm import EndpointError, Reply
from webdancer.agent.turns import Settings
from webdancer.core import prompts, protocol
from webdancer.core.protocol import parse_turn
from webdancer.core.schema import Page
from webdancer.web.search import SearchIndex
from webdancer.web.tools import Tools


def run(*plan, settings=BRIEF, sample=0):
    llm = FakeLLM(*plan)
    return asyncio.run(turns.episode(llm, ask(), FakeTools(), settings, sample)), llm


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


FORCED = Settings(prompt_style="brief", force_answer=True, max_turns=3)
SEARCHES = f"<think>a</think>{CALL}"
ANSWERS = f"<think>b</think>{ANSWER}"


def test_the_last_turn_is_asked_for_the_answer_in_the_observation_before_it():
    done, llm = run(SEARCHES, SEARCHES, ANSWERS, settings=FORCED)
    assert (done.stop, done.prediction, done.n_calls) == ("forced", "Tal Veron", 2)
    assert prompts.FORCED not in done.messages[3]["content"]
    assert done.messages[5]["content"] == (
        f'<tool_response>\nsearch {{"query": ["Kestin mayor"]}}\n\n{prompts.FORCED}\n</tool_response>'
    )
    assert llm.seen[2][-1] == done.messages[5]
    assert format_ok(done.messages)  # the stored episode has the released form
    assert len(protocol.turns_of(done.messages)) == 3


def test_a_full_context_is_asked_for_the_answer_in_place_of_the_call():
    done, llm = run(
        SEARCHES, ANSWERS, settings=Settings(prompt_style="brief", force_answer=True, max_context=15, max_turns=9)
    )
    assert (done.stop, done.prediction, done.n_calls) == ("forced", "Tal Veron", 0)
    assert protocol.parse_response(done.messages[3]["content"]) == prompts.FORCED
    assert format_ok(done.messages)
    assert len(llm.seen) == 2


@pytest.mark.parametrize(("dials", "calls", "stop"), [({}, 2, "turn_cap"), ({"max_context": 15}, 0, "context_cap")])
def test_who_calls_when_asked_for_the_answer_is_at_the_end(dials, calls, stop):
    done, llm = run(SEARCHES, settings=Settings(prompt_style="brief", force_answer=True, max_turns=3, **dials))
    assert (done.stop, done.n_calls, done.prediction) == (stop, calls, "")
    assert len(llm.seen) == (3 if calls else 2)
    assert done.messages[-1]["role"] == "assistant"
    assert format_error(done.messages) == "no answer"


def test_an_answer_in_time_is_not_forced_and_unforced_episodes_are_as_before():
    done, _ = run(SEARCHES, ANSWERS, settings=FORCED)
    assert done.stop == "answer" and "budget" not in json.dumps(done.messages)
    capped, llm = run(SEARCHES, settings=Settings(prompt_style="brief", max_turns=3))
    assert (capped.stop, capped.n_calls, len(llm.seen)) == ("turn_cap", 3, 3)
    assert capped.messages[-1]["role"] == "user"


def test_prose_in_answer_to_the_request_counts_if_there_is_a_thought():
    done, _ = run(SEARCHES, SEARCHES, Reply("It is **Tal Veron**.", "So far so good."), settings=FORCED)
    assert (done.stop, done.prediction) == ("forced", "It is **Tal Veron**.")


def test_to_the_stand_ins_the_request_is_part_of_an_ordinary_observation():
    seen = "1. [Kestin](http://a.test/Kestin)\n\nThe mayor of Kestin Ford is Tal Veron."
    assert facts_in(f"{seen}\n\n{prompts.FORCED}") == facts_in(seen) != []
    assert facts_in(prompts.FORCED) == []
    assert protocol.parse_response(protocol.render_response(prompts.FORCED)) == prompts.FORCED  # nothing to defuse


BAD = SEARCHES.replace("search", "browse")
BROKEN = "<think>a</think><tool_call>{</tool_call>"


def test_several_failing_calls_in_a_row_end_an_episode():
    three = Settings(prompt_style="brief", max_failures=3)
    done, llm = run(BAD, BROKEN, BAD, ANSWERS, settings=three)
    assert (done.stop, done.n_calls, done.prediction, len(llm.seen)) == ("tool_failures", 3, "", 3)
    assert done.messages[-1]["role"] == "user"  # what went wrong stays to be seen
    again, _ = run(BAD, BROKEN, SEARCHES, BAD, BROKEN, ANSWERS, settings=three)
    assert (again.stop, again.n_calls) == ("answer", 5)  # a good call in between starts the count anew
    assert run(BAD, BROKEN, BAD, BAD, ANSWERS)[0].stop == "answer"  # by default they never do


def test_failures_at_the_last_turn_but_one_end_the_episode_and_are_not_asked():
    done, llm = run(
        BAD, BAD, ANSWERS, settings=Settings(prompt_style="brief", force_answer=True, max_turns=3, max_failures=2)
    )
    assert (done.stop, len(llm.seen)) == ("tool_failures", 2)
    assert "budget" not in done.messages[-1]["content"]


def test_what_the_real_tools_say_of_a_failure_counts_as_one():
    page = Page("http://a.test/Kestin", "Kestin", "The mayor of Kestin is Tal Veron.")
    tools = Tools(SearchIndex.build([page]), [page])
    good, gone = "http://a.test/Kestin", "http://a.test/gone"
    said = tools.call_many(
        [
            ("browse", {}),
            ("search", {"text": "Kestin"}),
            ("search", {"query": []}),
            ("visit", {"url": [gone], "goal": "mayor"}),
            ("visit", {"url": [gone, gone], "goal": "mayor"}),
            ("visit", {"url": [gone, good], "goal": "mayor"}),
            ("visit", {"url": [good], "goal": "mayor"}),
            ("search", {"query": ["Kestin"]}),
            ("search", {"query": ["zzz"]}),
        ]
    )
    assert [turns.failed(s) for s in said] == [True] * 5 + [False] * 4


def test_what_had_to_be_mended_is_told():
    llm = FakeLLM(f"a {CALL}{CALL}", f"<think>b</think>{ANSWER}")
    done = asyncio.run(turns.play(llm, ask(), FakeTools(), BRIEF))
    assert done.changes == ("thought before the action", "further actions")
    assert done.key == ("q1", 0) and done.right is None


@pytest.mark.parametrize(
    "dials",
    [
        {"style": "medium"},
        {"max_turns": 0},
        {"force_answer": True, "max_turns": 1},
        {"max_context": -1},
        {"max_failures": -1},
    ],
)
def test_settings_that_leave_no_room_are_an_error(dials):
    with pytest.raises(ValueError, match="wanted one of"):
        Settings(**dials)


def test_every_question_and_sample_has_a_seed_of_its_own():
    seeds = {turns.episode_seed(s, q, n) for s in (0, 1) for q in ("q1", "q2") for n in (0, 1)}
    assert len(seeds) == 8 and max(seeds) < 2**31


def test_an_agent_may_have_its_own_system_message():
    done, llm = run(f"<think>x</think>{ANSWER}", settings=Settings(system="Search on {date}.", date="2025-07-18"))
    assert llm.seen[0] == prompts.head(ask().question, "2025-07-18", system="Search on {date}.")
    assert done.messages[0]["content"] == "Search on 2025-07-18." and done.prediction == "Tal Veron"
