"""Stage 07: run policies and the teacher on questions from the held-out web, score them, and say how sure we are.

In: model folders, questions of the split `eval`, the tools over `pages_heldout`. Out: `predictions.jsonl` (a
trajectory a line, with the model's name and the verdict) and the numbers of the marker. Shown in
notebooks/07_evaluate.ipynb.

Departures from the paper: the questions are ours (its benchmarks need the real web and come in a later stage), the
verdict is a rule (`judge.match`) because our answers are names and numbers, and Pass@1 is a mean over samples
(`metrics.py` says why).
"""

import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from webdancer import metrics
from webdancer.agent import judge
from webdancer.core import protocol
from webdancer.core.record import atomic_path
from webdancer.core.schema import Question, Trajectory, from_row, to_row

REPEATED = 4  # an episode repeats itself if a 10-gram occurs more often than this (the paper's quality rule)
OUTCOMES = ("right", "format", "cut off", "gave up", "miscounted", "seen, not chosen", "unsupported", "wrong path")
Match = Callable[[str, str], bool]


@dataclass(frozen=True)
class Prediction:
    """One sample of one model on one question: the episode, and the verdicts on answer and form."""

    model: str
    trajectory: Trajectory
    correct: bool
    valid: bool

    @property
    def gold(self) -> str:
        """The right answer."""
        return self.trajectory.answer[0][0]


def choose(questions: Iterable[Question], count: int = 0, seed: int = 0) -> list[Question]:
    """The questions of split `eval`, in order; a seeded draw of `count` of them unless that is 0.

    Raises:
        ValueError: there is none.
    """
    found = [q for q in questions if q.split == "eval"]
    _some(found)
    if not 0 < count < len(found):
        return found
    drawn = set(random.Random(f"{seed}-evaluate").sample(range(len(found)), count))
    return [q for i, q in enumerate(found) if i in drawn]


def from_episode(episode: Any, question: Question) -> Trajectory:
    """An episode of `rollout.run` as a trajectory record."""
    return Trajectory(
        messages=tuple(episode.messages),
        answer=((question.answer,),),
        tag=question.kind,
        question_id=question.id,
        style="policy",
        sample=episode.sample,
        hops=question.hops,
        prediction=episode.prediction,
        stop=episode.stop,
        n_calls=episode.n_calls,
        tokens=len(episode.ids),
    )


def score(model: str, trajectories: Iterable[Trajectory], match: Match = judge.match) -> list[Prediction]:
    """Verdicts on episodes. An episode that was cut off has no answer, whatever it wrote.

    Args:
        model: name in the tables. match: (prediction, gold) to right or wrong.
    """
    return [
        Prediction(
            model,
            t,
            correct=t.stop == "answer" and match(t.prediction, t.answer[0][0]),
            valid=judge.format_ok(t.messages),
        )
        for t in trajectories
    ]


def run_policy(
    name: str,
    policy: Any,
    questions: Sequence[Question],
    tools: Any,
    *,
    engine: Any = None,
    match: Match = judge.match,
    **dials: Any,
) -> list[Prediction]:
    """Run a local policy on the questions and score it.

    Args:
        policy: of `agent.policy.load`. tools: over the held-out pages.
        engine: None for `agent.rollout.run` (imported here, it needs torch).
        dials: `samples, temperature, top_p, max_turns, max_tokens, slots, seed, ...` of the engine.

    Raises:
        ValueError: no questions.
    """
    _some(questions)
    if engine is None:
        from webdancer.agent import rollout

        engine = rollout.run
    by_id = {q.id: q for q in questions}
    episodes = engine(policy, list(questions), tools, **dials)
    return score(name, [from_episode(e, by_id[e.question_id]) for e in episodes], match)


def run_endpoint(
    name: str, llm: Any, questions: Sequence[Question], tools: Any, *, match: Match = judge.match, **dials: Any
) -> list[Prediction]:
    """Run a model behind an endpoint (the teacher, or any other) on the questions and score it.

    Args:
        llm: `agent.llm.LLM`. dials: `settings, samples, progress` of `agent.react.many`.

    Raises:
        ValueError: no questions. EndpointError: the endpoint refuses.
    """
    from webdancer.agent import react

    _some(questions)
    return score(name, react.many(llm, list(questions), tools, **dials), match)


def _some(questions: Sequence[Question]) -> None:
    """Refuse an empty evaluation."""
    if not questions:
        raise ValueError("got no evaluation questions, wanted some of the split eval: look at what 02_synthesize kept")


def write_predictions(path: Path, predictions: Iterable[Prediction]) -> int:
    """Write trajectory rows with `model`, `correct` and `valid` beside them, atomically; returns how many."""
    count = 0
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as out:
        for p in predictions:
            count += 1
            verdict = {"model": p.model, "correct": p.correct, "valid": p.valid}
            out.write(json.dumps({**verdict, **to_row(p.trajectory)}, ensure_ascii=False) + "\n")
    return count


def read_predictions(path: Path) -> list[Prediction]:
    """Read what `write_predictions` wrote.

    Raises:
        ValueError: a malformed line; the message gives file, line number and what was wrong.
    """
    predictions = []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = dict(json.loads(line))
                verdict = {key: row.pop(key) for key in ("model", "correct", "valid")}
                predictions.append(Prediction(trajectory=from_row(row, Trajectory), **verdict))
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{Path(path).name}, line {number}: got {line[:60]!r}, {error!r}") from error
    return predictions


