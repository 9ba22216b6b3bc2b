"""Stage 06, the loop: reinforcement learning of the tiny agent with DAPO, on questions that SFT left over.

In: a policy, questions of the split `rl`, the tools over `pages_rl` and `pages_train`. Out: the trained policy and one
log row a step.
Shown in notebooks/06_dapo.ipynb; the arithmetic is in `dapo_loss.py`.

One step: sample G rollouts of each question; keep the live groups and refill the dead ones (dynamic sampling); turn
rewards into advantages; make at least two updates on the batch against the stored log-probabilities.

Departures from the papers (DAPO arXiv 2503.14476, WebDancer arXiv 2505.22648), besides those in `dapo_loss.py`:
1. Live means 0 < right answers < G. The reward 0.1 format + 0.9 answer has spread in an all-wrong group too.
2. Refill asks for just the missing groups, at most `max_rounds` times; a step then makes do with what it has. The paper
   samples until the batch is full. Every rollout thrown away is counted in the log (`sampled - used`).
3. Truncated rollouts (turn cap, context cap, cut) count in their group's mean and std and stay out of the loss
   (overlong filtering; the WebDancer team's later advice about truncated negatives). No soft overlong punishment.
4. Sizes are those of a tiny policy on two cores: G = 8, 12 groups, 2 updates, lr 2e-4 (paper: 16, 512, 16, 1e-6).
5. The best checkpoint is chosen on rl questions set aside (`dev`), never on evaluation questions.
6. The rl questions may come from a web of their own, whose names SFT never met. On the web it was taught on, a tiny
   policy is rewarded for names known by heart: practice went up and the held-out web did not follow.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from webdancer import dapo_log, dapo_loss
from webdancer.agent import rollout
from webdancer.agent.policy import Policy, save
from webdancer.core.schema import Question
from webdancer.dapo_batch import (
    TRUNCATED,
    Batch,
    Engine,
    Match,
    Rollout,
    Settings,
    TrainingError,
    collect,
    exact,
    minibatches,
    roll,
    seed_of,
    shuffled,
)


@torch.no_grad()
def trainer_logp(model: Any, rollouts: Sequence[Rollout], micro_tokens: int) -> list[list[float]]:
    """Log-probabilities of the trained tokens as the trainer's forward pass sees them, one list a rollout."""
    result: list[list[float]] = [[] for _ in rollouts]
    for chosen in dapo_loss.buckets([len(r.episode.ids) for r in rollouts], micro_tokens):
        ids, mask = _tensors(model, [rollouts[i] for i in chosen])
        logp, _ = dapo_loss.token_logp(model, ids, mask)
        for i, part in zip(chosen, logp.split(mask[:, 1:].sum(1).tolist()), strict=True):
            result[i] = part.tolist()
    return result


def stored_logp(rollouts: Sequence[Rollout]) -> list[list[float]]:
    """Log-probabilities of the trained tokens as the rollout engine stored them, one list a rollout."""
    return [[p for p, m in zip(r.episode.logp[1:], r.episode.mask[1:], strict=True) if m] for r in rollouts]


def _tensors(model: Any, rollouts: Sequence[Rollout]) -> tuple[torch.Tensor, torch.Tensor]:
    """Right-padded `ids` and `mask`, both [B, T], where the model lives."""
    device = model.get_output_embeddings().weight.device
    ids = dapo_loss.pad([r.episode.ids for r in rollouts], 0, torch.long, device)
    return ids, dapo_loss.pad([r.episode.mask for r in rollouts], False, torch.bool, device)


