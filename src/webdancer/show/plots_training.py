"""Figures of 06_dapo: the clip surrogate, an advantage heat map, group rewards over the steps, the curves of the log.

In: tensors of one group, or the rows of `dapo_log.csv`. Out: matplotlib figures with titles that say what to see. Saved
by `plots.save` with their data beside them.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from webdancer.show.plots import COLOURS, curves, figure

PANELS: dict[str, str | Sequence[str]] = {
    "pass rate and reward (0 to 1)": ("pass_rate", "reward", "dev"),
    "entropy (nats a token)": "entropy",
    "clipped tokens (share)": ("clip_low", "clip_high"),
    "tokens written (a rollout)": "tokens_written",
    "live groups (share)": "live_share",
    "gradient norm (before clipping)": "grad_norm",
}


def training_curves(log: pd.DataFrame, title: str, smooth: int = 5) -> Figure:
    """Two rows of three panels over the steps.

    Args:
        log: the rows of `dapo_log.csv`. smooth: steps in the running mean that is drawn thick; raw values are thin.
    """
    data = log.copy()
    data["dev"] = data["dev"].astype(float).interpolate(limit_area="inside")  # measured at some steps only: join them
    return curves(data, "step", PANELS, title=title, xlabel="step", smooth=min(smooth, max(1, len(log) // 3)))


def surrogate_curve(eps_low: float, eps_high: float, ratios: Sequence[float] = (), title: str = "") -> Figure:
    """What one token adds to the objective at each probability ratio, for a good and for a bad token.

    Args:
        eps_low, eps_high: the clip range. ratios: those of a batch, drawn as ticks along the bottom.
    """
    fig, axes = figure(1, 2, width=8.0, height=3.2)
    at = np.linspace(0.4, 1.7, 261)
    for axis, sign, word, edge in zip(axes, (1, -1), ("better", "worse"), (1 + eps_high, 1 - eps_low), strict=True):
        value = np.minimum(at * sign, np.clip(at, 1 - eps_low, 1 + eps_high) * sign)
        axis.plot(at, value, color=COLOURS[0 if sign > 0 else 5], linewidth=2)
        axis.axvline(edge, color=COLOURS[-1], linestyle="--", linewidth=1)
        inside = [r for r in ratios if at[0] <= r <= at[-1]]
        axis.plot(inside, [value.min() - 0.05] * len(inside), "|", color="black", alpha=0.4)
        axis.set(title=f"advantage {sign:+d}: {word} than its group", xlabel="ratio new / old", ylabel="objective")
        note = {"textcoords": "offset points", "fontsize": 8, "ha": "left" if sign > 0 else "right"}
        axis.annotate("no gradient beyond", (edge, value.mean()), xytext=(4 * sign, 0), **note)
    fig.suptitle(title or f"A good token stops at {1 + eps_high:.2f}, a bad one at {1 - eps_low:.2f}")
    return fig


def advantage_heat(
    masks: Sequence[Sequence[bool]], advantages: Sequence[float], title: str, names: Sequence[str] = ()
) -> Figure:
    """Rollouts of a group as rows, tokens as columns; written tokens carry the advantage, observations are grey.

    Args:
        masks: a list a rollout, True where the model wrote. advantages: a number a rollout. names: labels of the rows.

    Raises:
        ValueError: not one advantage a mask.
    """
    if len(masks) != len(advantages) or not masks:
        raise ValueError(f"got {len(masks)} masks and {len(advantages)} advantages, wanted as many, and at least one")
    grid, shown = heat_grid(masks, advantages)
    fig, (axis,) = figure(width=9.0, height=0.32 * len(masks) + 1.6)
    axis.grid(visible=False)
    axis.imshow(np.where(shown, 0.3, np.nan), cmap="Greys", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    top = max(1e-6, float(np.nanmax(np.abs(grid)))) if np.isfinite(grid).any() else 1.0
    image = axis.imshow(grid, cmap="PuOr", vmin=-top, vmax=top, aspect="auto", interpolation="nearest")
    fig.colorbar(image, ax=axis, label="advantage").ax.set(title=" ", xlabel=" ")
    axis.set_yticks(range(len(masks)), names or [str(i) for i in range(len(masks))])
    axis.set(title=title, xlabel="token of the episode (grey: prompt and observations)", ylabel="rollout")
    return fig


def heat_grid(masks: Sequence[Sequence[bool]], advantages: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """The heat map's numbers: advantage where the model wrote, else NaN [G, T]; and True where it read [G, T]."""
    width = max(len(m) for m in masks)
    grid = np.full((len(masks), width), np.nan)
    read = np.zeros((len(masks), width), dtype=bool)
    for i, (mask, advantage) in enumerate(zip(masks, advantages, strict=True)):
        written = np.asarray(mask, dtype=bool)
        grid[i, : len(mask)] = np.where(written, advantage, np.nan)
        read[i, : len(mask)] = ~written
    return grid, read


def group_rewards(groups: pd.DataFrame, title: str, samples: int) -> Figure:
    """How many groups of each step had how many right answers; the dead ones (none, all) are hatched.

    Args:
        groups: columns `step` and `right`, one row a group. samples: rollouts a group.
    """
    fig, (axis,) = figure(width=8.0, height=3.4)
    steps = sorted(groups["step"].unique())
    parts = {"none right (dead)": (0, 0), "some right": (1, samples - 1), "all right (dead)": (samples, samples)}
    below = np.zeros(len(steps))
    for (name, (low, high)), colour in zip(parts.items(), (COLOURS[1], COLOURS[0], COLOURS[2]), strict=True):
        found = groups[groups["right"].between(low, high)].groupby("step").size().reindex(steps, fill_value=0)
        style = {"hatch": "///", "alpha": 0.5} if "dead" in name else {}
        axis.bar(steps, found, bottom=below, color=colour, edgecolor="white", label=name, width=0.85, **style)
        below += found.to_numpy()
    axis.set(title=title, xlabel="step", ylabel="groups sampled")
    axis.set_ylim(0, 1.15 * below.max())
    axis.legend(frameon=False, fontsize=8, ncols=3, loc="upper left")
    return fig
