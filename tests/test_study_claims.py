"""The rule, by hand and by its laws, and a finding set beside numbers made for the purpose."""

import json
import statistics
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.show import lessons
from webdancer.study_claims import VERDICTS, WAYS, Claim, decide, minus, rule

numbers = st.floats(-1, 1)
intervals = st.lists(st.tuples(numbers, numbers).map(lambda p: tuple(sorted(p))), min_size=1, max_size=3)


@pytest.mark.parametrize(
    ("way", "bound", "found", "verdict"),
    [
        ("above", 0.0, [(0.01, 0.2), (0.02, 0.1)], "agrees"),
        ("above", 0.0, [(0.01, 0.2), (0.0, 0.1)], "cannot tell"),
        ("above", 0.0, [(0.0, 0.0)], "cannot tell"),
        ("above", 0.0, [(0.01, 0.2), (-0.01, 0.1)], "cannot tell"),
        ("above", 0.0, [(-0.3, -0.1), (-0.2, -0.01)], "disagrees"),
        ("above", 0.0, [(-0.3, -0.1), (0.1, 0.2)], "cannot tell"),
        ("below", 0.1, [(0.0, 0.0), (0.0, 0.06)], "agrees"),
        ("below", 0.1, [(0.2, 0.5), (0.3, 0.4)], "disagrees"),
        ("near", 0.05, [(-0.04, 0.04)], "agrees"),
        ("near", 0.05, [(-0.02, 0.08)], "cannot tell"),
        ("near", 0.05, [(0.06, 0.3), (0.1, 0.2)], "disagrees"),
        ("near", 0.05, [(0.06, 0.3), (-0.3, -0.1)], "cannot tell"),
        ("near", 0.05, [(-0.5, 0.5)], "cannot tell"),
        ("above", 0.0, [None, (0.1, 0.2)], "cannot tell"),
        ("above", 0.0, [], "cannot tell"),
    ],
)
def test_the_rule_by_hand(way, bound, found, verdict):
    assert rule(way, bound, found) == verdict


def test_an_unknown_way_is_refused():
    with pytest.raises(ValueError, match="got way='beside', wanted one of above, below, near"):
        rule("beside", 0.0, [])


@given(st.sampled_from(WAYS), st.floats(0, 0.5), intervals)
def test_a_wider_interval_never_decides_more(way, bound, found):
    wider = [(a - 0.1, b + 0.1) for a, b in found]
    assert rule(way, bound, wider) in (rule(way, bound, found), "cannot tell")


@given(intervals)
def test_the_other_way_round_is_the_other_verdict(found):
    flipped = [(-b, -a) for a, b in found]
    pair = rule("above", 0.0, found), rule("below", 0.0, flipped)
    assert pair[0] == pair[1]
    other = {"agrees": "disagrees", "disagrees": "agrees", "cannot tell": "cannot tell"}
    assert rule("below", 0.0, found) == other[pair[0]]


class Made:
    """Stands for `Results`: gives back the numbers it was made with."""

    def __init__(self, values):
        self.values = np.array(values)

    def combine(self, terms):
        return self.values


def claim(**more):
    return Claim("practice", "RL helps", "gain", minus("rl", "sft", "pass_at_1"), **more)


def test_a_finding_beside_ours():
    sure = Made([[0.2, 0.3, 0.1, 0.2] * 10, [0.3, 0.2, 0.2, 0.1] * 10, [0.2, 0.2, 0.2, 0.2] * 10])
    row = decide(claim(caveat="Only a toy."), sure)
    assert row["verdict"] == "agrees" and row["seeds"] == 3 and row["value"] == pytest.approx(0.2)
    assert row["why"].startswith("+20.0 points; over seeds +20.0 to +20.0 points, over questions ")
    assert row["why"].endswith("both lie above zero. Only a toy.")
    assert decide(claim(way="below"), sure)["verdict"] == "disagrees"
    assert "neither reaches below zero" in decide(claim(way="below"), sure)["why"]


def test_seeds_that_differ_or_are_missing_leave_it_open():
    apart = decide(claim(), Made([[0.3] * 40, [0.0] * 40, [0.1] * 40]))
    assert apart["verdict"] == "cannot tell" and "not clearly above zero" in apart["why"]
    alone = decide(claim(), Made([[0.3] * 40]))
    assert (alone["verdict"], alone["over seeds"]) == ("cannot tell", None)
    assert alone["why"] == "1 finished seed(s), so there is no interval over seeds."
    none = decide(claim(), Made(np.empty((0, 0))))
    assert (none["verdict"], none["value"], none["seeds"]) == ("cannot tell", None, 0)


def test_zeros_on_both_sides_are_no_agreement():
    """Two policies that answer nothing do not differ, and that says nothing of what was changed between them."""
    nothing = Made([[0.0] * 9, [0.0] * 9])
    row = decide(claim(way="near", bound=0.05), nothing)
    assert (row["verdict"], row["why"]) == ("cannot tell", "All of them are zero throughout: nothing to compare.")
    alone = Claim("practice", "RL alone fails", "Pass@3", ((1.0, "RL alone", "pass_at_3"),), "below", 0.1)
    assert decide(alone, nothing)["verdict"] == "cannot tell"  # nine questions allow for a third of them
    assert decide(alone, Made([[0.0] * 200, [0.0] * 200]))["verdict"] == "agrees"


def test_amounts_are_shown_as_they_are():
    row = decide(Claim("patterns", "more", "calls", minus("rl", "sft", "tool_calls")), Made([[0.5] * 9, [0.5] * 9]))
    assert row["why"].startswith("+0.50; over seeds +0.50 to +0.50")
    near = decide(claim(way="near", bound=0.05), Made([[0.01] * 9, [0.01] * 9]))
    assert near["verdict"] == "agrees" and "both lie within 5.0 points of zero" in near["why"]


def test_a_difference_may_be_of_two_metrics():
    assert minus("a", "b", "pass_at_1", "pass_at_3") == ((1.0, "a", "pass_at_1"), (-1.0, "b", "pass_at_3"))
    assert set(VERDICTS) == {"agrees", "disagrees", "cannot tell"}


def test_the_exercises_of_the_notebook_accept_a_right_solution():
    notebook = json.loads((Path(__file__).parents[1] / "notebooks" / "08_analyze.ipynb").read_text(encoding="utf-8"))
    (cell,) = (source for c in notebook["cells"] if "mine_rule = None" in (source := "".join(c["source"])))
    for name, solution in (
        ("mine", "lambda each: 4.303 * statistics.stdev(each) / 3**0.5"),
        ("mine_rule", "lambda bound, low, high: rule('below', bound, [(low, high)])"),
    ):
        assert f"\n{name} = None\n" in f"\n{cell}"
        cell = f"\n{cell}".replace(f"\n{name} = None\n", f"\n{name} = {solution}\n").lstrip("\n")
    verdicts = []
    check = SimpleNamespace(check=lambda *given: verdicts.append(lessons.check(*given)))
    exec(cell, {"lessons": check, "statistics": statistics, "rule": rule})
    assert verdicts == [True, True]
