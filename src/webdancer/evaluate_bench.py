"""Part of stage 07: which questions are asked, what is right, and what may be written of them.

In: a notebook's parameters, and our own questions for where they name no benchmark. Out: an `Exam`, the same for our
questions, an open benchmark and a secret one. What an exam calls for beside its questions (all right answers, levels,
secrecy) is asked of it and not of the parameters, so that the notebook has one path. Shown in notebooks/07_evaluate.
Departure from the paper: it names neither the version nor the file of its benchmarks; here both are in the marker.
"""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from webdancer.agent import calibration, grade
from webdancer.core import benchmarks
from webdancer.core.record import repo_root
from webdancer.core.schema import Question, Trajectory
from webdancer.core.vault import Vault
from webdancer.evaluate_predictions import Prediction


@dataclass(frozen=True)
class Exam:
    """The questions of an evaluation.

    `answers`: question id to all that is right. `slices`: question id to its level, kind, language and hops, as far as
    they are known, for `evaluate.summary`. `vault`: the switch for a secret set, None for others.
    """

    name: str
    questions: tuple[Question, ...] = field(repr=False)  # a notebook shows the last value of a cell
    answers: Mapping[str, tuple[str, ...]] = field(repr=False)
    slices: Mapping[str, Mapping[str, str]] = field(repr=False)
    vault: Vault | None = None

    def guard(self) -> AbstractContextManager[None]:
        """Around a cell that works with the questions: of a secret set no error tells them (`Vault.guard`)."""
        return self.vault.guard() if self.vault else contextlib.nullcontext()

    def with_answers(self, trajectories: Iterable[Trajectory]) -> list[Trajectory]:
        """The trajectories with all right answers of their question, of which any is enough.

        Raises:
            ValueError: a question that is not in the exam.
        """
        return [replace(t, answer=(self._of(t),)) for t in trajectories]

    def _of(self, trajectory: Trajectory) -> tuple[str, ...]:
        if trajectory.question_id not in self.answers:
            raise ValueError(f"got an episode on {trajectory.question_id!r}, which is no question of {self.name}")
        return self.answers[trajectory.question_id]

    def shown(self, trajectory: Trajectory) -> Trajectory:
        """The trajectory as a notebook may show it: of a secret set lengths in the place of texts."""
        return self.vault.veil(trajectory) if self.vault else trajectory

    def record(self) -> dict[str, Any]:
        """What a marker says: name, title, number of questions, and whether they are secret; no text."""
        known = benchmarks.ALL.get(self.name)
        title = known.title if known else "our own questions, held-out web"
        return {"name": self.name, "title": title, "questions": len(self.questions), "secret": self.vault is not None}


def open_exam(P: Mapping[str, Any], own: Sequence[Question] = ()) -> Exam:
    """The questions that the parameters name.

    Args:
        P: `benchmark`, a name of `benchmarks.ALL`, or "" for our own; `benchmark_file`, a path from the repository's
            root, or "" for the hub. `recording` must be empty for a secret set.
        own: the questions of 02; those of split `eval` are taken.

    Raises:
        BenchmarkError: unknown benchmark, not the published file, the hub cannot be reached; or a recording is asked
            for, which would keep searches made from a secret question in plain.
        FileNotFoundError: no such file. ValueError: a file without a benchmark, or no question of ours.
    """
    name, file = P["benchmark"], P["benchmark_file"]
    if not name:
        return _own(own, file)
    items = benchmarks.load(name, repo_root() / file if file else "")
    secret = benchmarks.ALL[name].secret
    if secret and P.get("recording"):
        raise benchmarks.BenchmarkError(
            f"got recording={P['recording']!r} with {name}, which is published encrypted or gated: a recording keeps "
            "the agent's searches in plain, and they quote the questions; set recording to an empty text"
        )
    texts = [item.question for item in items]
    vault = Vault(name, texts, [answer for item in items for answer in item.answers]) if secret else None
    slices = {
        item.id: {"level": item.level, "kind": item.kind, "language": item.language, "hops": str(item.hops or "")}
        for item in items
    }
    answers = {item.id: item.answers for item in items}
    return Exam(name, tuple(item.asked() for item in items), answers, slices, vault)


def _own(questions: Sequence[Question], file: str) -> Exam:
    """The exam of our own questions."""
    if file:
        raise ValueError(f"got benchmark_file={file!r} and no benchmark, wanted both: 'questions' takes any file")
    found = tuple(q for q in questions if q.split == "eval")
    if not found:
        raise ValueError("got no evaluation questions, wanted some of the split eval: look at what 02_synthesize kept")
    return Exam("", found, {q.id: (q.answer,) for q in found}, {q.id: {} for q in found})


def judged(
    predictions: Sequence[Prediction], exam: Exam, grader: grade.Grader
) -> tuple[list[Prediction], list[grade.Grade]]:
    """The predictions with all right answers of their questions and the verdicts of a judge, and its grades.

    No episode is run: with another judge, the same predictions give another table.

    Raises:
        ValueError: an episode on a question that is not in the exam. EndpointError: the judge could not be asked.
        VaultError: a sealed episode.
    """
    whole = exam.with_answers(p.trajectory for p in predictions)
    grades = grader.grade_many(map(grade.case, whole))
    rows = zip(predictions, whole, grades, strict=True)
    told = {"judged_by": grader.label}
    return [replace(p, trajectory=t, correct=g.right, confidence=g.confidence, **told) for p, t, g in rows], grades


def report(grades: Mapping[str, Sequence[grade.Grade]], graders: Mapping[str, grade.Grader]) -> dict[str, Any]:
    """What a marker says of the judges: who they are, the share of each label, calibration, and how they disagree.

    Args:
        grades: name of a judge to its grades, all on the same answers in the same order.
        graders: the judges, under the same names.
    """
    judges = {}
    for name, given in grades.items():
        sure = [(g.confidence, g.right) for g in given if g.confidence is not None]
        error = calibration.rms_error([c for c, _ in sure], [right for _, right in sure])
        judges[name] = graders[name].record() | {
            "answers": len(given), "asked": graders[name].asked, **grade.tally(given), "calibration_error": error,
        }  # fmt: skip
    apart = calibration.disagreement({name: [g.right for g in given] for name, given in grades.items()})
    return {"judges": judges, "disagreement": apart}


def judge_table(found: Mapping[str, Any]) -> pd.DataFrame:
    """The judges of a `report`, a row each: model, answers, how many were asked about, labels, calibration error."""
    rows = {
        name: {key: value for key, value in row.items() if key not in ("judge", "prompt")}
        | {"calibration_error": row["calibration_error"]["value"], "with_confidence": row["calibration_error"]["n"]}
        for name, row in found["judges"].items()
    }
    return pd.DataFrame(rows).T


def disagreement_table(found: Mapping[str, Any]) -> pd.DataFrame:
    """The pairs of judges of a `report`, a row each: share and number of answers on which they differ, and kappa."""
    rows = [{**row, "differ": row["differ"]["value"], "of": row["differ"]["of"]} for row in found["disagreement"]]
    return pd.DataFrame(rows, columns=["first", "second", "differ", "of", "only_first", "only_second", "kappa"])
