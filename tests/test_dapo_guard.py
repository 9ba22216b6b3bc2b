"""Guards on synthetic logs: each alarm alone, none on a healthy run, and what stopping means."""

import math

import pytest

from webdancer import dapo_guard
from webdancer.dapo_guard import Guards, check

HEALTHY = {"entropy": 0.5, "reward": 0.5, "tokens_written": 100.0, "tool_calls": 3.0, "format_rate": 0.9}
HEALTHY |= {"pass_rate": 0.4, "live_share": 0.5}


def log(steps=20, **ends):
    """A run in which each named column goes in a line from its healthy value to the one given."""
    rows = []
    for n in range(steps):
        at = n / (steps - 1)
        rows.append({k: v + at * (ends.get(k, v) - v) for k, v in HEALTHY.items()} | {"step": n + 1})
    return rows


def names(rows, **bounds):
    return [alarm.name for alarm in check(rows, Guards(**bounds))]


def test_a_healthy_run_raises_nothing():
    assert names(log(reward=0.8, pass_rate=0.75, entropy=0.3, tokens_written=110.0, live_share=0.3)) == []


@pytest.mark.parametrize(
    ("ends", "name", "words"),
    [
        ({"entropy": 0.0}, "entropy_collapse", "lower lr"),
        ({"reward": 0.8, "tokens_written": 40.0}, "shortcut", "tokens written fell from"),
        ({"reward": 0.8, "tool_calls": 0.5}, "shortcut", "tool calls fell from"),
        ({"format_rate": 1.0, "pass_rate": 0.2}, "form_only", "more SFT first"),
        ({"live_share": 0.0}, "few_live_groups", "bound 10%"),
    ],
)
def test_each_failure_raises_its_own_alarm(ends, name, words):
    (alarm,) = check(log(**ends), Guards())
    assert (alarm.name, alarm.step) == (name, 20) and words in alarm.message
    assert name in dapo_guard.NAMES


def test_half_a_sign_is_none():
    assert names(log(tokens_written=40.0)) == []  # shorter, and no better for it
    assert names(log(format_rate=1.0)) == []
    assert names(log(pass_rate=0.2)) == []


def test_bounds_are_parameters():
    rows = log(entropy=0.3, reward=0.8, tokens_written=95.0)
    assert names(rows, entropy_share=0.9) == ["entropy_collapse"]
    assert names(rows, length_share=1.0) == ["shortcut"]  # the literal reading: reward without any growth in length
    assert names(rows, live_share=0.6) == ["few_live_groups"]


def test_nothing_is_said_before_two_windows_and_steps_without_numbers_count_for_nothing():
    assert names(log(9, entropy=0.0)) == []
    assert names(log(10, entropy=0.0), window=6) == []
    rows = [row | {"entropy": math.nan} for row in log()]
    assert names(rows) == []
    rows[0]["entropy"], rows[-1]["entropy"] = 1.0, 0.01
    assert names(rows) == ["entropy_collapse"]


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="stop_on=.'collapse'.*entropy_collapse, shortcut"):
        Guards(stop_on=("collapse",))
    with pytest.raises(ValueError, match="window=0"):
        Guards(window=0)
