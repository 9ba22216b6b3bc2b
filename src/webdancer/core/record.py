"""What a run leaves behind: folders, atomic writes, seeds, and the marker that each stage writes last.

Every notebook uses it. In: a stage's parameters and the files it reads and writes. Out: the marker of the stage,
`results/<profile>/NN_name.json`, with all that is needed to say where a number came from. No user name, host name,
absolute path or key gets into it. Nothing here is from the paper: it publishes no run records.
"""

import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from webdancer.core import fingerprint, machine

# Which notebook writes an artifact; for the message when one is missing.
WRITERS = {
    "pages_train.jsonl": "01_crawl",
    "pages_rl.jsonl": "01_crawl",
    "pages_heldout.jsonl": "01_crawl",
    "questions.jsonl": "02_synthesize",
    "questions_dropped.jsonl": "02_synthesize",
    "trajectories.jsonl": "03_distill",
    "questions_dataset": "02_synthesize",
    "kept.jsonl": "04_filter",
    "kept_dataset": "04_filter",
    "export": "04_filter",
    "dropped.jsonl": "04_filter",
    "base": "05_sft",
    "sft": "05_sft",
    "sft_log.csv": "05_sft",
    "dapo": "06_dapo",
    "dapo_log.csv": "06_dapo",
    "dapo_log.jsonl": "06_dapo",
    "predictions.jsonl": "07_evaluate",
    "predictions_slices.jsonl": "07_evaluate",
    "verl": "09_scale",
}


def repo_root() -> Path:
    """The folder with `notebooks/`, `params/` and `results/`: the checkout, or `$WEBDANCER_ROOT` (the tests use it)."""
    return Path(os.environ.get("WEBDANCER_ROOT") or Path(__file__).parents[3]).resolve()


