"""What the checks of 02_synthesize find in the 200 questions that the WebDancer authors released.

    python tests/benchmarks/bench_released_qa.py      prints the table and writes results/released/02_synthesize.json

Only the checks that need neither pages nor a model. The labels are ours, made by hand (`tests/data/released_qa`); the
word lists of the checks were written with this sample in view, so these figures say how well they fit it. What they do
on other people's questions about content is counted beside it: there nearly every alarm is a false one, but for `leak`
in 2WikiMultihopQA, where two things are offered and one is the answer; the check drops these too, as it does two of the
sample, which count as false alarms here. Needs the sample and the benchmarks in ../shared/data.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from webdancer import checks
from webdancer.checks_page import about_page
from webdancer.checks_time import undated
from webdancer.contamination import Benchmarks
from webdancer.core import machine, record
from webdancer.core.qa_files import QA, read
from webdancer.core.schema import Question
from webdancer.near import Near
from webdancer.web.blocked import interval

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
SAMPLE = SHARED / "webdancer" / "sample_qa.jsonl"
LABELS = ROOT / "tests" / "data" / "released_qa" / "labels.jsonl"
OTHERS = (
    "benchmarks/webwalkerqa.json", "benchmarks/browsecomp-zh-encrypted.xlsx",
    "benchmarks/xbench-deepsearch-2505.csv", "wikipedia/2wiki_500.jsonl",
)  # fmt: skip

# Each check on its own, by the label that it should find.
CHECKS: dict[str, Callable[[QA], bool]] = {
    "leak": lambda qa: checks.text_fault(qa.question, qa.answer) == "leaked",
    "letter": lambda qa: checks.text_fault(qa.question, qa.answer) == "letter",
    "yes_no": lambda qa: checks.yes_no(qa.question, qa.answer),
    "block": lambda qa: about_page(qa.question) == "block_page",
    "furniture": lambda qa: about_page(qa.question) == "furniture",
    "undated": lambda qa: bool(undated(qa.question)),
}


def labelled() -> list[tuple[QA, str, frozenset[str]]]:
    """Question and answer, kind, and labels of every row; the labels are checked against the text they belong to."""
    rows = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").split("\n") if line]
    marks = [json.loads(line) for line in LABELS.read_text(encoding="utf-8").splitlines()]
    for row, mark in zip(rows, marks, strict=True):
        if hashlib.sha256(row["question"].encode()).hexdigest() != mark["sha256"]:
            raise ValueError(f"row {mark['row']} of {SAMPLE.name} is another question than the one that was labelled")
    return [
        (QA(row["question"].strip(), row["answer"].strip()), row["tag"], frozenset(mark["labels"]))
        for row, mark in zip(rows, marks, strict=True)
    ]


def share(right: int, of: int) -> dict[str, Any]:
    """A share with Wilson's interval; `value` is None where there is nothing to share."""
    value = round(right / of, 4) if of else None
    return {"value": value, "right": right, "of": of, "ci95": [round(x, 4) for x in interval(right, of)]}


def measure() -> dict[str, Any]:
    """Precision and recall of each check, the reasons for which the whole screen would drop, repetitions, overlaps."""
    rows = labelled()
    found: dict[str, Any] = {"questions": len(rows), "checks": {}}
    for label, check in CHECKS.items():
        clear = [(qa, label in marks) for qa, _, marks in rows if f"{label}_unclear" not in marks]
        pairs = [(wanted, check(qa)) for qa, wanted in clear]
        hits = sum(wanted and got for wanted, got in pairs)
        found["checks"][label] = {
            "precision": share(hits, sum(got for _, got in pairs)),
            "recall": share(hits, sum(wanted for wanted, _ in pairs)),
        }
    # The six leaks of E2HQA that a search for the answer's characters finds; one of them is a letter inside a word.
    plain = [qa for qa, kind, _ in rows if kind == "e2hqa" and qa.answer.casefold() in qa.question.casefold()]
    found["leaks_by_characters"] = share(
        sum(bool(checks.text_fault(qa.question, qa.answer)) for qa in plain), len(plain)
    )
    for kind in ("crawlqa", "e2hqa"):
        reasons = Counter(checks.text_fault(qa.question, qa.answer) for qa, tag, _ in rows if tag == kind)
        found[f"dropped_{kind}"] = {reason: n for reason, n in sorted(reasons.items()) if reason}
    near = Near(0.8)
    found["near_duplicates"] = sum(near.again(Question("", qa.question, qa.answer, tag, 1)) for qa, tag, _ in rows)
    found["overlap"] = overlaps(qa.question for qa, _, _ in rows)
    found["alarms_elsewhere"] = {name.rpartition("/")[2]: alarms(read(SHARED / name)) for name in OTHERS}
    return found


def overlaps(questions: Iterable[str]) -> dict[str, int]:
    """How many questions share 13 words with each benchmark."""
    benchmarks = Benchmarks.open(SHARED / name for name in OTHERS)
    counts = Counter(benchmarks.overlap(question) for question in questions)
    return {name: counts[name] for name in benchmarks.questions}


def alarms(questions: list[QA]) -> dict[str, int]:
    """How many questions each check would drop."""
    return {"questions": len(questions)} | {name: sum(map(check, questions)) for name, check in CHECKS.items()}


def figure_data(found: dict[str, Any]) -> pd.DataFrame:
    """One row a check and measure."""
    rows = [
        (name, kind, both[kind]["value"]) for name, both in found["checks"].items() for kind in ("precision", "recall")
    ]
    return pd.DataFrame(rows, columns=["check", "measure", "share"])


@pytest.mark.skipif(not SAMPLE.is_file(), reason="the released questions are not in ../shared/data/webdancer")
def test_every_named_leak_and_nine_of_ten_block_questions_are_found() -> None:
    """What the project promises of its checks on the released sample."""
    found = measure()
    assert found["leaks_by_characters"]["right"] == found["leaks_by_characters"]["of"] == 6
    assert found["checks"]["block"]["recall"]["value"] >= 0.9


if __name__ == "__main__":
    from webdancer.show import plots

    found = measure()
    inputs = {path.name: record.describe(path) for path in (SAMPLE, LABELS, *(SHARED / name for name in OTHERS))}
    marker = {"stage": "02_synthesize", "parameters": {"profile": "released"}, "versions": machine.versions()}
    marker |= {"inputs": inputs, "metrics": found}
    record.write_json(record.results_dir("released") / "02_synthesize.json", marker)
    data = figure_data(found)
    blocks = found["checks"]["block"]["recall"]
    title = f"{blocks['right']} of {blocks['of']} block-page questions are found"
    figure = plots.bars(data, "check", "share", group="measure", title=title, xlabel="check", ylabel="share")
    plots.save(figure, "02_checks", data, "released")
    print(json.dumps(found, indent=1))
