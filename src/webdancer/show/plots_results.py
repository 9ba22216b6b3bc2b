"""Figures and tables of 07_evaluate: models side by side, slices, accuracy within a budget, how episodes ended.

In: the `metrics.models` dictionary of the marker (`evaluate.summary` of each model), rows of `evaluate_budget.curves`,
predictions. Out: pandas tables and matplotlib figures; intervals are over questions.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from webdancer.core.schema import Question
from webdancer.evaluate_outcomes import outcomes
from webdancer.evaluate_predictions import Prediction
from webdancer.show.plots import COLOURS, bars, figure

SCORES = ("pass_at_1", "pass_at_3", "cons_at_3", "majority_at_3")
RATES = ("invalid_rate", "repetition_rate", "truncation_rate", "tool_calls")
NAMES = {"turns": "turns, the answer counted", "tool_calls": "tool calls"}
PARTS = {"by_kind": "kind of question", "by_hops": "hops", "by_level": "level", "by_language": "language"}
MARKS = ("o", "s", "^", "D", "v", "P", "X")
Summaries = Mapping[str, Mapping[str, Any]]


def flat(models: Summaries, names: tuple[str, ...] = SCORES + RATES) -> pd.DataFrame:
    """One row a model and number: columns `model, metric, value, low, high, n`."""
    return pd.DataFrame([_row(model, name, found[name]) for model, found in models.items() for name in names])


def slices(models: Summaries, *parts: str) -> pd.DataFrame:
    """One row a model and slice: `model, by, slice, value, low, high, n`; `parts` are such as "by_kind", "by_hops"."""
    rows = [
        {**_row(model, key, part), "by": by}
        for by in parts
        for model, found in models.items()
        for key, part in found.get(by, {}).items()
    ]
    columns = ["model", "by", "metric", "value", "low", "high", "n"]
    return pd.DataFrame(rows, columns=columns).rename(columns={"metric": "slice"})


def hardest(data: pd.DataFrame, model: str) -> str:
    """The slice that a model is worst at, the first of equals, such as "hops 4"; `data` as `slices` makes it."""
    part = data[data["model"] == model]
    worst = part.loc[part["value"].idxmin()]
    return f"{worst['by'].removeprefix('by_')} {worst['slice']}"


def _row(model: str, name: str, estimate: Mapping[str, Any]) -> dict[str, Any]:
    """One estimate as a table row."""
    low, high = estimate["ci95"]
    return {"model": model, "metric": name, "value": estimate["value"], "low": low, "high": high, "n": estimate["n"]}


def table(models: Summaries) -> pd.DataFrame:
    """The table to read: a row a model, a column a number, each `value [low, high]` in percent, and the questions."""
    cells: dict[str, dict[str, str]] = {}
    for model, found in models.items():
        shares = {name: cell(found[name]) for name in (*SCORES, "best_of_3", *RATES[:3])}
        cells[model] = {**shares, "questions": str(found["pass_at_1"]["n"])}
    return pd.DataFrame.from_dict(cells, orient="index")


def cell(estimate: Mapping[str, Any], factor: float = 100, digits: int = 1) -> str:
    """An estimate as text.

    >>> cell({"value": 0.5, "ci95": [0.25, 0.75]})
    '50.0 [25.0, 75.0]'
    """
    low, high = estimate["ci95"]
    return f"{factor * estimate['value']:.{digits}f} [{factor * low:.{digits}f}, {factor * high:.{digits}f}]"


def scores_figure(models: Summaries, title: str) -> Figure:
    """Pass@1, Pass@3, Cons@3 and the majority vote of each model, with intervals."""
    data = flat(models, SCORES).rename(columns={"metric": "score"})
    what = {"title": title, "xlabel": "model", "ylabel": "right (share of questions)"}
    fig = bars(data, "model", "value", group="score", low="low", high="high", **what)
    fig.axes[0].set_ylim(0, 1)
    return fig


def budget_figure(rows: Mapping[str, Sequence[Mapping[str, Any]]], title: str) -> Figure:
    """The share right within each budget, a panel a budget, a line a model, its interval as a band.

    Args:
        rows: of `evaluate_budget.curves`, by "turns" or "tool_calls".
    """
    fig, axes = figure(columns=len(rows), width=4.6 * len(rows) + 1.0)
    for axis, (by, found) in zip(axes, rows.items(), strict=True):
        data = pd.DataFrame(found)
        for i, (model, part) in enumerate(data.groupby("model", sort=False)):
            style = {"color": COLOURS[i % len(COLOURS)], "marker": MARKS[i % len(MARKS)], "markersize": 4}
            axis.plot(part["budget"], part["value"], drawstyle="steps-post", label=model, **style)
            band = {"color": style["color"], "alpha": 0.15, "linewidth": 0}
            axis.fill_between(part["budget"], part["low"], part["high"], step="post", **band)
        axis.set(title=title if axis is axes[0] else NAMES[by], xlabel=f"most {NAMES[by]}", ylim=(0, 1))
        axis.set_ylabel("right by then (share of episodes)")
    axes[-1].legend(title="model", frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return fig


def slices_figure(data: pd.DataFrame, title: str) -> Figure:
    """Pass@1 of each model, a panel a way to slice the questions, with intervals; `data` as `slices` makes it."""
    ways = list(dict.fromkeys(data["by"]))
    fig, axes = figure(columns=len(ways), width=4.6 * len(ways) + 1.0)
    models = list(dict.fromkeys(data["model"]))
    width = 0.8 / len(models)
    for axis, by in zip(axes, ways, strict=True):
        rows = data[data["by"] == by]
        names = list(dict.fromkeys(rows["slice"]))
        for i, model in enumerate(models):
            part = rows[rows["model"] == model]
            at = [names.index(n) + (i - (len(models) - 1) / 2) * width for n in part["slice"]]
            whiskers = [(part["value"] - part["low"]).clip(lower=0), (part["high"] - part["value"]).clip(lower=0)]
            style = {"capsize": 2, "color": COLOURS[i % len(COLOURS)], "label": model}
            axis.bar(at, part["value"], width * 0.95, yerr=whiskers, **style)
        axis.set_xticks(range(len(names)), names, rotation=30 if len("".join(names)) > 30 else 0)
        about = PARTS.get(by, by.removeprefix("by_"))
        axis.set(title=title if axis is axes[0] else about, xlabel=about, ylim=(0, 1))
        axis.set_ylabel("right (share of questions)")
    axes[-1].legend(title="model", frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return fig


def costs(models: Summaries) -> pd.DataFrame:
    """What an episode took, a row a model: tool calls, tokens, US dollars, and seconds of wall time where known."""
    rows = {}
    for name, m in models.items():
        seconds = m.get("seconds")
        rows[name] = {
            "tool calls": cell(m["tool_calls"], 1, 2),
            "tokens": cell(m["tokens"], 1, 0),
            "dollars": f"{m['cost']['value']:.4f}",
            "seconds": "not known" if seconds is None else f"{seconds:.3f}",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def outcome_table(runs: Mapping[str, Sequence[Prediction]], questions: Mapping[str, Question]) -> pd.DataFrame:
    """A row a model, a column an outcome, each row adding up to 1; `questions` by id, as for `outcome`."""
    return pd.DataFrame({name: outcomes(rows, questions) for name, rows in runs.items()}).T


def outcomes_figure(shares: pd.DataFrame, title: str) -> Figure:
    """What became of each model's episodes, as stacked bars.

    Args:
        shares: as `outcome_table` makes it.
    """
    fig, (axis,) = figure(width=8.0, height=0.5 * len(shares) + 1.8)
    left = np.zeros(len(shares))
    hatches = ("", "//", "..", "xx", "\\\\", "++", "oo", "--", "**", "||", "OO")
    for i, name in enumerate(shares.columns):
        style = {"color": COLOURS[i % len(COLOURS)], "hatch": hatches[i % len(hatches)], "edgecolor": "white"}
        axis.barh(list(shares.index), shares[name], left=left, label=name, **style)
        left += shares[name].to_numpy()
    axis.invert_yaxis()
    axis.grid(visible=False)
    axis.set(title=title, xlabel="share of episodes", ylabel="model", xlim=(0, 1))
    axis.legend(frameon=False, fontsize=8, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.28))
    return fig
