"""Questions, runs and numbers of an evaluation, on hand-made episodes."""

import json
from dataclasses import dataclass

import pytest
from episodes import sampled, trajectory

from webdancer import evaluate as e
from webdancer import metrics
from webdancer.core.schema import Question


def test_summary_by_hand():
    got = e.summary(sampled("m", {"a": "111", "b": "100", "c": "000", "d": "011"}))
    assert got["pass_at_1"]["value"] == pytest.approx((1 + 1 / 3 + 0 + 2 / 3) / 4)
    assert got["pass_at_3"]["value"] == pytest.approx(3 / 4)
    assert got["cons_at_3"]["value"] == pytest.approx(got["pass_at_1"]["value"])
    assert got["majority_at_3"]["value"] == pytest.approx(2 / 4)  # a and d: all wrong samples say the same
    assert got["runs"] == [2 / 4, 2 / 4, 2 / 4] and got["best_of_3"]["value"] == 2 / 4
    assert got["pass_at_1"]["n"] == 4
    low, high = got["pass_at_1"]["ci95"]
    assert 0 <= low < 0.5 < high <= 1
    assert json.loads(json.dumps(got)) == got


def test_runs_that_differ_have_a_best_one():
    got = e.summary(sampled("m", {"a": "110", "b": "010", "c": "011"}))
    assert got["runs"] == pytest.approx([1 / 3, 1, 1 / 3])
    assert got["best_of_3"]["value"] == 1 and got["pass_at_1"]["value"] == pytest.approx(5 / 9)


def test_how_episodes_went_by_hand():
    rows = e.score("m", [
        trajectory(n_calls=1, tokens=100, cost=0.5),
        trajectory(n_calls=3, tokens=300, cost=0.0, sample=1, stop="turn_cap"),
        trajectory(n_calls=2, tokens=200, cost=0.0, q="q2"),
    ])  # fmt: skip
    got = e.rates(rows)
    assert got["truncation_rate"]["value"] == pytest.approx((1 / 2 + 0) / 2)
    assert got["invalid_rate"]["value"] == pytest.approx((1 / 2 + 0) / 2)
    assert got["repetition_rate"]["value"] == 0 and got["repetition_rate"]["ci95"][1] > 0.1  # two questions say little
    assert got["tool_calls"]["value"] == 2 and got["tokens"]["value"] == 200
    assert got["cost"]["value"] == pytest.approx((0.25 + 0) / 2)


def test_seconds_are_those_of_an_episode_or_unknown():
    rows = sampled("m", {"a": "111", "b": "000"})
    assert e.summary(rows, seconds=3.0)["seconds"] == 0.5
    assert e.summary(rows)["seconds"] is None


def test_slices_hold_every_question_once():
    rows = sampled("m", {"a": "111"}, tag="count", hops=2) + sampled("m", {"b": "000", "c": "111"})
    got = e.summary(rows)
    assert {k: v["n"] for k, v in got["by_kind"].items()} == {"count": 1, "multihop": 2}
    assert {k: v["value"] for k, v in got["by_hops"].items()} == {"1": 0.5, "2": 1.0}


def test_slices_by_what_is_known_of_the_questions():
    rows = sampled("m", {"a": "111", "b": "000", "c": "110"})
    facts = {q: {"level": level, "language": "", "kind": "gaia"} for q, level in zip("abc", "112", strict=True)}
    got = e.slices(rows, facts)
    assert {k: v["value"] for k, v in got["by_level"].items()} == pytest.approx({"1": 0.5, "2": 2 / 3})
    assert list(got["by_kind"]) == ["gaia"] and "by_language" not in got
    facts["c"]["language"] = "zh"
    assert {k: v["n"] for k, v in e.slices(rows, facts)["by_language"].items()} == {"not told": 2, "zh": 1}
    with pytest.raises(ValueError, match="no facts of 1 questions .c"):
        e.slices(rows, {"a": {}, "b": {}})


def test_all_slices_are_checked_to_add_up_to_pass_at_1(monkeypatch):
    rows, checked = sampled("m", {"a": "111", "b": "001"}), {}
    monkeypatch.setattr(metrics, "add_up", lambda parts, total, name: checked.update({name: total["value"]}))
    e.summary(rows, facts={"a": {"level": "1"}, "b": {"level": "2"}})
    assert checked == dict.fromkeys(["by_kind", "by_hops", "by_level"], pytest.approx(2 / 3))


def test_two_models_in_one_summary_are_an_error():
    with pytest.raises(ValueError, match="sample 0 of question a twice .models sft and dapo"):
        e.summary(sampled("sft", {"a": "111"}) + sampled("dapo", {"a": "111"}))


def test_too_few_samples_is_an_error():
    with pytest.raises(ValueError, match="sample more"):
        e.summary(sampled("m", {"a": "11"}))


def test_difference_is_paired_by_question():
    got = e.difference(sampled("x", {"a": "111", "b": "110"}), sampled("y", {"a": "100", "b": "110"}))
    assert got["value"] == pytest.approx(1 / 3) and got["n"] == 2


@dataclass
class Episode:
    """The fields of `rollout.Episode` that scoring reads."""

    question_id: str
    sample: int
    messages: list
    prediction: str
    stop: str = "answer"
    n_calls: int = 1
    ids: tuple = (1, 2, 3)


def test_run_policy_scores_what_the_engine_brings():
    question = Question("q1", "Who?", "Ada Veron", "multihop", 2, split="eval")

    def engine(policy, questions, tools, *, samples, seed):
        return [Episode(q.id, s, trajectory().messages, "Ada Veron") for q in questions for s in range(samples)]

    rows = e.run_policy("sft", None, [question], None, engine=engine, samples=3, seed=0)
    assert [(p.model, p.correct, p.trajectory.sample) for p in rows] == [("sft", True, s) for s in range(3)]
    assert (rows[0].trajectory.hops, rows[0].trajectory.tag, rows[0].trajectory.tokens) == (2, "multihop", 3)


def test_run_endpoint_scores_what_react_brings(monkeypatch):
    from webdancer.agent import react

    monkeypatch.setattr(react, "many", lambda llm, questions, tools, **dials: [trajectory()])
    question = Question("q1", "Who?", "Ada Veron", "multihop", 2, split="eval")
    assert e.run_endpoint("teacher", None, [question], None)[0].correct


def test_choose_takes_eval_questions_only_and_draws_by_seed():
    questions = [Question(str(i), "Who?", "x", "multihop", 1, split="eval" if i % 2 else "rl") for i in range(40)]
    assert [q.id for q in e.choose(questions)] == [str(i) for i in range(1, 40, 2)]
    drawn = e.choose(questions, 5, seed=1)
    assert len(drawn) == 5 and drawn == e.choose(questions, 5, seed=1) != e.choose(questions, 5, seed=2)
    with pytest.raises(ValueError, match="split eval"):
        e.choose(questions[:1])


def test_no_questions_is_an_error():
    with pytest.raises(ValueError, match="split eval"):
        e.run_policy("sft", None, [], None, engine=lambda *a, **k: [])
