"""Part of the study (08): arm after arm, each kept as one small file, so that a run that was killed goes on.

In: arms, and a `study_train.Trainer`. Out: `arms/NAME.json` for each: what it was, what its training took, and its
counts question by question (`study_measure.counts`). A file appears whole or not at all. An arm whose file is there
with the right fingerprint is not run again. The fingerprint is over data and parameters; which commit of the code an
arm was run with stands in its file. Not in the paper, which publishes no runs.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from webdancer import evaluate, study
from webdancer.core.machine import git_state
from webdancer.core.record import repo_root, write_json
from webdancer.study import Arm
from webdancer.study_measure import counts, numbers, read
from webdancer.study_train import Trainer, quiet


def finished(wanted: Iterable[Arm], trainer: Trainer, folder: Path) -> dict[str, dict[str, Any]]:
    """Name to file of the arms that need not be run: those with the fingerprint that they would have now."""
    found = {arm: read(folder / f"{arm.name}.json") for arm in wanted}
    return {
        arm.name: kept for arm, kept in found.items() if kept.get("fingerprint") == trainer.fingerprint(arm, "measure")
    }


def run(wanted: Sequence[Arm], trainer: Trainer, folder: Path) -> dict[str, dict[str, Any]]:
    """Train and measure the arms that are not finished, in order.

    Returns:
        Name to file of every arm in `wanted`.

    Raises:
        ValueError: too few trajectories for an arm, no questions. FloatingPointError, dapo.TrainingError: training
            broke; the arms before it are kept.
    """
    done = finished(wanted, trainer, folder)
    commit = git_state(repo_root())
    with tqdm(total=len(wanted), desc="arms", initial=len(done), mininterval=10) as bar:
        for arm in wanted:
            if arm.name in done:
                continue
            bar.set_postfix_str(arm.name)
            done[arm.name] = {**measure(arm, trainer), "git": commit}
            write_json(folder / f"{arm.name}.json", done[arm.name])
            bar.update()
    return done


def measure(arm: Arm, trainer: Trainer) -> dict[str, Any]:
    """What an arm's file holds: train its model if need be, ask it the evaluation questions, count."""
    s, material = trainer.setup, trainer.material
    agent = trainer.policy(arm)
    started = time.perf_counter()
    with quiet():
        predictions = evaluate.run_policy(
            arm.name,
            agent,
            material.asked,
            material.exam_tools,
            samples=s.samples,
            temperature=arm.temperature,
            top_p=s.top_p,
            max_turns=s.max_turns,
            max_tokens=s.max_length,
            max_turn_tokens=s.max_turn_tokens,
            slots=s.slots,
            prompt_style=s.prompt_style,
            date=s.date,
            seed=arm.seed,
        )
    kept = counts(predictions)
    facts = trainer.facts(arm)[arm.stages[-1]]
    return {
        **study.described(arm),
        "fingerprint": trainer.fingerprint(arm, "measure"),
        "seconds": round(time.perf_counter() - started, 1),
        "training": {name: value for name, value in facts.items() if name != "fingerprint"},
        "metrics": {name: round(float(values.mean()), 4) for name, values in numbers(kept).items()},
        "counts": kept,
    }


def curves(done: Mapping[str, Mapping[str, Any]], arms: Sequence[Arm]) -> dict[str, list[list[float]]]:
    """The log of DAPO of some arms: column to a list of numbers for each arm that practised."""
    found: dict[str, list[list[float]]] = {}
    for arm in arms:
        for name, text in done.get(arm.name, {}).get("training", {}).get("curve", {}).items():
            found.setdefault(name, []).append([float(word) for word in text.split()])
    return found
