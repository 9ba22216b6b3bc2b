"""Stage 07: run policies and the teacher on questions from the held-out web, score them, and say how sure we are.

In: model folders, questions of the split `eval`, the tools over `pages_heldout`. Out: `predictions.jsonl` (a
trajectory a line, with the model's name and the verdict) and the numbers of the marker. Shown in
notebooks/07_evaluate.ipynb. Its parts, some of which are named here too: `evaluate_predictions` the records and their
file, `evaluate_store` what is kept when a run is interrupted, `evaluate_outcomes` what became of an episode,
`evaluate_budget` what fewer turns would do, `evaluate_compare` scores again and sets two results side by side.

Departures from the paper: the verdict is a rule (`judge.match`), because our answers are names and numbers, and Pass@1
is a mean over samples (`metrics.py` says why).
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from webdancer import metrics
from webdancer.agent import judge
from webdancer.core.schema import Question, Trajectory
from webdancer.evaluate_outcomes import examples as examples
from webdancer.evaluate_outcomes import outcome as outcome
from webdancer.evaluate_outcomes import outcomes as outcomes
from webdancer.evaluate_predictions import TRUNCATED, Match, Prediction, by_question, per_question, repeats, score
from webdancer.evaluate_predictions import read_predictions as read_predictions
from webdancer.evaluate_predictions import write_predictions as write_predictions

Facts = Mapping[str, Mapping[str, Any]]  # question id to what is known of it: level, language, ...


def choose(questions: Iterable[Question], count: int = 0, seed: int = 0) -> list[Question]:
    """The questions of split `eval`, in order; a seeded draw of `count` of them unless that is 0.

    Raises:
        ValueError: there is none.
    """
    found = [q for q in questions if q.split == "eval"]
    some(found)
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
    some(questions)
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

    some(questions)
    return score(name, react.many(llm, list(questions), tools, **dials), match)


def some(questions: Sequence[Question]) -> None:
    """Refuse an empty evaluation."""
    if not questions:
        raise ValueError("got no evaluation questions, wanted some of the split eval: look at what 02_synthesize kept")


def rates(predictions: Sequence[Prediction], seed: int = 0) -> dict[str, Any]:
    """How the episodes went, right or wrong, on the mean over a question's samples.

    Shares that are invalid, repeat themselves or were cut off by a limit; tool calls, tokens and US dollars an episode.
    Tokens are those of the episode for a local policy, and those billed for an endpoint: prompts count at every turn.
    """
    shares: dict[str, Callable[[Prediction], float]] = {
        "invalid_rate": lambda p: not p.valid,
        "repetition_rate": lambda p: repeats(p.trajectory),
        "truncation_rate": lambda p: p.trajectory.stop in TRUNCATED,
    }
    amounts: dict[str, Callable[[Prediction], float]] = {
        "tool_calls": lambda p: p.trajectory.n_calls,
        "tokens": lambda p: p.trajectory.tokens,
        "cost": lambda p: p.trajectory.cost,
    }
    return {
        name: metrics.estimate(list(per_question(predictions, value).values()), seed, share=name in shares)
        for name, value in {**shares, **amounts}.items()
    }


def slices(predictions: Sequence[Prediction], facts: Facts | None = None, seed: int = 0) -> dict[str, Any]:
    """Pass@1 `by_kind` and `by_hops`, and by what else is known of the questions; checked to add up to the total.

    Args:
        facts: what is known of each question, such as `{"q1": {"level": "2", "language": "en"}, ...}`, for `by_level`
            and `by_language`; it wins over kind and hops of the episodes. What is known of none makes no slices.

    Raises:
        ValueError: a question of which nothing is known although `facts` are given.
    """
    once = per_question(predictions, lambda p: p.correct)
    first = {q: rows[0].trajectory for q, rows in by_question(predictions).items()}
    if missing := [q for q in first if facts is not None and q not in facts]:
        raise ValueError(f"got no facts of {len(missing)} questions ({missing[0]}, ...), wanted some of each")
    known = {q: {"kind": t.tag, "hops": t.hops, **(facts or {}).get(q, {})} for q, t in first.items()}
    total, found = metrics.estimate(list(once.values()), seed, share=True), {}
    for name in dict.fromkeys(key for fact in known.values() for key in fact):
        values: dict[str, list[float]] = defaultdict(list)
        for q, value in once.items():
            values[str(known[q].get(name, "")) or "not told"].append(value)
        if set(values) != {"not told"}:
            found[f"by_{name}"] = {key: metrics.estimate(values[key], seed, share=True) for key in sorted(values)}
            metrics.add_up(found[f"by_{name}"], total, f"by_{name}")
    return found


def summary(
    predictions: Sequence[Prediction],
    k: int = 3,
    seed: int = 0,
    *,
    facts: Facts | None = None,
    seconds: float | None = None,
) -> dict[str, Any]:
    """All numbers of one model, as the marker holds them; fractions from 0 to 1, each with n questions and interval.

    Args:
        predictions: of one model, at least k samples a question.
        k: of Pass@k, Cons@k, majority vote and best of k; the keys carry it.
        facts: as in `slices`.
        seconds: the wall time of all episodes, if it is known; many ran at once.

    Returns:
        `pass_at_1, pass_at_k, cons_at_k, majority_at_k, best_of_k`; `runs`, the share right in each of the first k
        runs; those of `rates`; `seconds` an episode, or None; those of `slices`.

    Raises:
        ValueError: fewer than k samples of a question; as `slices`.
    """
    groups = by_question(predictions)
    right = [[p.correct for p in rows] for rows in groups.values()]

    def over(values: Iterable[float]) -> dict[str, Any]:
        return metrics.estimate(list(values), seed, share=True)

    return {
        "pass_at_1": over(float(np.mean(r)) for r in right),
        f"pass_at_{k}": over(metrics.pass_at_k(len(r), sum(r), k) for r in right),
        f"cons_at_{k}": over(metrics.cons_at_k(r, k) for r in right),
        f"majority_at_{k}": over(
            metrics.majority([p.said for p in rows[:k]], [p.correct for p in rows[:k]]) for rows in groups.values()
        ),
        f"best_of_{k}": metrics.best_of_k(right, k, seed),
        "runs": [float(np.mean([r[i] for r in right])) for i in range(k)],
        **rates(predictions, seed),
        "seconds": None if seconds is None else seconds / len(predictions),
        **slices(predictions, facts, seed),
    }


def difference(first: Sequence[Prediction], second: Sequence[Prediction], seed: int = 0) -> dict[str, Any]:
    """Pass@1 of `first` minus that of `second`, paired by question: `{"value", "n", "ci95"}`."""
    once = [per_question(predictions, lambda p: p.correct) for predictions in (first, second)]
    return metrics.paired(*once, seed=seed)
