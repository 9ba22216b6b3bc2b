"""Figures of 06_dapo: what is drawn, and that every axis says what it shows."""

import numpy as np
import pandas as pd
import pytest

from webdancer.show import plots
from webdancer.show import plots_training as t

LOG = pd.DataFrame(
    {
        "step": range(1, 7),
        "pass_rate": np.linspace(0.2, 0.6, 6),
        "reward": np.linspace(0.3, 0.65, 6),
        "dev": [np.nan, 0.3, np.nan, 0.5, np.nan, 0.6],
        "entropy": 0.2,
        "clip_low": 0.01,
        "clip_high": 0.02,
        "tokens_written": 80.0,
        "live_share": 0.5,
        "grad_norm": 1.0,
    }
)


def complete(fig):
    assert all(a.get_xlabel() and a.get_ylabel() and a.get_title() for a in fig.axes if a.axison)


def test_training_curves_join_the_dev_measurements_and_leave_the_log_alone():
    fig = t.training_curves(LOG, "It rises", smooth=1)
    assert len(fig.axes) == 6
    complete(fig)
    dev = fig.axes[0].lines[2].get_ydata()
    assert np.isnan(dev[0]) and dev[2] == pytest.approx(0.4)
    assert LOG["dev"].isna().sum() == 3


def test_a_log_without_dev_or_of_one_step_is_drawn_too():
    t.training_curves(LOG.assign(dev=np.nan).head(1), "One step")


def test_surrogate_curve_is_flat_beyond_the_clip_on_one_side_only():
    fig = t.surrogate_curve(0.2, 0.28, [0.9, 1.0, 1.1])
    complete(fig)
    good, bad = (np.array(a.lines[0].get_xydata()) for a in fig.axes)
    assert good[:, 1].max() == pytest.approx(1.28) and good[:, 1].min() == pytest.approx(0.4)
    assert bad[:, 1].max() == pytest.approx(-0.8) and bad[:, 1].min() == pytest.approx(-1.7)


def test_heat_grid_by_hand():
    grid, read = t.heat_grid([[False, True], [False, True, False]], [2.0, -0.5])
    assert np.array_equal(grid, [[np.nan, 2.0, np.nan], [np.nan, -0.5, np.nan]], equal_nan=True)
    assert read.tolist() == [[True, False, False], [True, False, True]]  # padding is neither read nor written


def test_advantage_heat_is_saved_and_refuses_unequal_input(monkeypatch, tmp_path):
    monkeypatch.setattr(plots.record, "results_dir", lambda profile: tmp_path)
    fig = t.advantage_heat([[False, True], [False, True]], [0.7, -0.7], "One right")
    assert plots.save(fig, "heat", pd.DataFrame({"a": [1]}), "quick").is_file()
    with pytest.raises(ValueError, match="1 masks and 2 advantages"):
        t.advantage_heat([[True]], [1.0, 2.0], "x")
    t.advantage_heat([[True]], [0.0], "A dead group")


def test_group_rewards_counts_every_group_once_and_hatches_the_dead():
    groups = pd.DataFrame({"step": [1, 1, 1, 2, 2], "right": [0, 3, 8, 8, 7]})
    fig = t.group_rewards(groups, "Dead groups are hatched", 8)
    complete(fig)
    parts = fig.axes[0].containers
    heights = {n: [bar.get_height() for bar in part] for n, part in enumerate(parts)}
    assert {n: h for n, h in heights.items() if any(h)} == {0: [1, 0], 3: [1, 0], 7: [0, 1], 8: [1, 1]}
    assert [bool(part.patches[0].get_hatch()) for part in parts] == [True, *[False] * 7, True]
    assert [bar.get_y() for bar in parts[8]] == [2, 1]  # stacked on what lies below


def test_clip_figure_counts_the_tokens_that_the_clip_stops():
    ratios = [1.0, 1.3, 1.5, 0.5, 0.7, 0.9, 1.5, 9.0]
    advantages = [1.0, 0.5, -1.0, 1.0, -0.5, -0.5, 0.0, 2.0]
    fig = t.clip_figure(0.2, 0.28, ratios, advantages)
    complete(fig)
    assert [a.get_title() for a in fig.axes[2:]] == ["4 tokens, 2 beyond the clip", "3 tokens, 1 beyond the clip"]
    assert fig.get_suptitle() == "The clip stops 3 of 8 tokens of this batch"
    assert sum(bar.get_height() for bar in fig.axes[2].patches) == 4  # 9.0 is drawn at the edge, not left out
    t.clip_figure(0.2, 0.28, [], [])


def test_growth_figure_says_how_much_more_time_how_much_more_size_takes():
    growth = pd.DataFrame(
        {
            "what": ["group size"] * 2 + ["parameters"] * 2,
            "value": [16, 4, 1e5, 4e5],
            "rollout": 1.0,
            "update": [3, 0.0, 0, 7],
        }
    )
    fig = t.growth_figure(growth)
    complete(fig)
    assert fig.axes[0].get_title() == "4 times the group size:\n4 times the time"
    assert fig.axes[1].get_title() == "4 times the parameters:\n8 times the time"
