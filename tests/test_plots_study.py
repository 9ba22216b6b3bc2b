"""Figures of the study from made-up rows: titles say what the rows say, every seed is drawn, gaps do no harm."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from study_files import SETUP

from webdancer import study
from webdancer.show import plots, plots_study
from webdancer.study_measure import METRICS


def rows(values=None, labels=None):
    """Rows as `study_measure.frame` makes them: 0.5 for every label and metric, but what `values` says."""
    found = [
        {
            "label": label,
            "metric": m,
            "value": v,
            "low": v - 0.1,
            "high": v + 0.1,
            "each": f"{v - 0.05:.4f} {v + 0.05:.4f}",
        }
        for label in labels or study.labels(SETUP)
        for m in METRICS
        for v in [(values or {}).get((label, m), 0.5)]
    ]
    return pd.DataFrame(found)


def drawn(data):
    return [
        plots_study.practice_figure(data),
        plots_study.data_figure(data, SETUP),
        plots_study.thoughts_figure(data, SETUP),
        plots_study.temperature_figure(data, SETUP),
        plots_study.patterns_figure(data),
    ]


def test_every_panel_has_a_title_and_labels(root):
    for i, fig in enumerate(drawn(rows())):
        assert plots.save(fig, f"08_{i}", rows(), "tiny").is_file()
        assert fig.get_suptitle()


def test_figures_of_an_unfinished_study():
    fig = drawn(rows(labels=["short", "long, RL"]))[0]
    plt.figure(fig)
    fig.canvas.draw()
    assert "nan" in fig.get_suptitle()


def test_titles_state_the_finding():
    data = rows({("short", "pass_at_1"): 0.3, ("short, RL", "pass_at_1"): 0.6, ("unfiltered", "pass_at_1"): 0.25})
    assert plots_study.practice_figure(data).get_suptitle().startswith("RL takes Pass@1 from 30% to 60% with short")
    assert plots_study.data_figure(data, SETUP).get_suptitle().startswith("Filtered 30%, unfiltered 25%")
    more = rows({("long, width 32", "invalid_rate"): 0.8, ("short, RL", "tool_calls"): 0.75})
    assert "+30 points at width 32 and +0 points at width 64" in plots_study.thoughts_figure(more, SETUP).get_suptitle()
    assert "tool calls by +0.25 (short)" in plots_study.patterns_figure(more).get_suptitle()


def test_every_seed_is_a_dot_and_the_mean_has_its_interval():
    _, (axis,) = plots.figure()
    plots_study.panel(axis, rows(), {"a": [("x", "short", "pass_at_1")], "b": [("y", "long", "pass_at_1")]})
    small = [line for line in axis.lines if len(line.get_ydata()) == 2 and line.get_markersize() == 4.0]
    assert [list(line.get_ydata()) for line in small] == [[0.45, 0.55]] * 2
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["x", "y"]
    assert len(axis.containers) == 2


def test_one_seed_has_no_interval_and_is_drawn():
    data = rows().assign(low=float("nan"), high=float("nan"), each="0.5000")
    fig = plots_study.practice_figure(data)
    plt.figure(fig)
    fig.canvas.draw()


def test_curves_of_practice_and_their_rows():
    log = {name: [[0.1, 0.2, 0.3], [0.2, 0.4]] for name in ("pass_rate", "tool_calls", "tokens_written")}
    fig = plots_study.curves_figure({"short": log, "long": {}})
    assert fig.get_suptitle() == "short: right on 24% of the first rollouts, 24% of the last"  # 1.2 / 5
    assert plots_study.curves_figure({}).get_suptitle() == "No arm has practised yet"
    assert list(fig.axes[0].lines[0].get_xdata()) == [1, 2]
    assert list(fig.axes[0].lines[0].get_ydata()) == pytest.approx(
        [0.15, 0.225]
    )  # means of 5 steps or as many as there are
    data = plots_study.curve_rows({"short": log})
    assert len(data) == 3 * 5 and data.iloc[0].tolist() == ["short", "pass_rate", 0, 1, 0.1]
