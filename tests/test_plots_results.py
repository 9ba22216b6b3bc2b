"""Tables and figures of 07_evaluate from a hand-made marker."""

import pandas as pd
import pytest

from webdancer.show import plots_results as r


def part(value, n=10):
    return {"value": value, "n": n, "ci95": [max(0.0, value - 0.1), value + 0.1]}


def model(value):
    names = ("pass_at_1", "pass_at_3", "cons_at_3", "invalid_rate", "repetition_rate", "tool_calls")
    slices = {"by_kind": {"count": part(value), "multihop": part(value)}, "by_hops": {"1": part(value)}}
    return {**{name: part(value) for name in names}, **slices}


MODELS = {"sft": model(0.5), "dapo": model(0.7)}


def test_flat_and_slices_keep_value_and_interval():
    rows = r.flat(MODELS)
    assert len(rows) == 2 * 6
    first = rows.iloc[0]
    assert (first.model, first.metric, first.value, first.low, first.n) == ("sft", "pass_at_1", 0.5, 0.4, 10)
    assert list(r.slices(MODELS, "by_kind")["slice"]) == ["count", "multihop"] * 2


def test_hardest_slice_of_a_model():
    models = {"sft": model(0.5), "dapo": model(0.7)}
    models["dapo"]["by_kind"]["multihop"] = part(0.6)
    assert r.hardest(r.slices(models, "by_kind"), "dapo") == "multihop"
    assert r.hardest(r.slices(models, "by_kind"), "sft") == "count"


def test_table_is_in_percent_except_tool_calls():
    table = r.table(MODELS)
    assert table.loc["dapo", "pass_at_1"] == "70.0 [60.0, 80.0]"
    assert table.loc["dapo", "tool_calls"] == "0.70 [0.60, 0.80]"
    assert table.loc["sft", "questions"] == "10"


@pytest.mark.parametrize(
    "fig",
    [
        r.scores_figure(MODELS, "DAPO lifts"),
        r.slices_figure(MODELS, "by_kind", "Counting is hard"),
        r.slices_figure(MODELS, "by_hops", "More hops"),
        r.outcomes_figure(pd.DataFrame({"right": [0.6, 0.8], "gave up": [0.4, 0.2]}, index=["sft", "dapo"]), "Ends"),
    ],
)
def test_figures_name_their_axes(fig):
    (axis,) = fig.axes
    assert axis.get_title() and axis.get_xlabel() and axis.get_ylabel()
    assert len(axis.containers) >= 2