def results_dir(profile: str) -> Path:
    """`results/<profile>`, created; raises `ValueError` when the profile is not a plain folder name."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", profile):
        raise ValueError(f"profile: got {profile!r}, wanted a folder name of letters, digits, '-' or '_'")
    path = repo_root() / "results" / profile
    path.mkdir(parents=True, exist_ok=True)
    return path


def artifacts(profile: str) -> Path:
    """`results/<profile>/artifacts`, created: what the stages hand to one another (not committed)."""
    path = results_dir(profile) / "artifacts"
    path.mkdir(exist_ok=True)
    return path


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` to write a file or folder to; it becomes `path` only if the block succeeds.

    Args:
        path: the destination; its parent is created. The temporary path keeps the suffix.
    Raises:
        FileNotFoundError: the block ended without writing anything to the temporary path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.tmp{path.suffix}")
    try:
        yield temporary
        if not temporary.exists():
            raise FileNotFoundError(f"nothing was written for {path.name}: write to the path that atomic_path yields")
        _replace(temporary, path)
    finally:
        _remove(temporary)


def _replace(source: Path, target: Path) -> None:
    """Move `source` to `target`; an existing folder is moved aside first, because a folder cannot be overwritten."""
    if not target.is_dir():
        os.replace(source, target)
        return
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.old")
    os.replace(target, aside)
    try:
        os.replace(source, target)
    except OSError:
        os.replace(aside, target)
        raise
    _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_json(path: str | Path, obj: Any) -> None:
    """Write `obj` as indented JSON, atomically. Numbers of numpy and torch become plain ones.

    Raises:
        ValueError: `obj` holds NaN or infinity, which JSON cannot say.
        TypeError: `obj` holds something that is neither plain data nor a number.
    """
    text = json.dumps(obj, indent=2, ensure_ascii=False, allow_nan=False, default=_plain)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # numpy arrays and scalars, torch tensors
        return value.tolist()
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(
        f"cannot write {type(value).__name__} to JSON: got {value!r:.60}, wanted numbers, strings, lists or dicts"
    )


def seed_everything(seed: int) -> None:
    """Seed `random`, numpy, and torch if it is already imported (01-04 must not import it)."""
    import numpy

    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def set_threads(n: int) -> None:
    """Let numeric libraries use `n` threads that sleep while waiting (spinning ones slow a busy machine down tenfold).

    Call it before torch is imported; afterwards only the number of threads still takes effect.
    """
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(n)
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(n)


class Stage:
    """The record of one run of one notebook: what it read, wrote and cost; `finish` writes the marker.

    Args:
        name: the notebook's name, for example "01_crawl".
        parameters: the checked parameters (`params.check`); must hold `profile`, should hold `seed`.
    """

    def __init__(self, name: str, parameters: dict[str, Any]) -> None:
        self.name, self.parameters, self.started = name, dict(parameters), time.monotonic()
        self.folder = results_dir(parameters["profile"])
        notebook = repo_root() / "notebooks" / f"{name}.ipynb"
        self.fingerprint = fingerprint.of(notebook, self.parameters, self.folder) if notebook.is_file() else ""
        self._reads: dict[Path, dict[str, Any]] = {}
        self._writes: set[Path] = set()
        self._cost: dict[str, float] = {}

    def reads(self, path: str | Path) -> Path:
        """Register an input file or folder, hashed now; returns its path. `FileNotFoundError` names who writes it."""
        path = Path(path)
        if not path.exists():
            writer = WRITERS.get(path.name, "the notebook that writes it")
            raise FileNotFoundError(
                f"{self.name} needs {path.name}, which is not in {_shown(path.parent)}: run {writer} first"
            )
        self._reads[path] = describe(path)
        return path

    def writes(self, path: str | Path) -> Path:
        """Register an output file or folder, hashed by `finish`; returns its path."""
        self._writes.add(Path(path))
        return Path(path)

    def cost(self, usage: dict[str, float]) -> None:
        """Add the numbers of a usage record (calls, tokens, dollars) to the stage's cost."""
        for key, value in usage.items():
            self._cost[key] = self._cost.get(key, 0) + value

    def finish(self, metrics: dict[str, Any]) -> Path:
        """Write the marker, atomically and last.

        Args:
            metrics: the stage's numbers, plain JSON data.
        Returns: the path of the marker, `results/<profile>/NN_name.json`.
        Raises:
            FileNotFoundError: an output that was announced is missing.
            ValueError: a metric is NaN or infinite.
        """
        missing = [p.name for p in sorted(self._writes) if not p.exists()]
        if missing:
            raise FileNotFoundError(
                f"{self.name} announced {', '.join(missing)} but did not write it: no marker written"
            )
        marker = {
            "stage": self.name,
            "fingerprint": self.fingerprint,
            "parameters": self.parameters,
            "git": machine.git_state(repo_root()),
            "seed": self.parameters.get("seed"),
            "seconds": round(time.monotonic() - self.started, 2),
            "machine": machine.hardware(),
            "versions": machine.versions(),
            "inputs": {_shown(p): self._reads[p] for p in sorted(self._reads)},
            "outputs": {_shown(p): describe(p) for p in sorted(self._writes)},
            "cost": self._cost,
            "metrics": metrics,
        }
        path = self.folder / f"{self.name}.json"
        write_json(path, machine.scrub(json.loads(json.dumps(marker, default=_plain)), repo_root()))
        return path


def describe(path: Path) -> dict[str, Any]:
    """`sha256` of a file (of a folder: over the names and hashes of its files), and `rows` of a JSONL or CSV file."""
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file())
        lines = [f"{p.relative_to(path).as_posix()} {describe(p)['sha256']}\n" for p in files]
        return {"sha256": hashlib.sha256("".join(lines).encode()).hexdigest(), "files": len(files)}
    digest, rows = hashlib.sha256(), 0
    with path.open("rb") as file:
        for line in file:
            digest.update(line)
            rows += bool(line.strip())
    known = {".jsonl": rows, ".csv": max(rows - 1, 0)}
    return {"sha256": digest.hexdigest()} | ({"rows": known[path.suffix]} if path.suffix in known else {})


def _shown(path: Path) -> str:
    """`path` relative to the profile's folder or the root if it lies inside, else its name."""
    path = path.resolve()
    results = repo_root() / "results"
    if path.is_relative_to(results):
        return "/".join(path.relative_to(results).parts[1:]) or path.name
    return path.relative_to(repo_root()).as_posix() if path.is_relative_to(repo_root()) else path.name
