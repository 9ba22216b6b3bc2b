"""Part of stage 07: a sample of a model on a question with its verdicts, and the file that holds them.

In: episodes. Out: `Prediction` records, `predictions.jsonl`, and predictions grouped by question. Shown in
notebooks/07_evaluate.ipynb. Departure from the paper: whether an answer is right is said by a rule unless another
`match` is given (see `evaluate`).
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from webdancer.agent import judge
from webdancer.core import protocol
from webdancer.core.record import atomic_path
from webdancer.core.schema import Trajectory, from_row, to_row
from webdancer.core.vault import Vault, is_sealed

REPEATED = 4  # an episode repeats itself if a 10-gram occurs more often than this (the paper's quality rule)
ANSWERED = ("answer", "forced")  # why an episode with an answer ended
TRUNCATED = ("turn_cap", "context_cap", "cut")  # it ran out of turns or tokens
VERDICTS, BESIDE = ("model", "correct", "valid"), ("judged_by", "confidence")  # keys of a row beside its trajectory
Match = Callable[[str, tuple[str, ...]], bool]  # a prediction and the answers that are right


def plain(trajectory: Trajectory) -> Trajectory:
    """The trajectory itself, for what is computed from its texts; raises ValueError if they are sealed."""
    if is_sealed(trajectory):
        raise ValueError(f"{trajectory.question_id}: the episode is sealed, wanted it in plain: read it with its vault")
    return trajectory


@dataclass(frozen=True)
class Prediction:
    """One sample of one model on one question: the episode, and the verdicts on answer and form.

    `judged_by` says who found the answer right or wrong: a rule, or a model with the hash of its prompt; `confidence`,
    from 0 to 1, is what the answer stated of itself, if a judge looked for it.
    """

    model: str
    trajectory: Trajectory
    correct: bool
    valid: bool
    judged_by: str = "match"
    confidence: float | None = None

    @property
    def gold(self) -> str:
        """The right answer, of several the first."""
        return self.trajectory.answer[0][0]

    @property
    def said(self) -> str:
        """The answer, normalised; "" if the episode came to none."""
        t = plain(self.trajectory)
        return judge.normalise(t.prediction) if t.stop in ANSWERED else ""


def score(model: str, trajectories: Iterable[Trajectory], match: Match = judge.match) -> list[Prediction]:
    """Verdicts on episodes. An episode that was cut off has no answer, whatever it wrote.

    Args:
        model: name in the tables. match: (prediction, right answers) to right or wrong.
    """
    name = getattr(match, "__name__", type(match).__name__)
    return [
        Prediction(
            model,
            t,
            correct=t.stop in ANSWERED and match(t.prediction, t.answer[0]),
            valid=judge.format_ok(t.messages),
            judged_by=name,
        )
        for t in trajectories
    ]


def write_predictions(path: Path, predictions: Iterable[Prediction], vault: Vault | None = None) -> int:
    """Write trajectory rows with model and verdicts beside them, atomically; returns how many.

    Args:
        vault: of a secret benchmark: texts are sealed, verdicts and counts are not.
    """
    count = 0
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as out:
        for p in predictions:
            count += 1
            verdict = {name: getattr(p, name) for name in (*VERDICTS, *BESIDE)}
            row = to_row(vault.hide(p.trajectory) if vault else p.trajectory)
            out.write(json.dumps({**verdict, **row}, ensure_ascii=False) + "\n")
    return count


def read_predictions(path: Path, vault: Vault | None = None) -> list[Prediction]:
    """Read what `write_predictions` wrote; without the vault, sealed texts stay sealed.

    Raises:
        ValueError: a malformed line; the message gives file, line number and what was wrong.
        VaultError: sealed with another vault.
    """
    predictions = []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                found = _read(line)
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{Path(path).name}, line {number}: got {line[:60]!r}, {error!r}") from error
            predictions.append(replace(found, trajectory=vault.show(found.trajectory)) if vault else found)
    return predictions


def _read(line: str) -> Prediction:
    """The prediction in a line; raises ValueError, KeyError or TypeError if it holds none."""
    row = dict(json.loads(line))
    verdict = {key: row.pop(key) for key in VERDICTS}
    if [type(v) for v in verdict.values()] != [str, bool, bool]:
        raise ValueError(f"wanted a name and two truth values, got {verdict}")
    beside = {key: row.pop(key) for key in BESIDE if key in row}
    return Prediction(trajectory=from_row(row, Trajectory), **verdict, **beside)


def by_question(predictions: Iterable[Prediction]) -> dict[str, list[Prediction]]:
    """Predictions of one model grouped by question, samples in order.

    Raises:
        ValueError: a sample of a question is there twice, as when predictions of two models are put together.
    """
    groups: dict[str, list[Prediction]] = defaultdict(list)
    for p in sorted(predictions, key=lambda p: (p.trajectory.question_id, p.trajectory.sample)):
        rows = groups[p.trajectory.question_id]
        if rows and rows[-1].trajectory.sample == p.trajectory.sample:
            raise ValueError(
                f"got sample {p.trajectory.sample} of question {p.trajectory.question_id} twice (models "
                f"{rows[-1].model} and {p.model}), wanted the predictions of one model, each once"
            )
        rows.append(p)
    return dict(groups)


def per_question(predictions: Iterable[Prediction], value: Callable[[Prediction], float]) -> dict[str, float]:
    """Question id to the mean of `value` over its samples."""
    return {q: float(np.mean([value(p) for p in rows])) for q, rows in by_question(predictions).items()}


def repeats(trajectory: Trajectory) -> bool:
    """Whether the model says some run of ten words more than four times in the episode."""
    return judge.max_ngram(" ".join(protocol.turns_of(plain(trajectory).messages)), 10) > REPEATED
