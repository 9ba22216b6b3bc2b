"""The data of the site's explorer: an index of all episodes and their messages in parts, as compressed script files.

In: `kept.jsonl` and `dropped.jsonl` (before 04 ran `trajectories.jsonl`), `predictions.jsonl`,
`predictions_slices.jsonl`, `questions.jsonl`; whatever is there. Out: `data/index.js` and `data/part_000.js`, ...: a
page opened from the file system may load scripts but not JSON, so each file is one call with gzip in base64. Used by
`site`. Not in the paper.
"""

import base64
import gzip
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from webdancer.agent import judge
from webdancer.core import protocol
from webdancer.core.record import WRITERS
from webdancer.core.schema import Question, Trajectory, from_row, iter_jsonl, read_jsonl
from webdancer.core.vault import is_sealed
from webdancer.evaluate_outcomes import OUTCOMES, Questions, outcome
from webdancer.evaluate_predictions import Prediction, read_predictions, score

PART = 200  # episodes in a file of messages: about 100 kB, read when one of them is opened
STAGES = ("kept for SFT", "dropped by the filter", "distilled, not filtered", "evaluated", "evaluated on slices")
MARK = "\nUser: "  # before the question in the first user message of the released form
COLUMNS = ("question", "stage", "agent", "kind", "hops", "right", "outcome", "reason", "stop", "calls", "tokens",
           "sample", "reward", "said")  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """An episode of the explorer: its stage (of `STAGES`), its verdicts, and the reason why a filter dropped it."""

    stage: str
    prediction: Prediction
    reason: str = ""


def collect(folder: Path, stand_in: bool = False) -> tuple[list[Shown], list[str]]:
    """The episodes under `artifacts/`, and a sentence for each file that is missing or was left out in part.

    Args:
        folder: `results/<profile>/artifacts`. Distilled episodes have no verdicts on disk: they get those of the rule
            (`judge.match`), whatever judge the filter asked. stand_in: the teachers were rule-based stand-ins.
    """
    shown: list[Shown] = []
    notes: list[str] = []
    if (folder / "kept.jsonl").is_file() and (folder / "dropped.jsonl").is_file():
        shown += _distilled(STAGES[0], read_jsonl(folder / "kept.jsonl", Trajectory))
        shown += _dropped(folder / "dropped.jsonl")
    elif (folder / "trajectories.jsonl").is_file():
        shown += _distilled(STAGES[2], read_jsonl(folder / "trajectories.jsonl", Trajectory))
        notes.append(missing("kept.jsonl", "Episodes are shown before the filter."))
    else:
        notes.append(missing("trajectories.jsonl", "No distilled episodes are shown."))
    if (folder / "predictions.jsonl").is_file():
        shown += [Shown(STAGES[3], p) for p in read_predictions(folder / "predictions.jsonl")]
    else:
        notes.append(missing("predictions.jsonl", "No episodes of the evaluation are shown."))
    if (folder / "predictions_slices.jsonl").is_file():
        shown += [Shown(STAGES[4], p) for p in read_predictions(folder / "predictions_slices.jsonl")]
    plain = [_called(s, stand_in) for s in shown if not is_sealed(s.prediction.trajectory)]
    if len(plain) < len(shown):
        notes.append(f"{len(shown) - len(plain):,} sealed episodes of a secret benchmark are left out.")
    return plain, notes


def agent(name: str, stand_in: bool) -> str:
    """The name of an agent on the site.

    >>> agent("teacher, short", True), agent("teacher", False), agent("dapo", True)
    ('teacher (rule-based stand-in), short', 'teacher', 'dapo')
    """
    return re.sub(r"^teacher\b", "teacher (rule-based stand-in)", name) if stand_in else name


def _called(shown: Shown, stand_in: bool) -> Shown:
    return replace(shown, prediction=replace(shown.prediction, model=agent(shown.prediction.model, stand_in)))


def missing(name: str, so: str) -> str:
    """What a missing artifact means and which notebook writes it.

    >>> missing("kept.jsonl", "Not filtered.")
    'Not filtered. artifacts/kept.jsonl is missing: run 04_filter.'
    """
    return f"{so} artifacts/{name} is missing: run {WRITERS[name]}."


