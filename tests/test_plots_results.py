"""Tables and figures of 07_evaluate from a hand-made marker."""

import pandas as pd
import pytest
from episodes import sampled

from webdancer.evaluate_budget import curves
from webdancer.show import plots_results as r


def part(value, n=10):
    return {"value": value, "n": n, "ci95": [max(0.0, value - 0.1), value + 0.1]}


def model(value):
    names = (*r.SCORES, "best_of_3", *r.RATES)
    slices = {"by_kind": {"count": part(value), "multihop": part(value)}, "by_hops": {"1": part(value)}}
    return {**{name: part(value) for name in names}, **slices}


MODELS = {"sft": model(0.5), "dapo": model(0.7)}


def test_flat_and_slices_keep_value_and_interval():
    rows = r.flat(MODELS)
    assert len(rows) == 2 * 8
    first = rows.iloc[0]
    assert (first.model, first.metric, first.value, first.low, first.n) == ("sft", "pass_at_1", 0.5, 0.4, 10)
    assert list(r.slices(MODELS, "by_kind")["slice"]) == ["count", "multihop"] * 2


def test_hardest_slice_of_a_model():
    models = {"sft": model(0.5), "dapo": model(0.7)}
    models["dapo"]["by_kind"]["multihop"] = part(0.6)
    assert r.hardest(r.slices(models, "by_kind", "by_hops"), "dapo") == "kind multihop"
    assert r.hardest(r.slices(models, "by_hops", "by_kind"), "sft") == "hops 1"


def test_table_is_in_percent():
    table = r.table(MODELS)
    assert table.loc["dapo", "pass_at_1"] == "70.0 [60.0, 80.0]"
    assert table.loc["dapo", "best_of_3"] == "70.0 [60.0, 80.0]" and "tool_calls" not in table
    assert table.loc["sft", "questions"] == "10"


@pytest.mark.parametrize(
    "fig",
    [
        r.scores_figure(MODELS, "DAPO lifts"),
        r.outcomes_figure(pd.DataFrame({"right": [0.6, 0.8], "gave up": [0.4, 0.2]}, index=["sft", "dapo"]), "Ends"),
    ],
)
def test_figures_name_their_axes(fig):
    (axis,) = fig.axes
    assert axis.get_title() and axis.get_xlabel() and axis.get_ylabel()
    assert len(axis.containers) >= 2


OLD, NEW = sampled("sft", {"a": "000", "b": "111"}), sampled("dapo", {"a": "111", "b": "110"})


def named(fig):
    return all(axis.get_title() and axis.get_xlabel() and axis.get_ylabel() for axis in fig.axes)


def test_a_budget_figure_has_a_panel_a_budget_and_a_line_a_model():
    rows = {by: curves({"sft": OLD, "dapo": NEW}, by) for by in ("turns", "tool_calls")}
    fig = r.budget_figure(rows, "Two turns are enough")
    assert named(fig) and [len(axis.lines) for axis in fig.axes] == [2, 2]
    assert list(fig.axes[0].lines[1].get_ydata()) == pytest.approx([0, 5 / 6])
    assert fig.axes[0].get_title() == "Two turns are enough"


def test_slices_side_by_side():
    models = {"sft": model(0.5), "dapo": model(0.7)}
    data = r.slices(models, "by_kind", "by_hops", "by_level")
    assert data["by"].tolist() == ["by_kind"] * 4 + ["by_hops"] * 2  # nobody has levels
    fig = r.slices_figure(data, "Counting is hard")
    assert named(fig) and [len(axis.patches) for axis in fig.axes] == [4, 2]
    assert fig.axes[0].get_title() == "Counting is hard" and fig.axes[1].get_title() == "hops"


def test_outcomes_of_several_models():
    table = r.outcome_table({"sft": OLD, "dapo": NEW}, {})
    assert table.loc["sft", "right"] == 0.5 and table.loc["dapo", "right"] == pytest.approx(5 / 6)
    assert table.sum(axis=1).tolist() == pytest.approx([1, 1])


def test_costs_say_what_is_not_known():
    models = {"sft": model(0.5) | {"seconds": 0.25}, "teacher": model(0.5) | {"seconds": None}}
    for m in models.values():
        m["tokens"] = m["cost"] = {"value": 12.0, "n": 2, "ci95": [10.0, 14.0]}
    table = r.costs(models)
    assert table.loc["sft"].tolist() == ["0.50 [0.40, 0.60]", "12 [10, 14]", "12.0000", "0.250"]
    assert table.loc["teacher", "seconds"] == "not known"
