"""Checkpoints of a training run: everything that a run needs to go on as if it had never stopped, in one file.

Stages 05 and 06 write one every few steps and start from it when they are run again; shown in 05_sft. In: a model, its
optimisers, the loop's own state and its log. Out: one safetensors file: trainable weights, optimiser state and random
states as tensors, the rest as JSON in its header. No pickle, so that a file from elsewhere can run nothing. The file
is written beside the old one, flushed to disk and moved over it in one operation: a run that is killed while it saves
leaves the old checkpoint. The paper says nothing about interrupted runs.
"""

import io
import json
import os
import random
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from webdancer.core.record import atomic_path

FORMAT = "webdancer training checkpoint 1"
ADVICE = "delete the file to start anew, or use the model, the parameters and the data that it was made with"


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message says why, and what to do."""


@dataclass(frozen=True)
class Saved:
    """What `load` gives back: the loop's `state`, its `log`, and the further `tensors` that were saved."""

    state: dict[str, Any]
    log: pd.DataFrame
    tensors: dict[str, torch.Tensor] = field(default_factory=dict)


def save(
    path: str | Path,
    *,
    kind: str,
    model: Any,
    optimisers: Sequence[Any],
    state: Mapping[str, Any],
    log: pd.DataFrame,
    identity: Mapping[str, Any] | None = None,
    tensors: Mapping[str, torch.Tensor] | None = None,
) -> Path:
    """Write a checkpoint; an older one at `path` stays until the new one is complete.

    Args:
        kind: of run, for example "sft"; `load` refuses another.
        model: its trainable parameters are saved (with LoRA the adapter alone).
        state: plain JSON data, for example the step, and where the data stand (`stream_state`).
        log: the rows so far. identity: plain JSON data that must be the same on resuming: recipe, data.
        tensors: more tensors to keep, for example the best weights.

    Raises:
        TypeError: `state` or `identity` is not plain JSON data.
    """
    from safetensors.torch import save_file

    parts = dict(_weights(model))
    plain = []
    for number, optimiser in enumerate(optimisers):
        values, rest = _flat(optimiser)
        plain.append(rest)
        parts |= {f"optimiser.{number}.{name}": value for name, value in values.items()}
    parts |= {f"tensor.{name}": value for name, value in (tensors or {}).items()}
    parts |= {f"random.{name}": value for name, value in _random_tensors().items()}
    parts["log"] = _table(log)
    parts = {name: value.detach().to("cpu", copy=False).contiguous() for name, value in parts.items()}
    facts = {
        "format": FORMAT,
        "kind": kind,
        "identity": dict(identity or {}),
        "state": dict(state),
        "optimisers": plain,
        "random": stream_state(),
        "sum": _sum(parts),
    }
    path = Path(path)
    with atomic_path(path) as temporary:
        save_file(parts, temporary, metadata={"facts": json.dumps(facts)})
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
    for left in path.parent.glob(f".{path.stem}.*.tmp{path.suffix}"):  # by a run that was killed while it saved
        left.unlink(missing_ok=True)
    return path


