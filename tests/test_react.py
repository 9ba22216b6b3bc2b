"""webdancer.agent.react: many episodes at once: order, early stops, interruptions, endpoints that are down."""

from dataclasses import replace

import pytest
from fake_agent import ANSWER, BRIEF, CALL, LONG, WRONG, FakeLLM, FakeTools, ask

from pocketweb import serve
from webdancer.agent import react, turns
from webdancer.agent.judge import format_ok
from webdancer.agent.llm import LLM, BudgetSpent, EndpointError
from webdancer.agent.partial import PartFile
from webdancer.agent.react import fill, many
from webdancer.core.protocol import parse_turn
from webdancer.core.schema import Page, Question
from webdancer.web.search import SearchIndex
from webdancer.web.tools import Tools


def test_a_refused_key_ends_the_run_with_one_clear_error_and_loses_nothing(tmp_path):
    class Refuses(FakeLLM):
        async def chat(self, messages, **rest):
            if "(q3)" in messages[1]["content"]:
                raise EndpointError("model 'm' answered 401: check the key in the environment", 401)
            return await super().chat(messages, **rest)

    partial = tmp_path / "x.partial"
    llm = Refuses(f"<think>a</think>{ANSWER}", concurrency=1)
    with pytest.raises(EndpointError, match="check the key") as caught:
        many(llm, [ask("q1"), ask("q2"), ask("q3"), ask("q4")], FakeTools(), BRIEF, partial=partial, progress=False)
    with PartFile(partial) as kept:
        assert caught.value.__notes__ == ["2 finished episodes are kept. Run again to go on from them."]
        assert len(kept) == 2 and ("q1", 0) in kept and ("q2", 0) in kept


def test_an_endpoint_that_is_down_calls_the_run_off():
    llm = FakeLLM(EndpointError("down", 503))
    with pytest.raises(EndpointError, match="20 episodes in a row"):
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
    assert turns.episode_seed(0, "q1", 0) != turns.episode_seed(1, "q1", 0)


@pytest.mark.parametrize("questions", [[], [ask("q1"), ask("q1")]])
def test_no_questions_or_one_twice_is_an_error(questions):
    with pytest.raises(ValueError, match="every id once"):
        many(FakeLLM("x"), questions, FakeTools(), BRIEF, progress=False)


RIGHT = f"<think>b</think>{ANSWER}"
QUESTIONS = [ask(f"q{i}") for i in range(5)]
# The sample of each question that is the first right one; q3 has none.
FIRST = {"q0": 0, "q1": 1, "q2": 4, "q4": 2}


def seeded(first=FIRST):
    """Says a wrong answer, or from a question's first right sample on the right one: known by the seed."""
    good = {turns.episode_seed(0, q.id, s) for q in QUESTIONS for s in range(first.get(q.id, 99), 5)}
    return lambda seed: f"<think>b</think>{ANSWER if seed in good else WRONG}"


def filled(part, enough, *, concurrency=4, right=react.by_rule, say=None):
    llm = FakeLLM(say or seeded(), concurrency=concurrency)
    keys = fill(llm, QUESTIONS, FakeTools(), BRIEF, part, samples=5, enough=enough, right=right, progress=False)
    return keys, llm


@pytest.mark.parametrize("concurrency", [1, 3, 50])
@pytest.mark.parametrize(("enough", "ran"), [(0, [5, 5, 5, 5, 5]), (1, [1, 2, 5, 5, 3]), (2, [2, 3, 5, 5, 4])])
def test_a_question_is_asked_until_enough_are_right_whatever_runs_beside_it(enough, ran, concurrency):
    with PartFile() as part:
        keys, llm = filled(part, enough, concurrency=concurrency)
        assert keys == [(q.id, s) for q, n in zip(QUESTIONS, ran, strict=True) for s in range(n)]
        assert len(llm.seen) == sum(ran) == len(part)
        assert all(part.get(k).right is (k[1] >= FIRST.get(k[0], 99) if enough else None) for k in keys)


def test_samples_of_an_earlier_run_count_and_are_neither_run_nor_judged_again(tmp_path):
    judged = []

    async def right(question, trajectory):
        judged.append((question.id, trajectory.sample))
        return trajectory.prediction == question.answer

    with PartFile(tmp_path / "x.partial") as part:
        first, llm = filled(part, 1, right=right)
    assert len(judged) == len(llm.seen) == 16
    with PartFile(tmp_path / "x.partial") as part:
        assert filled(part, 1, right=right)[0] == first
        assert len(judged) == 16
        more, llm = filled(part, 0, right=right)  # and all of them can still be wanted later
        assert len(more) == 25 and len(llm.seen) == 9


def test_a_judge_that_cannot_be_asked_does_not_stop_the_sampling_and_is_asked_again(tmp_path):
    down = True

    async def right(question, trajectory):
        if down and question.id == "q0":
            raise EndpointError("the judge answered 500", 500)
        return await react.by_rule(question, trajectory)

    with PartFile(tmp_path / "x.partial") as part:
        keys, _ = filled(part, 1, right=right)
        assert [k for k in keys if k[0] == "q0"] == [("q0", s) for s in range(5)]
    down = False
    with PartFile(tmp_path / "x.partial") as part:
        keys, llm = filled(part, 1, right=right)
        assert [k for k in keys if k[0] == "q0"] == [("q0", 0)]
        assert llm.seen == []


def test_a_judge_with_a_wrong_key_ends_the_run_and_the_episodes_stay(tmp_path):
    async def right(question, trajectory):
        raise EndpointError("the judge answered 401", 401)

    with PartFile(tmp_path / "x.partial") as part:
        with pytest.raises(EndpointError, match="401"):
            filled(part, 1, right=right, concurrency=1)
        assert len(part) == 1


def test_a_spent_budget_ends_the_run_and_the_next_one_goes_on(tmp_path):
    left = 7

    def say(seed):
        nonlocal left
        left -= 1
        return RIGHT if left >= 0 else BudgetSpent("the budget is spent: 1.00 US dollars")

    with PartFile(tmp_path / "x.partial") as part, pytest.raises(BudgetSpent) as caught:
        filled(part, 0, say=say, concurrency=1)
    assert caught.value.__notes__ == ["7 finished episodes are kept. Run again to go on from them."]
    with PartFile(tmp_path / "x.partial") as part:
        keys, llm = filled(part, 0, say=RIGHT)
        assert len(keys) == 25 and len(llm.seen) == 18


def test_an_interrupted_run_goes_on_where_it_was(tmp_path):
    questions, partial = [ask(f"q{i}") for i in range(4)], tmp_path / "x.partial"
    whole = many(FakeLLM(RIGHT), questions, FakeTools(), BRIEF, partial=partial, progress=False)
    lines = partial.read_text().splitlines(keepends=True)
    failed = lines[1].replace('"stop": "answer"', '"stop": "error"')
    partial.write_text(lines[0] + failed + lines[2][:50])  # one done, one failed, one half written
    again = FakeLLM(RIGHT)
    assert many(again, questions, FakeTools(), BRIEF, partial=partial, progress=False) == whole
    assert len(again.seen) == 3


@pytest.mark.parametrize("dials", [{"samples": 0}, {"enough": -1}])
def test_no_samples_or_less_than_none_right_is_an_error(dials):
    with PartFile() as part, pytest.raises(ValueError, match="wanted at least one question and sample"):
        fill(FakeLLM("x"), [ask()], FakeTools(), BRIEF, part, progress=False, **dials)


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