def _distilled(stage: str, rows: Sequence[Trajectory]) -> list[Shown]:
    """Trajectories of teachers, graded by the rule; the agent is the teacher's style."""
    return [
        Shown(stage, replace(p, model=f"teacher, {p.trajectory.style or 'style not told'}")) for p in score("", rows)
    ]


def _dropped(path: Path) -> list[Shown]:
    """The rows of `dropped.jsonl`, each with its reason."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    shown = _distilled(STAGES[1], [from_row(row["trajectory"], Trajectory) for row in rows])
    return [replace(s, reason=f"{row['stage']}: {row['reason']}") for s, row in zip(shown, rows, strict=True)]


def questions(folder: Path) -> Questions:
    """The questions by id, empty without `questions.jsonl`: with them an error class is told more sharply."""
    path = folder / "questions.jsonl"
    return {q.id: q for q in iter_jsonl(path, Question)} if path.is_file() else {}


def index(shown: Sequence[Shown], known: Questions) -> dict[str, Any]:
    """What list, search and filters need, column by column; texts that recur are numbers into `names`.

    Returns: `questions` (id, text, right answer), `names` (per column the texts, numbered from 0), `columns` (per name
        of `COLUMNS` one value an episode), `part`.
    """
    asked: dict[tuple[str, str, str], int] = {}
    names: dict[str, dict[str, int]] = {name: {} for name in ("stage", "agent", "kind", "outcome", "reason", "stop")}
    names["stage"] = {name: i for i, name in enumerate(STAGES)}
    names["outcome"] = {name: i for i, name in enumerate(OUTCOMES)}
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for s in shown:
        for name, value in _row(s, known).items():
            table = asked if name == "question" else names.get(name)
            columns[name].append(value if table is None else table.setdefault(value, len(table)))
    listed = {name: list(table) for name, table in names.items()}
    return {"questions": [list(key) for key in asked], "names": listed, "columns": columns, "part": PART}


def _row(s: Shown, known: Questions) -> dict[str, Any]:
    """One episode as the values of `COLUMNS`."""
    t = s.prediction.trajectory
    gold = t.answer[0][0] if t.answer and t.answer[0] else ""
    return {
        "question": (t.question_id, _question(t), gold),
        "stage": s.stage,
        "agent": s.prediction.model,
        "kind": t.tag or "not told",
        "hops": t.hops,
        "right": int(s.prediction.correct),
        "outcome": outcome(s.prediction, known.get(t.question_id)),
        "reason": s.reason,
        "stop": t.stop or "not told",
        "calls": t.n_calls,
        "tokens": t.tokens,
        "sample": t.sample,
        "reward": judge.reward(s.prediction.valid, s.prediction.correct),
        "said": t.prediction[:300],
    }


def _question(trajectory: Trajectory) -> str:
    try:
        return protocol.question_of(trajectory.messages)
    except protocol.ProtocolError:
        return ""


def parts(shown: Sequence[Shown]) -> Iterator[list[list[list[str]]]]:
    """The messages in parts of `PART` episodes: a list of `[role, content]` an episode."""
    for start in range(0, len(shown), PART):
        some = shown[start : start + PART]
        yield [[[m["role"], m["content"]] for m in s.prediction.trajectory.messages] for s in some]


def write(shown: Sequence[Shown], known: Questions, folder: Path) -> int:
    """Write `index.js` and the parts into `folder`; returns the bytes written.

    The same episodes give the same bytes: gzip is told no time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = [("index", index(shown, known)), *((f"part_{n:03d}", rows) for n, rows in enumerate(parts(shown)))]
    size = 0
    for name, data in found:
        text = script(name, data)
        (folder / f"{name}.js").write_text(text, encoding="ascii")
        size += len(text)
    return size


def script(name: str, data: Any) -> str:
    """A script that hands `data` to the page under a name; nothing of the data stands in it as it is."""
    packed = gzip.compress(
        json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"), 6, mtime=0
    )
    return f'siteData("{name}", "{base64.b64encode(packed).decode()}");\n'
