"""Stage 4: the three-stage funnel that decides which trajectories are trained on. Shown in 04_filter.

In: trajectories, ours or the released WebDancer file as it is. Out: `kept` and `dropped`, a reason for every
drop, and the questions left without a survivor, which go to `rl`. As in the paper: (1) validity drops what
breaks the format; (2) correctness asks a judge; (3) quality is rules (number of actions, hallucinated tools, a
10-gram more than 4 times), then a model that keeps what is non-redundant, aligned with the goal, logical and
accurate. Departures: the paper's bounds on the number of actions are ambiguous, so they are parameters; a rule
on repeated identical calls is ours; correctness by `match` is there for when no judge is at hand.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from webdancer.agent.judge import TOOLS, Asks, LLMJudge, format_error, match, max_ngram, read_verdict
from webdancer.agent.llm import wait
from webdancer.core import prompts
from webdancer.core.protocol import Turn, parse_turn, question_of, turns_of
from webdancer.core.record import atomic_path
from webdancer.core.schema import Trajectory, to_row, write_jsonl

STAGES = ("validity", "correctness", "quality")
Verdicts = Callable[[Sequence[Trajectory]], list[bool]]


@dataclass(frozen=True)
class Rules:
    """Bounds of the quality rules. An action is a tool call or the final answer, as the paper counts; 0 = no
    upper bound.
    """

    min_actions: int = 2
    max_actions: int = 20
    ngram: int = 10
    max_ngram: int = 4
    max_same_call: int = 1
    tools: tuple[str, ...] = TOOLS


@dataclass(frozen=True)
class Drop:
    """A trajectory that was dropped, in which stage and why."""

    stage: str
    reason: str
    trajectory: Trajectory


@dataclass(frozen=True)
class Funnel:
    """What came out of the funnel; every trajectory that went in is in exactly one of the two."""

    kept: tuple[Trajectory, ...]
    dropped: tuple[Drop, ...]

    def table(self) -> pd.DataFrame:
        """Columns `stage`, `kept`, `dropped`; the first row is what came in."""
        left = len(self.kept) + len(self.dropped)
        rows = [("all", left, 0)]
        for stage in STAGES:
            out = sum(d.stage == stage for d in self.dropped)
            left -= out
            rows.append((stage, left, out))
        return pd.DataFrame(rows, columns=["stage", "kept", "dropped"])

    def reasons(self) -> pd.DataFrame:
        """Columns `stage`, `reason`, `dropped`, the most frequent reason of each stage first."""
        counts = Counter((d.stage, d.reason) for d in self.dropped)
        order = sorted(counts, key=lambda key: (STAGES.index(key[0]), -counts[key], key[1]))
        return pd.DataFrame([(*key, counts[key]) for key in order], columns=["stage", "reason", "dropped"])


def golds(trajectory: Trajectory) -> tuple[str, ...]:
    """All gold answers of a trajectory, aliases too."""
    return tuple(gold for group in trajectory.answer for gold in ((group,) if isinstance(group, str) else group))


def prediction(trajectory: Trajectory) -> str:
    """The final answer: the stored one, or for a released file the answer block of the last turn ("" if there
    is none).
    """
    if trajectory.prediction or trajectory.stop:
        return trajectory.prediction
    said = turns_of(trajectory.messages)
    return (parse_turn(said[-1]).answer or "").strip() if said else ""


def validity(trajectory: Trajectory) -> str:
    """Why a trajectory is not valid, "" if it is: it has to end in an answer and follow the protocol throughout."""
    if trajectory.stop not in ("", "answer"):
        return f"ended by {trajectory.stop}"
    return format_error(trajectory.messages, tools=None)


def quality(trajectory: Trajectory, rules: Rules = Rules()) -> str:
    """Why a valid trajectory breaks a quality rule, "" if it breaks none.

    Args:
        trajectory: it must be valid (every turn parses).
        rules: the bounds.
    """
    said = turns_of(trajectory.messages)
    calls = [turn for turn in map(parse_turn, said) if turn.answer is None]
    if any(call.name not in rules.tools for call in calls):
        return "hallucinated tool"
    if len(said) < rules.min_actions:
        return "too few actions"
    if 0 < rules.max_actions < len(said):
        return "too many actions"
    if max(Counter(map(_call_text, calls)).values(), default=0) > rules.max_same_call:
        return "repeated call"
    if max_ngram(" ".join(said), rules.ngram) > rules.max_ngram:
        return f"repeated {rules.ngram}-gram"
    return ""


def _call_text(turn: Turn) -> str:
    """A call as text that is equal for equal calls."""
    return json.dumps([turn.name, turn.arguments], sort_keys=True)


def by_match(trajectories: Sequence[Trajectory]) -> list[bool]:
    """Correctness by rule (`judge.match`) against the gold and its aliases; no model is asked."""
    return [match(prediction(t), golds(t)) for t in trajectories]


def by_judge(llm: Asks) -> Verdicts:
    """Correctness by an LLM judge that sees question, prediction and gold. On the pocket web it is a rule-based
    stand-in.

    A prediction that equals a gold answer (`match` with `exact=True`) is right without a call.
    """
    judge = LLMJudge(llm)

    def verdicts(rows: Sequence[Trajectory]) -> list[bool]:
        right = [match(prediction(t), golds(t), exact=True) for t in rows]
        asked = [t for t, equal in zip(rows, right, strict=True) if not equal]
        found = iter(judge.judge_many((question_of(t.messages), prediction(t), golds(t)) for t in asked))
        return [equal or next(found) for equal in right]

    return verdicts


def by_quality(llm: Asks) -> Verdicts:
    """Quality by a model that reads question and episode: non-redundant, aligned with the goal, logical and
    accurate.
    """

    async def ask(trajectory: Trajectory) -> bool:
        reply = await llm.chat(prompts.quality(question_of(trajectory.messages), trajectory.messages), seed=0)
        return bool(read_verdict(reply.content))

    async def ask_all(rows: Sequence[Trajectory]) -> list[bool]:
        return list(await asyncio.gather(*map(ask, rows)))

    return lambda rows: wait(ask_all(rows))


def funnel(
    trajectories: Sequence[Trajectory],
    *,
    correct: Verdicts = by_match,
    rules: Rules = Rules(),
    rate: Verdicts | None = None,
) -> Funnel:
    """Send trajectories through validity, correctness and quality, in this order; a drop is for the first reason found.

    Args:
        trajectories: what the teachers did.
        correct: verdicts on valid trajectories: `by_match`, `by_judge(llm)`.
        rules: the bounds of the quality rules.
        rate: verdicts on what the rules kept: `by_quality(llm)`; None leaves the model's role out.

    Returns:
        kept and dropped trajectories, each in the order they came in.

    Raises:
        ValueError: nothing came in.
    """
    if not trajectories:
        raise ValueError(
            "got no trajectories, wanted at least one: run 03_distill, or check the file named in `trajectories`"
        )
    rejected: dict[int, tuple[str, str]] = {}
    left = list(range(len(trajectories)))

    def drop(stage: str, reasons: Sequence[str]) -> None:
        rejected.update({i: (stage, why) for i, why in zip(left, reasons, strict=True) if why})
        left[:] = [i for i in left if i not in rejected]

    def ask(verdicts: Verdicts, reason: str) -> list[str]:
        return ["" if good else reason for good in verdicts([trajectories[i] for i in left])]

    drop("validity", [validity(t) for t in trajectories])
    drop("correctness", ask(correct, "wrong answer"))
    drop("quality", [quality(trajectories[i], rules) for i in left])
    if rate is not None:
        drop("quality", ask(rate, "low rating"))
    dropped = tuple(Drop(*rejected[i], trajectories[i]) for i in sorted(rejected))
    return Funnel(tuple(trajectories[i] for i in left), dropped)


def write(result: Funnel, kept: Path, dropped: Path) -> None:
    """Write both files atomically, the dropped ones first, each with its stage and reason.

    Raises:
        ValueError: nothing survived; the message gives the reasons by number. `dropped` is written, `kept` is
            left as it was.
    """
    with atomic_path(dropped) as temporary, open(temporary, "w", encoding="utf-8") as out:
        for drop in result.dropped:
            row = {"reason": drop.reason, "stage": drop.stage, "trajectory": to_row(drop.trajectory)}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    if not result.kept:
        why = ", ".join(f"{n} {reason}" for _, reason, n in result.reasons().itertuples(index=False))
        raise ValueError(
            f"no trajectory survived the funnel ({why}): read {dropped.name}, then loosen the rules or sample more"
        )
    write_jsonl(kept, result.kept)


def examples(result: Funnel) -> list[Drop]:
    """The first drop of each reason, in the order of `Funnel.reasons`."""
    first = {(d.stage, d.reason): d for d in reversed(result.dropped)}
    return [first[stage, reason] for stage, reason, _ in result.reasons().itertuples(index=False)]


def survival(result: Funnel) -> pd.DataFrame:
    """Whom the funnel favours: columns `kind`, `hops`, `tried`, `kept`, `share`."""
    rows = [(t.tag, t.hops, 1) for t in result.kept] + [
        (d.trajectory.tag, d.trajectory.hops, 0) for d in result.dropped
    ]
    data = pd.DataFrame(rows, columns=["kind", "hops", "kept"])
    counts = data.groupby(["kind", "hops"])["kept"].agg(["size", "sum", "mean"])
    return counts.set_axis(["tried", "kept", "share"], axis=1).reset_index()


def numbers(rows: Sequence[Trajectory]) -> dict[str, float]:
    """Rows, questions, mean tool calls and mean actions (answer counted) of trajectories, for the marker and
    the paper's table.
    """
    said = [len(turns_of(t.messages)) for t in rows]
    questions = {t.question_id or question_of(t.messages) for t in rows}
    mean = sum(said) / max(len(said), 1)
    return {
        "rows": len(rows),
        "questions": len(questions),
        "tool_calls": round(mean - bool(said), 3),
        "actions": round(mean, 3),
    }
