"""Part of the study (08): the model of an arm, trained by 05's and 06's functions; what arms share is trained once.

In: what there is to learn (`study_data.Material`). Out: a model folder after each stage with its facts (seconds,
tokens, the log of DAPO) beside it. A model is finished when its facts are there with the right fingerprint; one that
was killed goes on from its checkpoint, to the same weights as if it had not been.

Departures from the paper: those of `sft` and `dapo`; DAPO keeps the mean of its last weights and no best ones, since a
choice by a development set would be made for arms with DAPO and for no others.
"""

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from webdancer import dapo, sft, study
from webdancer.agent import policy
from webdancer.agent.policy import Policy
from webdancer.agent.workers import Workers
from webdancer.core.record import write_json
from webdancer.dapo_batch import Settings
from webdancer.study import Arm
from webdancer.study_data import Material
from webdancer.study_measure import read

HEAD = 32  # width of an attention head
CHECKPOINT_EVERY = 50  # steps of SFT; of DAPO a fifth of it, for its steps are longer
CURVE = ("pass_rate", "format_rate", "tool_calls", "tokens_written", "truncated", "live_share")


class Trainer:
    """Trains the models of arms into `folder`, with worker processes that live as long as the `with` block.

    >>> Trainer.feed_forward(96)
    256
    """

    def __init__(self, material: Material, folder: Path) -> None:
        self.material, self.setup, self.folder = material, material.setup, folder
        self._workers: Workers | None = None
        self._width = 0

    def __enter__(self) -> "Trainer":
        return self

    def __exit__(self, *_: object) -> None:
        if self._workers is not None:
            self._workers.close()
        self._workers = None

    @staticmethod
    def feed_forward(width: int) -> int:
        """Width of a block's feed-forward part, 8/3 of the model's."""
        return width * 8 // 3

    def fingerprint(self, arm: Arm, stage: str) -> str:
        """What the arm's model after `stage`, or with "measure" its numbers, depend on."""
        return study.fingerprint(arm, self.setup, self.material.digests, stage)

    def policy(self, arm: Arm) -> Policy:
        """The arm's policy with workers; what is not there yet is trained now."""
        return self._load(arm, self.folder / arm.model(self.trained(arm)))

    def facts(self, arm: Arm) -> dict[str, dict[str, Any]]:
        """Stage to the facts of the arm's model after it, for the stages that are finished."""
        found = {stage: read(self._facts(arm, stage)) for stage in arm.stages}
        return {s: facts for s, facts in found.items() if facts.get("fingerprint") == self.fingerprint(arm, s)}

    def _facts(self, arm: Arm, stage: str) -> Path:
        return self.folder / f"{arm.model(stage)}.json"

    def trained(self, arm: Arm) -> str:
        """Train what is missing of the arm's model; returns its last stage."""
        done = self.facts(arm)
        for stage in arm.stages:
            if stage in done and (self.folder / arm.model(stage)).is_dir():
                continue
            mark = self.fingerprint(arm, stage)
            save_to = self.folder / f"{arm.model(stage)}.{mark[:12]}.checkpoint"
            agent = self._start(arm, stage)
            work = {"base": self._read, "sft": self._teach, "dapo": self._practise}[stage]
            with quiet():
                facts = work(agent, arm, save_to)
            policy.save(agent, self.folder / arm.model(stage))
            write_json(self._facts(arm, stage), {"model": arm.model(stage), "fingerprint": mark, **facts})
            save_to.unlink(missing_ok=True)
        return arm.stages[-1]

    def _start(self, arm: Arm, stage: str) -> Policy:
        """The policy that a stage begins with: random weights, or the model after the stage before."""
        if stage != "base":
            before = arm.stages[arm.stages.index(stage) - 1]
            return self._load(arm, self.folder / arm.model(before))
        agent = policy.build_tiny(
            self.material.tokenizer,
            hidden=arm.width,
            layers=self.setup.layers,
            heads=arm.width // HEAD,
            feed_forward=self.feed_forward(arm.width),
            seed=arm.seed,
        )
        return self._with_workers(agent, arm.width)

    def _load(self, arm: Arm, folder: Path) -> Policy:
        return self._with_workers(policy.load(folder, device="cpu"), arm.width)

    def _with_workers(self, agent: Policy, width: int) -> Policy:
        """Give the policy the workers of its width; those of another width end."""
        if self._workers is None or self._width != width:
            self.__exit__()
            self._workers, self._width = Workers(agent, self.setup.threads - 1), width
        agent.workers = self._workers
        return agent

    def recipe(self, arm: Arm, steps: int) -> sft.Recipe:
        """The recipe of SFT, the same for all arms but for the seed."""
        size = self.setup.batch_tokens
        return sft.Recipe(steps=steps, batch_tokens=size, seed=arm.seed, checkpoint_every=CHECKPOINT_EVERY)

    def _read(self, agent: Policy, arm: Arm, save_to: Path) -> dict[str, Any]:
        recipe = replace(self.recipe(arm, self.setup.reading_steps), flat=self.setup.reading_flat)
        return self._fit(agent, self.material.reading, recipe, save_to)

    def _teach(self, agent: Policy, arm: Arm, save_to: Path) -> dict[str, Any]:
        return self._fit(agent, self.material.lessons(arm), self.recipe(arm, self.setup.steps), save_to)

    def _fit(self, agent: Policy, examples: Sequence[sft.Example], recipe: sft.Recipe, save_to: Path) -> dict[str, Any]:
        """`sft.train` with new names in every episode; what it took."""
        log = sft.train(agent, examples, recipe, names=self.material.names, save_to=save_to)
        tokens = int(log["tokens"].sum())
        each = sum(len(e.ids) for e in examples) / len(examples)
        return {
            "seconds": round(float(log["seconds"].iloc[-1]), 1),
            "parameters": sum(p.numel() for p in agent.model.parameters()),
            "examples": len(examples),
            "episodes": round(tokens / each),
            "tokens": tokens,
            "trained_tokens": int(log["trained"].sum()),
            "loss": round(float(log["loss"].tail(20).mean()), 4),
        }

    def settings(self, arm: Arm) -> Settings:
        """The settings of DAPO: 06's, without refill and without a development set."""
        s = self.setup
        return Settings(
            steps=s.practice_steps,
            groups=s.groups,
            samples=s.rollouts,
            max_rounds=1,
            average=s.average,
            overlong_filter=s.overlong_filter,
            max_turns=s.max_turns,
            max_tokens=s.max_length,
            max_turn_tokens=s.max_turn_tokens,
            slots=s.groups * s.rollouts,
            prompt_style=s.prompt_style,
            date=s.date,
            checkpoint_every=max(1, CHECKPOINT_EVERY // 5),
            seed=arm.seed,
        )

    def _practise(self, agent: Policy, arm: Arm, save_to: Path) -> dict[str, Any]:
        """DAPO. A policy that was taught nothing and has no live group after two windows learns nothing: it stops."""
        stop = () if arm.taught else ("few_live_groups",)
        practice, tools = self.material.practice, self.material.practice_tools
        guards = dapo.Guards(stop_on=stop)
        result = dapo.train(agent, practice, tools, self.settings(arm), save_to=save_to, guards=guards)
        return {
            "seconds": round(sum(row["seconds"] for row in result.rows), 1),
            "steps": len(result.rows),
            "updates": sum(row["used"] > 0 for row in result.rows),
            "sampled": int(sum(row["sampled"] for row in result.rows)),
            "stopped": result.stopped,
            "alarms": [alarm.name for alarm in result.alarms],
            "curve": {name: " ".join(f"{row[name]:.4g}" for row in result.rows) for name in CURVE},
        }


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no words inside the block: a hundred of them would bury the study's own."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield
