"""Part of stage 07: how often an agent would have been right within fewer turns or tool calls.

In: predictions with their episodes. Out: rows for a curve. No episode is run again: an agent does not know its limit,
so what it had answered within n turns is what it would have answered with n turns. Shown in
notebooks/07_evaluate.ipynb. Not in the paper, which gives one budget.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from webdancer import metrics
from webdancer.core import protocol
from webdancer.evaluate_predictions import Prediction, per_question, plain


def turns(prediction: Prediction) -> int:
    """Turns that the agent took, the answer counted."""
    return len(protocol.turns_of(plain(prediction.trajectory).messages))


def tool_calls(prediction: Prediction) -> int:
    """Tool calls that the agent made, bad ones counted."""
    return prediction.trajectory.n_calls


SPENT: dict[str, Callable[[Prediction], int]] = {"turns": turns, "tool_calls": tool_calls}


def curve(
    predictions: Sequence[Prediction], by: str = "turns", most: int | None = None, seed: int = 0
) -> list[dict[str, Any]]:
    """The share right within each budget; an answer that came later counts as wrong.

    An answer that was asked for because the budget was at an end (`forced`) counts from where it stands; with a
    smaller budget it would have been asked for earlier, so below it the curve says too little.

    Args:
        predictions: of one model.
        by: "turns", from 1 on, or "tool_calls", from 0 on.
        most: the last budget; None: the largest that an episode used.

    Returns:
        Rows `budget, value, low, high, n`, mean over questions with interval. The last one is Pass@1.

    Raises:
        ValueError: an unknown budget, no predictions, or sealed ones.
    """
    if by not in SPENT or not predictions:
        raise ValueError(f"got budget {by!r} and {len(predictions)} predictions, wanted some and {' or '.join(SPENT)}")
    used = {id(p): SPENT[by](p) for p in predictions}
    first, last = int(by == "turns"), max(used.values())
    rows = []
    for budget in range(first, max(first, last if most is None else most) + 1):
        shares = per_question(predictions, lambda p, b=budget: p.correct and used[id(p)] <= b)
        found = metrics.estimate(list(shares.values()), seed, share=True)
        low, high = found["ci95"]
        rows.append({"budget": budget, "value": found["value"], "low": low, "high": high, "n": found["n"]})
    return rows


def curves(runs: Mapping[str, Sequence[Prediction]], by: str = "turns", seed: int = 0) -> list[dict[str, Any]]:
    """`curve` of several models up to the same last budget, each row with its `model`."""
    if by not in SPENT or not runs:
        raise ValueError(f"got budget {by!r} and {len(runs)} models, wanted some and {' or '.join(SPENT)}")
    most = max(SPENT[by](p) for rows in runs.values() for p in rows)
    return [{"model": model, **row} for model, rows in runs.items() for row in curve(rows, by, most, seed)]


def enough(rows: Sequence[Mapping[str, Any]], share: float = 0.95) -> int:
    """The smallest budget that brings this share of what the last one brings.

    >>> enough([{"budget": 1, "value": 0.1}, {"budget": 2, "value": 0.58}, {"budget": 3, "value": 0.6}])
    2
    """
    return next(row["budget"] for row in rows if row["value"] >= share * rows[-1]["value"])
