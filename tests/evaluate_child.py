"""A small evaluation in a process of its own, to be killed. Prints a line a chunk and call.

Arguments: its folder, and whether the local policy is "drawn" (answers drawn at random, no torch, quick to start) or
"tiny" (a real one, in `folder/start`).
"""

import json
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from fake_agent import ANSWER, BRIEF, CALL, WRONG, FakeLLM, FakeTools, ask

from webdancer import evaluate, evaluate_store
from webdancer.core import prompts

QUESTIONS = [ask(f"q{n}") for n in range(8)]
DIALS = {"samples": 3, "temperature": 1.0, "slots": 5, "seed": 3}


@dataclass
class Episode:
    """The fields of `rollout.Episode` that scoring reads."""

    question_id: str
    sample: int
    messages: list
    prediction: str
    stop: str = "answer"
    n_calls: int = 1
    ids: tuple = (1, 2, 3)


def drawn(policy, questions, tools, *, samples, seed, **dials):
    """Episodes as `rollout.run` makes them: each from its own random stream."""
    found = []
    for q in questions:
        for n in range(samples):
            text = (ANSWER, WRONG)[random.Random(f"{seed}-{q.id}-{n}").randrange(2)]
            messages = [*prompts.head(q.question, style="brief"), {"role": "assistant", "content": text}]
            found.append(Episode(q.id, n, messages, text.split("\n")[1]))
            time.sleep(0.005)
    return found


class Reporting(FakeTools):
    """Tools that report every call, and take their time."""

    def __init__(self, report):
        self.report = report

    async def call(self, name, arguments):
        self.report("call")
        return await super().call(name, arguments)


def local(folder: Path, kind: str) -> tuple:
    """Folder, policy, questions, tools and engine of the local policy.

    One thread, whatever the process had: sums split over more threads differ in their last bits.
    """
    if kind == "drawn":
        return None, None, QUESTIONS, None, drawn
    import by_heart
    import torch

    from webdancer.agent import policy, rollout

    torch.set_num_threads(1)
    return folder / "start", policy.load(folder / "start"), by_heart.QUESTIONS, by_heart.EchoTools(), rollout.run


def go(folder: Path, kind: str, report=lambda what: None) -> evaluate_store.Store:
    """Evaluate a policy and a model behind an endpoint; predictions and numbers are written, what was kept is left."""
    start, agent, questions, tools, play = local(folder, kind)

    def engine(*args, **dials):
        found = play(*args, **dials)
        report("chunk")
        return found

    path = folder / "predictions.jsonl"
    store = evaluate_store.Store(path, ["a test"], chunk=2)
    rows = store.policy("local", start, agent, questions, tools, engine=engine, progress=False, **DIALS)
    delays = {q.question: 0.01 * n for n, q in enumerate(QUESTIONS, 1)}
    llm = FakeLLM(CALL, lambda seed: (ANSWER, WRONG)[seed % 2], concurrency=2, delays=delays)
    reporting, more = Reporting(report), {"settings": BRIEF, "samples": 3, "progress": False}
    rows += store.endpoint("teacher", llm, QUESTIONS, reporting, **more)
    evaluate.write_predictions(path, rows)
    found = evaluate.read_predictions(path)
    models = {name: evaluate.summary([p for p in found if p.model == name]) for name in ("local", "teacher")}
    (folder / "numbers.json").write_text(json.dumps(models))
    return store


if __name__ == "__main__":
    go(Path(sys.argv[1]), sys.argv[2], report=lambda what: print(what, flush=True))
