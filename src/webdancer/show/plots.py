"""Figures of all notebooks: bars, curves, a funnel, a histogram, intervals, a link graph; and `save`.

In: a pandas data frame and a title that states the finding. Out: a matplotlib `Figure`, and with `save` a PNG with the
data beside it as CSV in `results/<profile>/figures/`. Colours are those of Okabe and Ito, which colour-blind readers
tell apart. The paper's figures are not copied; these are ours.
"""

from collections.abc import Sequence
from numbers import Number
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from webdancer.core import record

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999")


def figure(rows: int = 1, columns: int = 1, width: float = 7.0, height: float = 3.6) -> tuple[Figure, list[Axes]]:
    """An empty figure of `rows` x `columns` axes, in inches; a notebook shows it once, as a cell's last value."""
    import matplotlib.pyplot as plt  # here, because it looks for a display when imported

    fig, axes = plt.subplots(rows, columns, figsize=(width, height), layout="constrained", squeeze=False)
    plt.close(fig)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", alpha=0.3)
        axis.set_axisbelow(True)
    return fig, list(axes.flat)


def save(fig: Figure, name: str, data: pd.DataFrame, profile: str) -> Path:
    """Write `results/<profile>/figures/<name>.png` and `<name>.csv`, the data drawn in it.

    Returns: the path of the PNG.
    Raises:
        ValueError: an axis has no label or no title: a figure says what it shows.
    """
    for axis in fig.axes:
        if axis.axison and not (axis.get_title() and axis.get_xlabel() and axis.get_ylabel()):
            raise ValueError(
                f"figure {name}: got an axis without title or labels, wanted a title and both labels with units"
            )
    path = record.results_dir(profile) / "figures" / f"{name}.png"
    with record.atomic_path(path) as temporary:
        fig.savefig(temporary, dpi=110, metadata={"Software": None})
    with record.atomic_path(path.with_suffix(".csv")) as temporary:
        data.to_csv(temporary, index=False)
    return path


