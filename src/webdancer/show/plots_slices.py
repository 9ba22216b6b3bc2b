"""Figure and tables of the generalisation slices: what is new in each, and how agents do on it.

In: rows of `slices.measure`, `slices.scores` and `slices.gains`. Out: pandas tables and a matplotlib figure; intervals
are bootstrap intervals over questions. Shown in 07_evaluate.
"""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from webdancer.show.plots import COLOURS, figure

Rows = Sequence[Mapping[str, Any]]
SHARES = ("beyond", "names_seen", "name_words_seen", "other_words_seen", "new_sentences", "new_questions")
MARKS = "osD^v"


def measured(rows: Rows) -> pd.DataFrame:
    """What is new in each slice, to read: a column a slice; shares in percent, means with one digit."""
    table = pd.DataFrame(
        [{key: value for key, value in row.items() if key not in ("slice", "changed")} for row in rows]
    )
    table.index = pd.Index([row["slice"] for row in rows], name="slice")
    for name in table:
        form = "{:.0%}" if name in SHARES else "{:.0f}" if name in ("questions", "pages", "distractors") else "{:.1f}"
        table[name] = [form.format(value) for value in table[name]]
    return table.T


def scored(rows: Rows, gains: Rows = ()) -> pd.DataFrame:
    """Pass@1 of each model on each slice in percent, as `value [low, high]`, and its difference between two models.

    Args:
        rows: of `scores`. gains: of `gains`; none: no column `gain`.
    """
    cells: dict[str, dict[str, str]] = {}
    for row in rows:
        cells.setdefault(row["slice"], {})[row["model"]] = _cell(row, "")
    for row in gains:
        cells[row["slice"]]["gain"] = _cell(row, "+")
    return pd.DataFrame.from_dict(cells, orient="index").rename_axis("slice")


def hardest(rows: Rows, model: str) -> str:
    """The slice that a model is worst at, the first of equals."""
    return min((row for row in rows if row["model"] == model), key=lambda row: row["value"])["slice"]


def _cell(row: Mapping[str, Any], sign: str) -> str:
    value, low, high = (f"{100 * row[key]:{sign}.1f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def told(measures: Rows) -> dict[str, str]:
    """Slice to what is different in it, in words."""
    return {row["slice"]: row["changed"] for row in measures}


def slices_figure(rows: Rows, changed: Mapping[str, str], title: str) -> Figure:
    """Pass@1 of each model on each slice with its interval; a line where the first slice, the baseline, stands.

    Args:
        rows: of `scores`. changed: slice to what is different in it, in words. title: the finding.
    """
    names, models = (list(dict.fromkeys(row[key] for row in rows)) for key in ("slice", "model"))
    if not names:
        raise ValueError("got no scores of slices, wanted some: name slices in the parameter `slices` and run 07 again")
    fig, (axis,) = figure(width=8.0, height=0.62 * len(names) + 1.4)
    for i, model in enumerate(models):
        own = [row for row in rows if row["model"] == model]
        at = [names.index(row["slice"]) + (i - (len(models) - 1) / 2) * 0.22 for row in own]
        value = [row["value"] for row in own]
        error = [[row["value"] - row["low"] for row in own], [row["high"] - row["value"] for row in own]]
        style = {"fmt": MARKS[i % len(MARKS)], "color": COLOURS[i % len(COLOURS)], "capsize": 3, "label": model}
        axis.errorbar(value, at, xerr=error, **style)
        base = next((row["value"] for row in own if row["slice"] == names[0]), None)
        if base is not None:
            axis.axvline(base, color=COLOURS[i % len(COLOURS)], linewidth=0.8, linestyle=":")
    axis.set_yticks(range(len(names)), [fill(f"{name}: {changed[name]}", 42) for name in names], fontsize=8)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.grid(axis="y", visible=False)
    axis.set(title=title, xlabel="right (share of questions, 95 % interval)", ylabel="slice", xlim=(-0.02, 1))
    axis.legend(title="model", frameon=False, loc="lower right")
    return fig
