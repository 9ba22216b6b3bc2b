"""Scoring, tables, error classes and the predictions file, on hand-made episodes."""

import json
from dataclasses import dataclass, replace

import pytest

from webdancer import evaluate as e
from webdancer.core import protocol
from webdancer.core.schema import Question, Trajectory

SEARCH = protocol.render_turn(protocol.Turn("Look.", "search", {"query": ["Kestin mayor"]}))
READ = "A search for 'Kestin mayor' found 1 results:\n\n## Web Results\n1. [Kestin](http://a.test/k)\n\n{}"


def trajectory(
    said="Ada Veron", gold="Ada Veron", read="Its mayor is Ada Veron.", stop="answer", q="q1", sample=0, **more
):
    turns = [
        {"role": "system", "content": "Search, visit, answer."},
        {"role": "user", "content": "Who is the mayor of Kestin?"},
        {"role": "assistant", "content": SEARCH},
        {"role": "user", "content": protocol.render_response(READ.format(read))},
    ]
    if stop == "answer":
        turns.append({"role": "assistant", "content": protocol.render_turn(protocol.Turn("Done.", answer=said))})
    fields = {"tag": "multihop", "hops": 1, "n_calls": 1, **more}
    return Trajectory(tuple(turns), ((gold,),), question_id=q, sample=sample, prediction=said, stop=stop, **fields)


def one(**keywords):
    return e.score("m", [trajectory(**keywords)])[0]


def test_score_gives_both_verdicts():
    assert (one().correct, one().valid) == (True, True)
    assert (one(said="Bo Lind").correct, one(said="Bo Lind").valid) == (False, True)
    assert not one(stop="cut").correct and not one(stop="cut").valid


@pytest.mark.parametrize(
    ("keywords", "wanted"),
    [
        ({}, "right"),
        ({"stop": "cut"}, "cut off"),
        ({"stop": "malformed"}, "format"),
        ({"said": "unknown"}, "gave up"),
        ({"said": "4", "gold": "3", "tag": "count"}, "miscounted"),
        ({"said": "Bo Lind"}, "seen, not chosen"),
        ({"said": "Bo Lind", "read": "Its mayor is Bo Lind."}, "wrong path"),
        ({"said": "Bo Lind", "read": "Nothing here."}, "unsupported"),
    ],
)
def test_outcome_rules(keywords, wanted):
    assert e.outcome(one(**keywords)) == wanted


def test_every_outcome_is_named_and_shares_add_up():
    rows = [one(), one(said="unknown"), one(said="Bo Lind"), one(stop="turn_cap")]
    shares = e.outcomes(rows)
    assert tuple(shares) == e.OUTCOMES and sum(shares.values()) == pytest.approx(1)
    assert shares["right"] == 0.25
    assert set(e.examples(rows)) == {"right", "gave up", "seen, not chosen", "cut off"}


def sampled(name, pattern, **fields):
    """`pattern`: question to a string of 1 (right) and 0."""
    rows = [
        trajectory("Ada Veron" if c == "1" else "Bo Lind", q=q, sample=i, **fields)
        for q, verdicts in pattern.items()
        for i, c in enumerate(verdicts)
    ]
    return e.score(name, rows)


def test_summary_by_hand():
    got = e.summary(sampled("m", {"a": "111", "b": "100", "c": "000", "d": "011"}))
    assert got["pass_at_1"]["value"] == pytest.approx((1 + 1 / 3 + 0 + 2 / 3) / 4)
    assert got["pass_at_3"]["value"] == pytest.approx(3 / 4)
    assert got["cons_at_3"]["value"] == pytest.approx(got["pass_at_1"]["value"])
    assert got["pass_at_1"]["n"] == 4
    low, high = got["pass_at_1"]["ci95"]
    assert 0 <= low < 0.5 < high <= 1
    assert got["tool_calls"]["value"] == 1 and got["invalid_rate"]["value"] == 0
    assert json.loads(json.dumps(got)) == got


def test_slices_hold_every_question_once():
    rows = sampled("m", {"a": "111"}, tag="count", hops=2) + sampled("m", {"b": "000", "c": "111"})
    got = e.summary(rows)
    assert {k: v["n"] for k, v in got["by_kind"].items()} == {"count": 1, "multihop": 2}
    assert {k: v["value"] for k, v in got["by_hops"].items()} == {"1": 0.5, "2": 1.0}


def test_too_few_samples_is_an_error():
    with pytest.raises(ValueError, match="sample more"):
        e.summary(sampled("m", {"a": "11"}))


def test_difference_is_paired_by_question():
    got = e.difference(sampled("x", {"a": "111", "b": "110"}), sampled("y", {"a": "100", "b": "110"}))
    assert got["value"] == pytest.approx(1 / 3) and got["n"] == 2


def test_repetition_counts_ten_grams_of_the_model_only():
    line = "one two three four five six seven eight nine ten "
    talk = trajectory()
    loud = {"role": "assistant", "content": protocol.render_turn(protocol.Turn(line * 5, answer="x"))}
    assert not e.repeats(talk)
    assert e.repeats(replace(talk, messages=(*talk.messages[:-1], loud)))
    assert not e.repeats(trajectory(read=line * 9))


def test_predictions_survive_the_file(tmp_path):
    rows = sampled("sft", {"a": "10"})
    assert e.write_predictions(tmp_path / "p.jsonl", rows) == 2
    assert e.read_predictions(tmp_path / "p.jsonl") == rows
    first = json.loads((tmp_path / "p.jsonl").read_text().splitlines()[0])
    assert (first["model"], first["correct"], first["question_id"]) == ("sft", True, "a")


@pytest.mark.parametrize("line", ["{", "[]", '{"model": "m"}'])
def test_a_malformed_prediction_names_file_and_line(tmp_path, line):
    e.write_predictions(tmp_path / "p.jsonl", sampled("m", {"a": "1"}))
    with (tmp_path / "p.jsonl").open("a") as out:
        out.write(line + "\n")
    with pytest.raises(ValueError, match="p.jsonl, line 2"):
        e.read_predictions(tmp_path / "p.jsonl")


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
