"""A small run of DAPO in a process of its own, to be killed: argument 1 is its folder. Prints a line a step."""

import sys
from pathlib import Path

import by_heart
import torch

from webdancer import dapo
from webdancer.agent import policy
from webdancer.dapo_batch import Settings

SETTINGS = Settings(
    steps=6, groups=2, samples=4, max_rounds=2, max_tokens=120, slots=5, lr=2e-3, warmup=2, dev_every=2, dev_samples=2,
    temperature=1.0, checkpoint_every=2, seed=4, average=0.8,
)  # fmt: skip


def go(folder: Path, settings: Settings = SETTINGS, **more) -> tuple:
    """Train the policy in `folder/start`; returns the policy and the result.

    One thread, whatever the process had: sums split over more threads differ in their last bits.
    """
    torch.set_num_threads(1)
    agent = policy.load(folder / "start")
    questions = by_heart.QUESTIONS
    files = {"log": folder / "log.csv", "folder": folder / "dapo", "save_to": folder / "run.checkpoint"}
    tools = by_heart.EchoTools()
    return agent, dapo.train(agent, questions[:5], tools, settings, dev_questions=questions[5:], **files, **more)


if __name__ == "__main__":
    go(Path(sys.argv[1]), on_step=lambda row, batch: print(row["step"], flush=True))
