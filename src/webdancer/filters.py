"""Stage 4: the three-stage funnel that decides which trajectories are trained on. Shown in 04_filter.

In: trajectories, ours or the released WebDancer file as it is. Out: `kept` and `dropped`, a reason for every
drop, and the questions left without a survivor, which go to `rl`. As in the paper: (1) validity drops what
breaks the format; (2) correctness asks a judge; (3) quality is rules (`filters_rules`), then a model (`filters_llm`)
that keeps what is non-redundant, aligned with the goal, logical and accurate. Departures: correctness by rule is there
for when no judge is at hand; every fault of a trajectory is kept, not only the first, so that each rule can be weighed.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from webdancer.core.protocol import question_of, turns_of
from webdancer.core.record import atomic_path
from webdancer.core.schema import Trajectory, to_row, write_jsonl
from webdancer.filters_llm import Judged as Judged
from webdancer.filters_llm import Ratings, Verdicts, by_match
from webdancer.filters_llm import by_equality as by_equality
from webdancer.filters_llm import by_judge as by_judge
from webdancer.filters_llm import by_quality as by_quality
from webdancer.filters_llm import golds as golds
from webdancer.filters_rules import CRITERIA, DEFAULTS, QUALITY, broken, count_words, low_ratings, validity
from webdancer.filters_rules import Rules as Rules
from webdancer.filters_rules import prediction as prediction
from webdancer.filters_rules import quality as quality

_THOUGHT = re.compile(r"<think>(.*?)</think>", re.DOTALL)
STAGES = ("validity", "correctness", "quality")
Fault = tuple[str, str]  # stage, reason


@dataclass(frozen=True)
class Drop:
    """A trajectory that was dropped, in which stage and why."""

    stage: str
    reason: str
    trajectory: Trajectory


@dataclass(frozen=True)
class Funnel:
    """What came out of the funnel; every trajectory that went in is in exactly one of `kept` and `dropped`.

    `faults` has one entry for each that went in, in order: all that was found, of which the first made it drop.
    `checked` counts those that went in, the valid ones (correctness and rules look at all of them) and the rated ones.
    """

    kept: tuple[Trajectory, ...]
    dropped: tuple[Drop, ...]
    faults: tuple[tuple[Fault, ...], ...] = ()
    checked: tuple[int, int, int] = (0, 0, 0)
    rules: Rules = DEFAULTS

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

    def alone(self) -> pd.DataFrame:
        """What each rule would drop by itself, whatever the others say, in the order of the funnel.

        Columns: `stage`, `rule`, `checked` (trajectories it looked at), `broken` (that it would drop), `share` of those
        checked, `only` (that no other rule would drop: what a run without this rule would keep more).
        """
        counts = Counter(fault for found in self.faults for fault in found)
        only = Counter(found[0] for found in self.faults if len(found) == 1)
        forms = [fault for fault, _ in counts.most_common() if fault[0] == "validity"]
        rules = [("quality", name.format(**vars(self.rules))) for name in QUALITY]
        rated = [("quality", why) for why in ["no rating", *low_ratings([0] * len(CRITERIA), self.rules)]]
        rows = []
        for fault in [*forms, ("correctness", "wrong answer"), *rules, *(rated if self.checked[2] else [])]:
            of = self.checked[0 if fault in forms else 2 if fault in rated else 1]
            rows.append((*fault, of, counts[fault], counts[fault] / of if of else 0.0, only[fault]))
        return pd.DataFrame(rows, columns=["stage", "rule", "checked", "broken", "share", "only"])


def funnel(
    trajectories: Sequence[Trajectory],
    *,
    correct: Verdicts = by_match,
    rules: Rules = DEFAULTS,
    rate: Ratings | None = None,
) -> Funnel:
    """Send trajectories through validity, correctness and quality, in this order; a drop is for the first reason found.

    Args:
        trajectories: what the teachers did.
        correct: verdicts on valid trajectories: `by_match`, `by_judge(llm)`.
        rules: the bounds.
        rate: scores of what is right and breaks no rule: `by_quality(llm)`, stored as `ratings`; None leaves the
            model's role out.

    Returns:
        kept and dropped trajectories, each in the order they came in, and every fault found.

    Raises:
        ValueError: nothing came in.
    """
    if not trajectories:
        raise ValueError(
            "got no trajectories, wanted at least one: run 03_distill, or check the file named in `trajectories`"
        )
    rows, found = list(trajectories), [[("validity", why)] if (why := validity(t, rules)) else [] for t in trajectories]
    valid = [i for i, faults in enumerate(found) if not faults]
    for i, right in zip(valid, correct([rows[i] for i in valid]), strict=True):
        found[i] += [] if right else [("correctness", "wrong answer")]
        found[i] += [("quality", why) for why in broken(rows[i], rules)]
    good = [i for i in valid if not found[i]] if rate is not None else []
    for i, ratings in zip(good, rate([rows[i] for i in good]) if good else [], strict=True):
        rows[i] = replace(rows[i], ratings=ratings)
        found[i] += [("quality", why) for why in low_ratings(ratings, rules)]
    return Funnel(
        tuple(row for row, faults in zip(rows, found, strict=True) if not faults),
        tuple(Drop(*faults[0], row) for row, faults in zip(rows, found, strict=True) if faults),
        tuple(map(tuple, found)),
        (len(rows), len(valid), len(good)),
        rules,
    )


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


def pair(result: Funnel) -> tuple[Trajectory, Drop] | None:
    """A kept and a dropped try at the same question, to be shown side by side; a drop for quality if there is one."""
    kept = {t.question_id or question_of(t.messages): t for t in reversed(result.kept)}
    for drop in sorted(result.dropped, key=lambda d: -STAGES.index(d.stage)):
        row = drop.trajectory
        if drop.stage != "validity" and (other := kept.get(row.question_id or question_of(row.messages))):
            return other, drop
    return None


def survival(result: Funnel) -> pd.DataFrame:
    """Whom the funnel favours: columns `kind`, `hops`, `tried`, `kept`, `share`."""
    rows = [(t.tag, t.hops, 1) for t in result.kept] + [
        (d.trajectory.tag, d.trajectory.hops, 0) for d in result.dropped
    ]
    data = pd.DataFrame(rows, columns=["kind", "hops", "kept"])
    counts = data.groupby(["kind", "hops"])["kept"].agg(["size", "sum", "mean"])
    return counts.set_axis(["tried", "kept", "share"], axis=1).reset_index()


def losses(result: Funnel) -> pd.DataFrame:
    """Where questions of each length are lost: columns `hops`, `stage`, `dropped`, `tried`, `share`."""
    tried = Counter(t.hops for t in [*result.kept, *(d.trajectory for d in result.dropped)])
    lost = Counter((d.trajectory.hops, d.stage) for d in result.dropped)
    rows = [(h, s, lost[h, s], tried[h], lost[h, s] / tried[h]) for h in sorted(tried) for s in STAGES]
    return pd.DataFrame(rows, columns=["hops", "stage", "dropped", "tried", "share"])


def ratings(result: Funnel) -> pd.DataFrame:
    """How often the rater gave each score: columns `criterion`, `score`, `trajectories`; empty if nobody was rated."""
    rated = [t.ratings for t in [*result.kept, *(d.trajectory for d in result.dropped)] if t.ratings]
    counts = Counter((name, score) for row in rated for name, score in zip(CRITERIA, row, strict=True))
    rows = [(name, score, counts[name, score]) for name in CRITERIA for score in range(1, 6)] if rated else []
    return pd.DataFrame(rows, columns=["criterion", "score", "trajectories"])


def readings(rows: Sequence[Trajectory]) -> pd.DataFrame:
    """What each reading of the paper's sentence on "two actions" would keep of valid trajectories.

    Columns: `reading`, `min_actions`, `max_actions`, `count_answer` (set these three to choose it), `kept`, `actions`
    (mean of those kept, the answer counted, as in the paper's table).
    """
    bounds = {"at least two": (2, 0), "more than two": (3, 0), "at most two": (0, 2)}
    table = []
    for counted in (True, False):
        for says, (fewest, most) in bounds.items():
            good = [t for t in rows if fewest <= (n := len(turns_of(t.messages)) - (not counted)) and n <= (most or n)]
            mean = numbers(good)["actions"]
            table.append((f"{says}, answer {'counted' if counted else 'not'}", fewest, most, counted, len(good), mean))
    return pd.DataFrame(table, columns=["reading", "min_actions", "max_actions", "count_answer", "kept", "actions"])


def numbers(rows: Sequence[Trajectory]) -> dict[str, float]:
    """Rows, questions, mean tool calls, mean actions (answer counted) and mean words of all thoughts of trajectories,
    for the marker and the paper's table.
    """
    said = [len(turns_of(t.messages)) for t in rows]
    questions = {t.question_id or question_of(t.messages) for t in rows}
    mean = sum(said) / max(len(said), 1)
    return {
        "rows": len(rows),
        "questions": len(questions),
        "tool_calls": round(mean - bool(said), 3),
        "actions": round(mean, 3),
        "thought_words": round(sum(_thought_words(t) for t in rows) / max(len(said), 1), 1),
    }


def _thought_words(trajectory: Trajectory) -> int:
    """Words of all thoughts, whatever the form of the rest."""
    return sum(count_words(thought) for text in turns_of(trajectory.messages) for thought in _THOUGHT.findall(text))
