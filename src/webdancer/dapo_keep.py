"""Stage 06, what a run leaves behind: the best weights, the model folder, and a checkpoint to go on from.

In: a run and what it brought so far. Out: `dapo/` and `dapo.checkpoint`. Shown in notebooks/06_dapo.ipynb. A run that
was killed and is started again ends with the same weights, to the bit on a CPU, as one that was never stopped:
rollouts, the order of questions and mini-batches follow from seed and step; weights, optimiser and the place in the
questions are in the checkpoint. The papers say nothing about interrupted runs.
"""

import hashlib
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from webdancer.agent import checkpoint
from webdancer.agent.policy import save
from webdancer.dapo_average import PREFIX, snapshot
from webdancer.dapo_guard import Alarm

KIND = "dapo"


@dataclass
class Result:
    """What `dapo.train` brought: the log's `rows`; for each group sampled the `step` and how many were `right`; the
    step whose weights the policy now holds; the dev pass rate before the first step and at that one (NaN if not
    measured); the `alarms`, and the one that `stopped` the run, if any.
    """

    rows: list[dict[str, float]]
    groups: list[dict[str, int]]
    best_step: int
    first_dev: float
    best_dev: float
    alarms: list[Alarm] = field(default_factory=list)
    stopped: str = ""


class Keeper:
    """What a run leaves behind: the best weights, the model folder, and the checkpoint to go on from.

    Args:
        run: `dapo.Run`. save_to: checkpoint file, folder: of the model; None for none.
    """

    def __init__(self, run: Any, save_to: Path | None, folder: Path | None) -> None:
        self.run, self.save_to, self.folder = run, save_to, folder
        self.best: dict[str, torch.Tensor] = {}
        self.result = Result([], [], 0, math.nan, math.nan)

    def begin(self) -> Result:
        """The result so far: of the checkpoint, if there is one, else of the policy as it came."""
        self.identity = self._identity() if self.save_to is not None else {}
        self.best = self.run.average.weights()
        if self.save_to is not None and self.save_to.is_file():
            self._resume()
        else:
            self.result.first_dev = self.result.best_dev = self.run.pass_rate()
        return self.result

    def keep(self, step: int, row: dict[str, float]) -> None:
        """After a step: remember the weights if they are the best, and write the checkpoint if it is time."""
        result, s = self.result, self.run.settings
        if row["dev"] > result.best_dev or not self.run.dev:
            result.best_step, result.best_dev, self.best = step, row["dev"], self.run.average.weights()
            if self.run.dev and self.folder is not None:
                with self.run.average.applied():
                    save(self.run.policy, self.folder)
        last = step == s.steps or result.stopped
        if self.save_to is not None and (last or step % s.checkpoint_every == 0):
            self._save()

    def end(self) -> None:
        """Put the best weights into the policy and save it."""
        self.run.policy.model.load_state_dict(self.best, strict=False)
        if self.folder is not None:
            save(self.run.policy, self.folder)

    def _identity(self) -> dict[str, Any]:
        """What must be the same for a run to go on: settings, questions, and the weights it began with."""
        start = hashlib.sha256()
        for name, p in snapshot(self.run.policy.model).items():
            start.update(name.encode() + p.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        facts = {k: v for k, v in asdict(self.run.settings).items() if k != "checkpoint_every"}
        names = {"questions": self.run.questions, "dev": self.run.dev}
        data = {k: hashlib.sha256(repr([q.id for q in v]).encode()).hexdigest()[:16] for k, v in names.items()}
        return facts | data | {"start": start.hexdigest()[:16]}

    def _save(self) -> None:
        result = self.result
        devs = [None if math.isnan(v) else v for v in (result.first_dev, result.best_dev)]
        checkpoint.save(
            self.save_to,
            kind=KIND,
            model=self.run.policy.model,
            optimisers=[self.run.optimiser],
            state={
                "drawn": self.run.drawn,
                "best_step": result.best_step,
                "dev": devs,
                "groups": [[g["step"], g["right"]] for g in result.groups],
                "alarms": [asdict(a) for a in result.alarms],
                "stopped": result.stopped,
            },
            log=pd.DataFrame(result.rows),
            identity=self.identity,
            tensors=self.best | self.run.average.tensors(),
        )

    def _resume(self) -> None:
        """Put back weights, optimiser, random states, place in the questions, log and best weights."""
        found = checkpoint.load(
            self.save_to,
            kind=KIND,
            model=self.run.policy.model,
            optimisers=[self.run.optimiser],
            identity=self.identity,
        )
        state, result = found.state, self.result
        self.run.go_on(state["drawn"])
        device = next(self.run.policy.model.parameters()).device
        self.run.average.restore(found.tensors)
        best = {name: value for name, value in found.tensors.items() if not name.startswith(PREFIX)}
        self.best = {name: value.to(device) for name, value in best.items()}
        result.rows += found.log.to_dict("records")
        result.groups += [{"step": step, "right": right} for step, right in state["groups"]]
        result.alarms += [Alarm(**a) for a in state["alarms"]]
        result.best_step, result.stopped = state["best_step"], state["stopped"]
        result.first_dev, result.best_dev = (math.nan if v is None else v for v in state["dev"])
