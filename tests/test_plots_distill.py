"""webdancer.show.plots_distill: titles say what the numbers say, and every axis is labelled."""

import pandas as pd
from fake_agent import ask

from webdancer import distill_tables
from webdancer.core.schema import Trajectory
from webdancer.show import plots, plots_distill


def done(name, calls):
    return Trajectory((), ((ask().answer,),), question_id=name, style="short", n_calls=calls, prediction="Tal Veron")


def test_by_rewrites(root):
    rows = [done(f"{q}.n{n}", 1 + 2 * n) for q in "ab" for n in range(3)]
    harder = distill_tables.difficulty(rows)
    figure = plots_distill.by_rewrites(harder)
    assert figure.axes[0].get_title() == "A rewrite changes the tool calls by +2.0"
    assert [p.get_height() for p in figure.axes[0].patches] == [1, 3, 5]
    plots.save(figure, "by_rewrites", harder, "tiny")
    assert (root / "results" / "tiny" / "figures" / "by_rewrites.csv").is_file()
    assert plots_distill.by_rewrites(distill_tables.difficulty([])).axes[0].get_title() == "No rewritten question here"


def test_by_hops():
    calls = pd.DataFrame({"style": ["short"] * 2, "hops": [1, 2], "tool_calls": [1.26, 2.5], "episodes": [3, 4]})
    assert plots_distill.by_hops(calls).axes[0].get_title() == "From 1.3 to 2.5 tool calls, by hops"


def test_right_samples():
    counts = pd.DataFrame({"right samples": [0, 1, 2], "questions": [1, 1, 6]})
    assert plots_distill.right_samples(counts).axes[0].get_title() == "12.5% of the questions have no right sample"