def update(
    model: Any, optimiser: Any, rollouts: Sequence[Rollout], old: Sequence[Sequence[float]], s: Settings
) -> dict[str, float]:
    """One optimiser step on `rollouts`, in micro-batches whose gradients add up exactly.

    Args:
        model: weights to train. rollouts: a mini-batch, each with trained tokens. old: their stored log-probabilities.

    Returns:
        Sums over the trained tokens (`tokens, entropy, ratio, low, high`), the `loss` and the `grad_norm`.

    Raises:
        TrainingError: loss or gradient is not finite; no weight was changed.
    """
    tokens = [r.trained for r in rollouts]
    weights = dapo_loss.token_weights(tokens, [r.group for r in rollouts], s.aggregation)
    optimiser.zero_grad(set_to_none=True)
    totals = dict.fromkeys(("loss", "entropy", "ratio", "low", "high"), 0.0)
    for chosen in dapo_loss.buckets([len(r.episode.ids) for r in rollouts], s.micro_tokens):
        ids, mask = _tensors(model, [rollouts[i] for i in chosen])
        logp, entropy = dapo_loss.token_logp(model, ids, mask)
        before = torch.tensor([p for i in chosen for p in old[i]], device=logp.device)
        advantage = dapo_loss.spread([rollouts[i].advantage for i in chosen], mask)
        part = dapo_loss.surrogate(logp, before, advantage, s.eps_low, s.eps_high)
        loss = (part.loss * dapo_loss.spread([weights[i] for i in chosen], mask)).sum()
        loss.backward()
        values = (loss.detach(), entropy.sum(), part.ratio.sum(), part.low.sum(), part.high.sum())
        for name, value in zip(totals, values, strict=True):
            totals[name] += float(value)
    norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), s.grad_clip))
    if not (math.isfinite(totals["loss"]) and math.isfinite(norm)):
        optimiser.zero_grad(set_to_none=True)
        raise TrainingError(f"got loss {totals['loss']} and gradient norm {norm}, wanted finite numbers: lower lr")
    optimiser.step()
    return {**totals, "grad_norm": norm, "tokens": float(sum(tokens))}


@dataclass
class Result:
    """What `train` brought: the log's `rows`; for each group sampled the `step` and how many were `right`; the step
    whose weights the policy now holds; the dev pass rate before the first step and at that one (NaN if not measured).
    """

    rows: list[dict[str, float]]
    groups: list[dict[str, int]]
    best_step: int
    first_dev: float
    best_dev: float


def train(
    policy: Policy,
    questions: Sequence[Question],
    tools: Any,
    settings: Settings,
    *,
    log: Path | None = None,
    folder: Path | None = None,
    dev_questions: Sequence[Question] = (),
    engine: Engine = rollout.run,
    match: Match = exact,
    on_step: Callable[[dict[str, float], Batch], None] | None = None,
) -> Result:
    """Train `policy.model` in place with DAPO; afterwards it holds the best weights on `dev_questions`, else the last.

    Args:
        questions: what to practise on, none of them used in SFT. tools: handed to the engine.
        log: CSV file, rewritten atomically after each step.
        folder: where the policy is saved: when the dev pass rate rises, and when training ends, also by an error.
        dev_questions: rl questions set aside, measured before the first step and every `dev_every` steps.
        engine: `rollout.run` or anything with its signature. match: verdict on (prediction, gold).
        on_step: called with the row and the batch of each step, for progress and figures.

    Returns:
        A `Result`. Steps count from 1; 0 is the policy as it came.

    Raises:
        ValueError: no questions. TrainingError: a number is not finite; the policy holds the last good weights.
    """
    if not questions:
        raise ValueError("got no questions, wanted some of the split rl: look at what 02 and 04 left over")
    policy.model.eval()  # no dropout: the ratio must compare weights, not noise
    dev = list(dev_questions) if settings.dev_every else []
    run = Run(policy, tools, settings, engine, match, shuffled(questions, settings.seed), dev)
    before = run.pass_rate()
    result = Result([], [], 0, before, before)
    best = snapshot(policy.model)
    try:
        for step in tqdm(range(1, settings.steps + 1), desc="DAPO", mininterval=10):
            row, batch = run.step(step)
            if row["dev"] > result.best_dev or not dev:
                result.best_step, result.best_dev, best = step, row["dev"], snapshot(policy.model)
                _keep(policy, folder if dev else None)
            result.rows.append(row)
            result.groups += [{"step": step, "right": n} for n in batch.right]
            if log is not None:
                dapo_log.write(log, result.rows)
            if on_step is not None:
                on_step(row, batch)
    finally:
        policy.model.load_state_dict(best, strict=False)
        _keep(policy, folder)
    return result


