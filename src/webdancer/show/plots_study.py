"""Figures of 08_analyze: one an analysis, every seed a dot, means with their 95 % intervals over seeds.

In: the rows of `study_measure.frame` (label, metric, value, low, high, each). Out: matplotlib figures whose titles say
what was found, computed from the rows. The paper's figures are not copied; these are ours.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from webdancer.show.plots import COLOURS, figure
from webdancer.study import Setup
from webdancer.study_measure import METRICS

Point = tuple[str, str, str]  # tick on the x axis, label, metric
Series = Mapping[str, Sequence[Point]]  # name in the legend to its points; "" for no legend
MARKS = ("o", "s", "^", "D")
ASIDE = 0.09  # how far beside the mean the seeds are drawn


def panel(axis: Axes, data: pd.DataFrame, series: Series, *, joined: bool = False) -> None:
    """Draw series side by side: a small dot a seed, a large one with its interval for the mean.

    A point without a finished arm is left out. `joined` draws a line through the means: for x axes that are ordered.
    """
    found = {(row.label, row.metric): row for row in data.itertuples()}
    ticks = list(dict.fromkeys(tick for points in series.values() for tick, _, _ in points))
    for i, (name, points) in enumerate(series.items()):
        shift = (i - (len(series) - 1) / 2) * 0.24
        drawn = [(ticks.index(t) + shift, found[label, m]) for t, label, m in points if (label, m) in found]
        colour, mark = COLOURS[i], MARKS[i]
        for at, row in drawn:
            each = [float(word) for word in row.each.split()]
            axis.plot([at + ASIDE] * len(each), each, mark, color=colour, markersize=4.0, alpha=0.5, markeredgewidth=0)
        if not drawn:
            continue
        x, y = [at for at, _ in drawn], np.array([row.value for _, row in drawn])
        ends = np.array([(row.low, row.high) for _, row in drawn], dtype=float).T
        error = np.nan_to_num(np.clip([y - ends[0], ends[1] - y], 0, None))
        style = "-" if joined else ""
        axis.errorbar(x, y, yerr=error, fmt=mark + style, color=colour, capsize=3, markersize=7, label=name)
    axis.set_xticks(range(len(ticks)), ticks)
    axis.set_xlim(-0.6, len(ticks) - 0.4)


def panels(
    data: pd.DataFrame,
    drawn: Mapping[str, tuple[Series, str, str]],
    title: str,
    *,
    joined: bool = False,
    columns: int = 3,
) -> Figure:
    """Panels side by side: title to its series, x label and y label; shares of questions are drawn from 0 to 1."""
    rows = -(-len(drawn) // columns)
    wide = min(columns, len(drawn))
    fig, axes = figure(rows, wide, width=3.1 * wide + 0.5, height=2.7 * rows + 0.5)
    named: set[str] = set()
    for axis, (name, (series, xlabel, ylabel)) in zip(axes, drawn.items(), strict=False):
        panel(axis, data, series, joined=joined)
        axis.set(title=name, xlabel=xlabel, ylabel=ylabel)
        axis.set_ylim(0, 1 if ylabel.endswith("(share of questions)") else None)
        if new := set(axis.get_legend_handles_labels()[1]) - named:  # what a colour means is said once
            axis.legend(frameon=False, fontsize=8)
            named |= new
    for axis in axes[len(drawn) :]:
        axis.set_axis_off()
    fig.suptitle(title)
    return fig


def value(data: pd.DataFrame, label: str, metric: str) -> float:
    """The mean of one label and metric; NaN if no arm of it is finished."""
    row = data[(data["label"] == label) & (data["metric"] == metric)]
    return float(row["value"].iloc[0]) if len(row) else float("nan")


def practice_figure(data: pd.DataFrame) -> Figure:
    """Analysis 1: before and after RL, with short and with long thoughts, and without SFT."""
    scores = ("pass_at_1", "pass_at_3", "cons_at_3")

    def both(before: str, after: str) -> Series:
        return {
            when: [(METRICS[m], label, m) for m in scores]
            for when, label in (("before RL", before), ("after RL", after))
        }

    said = [
        f"{value(data, f'{s}', 'pass_at_1'):.0%} to {value(data, f'{s}, RL', 'pass_at_1'):.0%}"
        for s in ("short", "long")
    ]
    drawn = {
        "short thoughts": (both("short", "short, RL"), "score", "right (share of questions)"),
        "long thoughts": (both("long", "long, RL"), "score", "right (share of questions)"),
        "without SFT": (both("untrained", "RL alone"), "score", "right (share of questions)"),
    }
    return panels(data, drawn, f"RL takes Pass@1 from {said[0]} with short thoughts, from {said[1]} with long ones")


def data_figure(data: pd.DataFrame, setup: Setup) -> Figure:
    """Analysis 2: kinds of questions at equal number, the funnel, and a ladder of numbers; equal tokens throughout."""
    metric, few = "pass_at_1", str(setup.few)
    kinds = {"": [("CRAWLQA", "crawlqa", metric), ("E2HQA", "e2hqa", metric), ("both", "both", metric)]}
    funnel = {
        "filtered": [(few, "both", metric), ("all", "short", metric)],
        "unfiltered": [(few, "few, unfiltered", metric), ("all", "unfiltered", metric)],
    }
    rungs = sorted({*setup.ladder, setup.few})
    names = {n: "both" if n == setup.few and n not in setup.ladder else f"{n} trajectories" for n in rungs}
    ladder = {"": [(str(n), names[n], metric) for n in rungs] + [("all", "short", metric)]}
    first, last = value(data, ladder[""][0][1], metric), value(data, "short", metric)
    clean, raw = value(data, "short", metric), value(data, "unfiltered", metric)
    drawn = {
        f"kinds, {few} each": (kinds, "questions learned from", "Pass@1 (share of questions)"),
        "through the funnel or not": (funnel, "trajectories", "Pass@1 (share of questions)"),
        "how many": (ladder, "trajectories", "Pass@1 (share of questions)"),
    }
    title = f"Filtered {clean:.0%}, unfiltered {raw:.0%}; {rungs[0]} trajectories {first:.0%}, all of them {last:.0%}"
    return panels(data, drawn, title)


def thoughts_figure(data: pd.DataFrame, setup: Setup) -> Figure:
    """Analysis 3: short and long thoughts over widths: right, invalid, repetition."""
    widths = sorted(setup.widths)
    drawn = {
        name: (
            {style: [(str(w), f"{style}, width {w}", metric) for w in widths] for style in ("short", "long")},
            "width of the model",
            ylabel,
        )
        for name, metric, ylabel in (
            ("right at least once in 3", "pass_at_3", "Pass@3 (share of questions)"),
            ("invalid", "invalid_rate", "share of episodes"),
            ("repetition", "repetition_rate", "share of episodes"),
        )
    }
    gaps = [
        value(data, f"long, width {w}", "invalid_rate") - value(data, f"short, width {w}", "invalid_rate")
        for w in (widths[0], widths[-1])
    ]
    said = " and ".join(
        f"{100 * g:+.0f} points at width {w}" for g, w in zip(gaps, (widths[0], widths[-1]), strict=True)
    )
    return panels(data, drawn, f"Long thoughts: invalid outputs {said}", joined=True)


def temperature_figure(data: pd.DataFrame, setup: Setup) -> Figure:
    """Analysis 4: Pass@1 and Pass@3 over temperatures, after SFT and after RL."""
    heat = sorted(setup.temperatures)
    drawn = {
        METRICS[metric]: (
            {
                name: [(str(t), f"{label} at {t}", metric) for t in heat]
                for name, label in (("after SFT", "short"), ("after RL", "short, RL"))
            },
            "temperature of decoding",
            f"{METRICS[metric]} (share of questions)",
        )
        for metric in ("pass_at_1", "pass_at_3")
    }
    ends = [
        100 * (value(data, f"{label} at {heat[-1]}", "pass_at_1") - value(data, f"{label} at {heat[0]}", "pass_at_1"))
        for label in ("short", "short, RL")
    ]
    title = (
        f"Temperature {heat[0]} to {heat[-1]} moves Pass@1 by {ends[0]:+.0f} points after SFT, {ends[1]:+.0f} after RL"
    )
    return panels(data, drawn, title, joined=True, columns=2)


def patterns_figure(data: pd.DataFrame) -> Figure:
    """Analysis 5: tool calls, length of thoughts, repeated calls and checking, before and after each training."""
    names = {"tool_calls": "calls", "thought_words": "words", "repeated_calls": "calls", "checking_thoughts": "share"}
    drawn = {
        METRICS[metric]: (
            {
                style: [("untrained", "untrained", metric), ("SFT", style, metric), ("RL", f"{style}, RL", metric)]
                for style in ("short", "long")
            },
            "training so far",
            unit,
        )
        for metric, unit in names.items()
    }
    change = {
        m: [value(data, f"{s}, RL", m) - value(data, s, m) for s in ("short", "long")]
        for m in ("tool_calls", "thought_words")
    }
    calls, words = change["tool_calls"], change["thought_words"]
    title = (
        f"RL changes tool calls by {calls[0]:+.2f} (short) and {calls[1]:+.2f} (long), "
        f"words a thought by {words[0]:+.1f} and {words[1]:+.1f}"
    )
    return panels(data, drawn, title, joined=True, columns=4)


def curves_figure(logs: Mapping[str, Mapping[str, Sequence[Sequence[float]]]]) -> Figure:
    """How practice went: the mean over seeds with the range of the seeds behind it, five steps smoothed.

    Args:
        logs: style to column to a list of numbers for each seed, as `study_run.curves` gives them.
    """
    said = []
    for style, log in logs.items():
        first, last = (
            [m for row in log.get("pass_rate", []) for m in row[part]] for part in (slice(5), slice(-5, None))
        )
        if first:
            said.append(
                f"{style}: right on {np.mean(first):.0%} of the first rollouts, {np.mean(last):.0%} of the last"
            )
    shown = {"pass_rate": "right (share)", "tool_calls": "tool calls", "tokens_written": "tokens written"}
    fig, axes = figure(1, len(shown), width=9.6, height=3.0)
    for axis, (column, label) in zip(axes, shown.items(), strict=True):
        for colour, (style, log) in zip(COLOURS, logs.items(), strict=False):
            rows = log.get(column, [])
            if not rows:
                continue
            length = min(map(len, rows))
            smooth = pd.DataFrame([row[:length] for row in rows]).T.rolling(5, min_periods=1).mean()
            axis.fill_between(smooth.index + 1, smooth.min(axis=1), smooth.max(axis=1), color=colour, alpha=0.2)
            axis.plot(smooth.index + 1, smooth.mean(axis=1), color=colour, label=style)
        axis.set(title=label, xlabel="step of DAPO", ylabel=f"{label}, an episode" if "share" not in label else label)
    if axes[0].get_legend_handles_labels()[0]:
        axes[0].legend(frameon=False, fontsize=8, loc="upper left")
    fig.suptitle("; ".join(said) or "No arm has practised yet")
    return fig


def curve_rows(logs: Mapping[str, Mapping[str, Sequence[Sequence[float]]]]) -> pd.DataFrame:
    """The data of `curves_figure`: columns `thoughts, column, seed, step, value`; seeds are counted from 0."""
    rows = [
        (style, column, seed, step, number)
        for style, log in logs.items()
        for column, found in log.items()
        for seed, numbers in enumerate(found)
        for step, number in enumerate(numbers, 1)
    ]
    return pd.DataFrame(rows, columns=["thoughts", "column", "seed", "step", "value"])
