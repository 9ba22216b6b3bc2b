"""Figures of 06_dapo: the clip surrogate, an advantage heat map, group rewards over the steps, the curves of the log,
and how the cost of a step grows.

In: tensors of one group, or the rows of `dapo_log.csv`. Out: matplotlib figures with titles that say what to see. Saved
by `plots.save` with their data beside them.
"""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from webdancer.show.plots import COLOURS, curves, figure

RATIOS = np.linspace(0.4, 1.7, 261)  # where the clip surrogate is drawn
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
        eps_low, eps_high: the clip range. ratios: of a few tokens, drawn as ticks along the bottom.
    """
    fig, axes = figure(1, 2, width=8.0, height=3.2)
    for axis, sign in zip(axes, (1, -1), strict=True):
        value = _clip_panel(axis, sign, eps_low, eps_high)
        inside = [r for r in ratios if RATIOS[0] <= r <= RATIOS[-1]]
        axis.plot(inside, [value.min() - 0.05] * len(inside), "|", color="black", alpha=0.4)
        axis.set_xlabel("ratio new / old")
    fig.suptitle(title or f"A good token stops at {1 + eps_high:.2f}, a bad one at {1 - eps_low:.2f}")
    return fig


def _clip_panel(axis: Any, sign: int, eps_low: float, eps_high: float) -> np.ndarray:
    """Draw the objective of a token with advantage 1 or -1; returns its values at `RATIOS`."""
    value = np.minimum(RATIOS * sign, np.clip(RATIOS, 1 - eps_low, 1 + eps_high) * sign)
    edge = 1 + eps_high if sign > 0 else 1 - eps_low
    axis.plot(RATIOS, value, color=COLOURS[0 if sign > 0 else 5], linewidth=2)
    axis.axvline(edge, color=COLOURS[-1], linestyle="--", linewidth=1)
    axis.set(title=f"advantage {sign:+d}: {'better' if sign > 0 else 'worse'} than its group", ylabel="objective")
    note = {"textcoords": "offset points", "fontsize": 8, "ha": "left" if sign > 0 else "right"}
    axis.annotate("no gradient beyond", (edge, value.mean()), xytext=(4 * sign, 0), **note)
    return value


def clip_figure(eps_low: float, eps_high: float, ratios: Sequence[float], advantages: Sequence[float]) -> Figure:
    """The clipped objective, and under it how many tokens of a batch stand at which ratio, good and bad ones apart.

    Args:
        eps_low, eps_high: the clip range. ratios, advantages: of the trained tokens, as many of one as of the other.
    """
    fig, axes = figure(2, 2, width=8.0, height=5.0)
    found, sign_of = np.asarray(ratios, dtype=float), np.sign(np.asarray(advantages, dtype=float))
    beyond = 0
    for column, sign in enumerate((1, -1)):
        top, below = axes[column], axes[2 + column]
        _clip_panel(top, sign, eps_low, eps_high)
        top.set_xlabel("ratio new / old")
        mine = found[sign_of == sign]
        edge = 1 + eps_high if sign > 0 else 1 - eps_low
        stopped = int((mine > edge).sum() if sign > 0 else (mine < edge).sum())
        beyond += stopped
        below.hist(
            np.clip(mine, RATIOS[0], RATIOS[-1]),
            bins=52,
            range=(RATIOS[0], RATIOS[-1]),
            color=COLOURS[0 if sign > 0 else 5],
        )
        below.axvline(edge, color=COLOURS[-1], linestyle="--", linewidth=1)
        below.set_yscale("symlog", linthresh=1)
        below.set(
            title=f"{len(mine)} tokens, {stopped} beyond the clip",
            xlabel="ratio new / old",
            ylabel="tokens (log scale)",
        )
    fig.suptitle(f"The clip stops {beyond} of {len(found)} tokens of this batch")
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
    """How many groups of each step had how many right answers, as stacked bars; the dead ones (none, all) are hatched.

    Args:
        groups: columns `step` and `right`, one row a group. samples: rollouts a group.
    """
    fig, (axis,) = figure(width=8.0, height=3.6)
    steps = sorted(groups["step"].unique())
    below = np.zeros(len(steps))
    shades = matplotlib.colormaps["cividis"](np.linspace(0.1, 0.95, samples + 1))
    for right in range(samples + 1):
        found = groups[groups["right"] == right].groupby("step").size().reindex(steps, fill_value=0)
        dead = right in (0, samples)
        style = {"hatch": "///", "facecolor": "white"} if dead else {"color": shades[right]}
        label = {0: "none right (dead)", samples: "all right (dead)", 1: "1 right", samples - 1: f"{samples - 1} right"}
        edge = {"edgecolor": shades[right] if dead else "white", "linewidth": 0.5}
        axis.bar(steps, found, bottom=below, width=0.85, label=label.get(right), **style, **edge)
        below += found.to_numpy()
    axis.set(title=title, xlabel="step", ylabel="groups sampled")
    axis.set_ylim(0, 1.2 * below.max())
    axis.legend(frameon=False, fontsize=8, ncols=4, loc="upper left")
    return fig


def growth_figure(growth: pd.DataFrame) -> Figure:
    """Seconds a step of DAPO as one size grows and the others stay: panels of rollouts and update, stacked.

    Args:
        growth: columns `what` (the size that grows), `value`, `rollout` and `update` (seconds a step).
    """
    names = list(dict.fromkeys(growth["what"]))
    fig, axes = figure(1, len(names), width=3.2 * len(names), height=3.2)
    for axis, name in zip(axes, names, strict=True):
        part = growth[growth["what"] == name].sort_values("value")
        at = np.arange(len(part))
        axis.bar(at, part["rollout"], color=COLOURS[0], label="rollouts")
        axis.bar(at, part["update"], bottom=part["rollout"], color=COLOURS[1], label="updates")
        axis.set_xticks(at, [f"{v / 1e6:.2g}M" if v >= 1e5 else f"{v:g}" for v in part["value"]])
        total = (part["rollout"] + part["update"]).to_numpy()
        times, larger = total[-1] / total[0], part["value"].iloc[-1] / part["value"].iloc[0]
        axis.set(
            title=f"{larger:.2g} times the {name}:\n{times:.2g} times the time", xlabel=name, ylabel="seconds a step"
        )
        axis.title.set_fontsize(9)
    axes[0].legend(frameon=False, fontsize=8)
    return fig
