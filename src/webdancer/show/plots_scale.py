"""Figures of 09_scale: how long practice takes and how much memory training takes, against the number of GPUs.

In: the tables of `scale.calculator`. Out: matplotlib figures whose titles say what was found, computed from the rows.
Bands are ranges, not intervals of a measurement: nothing here was run on GPUs. The paper has no such figure.
"""

import pandas as pd
from matplotlib.figure import Figure

from webdancer.show.plots import COLOURS, figure


def saved(data: pd.DataFrame, model: str) -> tuple[int, float]:
    """From how many GPUs on twice as many save less than a quarter of the hours, and how much they save there.

    The upper ends are compared; where more GPUs always help, the last step counts.
    """
    part = data[data["model"] == model].sort_values("gpus")
    hours = dict(zip(part["gpus"], part["high"], strict=True))
    steps = [(n, 1 - hours[2 * n] / hours[n]) for n in hours if 2 * n in hours]
    if not steps:
        raise ValueError(f"got {sorted(hours)} GPUs for {model}, wanted at least two numbers, one twice the other")
    return next(((n, gain) for n, gain in steps if gain < 0.25), steps[-1])


def practice_figure(data: pd.DataFrame, price: tuple[float, float], chosen: tuple[str, int]) -> Figure:
    """Hours on the clock and money of all DAPO steps against the number of GPUs, a band a model.

    Args:
        data: of `calculator.by_gpus`. price: least and most US dollars of a GPU hour.
        chosen: model and number of GPUs that the titles speak of.
    Raises:
        ValueError: the model has no two numbers of GPUs of which one is twice the other, or `chosen` has no row.
    """
    fig, (left, right) = figure(1, 2, width=9.0, height=3.6)
    for i, (model, part) in enumerate(data.groupby("model", sort=False)):
        gpus, colour = part["gpus"], COLOURS[i]
        left.fill_between(gpus, part["low"], part["high"], color=colour, alpha=0.3, label=model)
        left.plot(gpus, part["slowest_high"], ":", color=colour)
        cost = [part[end] * gpus * worth for end, worth in zip(("low", "high"), price, strict=True)]
        right.fill_between(gpus, *cost, color=colour, alpha=0.3, label=model)
    n, gain = saved(data, chosen[0])
    left.set(title=f"{chosen[0]}: {2 * n} GPUs save {gain:.0%} over {n}", xlabel="GPUs", ylabel="hours on the clock")
    mine = data[(data["model"] == chosen[0]) & (data["gpus"] == chosen[1])]
    if mine.empty:
        raise ValueError(f"got {chosen}, wanted a model and a number of GPUs that stand in the table")
    low, high = (
        float(mine[end].iloc[0]) * chosen[1] * worth for end, worth in zip(("low", "high"), price, strict=True)
    )
    title = f"{chosen[0]} on {chosen[1]} GPUs: {low:,.0f} to {high:,.0f} dollars"
    right.set(title=title, xlabel="GPUs", ylabel="US dollars for GPUs")
    for axis in (left, right):
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xticks(sorted(set(data["gpus"])), [str(n) for n in sorted(set(data["gpus"]))])
    right.legend(
        title="dotted: waiting for\nthe slowest episodes", frameon=False, loc="upper left", bbox_to_anchor=(1, 1)
    )
    return fig


def memory_figure(data: pd.DataFrame, gpu: str, gib: float) -> Figure:
    """GiB on each GPU against their number, a line a model, and the `gib` that one `gpu` has.

    Args:
        data: of `calculator.memory`.
    """
    fig, (axis,) = figure(width=6.5)
    for i, (model, part) in enumerate(data.groupby("model", sort=False)):
        axis.plot(part["gpus"], part["all"], "o-", color=COLOURS[i], label=model)
    axis.axhline(gib, color=COLOURS[-1], linestyle="--", label=f"one {gpu}")
    left = data.groupby("model", sort=False)["all"].min()
    model, floor = left.index[-1], left.iloc[-1]
    axis.set(
        title=f"FSDP divides the states; {floor:.0f} GiB of {model} stay on each GPU", xlabel="GPUs", ylabel="GiB a GPU"
    )
    axis.set_xscale("log", base=2)
    axis.set_ylim(0)
    axis.set_xticks(sorted(set(data["gpus"])), [str(n) for n in sorted(set(data["gpus"]))])
    axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return fig
