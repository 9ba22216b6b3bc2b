"""Numbers of an arm: counted by hand, kept small, read back, and spread over seeds."""

import random
import statistics
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.core.protocol import Turn, render_response, render_turn
from webdancer.core.schema import Trajectory
from webdancer.evaluate import by_question
from webdancer.evaluate_predictions import Prediction
from webdancer.study import Arm
from webdancer.study_measure import SUMS, T975, VERDICTS, Results, counts, frame, habits, numbers, over_seeds, spread

LOOK = Turn("Next: mayor of Kestin.", "search", {"query": ["Kestin mayor"]})
CHECK = Turn("I check the results once more.", "search", {"query": ["kestin MAYOR"]})
DONE = Turn("Done.", answer="Tal Veron")


def trajectory(*turns, question="q1", sample=0, calls=0):
    said = [{"role": "assistant", "content": t if isinstance(t, str) else render_turn(t)} for t in turns]
    chat = [m for turn in said for m in (turn, {"role": "user", "content": render_response("Nothing.")})][:-1]
    return Trajectory(tuple(chat), (("Tal Veron",),), question_id=question, sample=sample, n_calls=calls, stop="answer")


def test_habits_by_hand():
    assert habits(trajectory(LOOK, CHECK, LOOK, DONE, calls=3)) == {
        "calls": 3,
        "turns": 4,
        "words": 4 + 6 + 4 + 1,
        "again": 2,  # the same words, however spelled
        "checking": 1,
    }


def test_what_cannot_be_read_is_no_repeated_call_and_its_thought_still_counts():
    broken = "<think>\nI verify this"
    assert habits(trajectory(broken, broken, "no tags at all")) == {
        "calls": 0,
        "turns": 3,
        "words": 6,
        "again": 0,
        "checking": 2,
    }


def test_checking_words_are_words_of_their_own():
    for thought, found in (
        ("Against it.", 0),
        ("Read it AGAIN.", 1),
        ("Rechecked.", 0),
        ("confirmed", 1),
        ("A rest", 0),
    ):
        assert habits(trajectory(Turn(thought, answer="x")))["checking"] == found, thought


def prediction(question, sample, right, valid=True, turns=(LOOK, DONE)):
    return Prediction("arm", trajectory(*turns, question=question, sample=sample, calls=len(turns) - 1), right, valid)


def test_counts_keep_every_verdict_and_numbers_come_back():
    rows = [prediction("b", s, right) for s, right in enumerate((True, False, False))]
    rows += [prediction("a", s, True, valid=s > 0, turns=(LOOK, LOOK, DONE)) for s in range(3)]
    kept = counts(random.Random(0).sample(rows, 6))
    assert kept["right"] == "111 100" and kept["invalid"] == "100 000" and kept["repeated"] == "000 000"
    assert kept["calls"] == "6 3" and kept["turns"] == "9 6" and kept["again"] == "3 0"
    assert kept["words"] == f"{3 * 9} {3 * 5}"
    found = numbers(kept)
    assert found["pass_at_1"].tolist() == pytest.approx([1.0, 1 / 3])
    assert found["pass_at_3"].tolist() == [1.0, 1.0]
    assert found["cons_at_3"].tolist() == pytest.approx([1.0, 1 / 3])
    assert found["invalid_rate"].tolist() == pytest.approx([1 / 3, 0.0])
    assert found["tool_calls"].tolist() == [2.0, 1.0] and found["repeated_calls"].tolist() == [1.0, 0.0]
    assert found["thought_words"].tolist() == [3.0, 2.5]


def test_counts_of_the_evaluation_are_the_evaluation_s_own():
    rows = [prediction(f"q{n}", s, (n * s) % 3 == 1) for n in range(5) for s in range(4)]
    found = numbers(counts(rows))["pass_at_1"]
    assert found.tolist() == [np.mean([p.correct for p in group]) for group in by_question(rows).values()]


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=5), min_size=1, max_size=20))
def test_best_of_three_is_never_below_the_mean(rows):
    kept = dict.fromkeys(VERDICTS, " ".join("".join("01"[v] for v in row) for row in rows))
    kept |= dict.fromkeys(SUMS, " ".join("0" for _ in rows))
    found = numbers(kept)
    assert (found["pass_at_3"] >= found["pass_at_1"] - 1e-12).all()
    assert len(found["pass_at_1"]) == len(rows)


def test_the_interval_over_seeds_by_hand():
    assert over_seeds([0.5]) is None
    low, high = over_seeds([0.4, 0.6])  # s = 0.1414, t = 12.706: 0.5 -+ 1.2706
    assert (low, high) == pytest.approx((-0.7706, 1.7706), abs=1e-4)
    assert over_seeds([0.3] * 4) == pytest.approx((0.3, 0.3))


def test_the_interval_over_seeds_covers_what_it_should():
    """With three seeds drawn from a normal distribution, 95 % of the intervals hold the truth."""
    chance = np.random.default_rng(0)
    held = [low <= 0.0 <= high for low, high in map(over_seeds, chance.normal(size=(4000, 3)))]
    assert 0.94 <= statistics.mean(held) <= 0.96


def test_more_seeds_than_the_table_has_get_its_last_value():
    each = [float(n % 2) for n in range(40)]
    low, high = over_seeds(each)
    assert (high - low) / 2 == pytest.approx(T975[-1] * np.std(each, ddof=1) / 40**0.5)


def results(labels, values):
    """Label to seed to the share right of each question, four samples each."""
    found = {}
    for label, arm in labels.items():
        for seed, row in values.get(label, {}).items():
            right = " ".join("1" * n + "0" * (4 - n) for n in row)
            kept = dict.fromkeys(VERDICTS, right) | dict.fromkeys(SUMS, " ".join("4" for _ in row))
            found[replace(arm, seed=seed).name] = kept
    return Results(found, labels, [0, 1, 2])


LABELS = {"sft": Arm(), "rl": Arm(practised=True)}
MADE = results(LABELS, {"sft": {0: [1, 2], 1: [2, 2]}, "rl": {0: [3, 4], 1: [4, 4], 2: [4, 0]}})


def test_differences_are_paired_by_seed_and_question():
    gain = MADE.combine([(1.0, "rl", "pass_at_1"), (-1.0, "sft", "pass_at_1")])
    assert gain.tolist() == [[0.5, 0.5], [0.5, 0.5]]  # seed 2 has no SFT to compare with
    found = spread(gain)
    assert (
        found.value == 0.5 and found.seeds == pytest.approx((0.5, 0.5)) and found.questions == pytest.approx((0.5, 0.5))
    )
    assert MADE.combine([(1.0, "none", "pass_at_1")]).size == 0


def test_a_number_of_no_seed_and_of_one():
    assert spread(np.empty((0, 0))).each == () and spread(np.empty((0, 0))).seeds is None
    one = spread(np.array([[0.0, 1.0]]))
    assert one.seeds is None and one.each == (0.5,) and one.questions is not None


def test_the_interval_of_a_share_ends_at_zero_and_one():
    low, high = MADE.spread("rl", "pass_at_1").seeds
    assert 0.0 <= low < high == 1.0


def test_a_frame_has_a_row_for_what_is_finished():
    rows = frame(MADE, ["sft", "rl", "none"], ["pass_at_1"])
    assert rows["label"].tolist() == ["sft", "rl"] and rows["each"].tolist() == [
        "0.3750 0.5000",
        "0.8750 1.0000 0.5000",
    ]
    assert rows["value"].tolist() == pytest.approx([0.4375, 0.7917], abs=1e-4)
    assert list(frame(MADE, [], []).columns) == list(rows.columns)
