"""Figures: what is drawn is what is in the data, and `save` writes both."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.figure import Figure

from webdancer.show import plots

WORDS = {"title": "Half are kept", "xlabel": "stage", "ylabel": "trajectories (count)"}


def test_save_writes_the_picture_and_its_data(root):
    data = pd.DataFrame({"stage": ["a", "b"], "kept": [4, 2]})
    path = plots.save(plots.bars(data, "stage", "kept", **WORDS), "funnel", data, "tiny")
    assert path == root / "results" / "tiny" / "figures" / "funnel.png"
    assert path.read_bytes().startswith(b"\x89PNG")
    assert pd.read_csv(path.with_suffix(".csv")).equals(data)


def test_the_same_figure_gives_the_same_bytes(root):
    data = pd.DataFrame({"stage": ["a"], "kept": [4]})
    first, second = (plots.save(plots.bars(data, "stage", "kept", **WORDS), n, data, "tiny") for n in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_a_figure_without_labels_is_refused(root):
    fig, (axis,) = plots.figure()
    axis.set_title("nothing else")
    with pytest.raises(ValueError, match="figure x: got an axis without title or labels"):
        plots.save(fig, "x", pd.DataFrame(), "tiny")
    assert not (root / "results" / "tiny" / "figures").exists()


def test_figures_are_closed_so_that_a_notebook_shows_them_once():
    plots.figure()
    assert plt.get_fignums() == []


def test_bars_in_groups_with_whiskers():
    data = pd.DataFrame(
        {"m": ["a", "a", "b"], "s": ["x", "y", "x"], "v": [1.0, 2.0, 3.0], "lo": [0.5] * 3, "hi": [4.0] * 3}
    )
    axis = plots.bars(data, "m", "v", group="s", low="lo", high="hi", **WORDS).axes[0]
    bars = [c for c in axis.containers if hasattr(c, "patches")]
    assert [[p.get_height() for p in c] for c in bars] == [[1.0, 3.0], [2.0]]
    assert [t.get_text() for t in axis.get_xticklabels()] == ["a", "b"]


def test_numbers_stand_in_their_order_although_the_first_group_lacks_the_first():
    data = pd.DataFrame({"hops": [3, 4, 1, 3], "kind": ["pair", "pair", "count", "count"], "v": [0.1, 0.2, 0.3, 0.4]})
    axis = plots.bars(data, "hops", "v", group="kind", **WORDS).axes[0]
    assert [t.get_text() for t in axis.get_xticklabels()] == ["1", "3", "4"]
    last = axis.containers[1].patches
    assert [round(p.get_x() + p.get_width() / 2, 2) for p in last] == [0.2, 1.2]  # the right half at 1 and 3


def test_the_funnel_shows_counts_and_shares():
    data = pd.DataFrame({"stage": ["in", "valid", "right"], "kept": [200, 180, 50]})
    axis = plots.funnel(data, title="A quarter is kept").axes[0]
    assert {"200 (100%)", "180 (90%)", "50 (25%)"} <= {t.get_text() for t in axis.texts}


def test_histogram_gives_whole_numbers_a_bar_each():
    axis = plots.histogram([1, 1, 3], title="t", xlabel="calls", ylabel="episodes").axes[0]
    assert [p.get_height() for p in axis.patches] == [2, 0, 1]


def test_histogram_of_nothing_and_of_reals():
    for values in ([], [0.1, 0.25]):
        assert isinstance(plots.histogram(values, title="t", xlabel="x (s)", ylabel="n"), Figure)


def test_curves_smooth_by_a_running_mean():
    data = pd.DataFrame({"step": [0, 1, 2], "reward": [0.0, 1.0, 0.5], "low": [1, 1, 1]})
    panels = {"reward (0 to 1)": "reward", "length (tokens)": ["reward", "low"]}
    fig = plots.curves(data, "step", panels, title="It rises", xlabel="step", smooth=2)
    assert [list(line.get_ydata()) for line in fig.axes[0].lines] == [[0.0, 1.0, 0.5], [0.0, 0.5, 0.75]]
    assert fig.axes[1].get_legend() is not None and fig.axes[0].get_title() == "reward"


def test_spare_panels_are_hidden(root):
    data = pd.DataFrame({"step": [0], **{c: [1.0] for c in "abcd"}})
    fig = plots.curves(data, "step", {c: c for c in "abcd"}, title="t", xlabel="step", columns=3)
    assert [a.axison for a in fig.axes] == [True] * 4 + [False] * 2
    plots.save(fig, "four", data, "tiny")


def test_intervals_are_listed_from_the_top():
    data = pd.DataFrame({"name": ["base", "sft"], "value": [0.1, 0.6], "low": [0.0, 0.5], "high": [0.2, 0.7]})
    axis = plots.intervals(data, title="t", xlabel="Pass@1", zero=True).axes[0]
    assert axis.get_ylim()[0] > axis.get_ylim()[1]
    assert [t.get_text() for t in axis.texts] == ["0.10", "0.60"]


def test_bars_across_carry_their_numbers():
    axis = plots.bars_across(pd.DataFrame({"why": ["no text", "404"], "n": [3, 1]}), "why", "n", **WORDS).axes[0]
    assert [t.get_text() for t in axis.texts] == ["3", "1"]


def test_linked_pages_lie_closer_than_others():
    names = [f"{g}{i}" for g in "ab" for i in range(6)]
    edges = [(x, y) for x in names for y in names if x < y and x[0] == y[0]]
    at = dict(zip(names, plots._spring([(names.index(x), names.index(y)) for x, y in edges], 12, 0, 80), strict=True))

    def mean(pairs):
        gaps = [((at[x][0] - at[y][0]) ** 2 + (at[x][1] - at[y][1]) ** 2) ** 0.5 for x, y in pairs]
        return sum(gaps) / len(gaps)

    apart = [(x, y) for x in names for y in names if x[0] == "a" and y[0] == "b"]
    assert mean(edges) < 0.7 * mean(apart)
    fig = plots.link_graph(edges + [("a0", "not drawn")], {n: n[0] for n in names}, title="Two clusters")
    assert len(fig.axes[0].lines) == len(edges)
