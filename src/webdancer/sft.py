"""Stage 05: teach a policy the kept trajectories, with a loss on what the assistant wrote and on nothing else.

Reads `kept`, writes the model folders `base/` (untrained) and `sft/` and a log; shown in 05_sft. The loss is the
paper's: cross-entropy summed over assistant tokens, divided by their number in the whole batch, however many parts the
batch is computed in. The data side is in `sft_data.py`.

Departures from the paper, which publishes no learning rate, batch, epochs or length (all values here are ours): (1)
the tiny policy starts from random weights, with Muon; (2) batches hold a number of tokens: episodes of like length
together, padded on the right, or packed into one row without padding; (3) before SFT a policy with random weights
learns to read: the same episodes with a loss on every token (`everything`), which stands in for the pre-training that a
real model brings; (4) names may change in every episode (`renamed`), so that it learns to copy them; (5) a run writes
checkpoints and goes on from the last one, to the same weights to the bit on a CPU.
"""

import contextlib
import hashlib
import itertools
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm import tqdm

from webdancer.agent import checkpoint, lora, optim, packed
from webdancer.agent.policy import Policy, decoder, trained_logits
from webdancer.agent.tracker import Tracker
from webdancer.sft_data import Example, batches, collate, digest, evenly, next_parts, pack, renamed

KIND = "sft"
Watch = Callable[[int], dict[str, float]]


@dataclass(frozen=True)
class Recipe:
    """How to train: all numbers of one run.

    `batch_tokens` a batch, padding counted, and `micro_tokens` (0: the same) the most that are computed at once, with
    the same gradient; `packing` lays episodes end to end instead of padding them; optimiser and rates as in
    `optim.build`; `warmup` steps, `flat` share and `schedule` as in `optim.schedule`; `clip` bounds the gradient norm;
    `patience` stops after so many measurements without a lower loss on what was set aside, and takes the best weights
    (0: never); `checkpoint_every` steps (0: never).
    """

    steps: int
    batch_tokens: int = 2048
    micro_tokens: int = 0
    packing: bool = False
    optimizer: str = "muon"
    lr: float = 4.0e-3
    lr_rest: float = 2.0e-2
    weight_decay: float = 0.1
    warmup: int = 50
    flat: float = 0.6
    schedule: str = "flat"
    clip: float = 1.0
    patience: int = 0
    checkpoint_every: int = 0
    seed: int = 0

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> "Recipe":
        """The recipe in a notebook's parameters: those that have the name of a field, as 05_sft has for each."""
        return cls(**{f.name: parameters[f.name] for f in fields(cls)})


def loss_sum(
    model: Any, ids: torch.Tensor, mask: torch.Tensor, lengths: Sequence[int] = ()
) -> tuple[torch.Tensor, int]:
    """Summed cross-entropy in nats over the trained tokens, and their number; divide one by the other for the paper's
    loss. Arguments as of `policy.trained_logits`.
    """
    forward = getattr(model, "trained_logits", partial(trained_logits, model))  # sharded weights bring their own
    logits, targets = forward(ids, mask, lengths)
    return torch.nn.functional.cross_entropy(logits, targets, reduction="sum"), len(targets)


