"""The log: what a row says, that the file is complete, that the marker's numbers are no NaN."""

import json
import math

import pytest
from test_dapo_batch import Episode

from webdancer import dapo_log
from webdancer.dapo_batch import Batch, make_group


def batch() -> Batch:
    live = make_group([Episode(prediction="Kestin"), Episode(n_calls=3)], "Kestin", 0)
    dead = make_group([Episode(stop="cut", format_ok=False), Episode()], "Kestin", 1)
    return Batch([live], live + dead, right=[1, 0], rounds=1)


def test_describe_by_hand():
    row = dapo_log.describe(batch())
    assert row["pass_rate"] == 0.25 and row["format_rate"] == 0.75 and row["truncated"] == 0.25
    assert row["reward"] == pytest.approx((1.0 + 0.1 + 0.0 + 0.1) / 4)
    assert (row["tokens_written"], row["tokens_total"], row["tool_calls"]) == (2, 4, 1.5)
    assert (row["live_share"], row["sampled"], row["rounds"]) == (0.5, 4, 1)


def test_mean_gap_by_hand():
    assert dapo_log.mean_gap([[[-1.0, -2.0]], [[0.0]]], [[[-1.5, -2.0]], [[1.0]]]) == pytest.approx(0.5)


def test_summary_is_json_without_nan():
    names = ("entropy", "clip_low", "clip_high", "seconds", "seconds_rollout", "logp_gap")
    rows = [{**dapo_log.describe(batch()), **dict.fromkeys(names, math.nan), "used": 2} for _ in range(3)]
    rows[2]["entropy"] = 0.5
    got = dapo_log.summary(rows)
    assert json.loads(json.dumps(got, allow_nan=False))["entropy"] == {"first": None, "last": 0.5}
    assert (got["sampled"], got["used"], got["steps"]) == (12, 6, 3)


def test_rows_of_a_group_show_what_was_said_and_what_it_earned():
    first, second = dapo_log.rows_of(batch().live[0])
    assert (first["answer"], first["right"], first["reward"], second["calls"]) == ("Kestin", True, 1.0, 3)
    assert (first["tokens"], first["new"], second["tokens"], second["new"]) == (4, 4, 4, 0)  # they say the same
    assert first["advantage"] == -second["advantage"] == pytest.approx(0.7071, abs=1e-4)
