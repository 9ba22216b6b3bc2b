"""Stage 06, the loop: reinforcement learning of the tiny agent with DAPO, on questions that SFT left over.

In: a policy, questions of the split `rl`, the tools over `pages_rl` and `pages_train`. Out: the trained policy and one
log row a step.
Shown in notebooks/06_dapo.ipynb; the arithmetic is in `dapo_loss.py`, the batch in `dapo_batch.py`, the updates in
`dapo_update.py`, the alarms in `dapo_guard.py`.

One step: sample G rollouts of each question; keep the live groups and refill the dead ones (dynamic sampling); turn
rewards into advantages; make at least two updates on the batch against the stored log-probabilities.

Departures from the papers (DAPO arXiv 2503.14476, WebDancer arXiv 2505.22648), besides those in `dapo_loss.py`:
1. Live means 0 < right answers < G, as in the paper. The reward 0.1 format + 0.9 answer has spread in an all-wrong
   group too: a filter on the reward would keep it.
2. Refill asks for just the missing groups, at most `max_rounds` times; a step then makes do with what it has. The paper
   samples until the batch is full. Every rollout thrown away is counted in the log (`thrown_away`).
   `refill="duplicate"` is DUPO's way (WebSailor, arXiv 2507.02592) instead.
3. Truncated rollouts (turn cap, context cap, cut) count in their group's mean and std and stay out of the loss
   (overlong filtering; the WebDancer team's later advice about truncated negatives). The paper's other remedy, soft
   overlong punishment, is off unless `overlong_buffer` is set; it counts the tokens of the whole episode, observations
   too, for these are what fills the context. `overlong_filter=False` keeps them in the loss as
   wrong: right where what is cut off are loops inside a turn, the policy's own doing, which it else never loses by.
4. Sizes are those of a tiny policy on two cores: G = 8, 12 groups, 2 updates, lr 2e-4 (paper: 16, 512, 16, 1e-6).
5. The best checkpoint is chosen on rl questions set aside (`dev`), never on evaluation questions.
6. The rl questions may come from a web of their own, whose names SFT never met. On the web it was taught on, a tiny
   policy is rewarded for names known by heart: practice went up and the held-out web did not follow.
7. With `average` above 0, dev measures and the folder keeps a running mean of the weights (`dapo_average`), while
   training goes on from the last ones.
8. What the rollouts of a group have in common is computed once, when they are sampled (`agent.table`) and when they are
   trained on (`agent.prefixes`); neither samples nor gradients change by more than rounding. The paper does not say.

Differences from verl 0.9 (its DAPO recipe):
1. verl filters groups by the spread of a metric that one names (`filter_groups.metric`), and generates whole batches
   again; here the filter is 1. above, and only missing groups are sampled.
2. verl's recipe punishes overlong answers softly; here truncated ones stay out of the loss, and the other is an option.
3. verl recomputes the old log-probabilities with the trainer before the first update; here they are the rollout
   engine's (`old_logp="trainer"` is verl's way). On a CPU both agree to 1e-4; step 1 of every run measures it.
4. verl scales out (Ray, FSDP or Megatron, vLLM); this is one process, on a CPU with a worker for each further core.

Differences from TRL 1.14 (GRPOTrainer with `loss_type="dapo"`):
1. TRL has no dynamic sampling: dead groups stay in the batch, and their tokens in the denominator of the mean.
2. TRL trains on episodes that end at the turn cap or because the next observation would overflow, as if complete.
3. TRL divides by std + 1e-4, here 1e-6.
4. TRL computes an episode from its beginning after every tool call, and every rollout of a group by itself.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from webdancer import dapo_guard, dapo_log
from webdancer.agent import rollout
from webdancer.agent.policy import Policy
from webdancer.agent.tracker import Tracker
from webdancer.core.schema import Question
from webdancer.dapo_average import Average
from webdancer.dapo_batch import TRUNCATED, Batch, Engine, Match, Settings, collect, exact, roll, seed_of, shuffled
from webdancer.dapo_guard import Guards
from webdancer.dapo_keep import Keeper, Result
from webdancer.dapo_update import learn


def train(
    policy: Policy,
    questions: Sequence[Question],
    tools: Any,
    settings: Settings,
    *,
    log: Path | None = None,
    folder: Path | None = None,
    save_to: Path | None = None,
    tracker: str = "",
    guards: Guards | None = None,
    dev_questions: Sequence[Question] = (),
    engine: Engine = rollout.run,
    match: Match = exact,
    on_step: Callable[[dict[str, float], Batch], None] | None = None,
) -> Result:
    """Train `policy.model` in place with DAPO; afterwards it holds the best weights on `dev_questions`, else the last.

    Args:
        questions: what to practise on, none of them used in SFT. tools: handed to the engine.
        log: CSV file, beside it JSON lines as the steps are done; `tracker` as in `agent.tracker.Tracker`.
        folder: where the policy is saved: when the dev pass rate rises, and when training ends, also by an error.
        save_to: checkpoint, written every `checkpoint_every` steps; if it is there, training goes on from it. Settings,
            questions and first weights must be those of the run that wrote it. Delete it when the result is safe.
        guards: when to raise an alarm and whether to stop; None for the defaults.
        dev_questions: rl questions set aside, measured before the first step and every `dev_every` steps.
        engine: `rollout.run` or anything with its signature. match: verdict on (prediction, gold).
        on_step: called with the row and the batch of each step, for progress and figures.

    Returns:
        A `Result`. Steps count from 1; 0 is the policy as it came.

    Raises:
        ValueError: no questions. TrainingError: a number is not finite; the policy holds the last good weights.
        checkpoint.CheckpointError: `save_to` is damaged or belongs to another run.
    """
    if not questions:
        raise ValueError("got no questions, wanted some of the split rl: look at what 02 and 04 left over")
    policy.model.eval()  # no dropout: the ratio must compare weights, not noise
    run = Run(policy, tools, settings, engine, match, questions, list(dev_questions) if settings.dev_every else [])
    keeper = Keeper(run, save_to if settings.checkpoint_every else None, folder)
    result, guards = keeper.begin(), guards or Guards()
    with ExitStack() as stack:
        stack.callback(keeper.end)
        track = stack.enter_context(Tracker(log, tracker, result.rows)) if log is not None else None
        done = len(result.rows)
        bar = tqdm(range(done + 1, settings.steps + 1), "DAPO", initial=done, total=settings.steps, mininterval=10)
        for step in bar if not result.stopped else ():
            row, batch = run.step(step)
            result.rows.append(row)
            result.groups += [{"step": step, "right": n} for n in batch.right]
            if track is not None:
                track.add(row)
            _sound(result, guards)
            keeper.keep(step, row)
            if on_step is not None:
                on_step(row, batch)
            if result.stopped:
                break
    return result


def _sound(result: Result, guards: Guards) -> None:
    """Add the alarms that are new, say them, and stop if one is a reason to."""
    for alarm in dapo_guard.check(result.rows, guards):
        if alarm.name not in {a.name for a in result.alarms}:
            result.alarms.append(alarm)
            tqdm.write(f"step {alarm.step}: {alarm.name}: {alarm.message}")
        if alarm.name in guards.stop_on:
            result.stopped = alarm.name


class Run:
    """What one run of DAPO carries from step to step: policy, optimiser, and how many questions were `drawn`."""

    def __init__(
        self,
        policy: Policy,
        tools: Any,
        settings: Settings,
        engine: Engine,
        match: Match,
        questions: Sequence[Question],
        dev: list[Question],
    ) -> None:
        self.policy, self.tools, self.settings = policy, tools, settings
        self.engine, self.match, self.questions, self.dev = engine, match, questions, dev
        weights = [p for p in policy.model.parameters() if p.requires_grad]
        for p in weights:
            p.data = p.data.float()  # in bf16 a small update is lost to rounding
        self.optimiser = torch.optim.AdamW(weights, lr=settings.lr, betas=settings.betas, weight_decay=0.0)
        self.average = Average(policy.model, settings.average)
        self.drawn = 0
        self.source = self._source(0)

    def _source(self, skip: int) -> Iterator[Question]:
        """The questions in their order, from the one after the first `skip`."""
        for question in itertools.islice(shuffled(self.questions, self.settings.seed), skip, None):
            self.drawn += 1
            yield question

    def go_on(self, drawn: int) -> None:
        """Draw on from where another run stood."""
        self.drawn, self.source = drawn, self._source(drawn)

    def step(self, step: int) -> tuple[dict[str, float], Batch]:
        """Sample, learn, measure dev if it is time; returns the log's row and the batch. Raises `TrainingError`."""
        started = time.perf_counter()
        rate = self.settings.lr * min(1.0, step / max(1, self.settings.warmup))
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        s, engine, match = self.settings, self.engine, self.match
        batch = collect(self.policy, self.source, self.tools, s, step, engine=engine, match=match)
        sampled = time.perf_counter()
        learned = learn(self.policy.model, self.optimiser, batch, s, step, self.policy.workers)
        row = {"step": step, **dapo_log.describe(batch), **learned}
        self.average.update(step)
        row |= {"lr": rate, "seconds_rollout": sampled - started, "seconds": time.perf_counter() - started}
        due = self.dev and (step == s.steps or step % s.dev_every == 0)
        return {**row, "dev": self.pass_rate() if due else math.nan}, batch

    def pass_rate(self) -> float:
        """Share of right answers on dev at the training temperature, with the same seed each time; NaN without dev."""
        questions = self.dev
        if not questions:
            return math.nan
        s = self.settings
        with self.average.applied():
            episodes = roll(self.engine, self.policy, questions, self.tools, s, s.dev_samples, seed_of(s.seed, "dev"))
        golds = [q.answer for q in questions for _ in range(s.dev_samples)]
        right = [e.stop not in TRUNCATED and self.match(e.prediction, g) for e, g in zip(episodes, golds, strict=True)]
        return sum(right) / len(right)
