"""Accuracy within a budget of turns or tool calls, on hand-made episodes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer import evaluate_budget as b
from webdancer import metrics
from webdancer.core.schema import Trajectory
from webdancer.evaluate_predictions import Prediction, per_question


def played(question, sample, turns, correct, calls=None):
    """An episode of so many turns, one call in each but the last."""
    messages = [{"role": "user", "content": "Who?"}]
    for _ in range(turns):
        messages += [{"role": "assistant", "content": "x"}, {"role": "user", "content": "<tool_response>"}]
    calls = turns - 1 if calls is None else calls
    t = Trajectory(tuple(messages[:-1]), (("A",),), question_id=question, sample=sample, stop="answer", n_calls=calls)
    return Prediction("m", t, correct, True)


ROWS = [
    played("a", 0, 1, True), played("a", 1, 3, True),
    played("b", 0, 2, False), played("b", 1, 4, True),
]  # fmt: skip


def test_by_hand():
    got = b.curve(ROWS)
    assert [row["budget"] for row in got] == [1, 2, 3, 4]
    assert [row["value"] for row in got] == pytest.approx([1 / 4, 1 / 4, 2 / 4, 3 / 4])
    assert {row["n"] for row in got} == {2} and all(row["low"] <= row["value"] <= row["high"] for row in got)
    assert [row["value"] for row in b.curve(ROWS, "tool_calls")] == pytest.approx([1 / 4, 1 / 4, 2 / 4, 3 / 4])
    assert b.curve(ROWS, "tool_calls")[0]["budget"] == 0


def test_a_wrong_answer_stays_wrong_and_a_late_one_counts_from_its_turn():
    assert [row["value"] for row in b.curve([played("a", 0, 2, False), played("b", 0, 3, True)])] == [0.0, 0.0, 0.5]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 6), st.booleans()), min_size=1, max_size=12))
def test_a_curve_never_falls_and_ends_at_pass_at_1(episodes):
    rows = [played(q, i, turns, right) for i, (q, turns, right) in enumerate(episodes)]
    for by in b.SPENT:
        values = [row["value"] for row in b.curve(rows, by)]
        assert values == sorted(values)
        assert values[-1] == pytest.approx(
            metrics.estimate(list(per_question(rows, lambda p: p.correct).values()))["value"]
        )


def test_models_are_drawn_to_the_same_budget():
    rows = b.curves({"short": ROWS[:1], "long": [played("a", 0, 5, True)]})
    assert [(r["model"], r["budget"]) for r in rows] == [(m, n) for m in ("short", "long") for n in range(1, 6)]
    assert [r["value"] for r in rows] == [1.0] * 5 + [0.0] * 4 + [1.0]


def test_an_agent_that_called_nothing_has_one_point():
    assert [r["budget"] for r in b.curve([played("a", 0, 1, True)], "tool_calls")] == [0]


def test_enough_is_the_first_budget_that_brings_nearly_all():
    assert b.enough(b.curve(ROWS)) == 4 and b.enough(b.curve(ROWS), 0.6) == 3
    assert b.enough(b.curve([played("a", 0, 2, False)])) == 1  # nothing to bring


@pytest.mark.parametrize(("rows", "by"), [(ROWS, "dollars"), ([], "turns")])
def test_what_cannot_be_drawn_is_refused(rows, by):
    with pytest.raises(ValueError, match="wanted some and turns or tool_calls"):
        b.curve(rows, by)
    with pytest.raises(ValueError, match="wanted some and turns or tool_calls"):
        b.curves({"m": rows} if rows else {}, by)


def test_a_sealed_episode_is_refused():
    sealed = Trajectory(({"role": "sealed", "content": "00000000.xx"},), (), question_id="q9")
    with pytest.raises(ValueError, match="q9: the episode is sealed"):
        b.curve([Prediction("m", sealed, True, True)])