def by_question(predictions: Iterable[Prediction]) -> dict[str, list[Prediction]]:
    """Predictions of one model grouped by question, samples in order."""
    groups: dict[str, list[Prediction]] = defaultdict(list)
    for p in sorted(predictions, key=lambda p: (p.trajectory.question_id, p.trajectory.sample)):
        groups[p.trajectory.question_id].append(p)
    return dict(groups)


def per_question(predictions: Iterable[Prediction], value: Callable[[Prediction], float]) -> dict[str, float]:
    """Question id to the mean of `value` over its samples."""
    return {q: float(np.mean([value(p) for p in rows])) for q, rows in by_question(predictions).items()}


def repeats(trajectory: Trajectory) -> bool:
    """Whether the model says some run of ten words more than four times in the episode."""
    return judge.max_ngram(" ".join(protocol.turns_of(trajectory.messages)), 10) > REPEATED


def summary(predictions: Sequence[Prediction], k: int = 3, seed: int = 0) -> dict[str, Any]:
    """All numbers of one model, as the marker holds them; fractions from 0 to 1, each with n questions and interval.

    Args:
        predictions: of one model, at least k samples a question.
        k: of Pass@k and Cons@k; the keys carry it.

    Returns:
        `pass_at_1, pass_at_k, cons_at_k, invalid_rate, repetition_rate, tool_calls`; Pass@1 `by_kind`, `by_hops`.
    """
    groups = by_question(predictions)
    right = {q: [p.correct for p in rows] for q, rows in groups.items()}
    first = {q: rows[0].trajectory for q, rows in groups.items()}
    once = {q: float(np.mean(r)) for q, r in right.items()}

    def part(name: str) -> dict[str, Any]:
        values: dict[str, list[float]] = defaultdict(list)
        for q, trajectory in first.items():
            values[str(getattr(trajectory, name))].append(once[q])
        return {key: metrics.estimate(values[key], seed) for key in sorted(values)}

    def over(value: Callable[[Prediction], float]) -> dict[str, Any]:
        return metrics.estimate(list(per_question(predictions, value).values()), seed)

    return {
        "pass_at_1": metrics.estimate(list(once.values()), seed),
        f"pass_at_{k}": metrics.estimate([metrics.pass_at_k(len(r), sum(r), k) for r in right.values()], seed),
        f"cons_at_{k}": metrics.estimate([metrics.cons_at_k(r, k) for r in right.values()], seed),
        "invalid_rate": over(lambda p: not p.valid),
        "repetition_rate": over(lambda p: repeats(p.trajectory)),
        "tool_calls": over(lambda p: p.trajectory.n_calls),
        "by_kind": part("tag"),
        "by_hops": part("hops"),
    }


def difference(first: Sequence[Prediction], second: Sequence[Prediction], seed: int = 0) -> dict[str, Any]:
    """Pass@1 of `first` minus that of `second`, paired by question: `{"value", "n", "ci95"}`."""
    once = [per_question(predictions, lambda p: p.correct) for predictions in (first, second)]
    return metrics.paired(*once, seed=seed)


def outcome(prediction: Prediction) -> str:
    """What became of an episode, by simple rules in this order; one of `OUTCOMES`.

    `right` · `format`: a turn or call broke the protocol · `cut off`: no turns or tokens left · `gave up`: it answered
    "unknown" or nothing · `miscounted`: a wrong number for a count or difference · `seen, not chosen`: the gold stood
    in an observation · `unsupported`: its answer stood in none · `wrong path`: it answered from what it read, but
    never reached the gold.
    """
    t = prediction.trajectory
    if prediction.correct:
        return "right"
    if t.stop in ("turn_cap", "context_cap", "cut"):
        return "cut off"
    if not prediction.valid:
        return "format"
    if judge.normalise(t.prediction) in ("", "unknown"):
        return "gave up"
    if t.tag in ("count", "difference") and t.prediction.strip().isdigit():
        return "miscounted"
    read = " ".join(m["content"] for m in t.messages if m["content"].startswith("<tool_response>"))
    read = f" {judge.normalise(read)} "
    if f" {judge.normalise(prediction.gold)} " in read:
        return "seen, not chosen"
    return "wrong path" if f" {judge.normalise(t.prediction)} " in read else "unsupported"


def outcomes(predictions: Iterable[Prediction]) -> dict[str, float]:
    """Share of each of `OUTCOMES` among the predictions."""
    found = [outcome(p) for p in predictions]
    return {name: found.count(name) / max(1, len(found)) for name in OUTCOMES}


def examples(predictions: Sequence[Prediction]) -> dict[str, Prediction]:
    """One episode worth reading of each outcome that occurs: the one with most tool calls, then the first by id."""
    ordered = sorted(predictions, key=lambda p: (-p.trajectory.n_calls, p.trajectory.question_id, p.trajectory.sample))
    found: dict[str, Prediction] = {}
    for p in ordered:
        found.setdefault(outcome(p), p)
    return {name: found[name] for name in OUTCOMES if name in found}
