"""Part of the study (08): how long it will take, said before it starts, from arms that are measured already.

In: the arms that are wanted and what is finished of them. Out: a table of the work left. A kind of work (a stage or a
measurement, a width, a style) that was done before counts with its mean time; one that never was counts with a rate of
a quiet machine with two cores, which other machines will not keep. Not in the paper.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from webdancer.study import Arm, Setup
from webdancer.study_run import finished
from webdancer.study_train import Trainer

TOKENS, ROLLOUTS, EPISODES = 11_500, 58, 60  # a second at width 96 with short thoughts: assumed until measured
LONG = 2.3  # times as long with long thoughts, per episode
GROWTH = 1.9  # time goes with width to this power
FILL = 0.84  # share of a batch that is no padding
STOPS = 10  # steps after which practice without SFT is given up (two windows of the guards)
EACH = 2.0  # seconds for loading and saving, whatever the work
COLUMNS = ("what", "width", "style", "runs", "done", "seconds", "measured", "left")


def assumed(what: str, arm: Arm, setup: Setup) -> float:
    """Seconds of one piece of work that was never measured.

    Args:
        what: "base", "sft", "dapo" or "measure".
    """
    wide = (arm.width / 96) ** GROWTH
    if what in ("base", "sft"):
        steps = setup.reading_steps if what == "base" else setup.steps
        return wide * steps * setup.batch_tokens * FILL / TOKENS
    long = LONG if arm.style == "long" else 1.0
    if what == "dapo":
        steps = setup.practice_steps if arm.taught else min(STOPS, setup.practice_steps)
        return wide * long * steps * setup.groups * setup.rollouts / ROLLOUTS
    return wide * long * setup.questions * setup.samples / EPISODES


def table(wanted: Iterable[Arm], trainer: Trainer, folder: Path) -> pd.DataFrame:
    """The work by kind: how many `runs`, how many `done`, `seconds` each (`measured` or not), seconds `left`.

    Args:
        folder: of the finished arms.
    """
    arms = list(wanted)
    kept = finished(arms, trainer, folder)
    work: dict[tuple[str, str], tuple[Arm, float | None]] = {}  # (what, name) to the arm and its seconds if done
    for arm in arms:
        facts = trainer.facts(arm)
        for stage in arm.stages:
            work[stage, arm.model(stage)] = (arm, facts.get(stage, {}).get("seconds"))
        work["measure", arm.name] = (arm, kept.get(arm.name, {}).get("seconds"))
    kinds: dict[tuple[str, int, str], list[tuple[Arm, float | None]]] = {}
    for (what, _), (arm, seconds) in work.items():
        style = "" if what == "base" or not arm.taught else arm.style
        kinds.setdefault((what, arm.width, style), []).append((arm, seconds))
    rows = []
    for (what, width, style), pieces in kinds.items():
        times = [seconds for _, seconds in pieces if seconds is not None]
        each = float(np.mean(times)) if times else assumed(what, pieces[0][0], trainer.setup)
        left = (len(pieces) - len(times)) * (each + EACH)
        rows.append((what, width, style, len(pieces), len(times), round(each, 1), bool(times), round(left)))
    return pd.DataFrame(rows, columns=list(COLUMNS)).sort_values(["what", "width", "style"], ignore_index=True)
