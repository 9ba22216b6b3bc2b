"""Figures of 09_scale from made-up rows: the titles say what the rows say."""

import pandas as pd
import pytest

from webdancer.scale import calculator
from webdancer.scale import calculator_rates as rates
from webdancer.show import plots, plots_scale


def rows(*hours, model="7B"):
    """Rows of `calculator.by_gpus` for 1, 2, 4 ... GPUs with these upper ends."""
    found = [(model, 2**i, h / 2, h, 0.1, 0.2) for i, h in enumerate(hours)]
    return pd.DataFrame(found, columns=["model", "gpus", "low", "high", "slowest_low", "slowest_high"])


def test_where_more_gpus_stop_helping_by_hand():
    """100, 50, 40 hours: two GPUs save half, four save a fifth of the two."""
    assert plots_scale.saved(rows(100, 50, 40), "7B") == (2, pytest.approx(0.2))
    assert plots_scale.saved(rows(100, 50, 25), "7B") == (2, pytest.approx(0.5))  # they help to the end
    with pytest.raises(ValueError, match="one twice the other"):
        plots_scale.saved(rows(100), "7B")


def test_titles_state_the_finding():
    fig = plots_scale.practice_figure(rows(100, 50, 40), (1, 2), ("7B", 2))
    left, right = fig.axes
    assert left.get_title() == "7B: 4 GPUs save 20% over 2"
    assert right.get_title() == "7B on 2 GPUs: 50 to 200 dollars"  # 25 to 50 hours of two, at 1 to 2 dollars
    with pytest.raises(ValueError, match="stand in the table"):
        plots_scale.practice_figure(rows(100, 50), (1, 2), ("7B", 64))


def test_memory_figure_is_of_the_calculator(root):
    data = calculator.memory([8, 64], 4096)
    config = rates.MODELS["72B"]
    found = data[(data["model"] == "72B") & (data["gpus"] == 64)].iloc[0]
    assert found["all"] == pytest.approx(rates.fsdp_gib(config, 64, 4096)["all"])
    fig = plots_scale.memory_figure(data, "H20", 96)
    assert f"{found['all']:.0f} GiB of 72B stay" in fig.axes[0].get_title()
    for name, drawn, table in (
        ("a", fig, data),
        ("b", plots_scale.practice_figure(rows(9, 5), (1, 1), ("7B", 1)), rows(9, 5)),
    ):
        assert plots.save(drawn, name, table, "tiny").is_file()
