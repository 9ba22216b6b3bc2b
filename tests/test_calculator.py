"""The calculator as a whole: on the paper's settings, its sums, its table, and its command line."""

import pytest

from webdancer.scale import calculator
from webdancer.scale import calculator_rates as rates
from webdancer.scale.calculator_given import Assumed, Line
from webdancer.scale.calculator_rates import Range


@pytest.fixture(scope="module")
def P():
    return calculator.settings("paper")


def test_every_stage_has_its_lines_and_every_guess_its_words(P):
    found = calculator.lines(P, Assumed())
    assert sorted({x.part[:2] for x in found}) == ["01", "02", "03", "04", "05", "06", "07"]
    unsaid = [(x.part, x.what) for x in found if x.amount.low < x.amount.high and not x.assumed]
    assert not unsaid
    assert all(x.how for x in found)


def test_sums_by_hand():
    two = [
        Line("a", "x", Range(1, 2), "GPU hours", ""),
        Line("b", "y", Range(3, 3), "GPU hours", ""),
        Line("b", "z", Range(10, 20), "US dollars", ""),
        Line("b", "s", Range(5, 6), "searches", ""),
    ]
    found = {x.what: x.amount for x in calculator.total(two, Assumed(gpu_price=Range(1, 10)))}
    assert found["GPU hours"] == Range(4, 5) and found["GPUs"] == Range(4, 50)
    assert found["money"] == Range(14, 70) and found["searches"] == Range(5, 6)


def test_the_table_has_three_digits():
    table = calculator.table([Line("a", "x", Range(1234.5, 0.98765e6), "hours", "h", "because")])
    assert table.iloc[0].tolist() == ["a", "x", 1230.0, 988000.0, "hours", "h", "because"]


def test_hours_by_gpus_leave_out_what_does_not_fit_and_never_grow(P):
    found = calculator.by_gpus(P, Assumed(), (1, 16, 64, 256))
    large = found[found["model"] == "72B"]
    assert large["gpus"].min() >= rates.fewest(rates.MODELS["72B"], Assumed().gpu, P["05_sft"]["max_length"])
    for _, part in found.groupby("model"):
        assert part["high"].is_monotonic_decreasing and part["low"].is_monotonic_decreasing
        assert (part["low"] >= part["slowest_low"]).all() and (part["high"] >= part["slowest_high"]).all()


def test_the_command_line_prints_numbers_with_their_reasons(capsys):
    assert calculator.main(["--gpu", "H100", "--gpus", "64", "--gpu-price", "2", "5"]) == 0
    shown = capsys.readouterr().out
    assert "05 SFT: training: " in shown and "gpu_price 2 to 5 (given on the command line)" in shown
    assert calculator.main(["--profile", "laptop"]) == 2  # no roles with prices there
    assert "Nothing was estimated. got no role 'short'" in capsys.readouterr().err
    assert calculator.main(["--gpus", "0"]) == 2
