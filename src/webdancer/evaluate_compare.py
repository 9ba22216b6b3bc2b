"""Part of stage 07: score stored episodes again, and set two results side by side, without a new episode.

In: predictions, or folders that hold `predictions.jsonl`. Out: predictions with new verdicts; which questions flipped
between two results, both ways, with the difference, its interval and an exact test (`metrics.sign_flip`: per-question
shares of several samples, where McNemar's test wants one). Shown in notebooks/07_evaluate.ipynb; as a command:
`python -m webdancer.evaluate_compare --help`. Not in the paper.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from webdancer import metrics
from webdancer.agent import grade
from webdancer.agent.llm import LLM, EndpointError
from webdancer.core import protocol
from webdancer.core.vault import is_sealed
from webdancer.evaluate_predictions import Prediction, by_question, per_question, read_predictions, write_predictions

FILE = "predictions.jsonl"
SOLVED = 0.5  # a question is solved if more than this share of its samples is right


class Grades(Protocol):
    """What `rescore` needs of a judge: `agent.grade.Grader`, or a fake in a test."""

    label: str  # who grades

    def grade_many(self, cases: Sequence[grade.Case]) -> Sequence[grade.Grade]: ...


@dataclass(frozen=True)
class Flip:
    """A question that one result solves and the other does not, with the share of right samples in each."""

    question_id: str
    question: str
    gold: str
    old: float
    new: float


@dataclass(frozen=True)
class Comparison:
    """Two results on the same questions: Pass@1 of both, `new - old` with interval, the p-value of the exact test,
    how many questions are `better` and `worse` in their share of right samples, and those that flipped.
    """

    old: dict[str, Any]
    new: dict[str, Any]
    difference: dict[str, Any]
    p: float
    better: int
    worse: int
    gained: tuple[Flip, ...]
    lost: tuple[Flip, ...]


def pair(compared: Sequence[str], names: Sequence[str]) -> tuple[str, str]:
    """The two agents to set side by side, the older first.

    Raises:
        ValueError: not two, or one that is not evaluated.

    >>> pair(["sft", "dapo"], ["base", "sft", "dapo"])
    ('sft', 'dapo')
    """
    if len(compared) != 2 or not set(compared) <= set(names):
        raise ValueError(f"compared: got {', '.join(compared) or 'none'}, wanted two of {', '.join(names)}")
    return compared[0], compared[1]


def rescore(predictions: Sequence[Prediction], grader: Grades) -> list[Prediction]:
    """The same episodes with the verdicts of another judge.

    Raises:
        VaultError: sealed episodes. EndpointError: the judge could not be asked.
    """
    grades = grader.grade_many([grade.case(p.trajectory) for p in predictions])
    return [
        replace(p, correct=g.right, confidence=g.confidence, judged_by=grader.label)
        for p, g in zip(predictions, grades, strict=True)
    ]


def compare(old: Sequence[Prediction], new: Sequence[Prediction], seed: int = 0, *, texts: bool = True) -> Comparison:
    """Set the predictions of two models, or of one at two times, side by side.

    Args:
        seed: of the bootstrap. texts: tell questions and answers of the flips; not for a secret benchmark.

    Raises:
        ValueError: other questions or other judges on the two sides.
    """
    _comparable(old, new)
    before, after = (per_question(rows, lambda p: p.correct) for rows in (old, new))
    flips = [_flip(rows[0], before[q], after[q], texts) for q, rows in by_question(old).items()]
    far = sorted(flips, key=lambda f: (-abs(f.new - f.old), f.question_id))
    return Comparison(
        old=metrics.estimate(list(before.values()), seed, share=True),
        new=metrics.estimate(list(after.values()), seed, share=True),
        difference=metrics.paired(after, before, seed),
        p=metrics.sign_flip(after, before),
        better=sum(f.new > f.old for f in flips),
        worse=sum(f.new < f.old for f in flips),
        gained=tuple(f for f in far if f.old <= SOLVED < f.new),
        lost=tuple(f for f in far if f.new <= SOLVED < f.old),
    )


def _comparable(old: Sequence[Prediction], new: Sequence[Prediction]) -> None:
    """Raises ValueError where a comparison would mean nothing."""
    asked = [{p.trajectory.question_id: _asked(p) for p in rows} for rows in (old, new)]
    only = sorted(set(asked[0]) ^ set(asked[1]))
    if only or not asked[0]:
        raise ValueError(
            f"got {len(asked[0])} and {len(asked[1])} questions, {len(only)} of them on one side only"
            f"{' (' + only[0] + ', ...)' if only else ''}, wanted the same on both: evaluate both with the same "
            "questions, eval_questions and seed"
        )
    other = [q for q, what in asked[0].items() if what != asked[1][q]]
    if other:
        raise ValueError(
            f"got {len(other)} questions with the same id and another text or answer ({other[0]}, ...), wanted the "
            "same on both sides: they come from different webs or files"
        )
    judges = [sorted({p.judged_by for p in rows}) for rows in (old, new)]
    if judges[0] != judges[1] or len(judges[0]) > 1:
        raise ValueError(
            f"got verdicts by {', '.join(judges[0])} and by {', '.join(judges[1])}, wanted one judge for both: score "
            "one of them again (rescore)"
        )


def _asked(p: Prediction) -> tuple[Any, ...]:
    """Question and right answers; of a sealed episode nothing, its id must do."""
    if is_sealed(p.trajectory):
        return ()
    return protocol.question_of(p.trajectory.messages), p.trajectory.answer


def _flip(p: Prediction, old: float, new: float, texts: bool) -> Flip:
    shown = texts and not is_sealed(p.trajectory)
    question, gold = (protocol.question_of(p.trajectory.messages), p.gold) if shown else ("", "")
    return Flip(p.trajectory.question_id, question, gold, old, new)


def load(result: str | Path, model: str = "") -> list[Prediction]:
    """Stored predictions.

    Args:
        result: a file, or a folder that holds it or its `artifacts/`, such as `results/laptop`.
        model: of this model alone; "": of all.

    Raises:
        FileNotFoundError: no such file, with what to run. ValueError: no such model, with those there are.
    """
    path = Path(result)
    places = [path, path / FILE, path / "artifacts" / FILE]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise FileNotFoundError(
            f"{path}: no {FILE} there or in its artifacts/, wanted the folder of a result; artifacts are not "
            "committed: run 07_evaluate of that profile first"
        )
    rows = read_predictions(found)
    if model and model not in (known := {p.model: None for p in rows}):
        raise ValueError(f"{path}: got the model {model!r}, wanted one of {', '.join(known) or 'none: it is empty'}")
    return [p for p in rows if not model or p.model == model]


def told(found: Comparison, old: str = "old", new: str = "new", most: int = 10) -> str:
    """A comparison in words, under these names, with at most so many flips each way."""
    d, (low, high) = found.difference["value"], found.difference["ci95"]
    lines = [
        f"{found.difference['n']} questions: {old} {found.old['value']:.1%}, {new} {found.new['value']:.1%}",
        f"difference {100 * d:+.1f} points (95 % interval {100 * low:+.1f} to {100 * high:+.1f}), p = {found.p:.3g} "
        "(exact sign-flip test)",
        f"more samples right on {found.better} questions, fewer on {found.worse}",
    ]
    for name, flips in (("gained", found.gained), ("lost", found.lost)):
        lines.append(f"{name}: {len(flips)}")
        lines += [f"  {f.old:.0%} -> {f.new:.0%}  {f.question_id}{_quoted(f)}" for f in flips[:most]]
        lines += [f"  ... and {len(flips) - most} more"] if len(flips) > most else []
    return "\n".join(lines)


def _quoted(flip: Flip) -> str:
    return f"  {flip.question} [{flip.gold}]" if flip.question else ""


def _compare(args: argparse.Namespace) -> str:
    old, new = load(args.old, args.model), load(args.new, args.new_model or args.model)
    found = compare(old, new, args.seed)
    return json.dumps(asdict(found), indent=2, ensure_ascii=False) if args.json else told(found, most=args.most)


def _rescore(args: argparse.Namespace) -> str:
    rows = load(args.result, args.model)
    llm = LLM(args.judge_model, args.endpoint, key_env=args.key_env) if args.judge_model else None
    again = rescore(rows, grade.Grader(args.judge, llm))
    lines = []
    for name in dict.fromkeys(p.model for p in rows):
        pairs = [(a, b) for a, b in zip(rows, again, strict=True) if a.model == name]
        up, down = (sum(b.correct > a.correct for a, b in pairs), sum(b.correct < a.correct for a, b in pairs))
        before, after = (
            metrics.estimate(list(per_question(side, lambda p: p.correct).values()), args.seed, share=True)["value"]
            for side in zip(*pairs, strict=True)
        )
        lines.append(
            f"{name}: Pass@1 {before:.1%} by {pairs[0][0].judged_by}, {after:.1%} by {pairs[0][1].judged_by}; "
        )
        lines[-1] += f"of {len(pairs)} verdicts {up} became right, {down} wrong"
    if args.out:
        write_predictions(Path(args.out), again)
        lines.append(f"written to {args.out}")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m webdancer.evaluate_compare",
        description="Work with stored predictions of 07_evaluate: no episode is run again.",
        epilog="example: python -m webdancer.evaluate_compare compare results/laptop results/laptop --model sft "
        "--new-model dapo",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default 0)")
    jobs = parser.add_subparsers(required=True, metavar="compare | rescore")
    side = jobs.add_parser("compare", help="which questions flipped between two results, and is the difference real")
    side.add_argument("old", help="folder of a result, such as results/laptop, or a predictions file")
    side.add_argument("new", help="the other one; it may be the same, with --new-model")
    side.add_argument("--model", default="dapo", help="whose predictions (default dapo)")
    side.add_argument("--new-model", default="", help="in NEW, if it is called otherwise there")
    side.add_argument("--most", type=int, default=10, help="flips shown each way (default 10)")
    side.add_argument("--json", action="store_true", help="everything, as JSON")
    side.set_defaults(job=_compare)
    again = jobs.add_parser("rescore", help="judge the stored answers in another way")
    again.add_argument("result", help="folder of a result or a predictions file")
    again.add_argument("--judge", default="exact", choices=grade.PROTOCOLS, help="how to judge (default exact)")
    again.add_argument("--judge-model", default="", help="for yes_no and one_word: the model's name")
    again.add_argument("--endpoint", default="", help="its OpenAI-compatible address, up to /v1")
    again.add_argument("--key-env", default="OPENAI_API_KEY", help="environment variable with the key")
    again.add_argument("--model", default="", help="only these predictions (default: all models)")
    again.add_argument("--out", default="", help="write the predictions with the new verdicts to this file")
    again.set_defaults(job=_rescore)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns 0, or 2 if it could not be done (the reason is on stderr)."""
    args = _parser().parse_args(argv)
    try:
        print(args.job(args))
    except (OSError, ValueError, EndpointError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
