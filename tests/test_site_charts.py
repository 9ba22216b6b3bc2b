"""Charts as SVG: round ticks, points where they belong, names escaped."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.show import site_charts

NUMBER = st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-6)


@given(NUMBER, NUMBER)
def test_ticks_are_few_and_reach_around(a, b):
    low, high = min(a, b), max(a, b)
    found = site_charts.ticks(low, high)
    room = (high - low) or abs(high) or 1.0
    assert found == sorted(found) and 2 <= len(found) <= 7
    assert found[0] <= low + 1e-6 * room and found[-1] >= high - 1e-6 * room


def test_ticks_by_hand():
    assert site_charts.ticks(0, 7.3) == [0, 2, 4, 6, 8]
    assert site_charts.ticks(0, 100) == [0, 50, 100]


def test_a_line_runs_from_edge_to_edge():
    drawn = site_charts.chart("Loss", {"a": [(0, 0.0), (10, 4.0)]}, "step")
    points = re.search(r'points="([^"]+)"', drawn)[1].split()
    left, bottom = site_charts.LEFT, site_charts.HEIGHT - site_charts.BOTTOM
    right, top = site_charts.WIDTH - site_charts.RIGHT, site_charts.TOP
    assert points == [f"{left:.1f},{bottom:.1f}", f"{right:.1f},{top:.1f}"]
    assert 'aria-label="Loss: a ends at 4"' in drawn and 'class="key"' not in drawn


def test_lines_are_told_apart_and_names_escaped():
    drawn = site_charts.chart("T", {"<a>": [(0, 1.0)], "b": [(1, math.nan), (2, 2.0)]}, "x<y")
    assert 'class="line l0"' in drawn and 'class="line l1"' in drawn
    assert "&lt;a&gt;" in drawn and "<a>" not in drawn and "x&lt;y" in drawn and "nan" not in drawn


def test_nothing_to_draw_is_an_error():
    with pytest.raises(ValueError, match="Loss: got 1 series with 0 points"):
        site_charts.chart("Loss", {"a": [(0, math.nan)]}, "step")
    with pytest.raises(ValueError, match="got 5 series"):
        site_charts.chart("Loss", {str(i): [(0, 1.0)] for i in range(5)}, "step")


def test_smoothing_keeps_a_constant_and_means_what_came_before():
    assert site_charts.smooth([(i, 3.0) for i in range(9)]) == [(i, 3.0) for i in range(9)]
    assert site_charts.smooth([(0, 0.0), (1, 6.0), (2, 0.0), (3, 3.0)], 3) == [(0, 0), (1, 3), (2, 2), (3, 3)]
