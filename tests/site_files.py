"""A made-up profile for the tests of the site: nine episodes whose counts are worked out by hand in the tests."""

import base64
import json
from pathlib import Path

import nbformat

from webdancer.core.protocol import Turn, render_response, render_turn
from webdancer.core.schema import Question, Trajectory, to_row, write_jsonl
from webdancer.evaluate_predictions import Prediction, write_predictions

HOSTILE = "<img src=x onerror=\"window.hacked='img'\"></script><script>window.hacked='script'</script> Tal Veron"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # one pixel


def episode(number: int, kind: str, hops: int, said: str, gold: str = "Tal Veron", **fields) -> Trajectory:
    """An episode with one search, whose observation is hostile, and an answer."""
    question = f"Question {number} <b>of</b> {kind}?"
    messages = (
        {"role": "system", "content": "Search, visit, answer."},
        {"role": "user", "content": f"rules\nUser: {question}"},
        {"role": "assistant", "content": render_turn(Turn("Look <i>it</i> up.", "search", {"query": [question]}))},
        {"role": "user", "content": render_response(HOSTILE)},
        {"role": "assistant", "content": render_turn(Turn("Found.", answer=said))},
    )
    about = {"question_id": f"q{number}", "tag": kind, "hops": hops, "prediction": said, "stop": "answer", "n_calls": 1}
    return Trajectory(messages, ((gold,),), **{"style": "short", "tokens": 100 + number, **about, **fields})


def artifacts(folder: Path) -> None:
    """Four kept, two dropped and three evaluated episodes.

    Kept: q1 to q4 (multihop 2 hops twice, count 1 hop twice), all right. Dropped: q5 wrong, q1 right but repeated.
    Evaluated: dapo q6 right, dapo q7 `seen, not chosen`, sft q6 cut off.
    """
    folder.mkdir(parents=True)
    kept = [episode(n, kind, hops, "Tal Veron") for n, kind, hops in ((1, "multihop", 2), (2, "multihop", 2))]
    kept += [episode(n, "count", 1, "3", "3") for n in (3, 4)]
    write_jsonl(folder / "kept.jsonl", kept)
    wrong, again = episode(5, "multihop", 3, "Ana Wrong"), episode(1, "multihop", 2, "Tal Veron", sample=1)
    dropped = [
        {"stage": "correctness", "reason": "wrong answer", "trajectory": to_row(wrong)},
        {"stage": "quality", "reason": "repeated call", "trajectory": to_row(again)},
    ]
    (folder / "dropped.jsonl").write_text("".join(json.dumps(row) + "\n" for row in dropped))
    evaluated = [
        Prediction("dapo", episode(6, "e2hqa", 4, "Tal Veron", style="policy"), True, True),
        Prediction("dapo", episode(7, "e2hqa", 4, "img", style="policy"), False, True),
        Prediction("sft", episode(6, "e2hqa", 4, "", style="policy", stop="cut"), False, False),
    ]
    write_predictions(folder / "predictions.jsonl", evaluated)
    write_jsonl(folder / "questions.jsonl", [Question("q6", "Question 6?", "Tal Veron", "e2hqa", 4, split="eval")])


def profile(root: Path, name: str = "tiny") -> Path:
    """A whole made-up profile under `root/results`; returns its folder."""
    folder = root / "results" / name
    artifacts(folder / "artifacts")
    nbformat.write(notebook(), folder / "07_evaluate.ipynb")
    (folder / "figures").mkdir()
    for stem, rows in FIGURES.items():
        (folder / "figures" / f"{stem}.csv").write_text(rows)
    (folder / "figures" / "04_funnel.png").write_bytes(base64.b64decode(PNG))
    (folder / "07_evaluate.json").write_text(json.dumps(marker("07_evaluate", {"models": models(), **GAIN})))
    (folder / "02_synthesize.json").write_text(json.dumps(marker("02_synthesize", DRAFTS)))
    return folder


FIGURES = {
    "04_funnel": "stage,kept,dropped\nall,6,0\ncorrectness,5,1\nquality,4,1\n",
    "04_reasons": "stage,reason,dropped\ncorrectness,wrong answer,1\nquality,repeated call,1\n",
    "05_loss": "phase,step,loss,aside\nreading,0,4.0,\nreading,1,2.0,3.0\nsft,2,1.0,\n",
    "06_curves": "step,reward,pass_rate,entropy,dev\n1,0.25,0.2,0.5,0.1\n2,0.75,0.6,nan,\n",
    "07_outcomes": 'index,right,"seen, not chosen",cut off\ndapo,0.5,0.5,0.0\nsft,0.0,0.0,1.0\n',
}
DRAFTS = {"drafts": 10, "questions": 7, "drops": {"yes_no": 1, "leaked": 2}}
GAIN = {"dapo_minus_sft": {"value": 0.5, "n": 2, "ci95": [-0.125, 1.0]}}


def models() -> dict:
    """Scores as the marker of 07 holds them."""
    keys = ("pass_at_1", "pass_at_3", "cons_at_3", "invalid_rate", "tool_calls")
    return {
        agent: {key: {"value": value, "n": 2, "ci95": [0.0, 1.0]} for key in keys}
        for agent, value in (("sft", 0.0), ("dapo", 0.5))
    }


def marker(stage: str, metrics: dict) -> dict:
    """A marker with what the site reads of it."""
    machine = {"system": "Linux", "processor": "x86_64", "cpus": 2, "gpu": "", "peak_memory_mib": 293}
    rest = {"git": {"commit": "a" * 40, "dirty": False}, "cost": {}, "seconds": 90.0, "machine": machine}
    return {"stage": stage, "parameters": {"endpoint": ""}, "metrics": metrics, **rest}


def notebook() -> nbformat.NotebookNode:
    """An executed notebook with a formula, each kind of output and a hostile printed line."""
    v4 = nbformat.v4
    data = {"text/html": "<table border=1><tr><th></th><th>a</th></tr></table><script>window.hacked='out'</script>"}
    cells = [
        v4.new_markdown_cell(
            "# 07 · Evaluate\n\nWith $n \\ge k$ of `$x$` dollars: `a`.\n\n| | |\n|---|---|\n| a | b |"
        ),
        v4.new_code_cell("samples = 3  # episodes", metadata={"tags": ["parameters"]}),
        v4.new_code_cell(
            "x = 'a' * 3  # " + "long " * 40,
            execution_count=2,
            outputs=[
                v4.new_output("stream", name="stdout", text="\x1b[31m<script>window.hacked='print'</script>\x1b[0m\n"),
                v4.new_output("display_data", data=data),
                v4.new_output("execute_result", data={"image/png": PNG, "text/plain": "<Figure>"}, execution_count=2),
                v4.new_output("stream", name="stdout", text="line\n" * 31),
            ],
        ),
    ]
    return v4.new_notebook(cells=cells)