def train(
    policy: Policy,
    examples: Sequence[Example],
    recipe: Recipe,
    *,
    names: Sequence[Sequence[int]] = (),
    label: str = "SFT",
    log_file: Path | None = None,
    tracker: str = "",
    save_to: Path | None = None,
    watch: Watch | None = None,
    watch_every: int = 0,
) -> pd.DataFrame:
    """Train in place; if `save_to` is there, go on from it.

    Args:
        names: groups of `name_groups`; if given, every episode is `renamed` anew each time it is seen.
        label: of the progress bar. log_file: CSV, beside it JSON lines; `tracker` as in `tracker.Tracker`.
        save_to: the checkpoint; delete it when its result is in safe hands. Recipe, data and first weights must be
            those of the run that wrote it.
        watch: called every `watch_every` steps; its numbers join the log. `patience` looks at "aside" among them.

    Returns:
        one row a step: step, loss (nats a trained token), tokens, trained, grad_norm, lr (share of the peak), seconds.

    Raises:
        FloatingPointError: loss or gradient is not finite; names step and learning rate. The weights are those before
            that step, and the last checkpoint is kept.
        checkpoint.CheckpointError: `save_to` is damaged or belongs to another run.
    """
    run = Run(policy, recipe, save_to if recipe.checkpoint_every else None)
    identity = run.identity(examples, names) | {"label": label, "watch_every": watch_every}
    rows = run.resume(identity)
    source = itertools.islice(batches(examples, recipe.batch_tokens, recipe.seed, recipe.packing), len(rows), None)
    started = time.perf_counter() - (rows[-1]["seconds"] if rows else 0.0)
    steps = range(len(rows), len(rows) if run.done else recipe.steps)
    track = Tracker(log_file, tracker, rows) if log_file else None
    with track or contextlib.nullcontext():
        for step in tqdm(steps, desc=label, mininterval=10, initial=len(rows), total=recipe.steps):
            row = {"step": step, **run.step(step, renamed(next(source), names, run.stream))}
            row["seconds"] = time.perf_counter() - started
            row |= watch(step) if watch and watch_every and (step + 1) % watch_every == 0 else {}
            rows.append(row)
            if track:
                track.add(row)
            run.finish(step, row, rows, identity)
            if run.done:
                break
    policy.model.eval()
    return pd.DataFrame(rows)