def bars(
    data: pd.DataFrame,
    x: str,
    y: str,
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    group: str = "",
    low: str = "",
    high: str = "",
) -> Figure:
    """Vertical bars, one a row of `data`; side by side by `group`; whiskers from columns `low` to `high`.

    Args:
        data: columns `x` (names in their order, or numbers, which are sorted), `y` (heights) and those of `group`,
            `low`, `high` if given.
    """
    fig, (axis,) = figure()
    names = list(dict.fromkeys(data[x]))
    if all(isinstance(name, Number) for name in names):
        names.sort()  # the first group may lack the first number
    groups = list(dict.fromkeys(data[group])) if group else [None]
    width = 0.8 / len(groups)
    for i, value in enumerate(groups):
        part = data if value is None else data[data[group] == value]
        at = [names.index(n) + (i - (len(groups) - 1) / 2) * width for n in part[x]]
        whiskers = [(part[y] - part[low]).clip(lower=0), (part[high] - part[y]).clip(lower=0)] if low else None
        label = None if value is None else str(value)
        axis.bar(at, part[y], width * 0.95, yerr=whiskers, capsize=3, color=COLOURS[i % len(COLOURS)], label=label)
    long = sum(len(str(n)) for n in names) > 70
    axis.set_xticks(
        range(len(names)), [str(n) for n in names], rotation=30 if long else 0, ha="right" if long else "center"
    )
    axis.set(title=title, xlabel=xlabel, ylabel=ylabel)
    if group:
        axis.legend(title=group, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return fig


def bars_across(data: pd.DataFrame, x: str, y: str, *, title: str, xlabel: str, ylabel: str) -> Figure:
    """Horizontal bars with their numbers, the first row on top: for long names such as reasons, in column `x`."""
    fig, (axis,) = figure(height=max(2.0, 0.32 * len(data) + 1.2))
    drawn = axis.barh([str(n) for n in data[x]], data[y], color=COLOURS[0])
    axis.bar_label(drawn, padding=3, fontsize=9)
    axis.invert_yaxis()
    axis.grid(axis="y", visible=False)
    axis.set(title=title, xlabel=xlabel, ylabel=ylabel)
    return fig


def funnel(data: pd.DataFrame, *, title: str, xlabel: str = "trajectories", ylabel: str = "stage") -> Figure:
    """What is left after each stage of a funnel.

    Args:
        data: columns `stage` and `kept`, in order; the first row is what came in.
    """
    fig, (axis,) = figure(height=max(2.0, 0.5 * len(data) + 1.2))
    before = data["kept"].shift(1).fillna(data["kept"])
    axis.barh(data["stage"], before, color=COLOURS[-1], alpha=0.35, label="before")
    drawn = axis.barh(data["stage"], data["kept"], color=COLOURS[0], label="left")
    total = max(float(data["kept"].iloc[0]), 1.0)
    axis.bar_label(drawn, [f"{k:,} ({k / total:.0%})" for k in data["kept"]], padding=4, fontsize=9)
    axis.set_xlim(0, total * 1.25)
    axis.invert_yaxis()
    axis.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axis.legend(frameon=False, loc="lower right")
    return fig


def histogram(values: Sequence[float], *, title: str, xlabel: str, ylabel: str, bins: int = 0) -> Figure:
    """How often each value occurs; whole numbers get a bar each unless `bins` says otherwise."""
    fig, (axis,) = figure()
    whole = all(float(v).is_integer() for v in values) and bool(values) and max(values) - min(values) <= 60
    edges = [v - 0.5 for v in range(int(min(values)), int(max(values)) + 2)] if whole and not bins else bins or 30
    axis.hist(values, bins=edges, color=COLOURS[0], rwidth=0.9)
    axis.set(title=title, xlabel=xlabel, ylabel=ylabel)
    return fig


def curves(
    data: pd.DataFrame,
    x: str,
    panels: dict[str, str | Sequence[str]],
    *,
    title: str,
    xlabel: str,
    columns: int = 3,
    smooth: int = 1,
) -> Figure:
    """Small panels over one x axis, such as the curves of a training log.

    Args:
        data: one row a step. `panels`: label with unit to a column, or to several drawn together.
        smooth: draw the mean over so many rows (thin: the raw values).
    """
    rows = -(-len(panels) // columns)
    fig, axes = figure(
        rows, min(columns, len(panels)), width=3.1 * min(columns, len(panels)) + 0.6, height=2.4 * rows + 0.5
    )
    for axis, (label, names) in zip(axes, panels.items(), strict=False):
        names = [names] if isinstance(names, str) else list(names)
        for name, colour in zip(names, COLOURS, strict=False):
            axis.plot(data[x], data[name], color=colour, alpha=0.35 if smooth > 1 else 1.0, linewidth=1.2)
            if smooth > 1:
                axis.plot(
                    data[x], data[name].rolling(smooth, min_periods=1).mean(), color=colour, linewidth=1.8, label=name
                )
            else:
                axis.lines[-1].set_label(name)
        axis.set(title=label.split(" (")[0], xlabel=xlabel, ylabel=label)
        if len(names) > 1:
            axis.legend(frameon=False, fontsize=8)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    fig.suptitle(title)
    return fig


def intervals(data: pd.DataFrame, *, title: str, xlabel: str, ylabel: str = "", zero: bool = False) -> Figure:
    """Values with intervals, one a line, the first on top.

    Args:
        data: columns `name`, `value`, `low`, `high`. `zero`: draw a line at 0, for differences.
    """
    fig, (axis,) = figure(height=max(1.8, 0.45 * len(data) + 1.2))
    error = [data["value"] - data["low"], data["high"] - data["value"]]
    axis.errorbar(data["value"], range(len(data)), xerr=error, fmt="o", color=COLOURS[0], capsize=4)
    for i, value in enumerate(data["value"]):
        axis.annotate(f"{value:.2f}", (value, i), xytext=(0, 6), textcoords="offset points", ha="center", fontsize=9)
    axis.set_yticks(range(len(data)), [str(n) for n in data["name"]])
    axis.set_ylim(len(data) - 0.5, -0.7)
    if zero:
        axis.axvline(0.0, color=COLOURS[-1], linewidth=1.0)
    axis.grid(axis="y", visible=False)
    axis.set(title=title, xlabel=xlabel, ylabel=ylabel or "name")
    return fig


def link_graph(
    edges: Sequence[tuple[str, str]], groups: dict[str, str], *, title: str, seed: int = 0, steps: int = 60
) -> Figure:
    """Pages as dots, links as lines, pages that link to each other close together.

    Args:
        edges: pairs of page names. `groups`: page name to what its colour means; pages without a link are drawn too.
        seed: of the starting positions. `steps`: of the layout; time grows with pages squared, so draw a few hundred.
    """
    fig, (axis,) = figure(width=6.5, height=5.5)
    names = list(groups)
    at = _spring(
        [(names.index(a), names.index(b)) for a, b in edges if a in groups and b in groups], len(names), seed, steps
    )
    place = dict(zip(names, at, strict=True))
    for a, b in edges:
        if a in place and b in place:
            axis.plot(*zip(place[a], place[b], strict=True), color="#999999", linewidth=0.4, alpha=0.5, zorder=1)
    for group, colour in zip(sorted(set(groups.values())), COLOURS * 3, strict=False):
        dots = [place[n] for n in names if groups[n] == group]
        axis.scatter(*zip(*dots, strict=True), s=14, color=colour, label=f"{group} ({len(dots)})", zorder=2)
    axis.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    axis.set_axis_off()
    axis.set_title(title)
    return fig


def _spring(edges: Sequence[tuple[int, int]], n: int, seed: int, steps: int) -> list[tuple[float, float]]:
    """Positions by the method of Fruchterman and Reingold (1991): links pull, all pairs push, steps get shorter."""
    import numpy as np

    at = np.random.default_rng(seed).uniform(-1, 1, (n, 2))
    ideal = 2.0 / max(n, 1) ** 0.5
    pairs = np.array(edges, dtype=int).reshape(-1, 2)
    for step in range(steps):
        gap = at[:, None, :] - at[None, :, :]
        far = np.maximum(np.linalg.norm(gap, axis=-1), 1e-3)
        move = (gap * (ideal**2 / far**2)[..., None]).sum(axis=1)
        pull = at[pairs[:, 1]] - at[pairs[:, 0]]
        pull *= np.linalg.norm(pull, axis=-1, keepdims=True) / ideal
        np.add.at(move, pairs[:, 0], pull)
        np.add.at(move, pairs[:, 1], -pull)
        length = np.maximum(np.linalg.norm(move, axis=-1, keepdims=True), 1e-9)
        at += move / length * np.minimum(length, 0.2 * (1 - step / steps))
    return [(float(a), float(b)) for a, b in at]