def load(
    path: str | Path,
    *,
    kind: str,
    model: Any,
    optimisers: Sequence[Any],
    identity: Mapping[str, Any] | None = None,
) -> Saved:
    """Put weights, optimiser state and random states back as `save` found them.

    Nothing is changed unless the whole file can be used.

    Args:
        kind, identity: as given to `save`.
        model, optimisers: built as they were for the run that saved them.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: the file is damaged, or belongs to another kind of run, model, recipe or data.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path.name}: start without one")
    facts, parts = _read(path)
    if facts["kind"] != kind:
        raise CheckpointError(f"{path.name} is a checkpoint of kind {facts['kind']!r}, wanted {kind!r}: {ADVICE}")
    _same_run(path.name, facts["identity"], json.loads(json.dumps(dict(identity or {}))))
    weights = dict(_weights(model))
    _same_shapes(path.name, {n: p for n, p in parts.items() if n.startswith("weight.")}, weights)
    states = _states(path.name, facts["optimisers"], parts, optimisers)
    for optimiser, values in zip(optimisers, states, strict=True):
        optimiser.load_state_dict(values)
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(parts[name])
    _restore_random(facts["random"], parts)
    kept = {n.removeprefix("tensor."): p for n, p in parts.items() if n.startswith("tensor.")}
    return Saved(facts["state"], pd.read_parquet(io.BytesIO(parts["log"].numpy().tobytes())), kept)


def stream_state(stream: random.Random | None = None) -> list[Any]:
    """The state of a random stream (None: Python's own) as plain JSON data."""
    version, numbers, gauss = (stream or random).getstate()
    return [version, list(numbers), gauss]


def restore_stream(state: Sequence[Any], stream: random.Random | None = None) -> None:
    """Set a random stream (None: Python's own) to a state of `stream_state`."""
    version, numbers, gauss = state
    (stream or random).setstate((version, tuple(numbers), gauss))


def _weights(model: Any) -> dict[str, torch.Tensor]:
    return {f"weight.{name}": p for name, p in model.named_parameters() if p.requires_grad}


def _flat(optimiser: Any) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors of an optimiser's state by name, and what else it holds as plain data."""
    whole = optimiser.state_dict()
    values, rest = {}, {}
    for number, own in whole["state"].items():
        for name, value in own.items():
            (values if torch.is_tensor(value) else rest)[f"{number}.{name}"] = value
    return values, {"class": type(optimiser).__name__, "groups": whole["param_groups"], "rest": rest}


def _states(
    name: str, saved: Sequence[Mapping[str, Any]], parts: Mapping[str, torch.Tensor], optimisers: Sequence[Any]
) -> list[dict[str, Any]]:
    """The optimisers' state dictionaries, put together again from tensors and plain data."""
    got = [(facts["class"], [len(g["params"]) for g in facts["groups"]]) for facts in saved]
    wanted = [(type(o).__name__, [len(g["params"]) for g in o.param_groups]) for o in optimisers]
    if got != wanted:
        raise CheckpointError(f"{name} holds the optimisers {got}, wanted {wanted} (class, parameters): {ADVICE}")
    states = []
    for number, facts in enumerate(saved):
        prefix = f"optimiser.{number}."
        flat = {n.removeprefix(prefix): value for n, value in parts.items() if n.startswith(prefix)}
        nested: dict[int, dict[str, Any]] = {}
        for key, value in (flat | facts["rest"]).items():
            index, _, entry = key.partition(".")
            nested.setdefault(int(index), {})[entry] = value
        groups = [{k: tuple(v) if k == "betas" else v for k, v in g.items()} for g in facts["groups"]]
        states.append({"state": nested, "param_groups": groups})
    return states


def _random_tensors() -> dict[str, torch.Tensor]:
    """The states of torch's generators (each GPU has its own) and of numpy's."""
    found = {"torch": torch.get_rng_state()}
    for number, value in enumerate(torch.cuda.get_rng_state_all() if torch.cuda.is_available() else ()):
        found[f"cuda{number}"] = value
    _, keys, at, has, cached = np.random.get_state()
    found["numpy"] = torch.from_numpy(keys.astype(np.int64))
    found["numpy_rest"] = torch.tensor([at, has, cached], dtype=torch.float64)
    return found


def _restore_random(python: Sequence[Any], parts: Mapping[str, torch.Tensor]) -> None:
    restore_stream(python)
    torch.set_rng_state(parts["random.torch"])
    cuda = [value for name, value in sorted(parts.items()) if name.startswith("random.cuda")]
    if cuda and torch.cuda.device_count() == len(cuda):
        torch.cuda.set_rng_state_all(cuda)
    at, has, cached = parts["random.numpy_rest"].tolist()
    np.random.set_state(("MT19937", parts["random.numpy"].numpy().astype(np.uint32), int(at), int(has), cached))


def _table(log: pd.DataFrame) -> torch.Tensor:
    """The log as Parquet in a tensor of bytes: numbers come back to the bit, which CSV does not promise."""
    file = io.BytesIO()
    log.to_parquet(file, index=False)
    return torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)


def _sum(parts: Mapping[str, torch.Tensor]) -> int:
    """A checksum over names and contents: a flipped bit inside a tensor would otherwise go unnoticed."""
    total = 0
    for name in sorted(parts):
        total = zlib.crc32(parts[name].flatten().view(torch.uint8).numpy(), zlib.crc32(name.encode(), total))
    return total


def _read(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Header and tensors of a checkpoint whose checksum is right."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get("facts", "{}"))
            parts = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(
            f"could not read {path.name}: {type(error).__name__}: {error}; it is damaged or no checkpoint: delete it "
            "to start anew"
        ) from error
    if facts.get("format") != FORMAT:
        raise CheckpointError(
            f"{path.name} is no checkpoint of this version: got format {facts.get('format')!r}, wanted {FORMAT!r}; "
            "delete it to start anew"
        )
    if _sum(parts) != facts["sum"]:
        raise CheckpointError(f"{path.name} is damaged: its checksum is wrong; delete it to start anew")
    return facts, parts


def _same_run(name: str, got: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse a checkpoint whose recipe or data differ, with the first few differences."""
    differ = [key for key in sorted({*got, *wanted}) if got.get(key) != wanted.get(key)]
    if differ:
        shown = ", ".join(f"{key} {got.get(key)!r:.60} (now {wanted.get(key)!r:.60})" for key in differ[:5])
        raise CheckpointError(f"{name} belongs to another run, which had {shown}: {ADVICE}")


def _same_shapes(name: str, got: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> None:
    """Refuse the weights of another model."""
    shapes = [{n: (tuple(p.shape), str(p.dtype)) for n, p in side.items()} for side in (got, wanted)]
    differ = sorted(n for n in {*got, *wanted} if shapes[0].get(n) != shapes[1].get(n))
    if differ:
        first = differ[0]
        raise CheckpointError(
            f"{name} holds another model: {len(differ)} of {len(wanted)} weights differ, first "
            f"{first.removeprefix('weight.')}: got {shapes[0].get(first)}, wanted {shapes[1].get(first)}; {ADVICE}"
        )