class Run:
    """What one run of DAPO carries from step to step: policy, optimiser, the order of the questions."""

    def __init__(
        self,
        policy: Policy,
        tools: Any,
        settings: Settings,
        engine: Engine,
        match: Match,
        source: Iterator[Question],
        dev: list[Question],
    ) -> None:
        self.policy, self.tools, self.settings = policy, tools, settings
        self.engine, self.match, self.source, self.dev = engine, match, source, dev
        weights = [p for p in policy.model.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(weights, lr=settings.lr, betas=settings.betas, weight_decay=0.0)

    def step(self, step: int) -> tuple[dict[str, float], Batch]:
        """Sample, learn, measure dev if it is time; returns the log's row and the batch. Raises `TrainingError`."""
        started = time.perf_counter()
        rate = self.settings.lr * min(1.0, step / max(1, self.settings.warmup))
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        s, engine, match = self.settings, self.engine, self.match
        batch = collect(self.policy, self.source, self.tools, s, step, engine=engine, match=match)
        sampled = time.perf_counter()
        row = {"step": step, **dapo_log.describe(batch), **learn(self.policy.model, self.optimiser, batch, s, step)}
        row |= {"lr": rate, "seconds_rollout": sampled - started, "seconds": time.perf_counter() - started}
        due = self.dev and (step == s.steps or step % s.dev_every == 0)
        return {**row, "dev": self.pass_rate() if due else math.nan}, batch

    def pass_rate(self) -> float:
        """Share of right answers on dev at the training temperature, with the same seed each time; NaN without dev."""
        questions = self.dev
        if not questions:
            return math.nan
        s = self.settings
        episodes = roll(self.engine, self.policy, questions, self.tools, s, s.dev_samples, seed_of(s.seed, "dev"))
        golds = [q.answer for q in questions for _ in range(s.dev_samples)]
        right = [e.stop not in TRUNCATED and self.match(e.prediction, g) for e, g in zip(episodes, golds, strict=True)]
        return sum(right) / len(right)


def _keep(policy: Policy, folder: Path | None) -> None:
    """Save the policy if there is a folder for it."""
    if folder is not None:
        save(policy, folder)


def learn(model: Any, optimiser: Any, batch: Batch, settings: Settings, step: int) -> dict[str, float]:
    """All updates on one rollout batch; the averages over its trained tokens as columns of the log.

    Raises:
        TrainingError: as `update`, with the step.
    """
    parts = minibatches(batch.live, settings.minibatches, seed_of(settings.seed, "order", step))
    stored = [stored_logp(part) for part in parts]
    nothing = dict.fromkeys(("loss", "entropy", "ratio", "clip_low", "clip_high", "grad_norm", "logp_gap"), math.nan)
    row = {**nothing, "used": sum(map(len, parts)), "trained_tokens": 0.0}
    if not parts:
        return row
    if step == 1 or settings.old_logp == "trainer":
        again = [trainer_logp(model, part, settings.micro_tokens) for part in parts]
        row["logp_gap"] = dapo_log.mean_gap(stored, again)
        stored = again if settings.old_logp == "trainer" else stored
    try:
        sums = [update(model, optimiser, part, old, settings) for part, old in zip(parts, stored, strict=True)]
    except TrainingError as error:
        raise TrainingError(f"DAPO stopped at step {step}: {error}") from error
    tokens = sum(s["tokens"] for s in sums)
    for name, key in (("entropy", "entropy"), ("ratio", "ratio"), ("clip_low", "low"), ("clip_high", "high")):
        row[name] = sum(s[key] for s in sums) / tokens
    row["loss"], row["grad_norm"] = (sum(s[k] for s in sums) / len(sums) for k in ("loss", "grad_norm"))
    return {**row, "trained_tokens": tokens}


def snapshot(model: Any) -> dict[str, torch.Tensor]:
    """A copy of the trainable weights in memory."""
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
