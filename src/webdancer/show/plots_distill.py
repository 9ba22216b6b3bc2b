"""The figures of 03_distill: what rewrites and hops cost in tool calls, and how many samples of a question are right.

In: tables of `distill_tables`. Out: a figure and the data drawn in it, for `plots.save`. The paper shows none of these.
"""

import pandas as pd
from matplotlib.figure import Figure

from webdancer.show import plots


def by_rewrites(harder: pd.DataFrame) -> Figure:
    """Tool calls by the number of rewrites, with intervals; `harder` is from `distill_tables.difficulty`."""
    growth = harder["more_calls"].mean()
    return plots.bars(
        harder,
        "rewrites",
        "tool_calls",
        low="tool_calls_low",
        high="tool_calls_high",
        title="No rewritten question here" if pd.isna(growth) else f"A rewrite changes the tool calls by {growth:+.1f}",
        xlabel="rewrites (0: the seed question)",
        ylabel="mean tool calls, 95 % interval",
    )


def by_hops(calls: pd.DataFrame) -> Figure:
    """Tool calls by hops and style; `calls` is from `distill_tables.calls_by_hops`."""
    low, high = calls["tool_calls"].min(), calls["tool_calls"].max()
    return plots.bars(
        calls,
        "hops",
        "tool_calls",
        group="style",
        title=f"From {low:.1f} to {high:.1f} tool calls, by hops",
        xlabel="hops of the question",
        ylabel="mean tool calls an episode",
    )


def right_samples(counts: pd.DataFrame) -> Figure:
    """How many questions have how many right samples; `counts` is from `distill_tables.right_samples`."""
    none = counts.loc[counts["right samples"] == 0, "questions"].sum() / counts["questions"].sum()
    return plots.bars(
        counts,
        "right samples",
        "questions",
        title=f"{none:.1%} of the questions have no right sample",
        xlabel="right samples",
        ylabel="questions",
    )