class Run:
    """What a run of SFT carries from step to step, and how it is saved and found again.

    Args:
        save_to: checkpoint file, None for none.
    """

    def __init__(self, policy: Policy, recipe: Recipe, save_to: Path | None) -> None:
        self.policy, self.recipe, self.save_to = policy, recipe, save_to
        for p in policy.model.parameters():
            if p.requires_grad and p.dtype != torch.float32:
                p.data = p.data.float()  # in bf16 a small update is lost to rounding
        r = recipe
        self.optimisers = optim.build(policy.model, r.optimizer, r.lr, r.weight_decay, r.lr_rest)
        self.peaks = [[g["lr"] for g in o.param_groups] for o in self.optimisers]
        self.stream = random.Random(f"names-{recipe.seed}")
        self.done = False
        self.best, self.worse, self.weights = math.inf, 0, {}  # for `patience`

    def identity(self, examples: Sequence[Example], names: Sequence[Sequence[int]]) -> dict[str, Any]:
        """What must be the same for a run to go on: recipe, data, names and the weights it began with."""
        facts = {k: v for k, v in asdict(self.recipe).items() if k != "checkpoint_every"}
        if self.save_to is None:
            return facts
        start = hashlib.sha256()
        for p in self._trained().values():
            start.update(p.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        spelled = hashlib.sha256(repr(names).encode()).hexdigest()[:16]
        return facts | {"data": digest(examples), "names": spelled, "start": start.hexdigest()[:16]}

    def resume(self, identity: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows of the steps already made; weights, optimisers and random streams as they were then."""
        if self.save_to is None or not self.save_to.is_file():
            return []
        found = checkpoint.load(
            self.save_to, kind=KIND, model=self.policy.model, optimisers=self.optimisers, identity=identity
        )
        checkpoint.restore_stream(found.state["stream"], self.stream)
        self.done, self.worse = found.state["done"], found.state["worse"]
        self.best = math.inf if found.state["best"] is None else found.state["best"]
        self.weights = found.tensors
        return found.log.to_dict("records")

    def step(self, step: int, batch: Sequence[Example]) -> dict[str, float]:
        """One update; its row of the log."""
        r = self.recipe
        factor = optim.schedule(step, r.steps, r.warmup, r.flat, r.schedule)
        for optimiser, highs in zip(self.optimisers, self.peaks, strict=True):
            for group, high in zip(optimiser.param_groups, highs, strict=True):
                group["lr"] = high * factor
        row = gradient(self.policy, batch, r)
        norm = torch.nn.utils.clip_grad_norm_(self.policy.model.parameters(), r.clip)
        row["grad_norm"] = getattr(norm, "full_tensor", lambda: norm)().item()  # of sharded weights, over all shares
        if not (math.isfinite(row["loss"]) and math.isfinite(row["grad_norm"])):
            raise FloatingPointError(
                f"loss is {row['loss']}, gradient norm {row['grad_norm']} at step {step}, lr {r.lr * factor:.2g}: "
                "lower lr; the weights are those before this step"
            )
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return row | {"lr": factor}

    def finish(self, step: int, row: Mapping[str, float], rows: Sequence[Any], identity: Mapping[str, Any]) -> None:
        """After a step: stop if it is time, and write the checkpoint if it is time."""
        r = self.recipe
        if r.patience and "aside" in row:
            self._judge(row["aside"])
        self.done = step + 1 >= r.steps or bool(r.patience) and self.worse >= r.patience
        if self.done and self.weights:
            with torch.no_grad():
                for name, p in self._trained().items():
                    p.copy_(self.weights[name])
        first = getattr(self.policy.workers, "first", True)  # of several processes that train as one
        if self.save_to is not None and first and (self.done or (step + 1) % r.checkpoint_every == 0):
            state = {"stream": checkpoint.stream_state(self.stream), "done": self.done, "worse": self.worse}
            checkpoint.save(
                self.save_to,
                kind=KIND,
                model=self.policy.model,
                optimisers=self.optimisers,
                state=state | {"best": self.best if math.isfinite(self.best) else None},
                log=pd.DataFrame(rows),
                identity=identity,
                tensors=self.weights,
            )

    def _judge(self, value: float) -> None:
        """Keep the weights if the loss set aside is the lowest so far, else count."""
        if value < self.best:
            self.best, self.worse = value, 0
            self.weights = {name: p.detach().clone() for name, p in self._trained().items()}
        else:
            self.worse += 1

    def _trained(self) -> dict[str, torch.Tensor]:
        return {name: p for name, p in self.policy.model.named_parameters() if p.requires_grad}


def gradient(policy: Policy, batch: Sequence[Example], recipe: Recipe) -> dict[str, float]:
    """Add the gradient of a batch's mean loss to the weights' gradients.

    The batch is computed in parts of at most `micro_tokens`. Their gradients add up exactly to the batch's, because
    all of them divide by the same number, the trained tokens of the whole batch. With `policy.workers` every part is
    divided among them and this process.

    Returns:
        `loss`, `tokens` (padding not counted) and `trained` ones.
    """
    trained = sum(sum(e.mask[1:]) for e in batch)
    parts = list(next_parts(batch, recipe.micro_tokens or recipe.batch_tokens, recipe.packing))
    if policy.workers is not None and policy.workers.count:
        parts = [few for part in parts for few in evenly(part, policy.workers.parts)]
        sums = policy.workers.run(policy, _part, [(part, trained, recipe) for part in parts], gradients=True)
    else:
        sums = [_part(policy, part, trained, recipe) for part in parts]
    return {"loss": sum(sums) / trained, "tokens": sum(len(e.ids) for e in batch), "trained": trained}


def _part(policy: Policy, part: Sequence[Example], trained: int, recipe: Recipe) -> float:
    """Add the gradient of a part's summed loss over `trained`; returns the sum."""
    policy.model.train()
    device = next(policy.model.parameters()).device
    tensors = pack(part, device) if recipe.packing else collate(part, policy.tokenizer.pad_token_id, device)
    with _attention(policy.model, recipe):
        with _precision(policy.model, device):
            loss, _ = loss_sum(policy.model, *tensors)
        (loss / trained).backward()
    return loss.item()


def _attention(model: Any, recipe: Recipe) -> Any:
    """Packed rows keep their attention until the backward pass is over, for it may compute the forward pass again."""
    return packed.attending(decoder(model).config) if recipe.packing else contextlib.nullcontext()


def _precision(model: Any, device: torch.device) -> Any:
    """On a GPU, products in bf16 of weights in fp32; adapters beside a bf16 model see to that themselves."""
    full = device.type == "cuda" and not lora.is_lora(model)
    return torch.autocast("cuda", dtype=torch.bfloat16) if full else contextlib.nullcontext()


def evaluate_loss(policy: Policy, examples: Sequence[Example], batch_tokens: int = 4096) -> float:
    """Cross-entropy in nats a trained token over `examples`; NaN when there is none."""
    device = next(policy.model.parameters()).device
    total, count = 0.0, 0
    policy.model.eval()
    with torch.inference_mode():
        for part in next_parts(sorted(examples, key=lambda e: len(e.ids)), batch_tokens) if examples else ():
            loss, n = loss_sum(policy.model, *collate(part, policy.tokenizer.pad_token_id, device))
            total, count = total + loss.item(), count + n
    return total / count if count else math.nan
