"""Figures and tables of 07_evaluate: models side by side with intervals, slices by kind or hops, how episodes ended.

In: the `metrics.models` dictionary of the marker (`evaluate.summary` of each model). Out: pandas tables and matplotlib
figures; intervals are bootstrap intervals over questions.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from webdancer.show.plots import COLOURS, bars, figure

SCORES = ("pass_at_1", "pass_at_3", "cons_at_3")
RATES = ("invalid_rate", "repetition_rate", "tool_calls")
Summaries = Mapping[str, Mapping[str, Any]]


def flat(models: Summaries, names: tuple[str, ...] = SCORES + RATES) -> pd.DataFrame:
    """One row a model and number: columns `model, metric, value, low, high, n`."""
    return pd.DataFrame([_row(model, name, found[name]) for model, found in models.items() for name in names])


def slices(models: Summaries, by: str) -> pd.DataFrame:
    """One row a model and slice: `model, slice, value, low, high, n`; `by` is "by_kind" or "by_hops"."""
    rows = [_row(model, key, part) for model, found in models.items() for key, part in found[by].items()]
    return pd.DataFrame(rows).rename(columns={"metric": "slice"})


def hardest(data: pd.DataFrame, model: str) -> str:
    """The slice that a model is worst at, the first of equals; `data` as `slices` makes it."""
    part = data[data["model"] == model]
    return str(part.loc[part["value"].idxmin(), "slice"])


def _row(model: str, name: str, estimate: Mapping[str, Any]) -> dict[str, Any]:
    """One estimate as a table row."""
    low, high = estimate["ci95"]
    return {"model": model, "metric": name, "value": estimate["value"], "low": low, "high": high, "n": estimate["n"]}


def table(models: Summaries) -> pd.DataFrame:
    """The table to read: a row a model, a column a number, each as `value [low, high]`; shares in percent."""
    cells: dict[str, dict[str, str]] = {}
    for model, found in models.items():
        shares = {name: cell(found[name]) for name in (*SCORES, *RATES[:2])}
        cells[model] = {
            **shares,
            "tool_calls": cell(found["tool_calls"], 1, 2),
            "questions": str(found["pass_at_1"]["n"]),
        }
    return pd.DataFrame.from_dict(cells, orient="index")


def cell(estimate: Mapping[str, Any], factor: float = 100, digits: int = 1) -> str:
    """An estimate as text.

    >>> cell({"value": 0.5, "ci95": [0.25, 0.75]})
    '50.0 [25.0, 75.0]'
    """
    low, high = estimate["ci95"]
    return f"{factor * estimate['value']:.{digits}f} [{factor * low:.{digits}f}, {factor * high:.{digits}f}]"


def scores_figure(models: Summaries, title: str) -> Figure:
    """Pass@1, Pass@3 and Cons@3 of each model, with intervals."""
    return _bars(flat(models, SCORES).rename(columns={"metric": "score"}), "model", "score", title, "model")


def slices_figure(models: Summaries, by: str, title: str) -> Figure:
    """Pass@1 of each model by kind or by hops, with intervals."""
    names = {"by_kind": "kind of question", "by_hops": "hops"}
    return _bars(slices(models, by), "slice", "model", title, names[by])


def _bars(data: pd.DataFrame, x: str, group: str, title: str, xlabel: str) -> Figure:
    """Grouped bars of shares with intervals."""
    what = {"title": title, "xlabel": xlabel, "ylabel": "right (share of questions)"}
    fig = bars(data, x, "value", group=group, low="low", high="high", **what)
    fig.axes[0].set_ylim(0, 1)
    return fig


def outcomes_figure(shares: pd.DataFrame, title: str) -> Figure:
    """What became of each model's episodes, as stacked bars.

    Args:
        shares: a row a model, a column an outcome (`evaluate.outcomes`), each row adding up to 1.
    """
    fig, (axis,) = figure(width=8.0, height=0.5 * len(shares) + 1.8)
    left = np.zeros(len(shares))
    hatches = ("", "//", "..", "xx", "\\\\", "++", "oo", "--")
    for i, name in enumerate(shares.columns):
        style = {"color": COLOURS[i % len(COLOURS)], "hatch": hatches[i % len(hatches)], "edgecolor": "white"}
        axis.barh(list(shares.index), shares[name], left=left, label=name, **style)
        left += shares[name].to_numpy()
    axis.invert_yaxis()
    axis.grid(visible=False)
    axis.set(title=title, xlabel="share of episodes", ylabel="model", xlim=(0, 1))
    axis.legend(frameon=False, fontsize=8, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.28))
    return fig
