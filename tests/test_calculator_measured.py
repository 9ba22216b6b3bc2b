"""Rates come from files that are there, and nothing is made up for those that are not."""

import json

import pytest

from webdancer.scale import calculator_measured as measured
from webdancer.scale import calculator_rates as rates
from webdancer.scale.calculator_given import Assumed, Line
from webdancer.scale.calculator_rates import Range


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def test_without_files_there_are_no_rates_and_the_live_share_is_assumed(root):
    assert measured.lines() == [] and measured.at_our_speed([], []) == []
    live, words = measured.live_share()
    assert live == Assumed().live and words.endswith("assumed")


def test_rates_are_those_of_the_files(root):
    results = root / "results"
    runs = {"ours": {"queries_per_second": {"runs": [900, 800, 1000]}}, "passages": 50}
    write(results / "bench" / "search.json", runs)
    three = {"three": {"searches_per_second": {"runs": [20, 30]}}}
    write(results / "bench" / "service.json", {"ours": three, "clients": 8, "workers": 2})
    write(results / "laptop" / "05_sft.json", {"metrics": {"parameters": 1000, "tokens_per_second": 2e6}})
    write(results / "laptop_seed1" / "05_sft.json", {"metrics": {"parameters": 1000, "tokens_per_second": 3e6}})
    ends = {"live_share": {"first": 0.2, "last": 0.6}}
    write(results / "laptop" / "06_dapo.json", {"metrics": ends})
    found = {x.what: x for x in measured.lines()}
    assert list(found) == [
        "searches, one thread",
        "searches, snapshot service",
        "SFT, tiny model",
        "operations reached",
    ]
    assert found["searches, snapshot service"].amount == Range(20, 30)
    assert (
        found["searches, one thread"].amount == Range(800, 1000) and "search.json" in found["searches, one thread"].how
    )
    assert found["operations reached"].amount == Range(12.0, 18.0)  # 6 * 1000 * 2e6 in 10^9
    assert measured.live_share()[0] == Range(0.2, 0.6)


def test_the_paper_at_our_speed_by_hand():
    ours = [
        Line("", "searches, one thread", Range(10, 10), "", ""),
        Line("", "operations reached", Range(1, 2), "", ""),
    ]
    work = rates.worked(rates.MODELS["32B"])
    planned = [
        Line("06 DAPO", "searches", Range(36_000, 72_000), "searches", ""),
        Line("05 SFT", "tokens", rates.of(1e9), "tokens", ""),
    ]
    searches, training = measured.at_our_speed(planned, ours)
    assert searches.amount == Range(1.0, 2.0)
    assert training.amount.high == pytest.approx(6 * work * 1e9 / 1e9 / 3600 / 24 / 365)
