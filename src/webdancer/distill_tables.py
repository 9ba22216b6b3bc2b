"""What the teachers' episodes look like, in tables: part of the stage of 03_distill.

In: `trajectories.jsonl`. Out: one row of numbers an episode, and the tables and intervals made of them. Texts are read
one by one and not kept, so that a file of any size can be looked at. The paper reports numbers of kept episodes, mean
actions and mean thought tokens; intervals, stop reasons and the effect of the rewrites are ours.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from statistics import mean

import pandas as pd

from webdancer.agent.estimate import PAPER
from webdancer.agent.judge import match
from webdancer.core.protocol import ProtocolError, parse_turn, turns_of
from webdancer.core.schema import Trajectory, iter_jsonl
from webdancer.metrics import bootstrap

KEPT = {"short": 7678, "long": 6550}  # trajectories that the paper kept; their lengths are `estimate.PAPER`
ANSWERED = ("answer", "forced")


def thoughts(trajectory: Trajectory) -> list[str]:
    """The thoughts of an episode, turns that do not parse left out."""
    found = []
    for text in turns_of(trajectory.messages):
        try:
            found.append(parse_turn(text).thought)
        except ProtocolError:
            continue
    return found


def frame(trajectories: Path | Iterable[Trajectory]) -> pd.DataFrame:
    """One row an episode: style, question, sample, hops, stop, tool calls, actions (turns, the answer counted), words
    of thought, tokens billed, cost, and whether the answer is right by `judge.match`.

    Args:
        trajectories: the episodes, or the file that holds them.

    Raises:
        ValueError: there is no episode.
    """
    rows = [
        {
            "style": t.style,
            "question": t.question_id,
            "sample": t.sample,
            "hops": t.hops,
            "stop": t.stop,
            "tool_calls": t.n_calls,
            "actions": len(turns_of(t.messages)),
            "thought_words": sum(len(text.split()) for text in thoughts(t)),
            "tokens": t.tokens,
            "cost_usd": t.cost,
            "right": match(t.prediction, t.answer[0]),
        }
        for t in (iter_jsonl(trajectories, Trajectory) if isinstance(trajectories, Path) else trajectories)
    ]
    if not rows:
        raise ValueError("got no trajectories, wanted at least one: see what the run above wrote")
    return pd.DataFrame(rows)


def pick(path: Path, rows: Sequence[int]) -> list[Trajectory]:
    """The trajectories at some rows of the file (as in `frame`), read anew; in the order of the file."""
    wanted = set(rows)
    if not wanted:
        return []
    return [t for i, t in enumerate(islice(iter_jsonl(path, Trajectory), max(wanted) + 1)) if i in wanted]


def summary(episodes: pd.DataFrame) -> pd.DataFrame:
    """One row a style: episodes, share answered, and means of tool calls, words of thought in an episode,
    tokens billed; and the sum of the cost.
    """
    rows = []
    for style, ours in episodes.groupby("style", sort=False):
        means = {name: float(ours[name].mean()) for name in ("tool_calls", "thought_words", "tokens")}
        answered = float(ours["stop"].isin(ANSWERED).mean())
        cost = float(ours["cost_usd"].sum())
        rows.append({"style": style, "episodes": len(ours), "answered": answered, **means, "cost_usd": cost})
    return pd.DataFrame(rows)


def stops(episodes: pd.DataFrame) -> pd.DataFrame:
    """How many episodes of each style ended for which reason: columns `style`, `stop`, `episodes`."""
    return episodes[["style", "stop"]].value_counts(sort=False).rename("episodes").reset_index()


def beside_paper(episodes: pd.DataFrame) -> pd.DataFrame:
    """Lengths of the right episodes beside those that the paper kept, one row a style and origin.

    The paper counts tokens of its model, we count words; its teachers were language models on the real web.
    """
    rows = []
    for style, ours in episodes[episodes["right"]].groupby("style", sort=False):
        lengths = ours["actions"].mean(), ours["thought_words"].mean()
        rows += [
            (style, "here, right", len(ours), *lengths),
            (style, "paper, kept", KEPT[str(style)], *PAPER[str(style)]),
        ]
    return pd.DataFrame(rows, columns=["style", "origin", "episodes", "actions", "thought"])


def calls_by_hops(episodes: pd.DataFrame) -> pd.DataFrame:
    """Mean tool calls of answered episodes by style and hops: columns `style`, `hops`, `tool_calls`, `episodes`."""
    answered = episodes[episodes["stop"].isin(ANSWERED)]
    table = answered.groupby(["style", "hops"])["tool_calls"].agg(["mean", "size"])
    return table.set_axis(["tool_calls", "episodes"], axis=1).reset_index()


def right_samples(episodes: pd.DataFrame) -> pd.DataFrame:
    """How many questions have 0, 1, ... right samples of the first style: `right samples`, `questions`, and `share`."""
    first = episodes[episodes["style"] == episodes["style"].iloc[0]]
    counts = first.groupby("question")["right"].sum().value_counts().sort_index()
    table = pd.DataFrame({"right samples": counts.index, "questions": counts.to_numpy()})
    return table.assign(share=table["questions"] / table["questions"].sum())


def spared(episodes: pd.DataFrame, enough: int) -> int:
    """How many samples would not have been needed if each question had been asked only until `enough` were right.

    A sample has a seed of its own, so the samples before that point would have been the same.

    Args:
        episodes: from `frame`, all samples of every question.
        enough: at least 1.
    """
    count = 0
    for _, ours in episodes.sort_values("sample").groupby(["style", "question"]):
        before = ours["right"].cumsum() - ours["right"]  # right samples before each one
        count += int((before >= enough).sum())
    return count


def difficulty(trajectories: Iterable[Trajectory], seed: int = 0) -> pd.DataFrame:
    """What a rewrite does to a question: answers to all its versions (`distill.versions`), by number of rewrites.

    Args:
        trajectories: episodes whose question ids end in `.n0`, `.n1`, ...; samples of a version are averaged.
        seed: of the bootstrap over questions.

    Returns:
        One row a number of rewrites n: `questions`, `tool_calls` and `solved` (the share right by `judge.match`), and
        `more_calls`, by how much the calls of the same questions grew from n - 1 to n (NaN for n = 0). Each has
        columns `_low` and `_high`, its 95 % interval over questions.

    Raises:
        ValueError: an id without a version.
    """
    cells: dict[tuple[int, str], list[tuple[int, bool]]] = {}
    for t in trajectories:
        base, mark, n = t.question_id.rpartition(".n")
        if not (mark and n.isdigit()):
            raise ValueError(
                f"got the question id {t.question_id!r}, wanted one of `versions`, ending in .n0, .n1, ..."
            )
        cells.setdefault((int(n), base), []).append((t.n_calls, match(t.prediction, t.answer[0])))
    calls = {key: mean(c for c, _ in found) for key, found in cells.items()}
    solved = {key: mean(float(r) for _, r in found) for key, found in cells.items()}
    rows = []
    for n in sorted({n for n, _ in cells}):
        bases = sorted(base for m, base in cells if m == n)
        grown = [calls[n, b] - calls[n - 1, b] for b in bases if (n - 1, b) in calls]
        row = {"rewrites": n, "questions": len(bases)}
        row |= _with_interval("tool_calls", [calls[n, b] for b in bases], seed)
        row |= _with_interval("solved", [solved[n, b] for b in bases], seed)
        rows.append(row | _with_interval("more_calls", grown, seed))
    names = [name + end for name in ("tool_calls", "solved", "more_calls") for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=["rewrites", "questions", *names])


def _with_interval(name: str, values: Sequence[float], seed: int) -> dict[str, float]:
    """Mean and interval under three names; NaN without values."""
    low, high = bootstrap(values, seed) if values else (float("nan"),) * 2
    return {name: mean(values) if values else float("nan"), f"{name}_low": low, f"{name}_high": high}
