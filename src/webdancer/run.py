"""Run the notebooks of a profile: `python -m webdancer.run PROFILE`; `--help` names what else it takes.

In: `notebooks/`, `params/<profile>/`. Out: executed notebooks in `results/<profile>/`, beside the marker that each
notebook writes itself; with `--seed N` in `results/<profile>_seedN/`, every notebook with that seed. All parameter
files are checked before anything starts; what is fresh is skipped, so the same command resumes after a failure.
papermill's word is not enough (`sys.exit(0)` counts as a success there): a step is done only when papermill ends
without an error and the notebook wrote a new marker.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from webdancer.core import fingerprint, params, record
from webdancer.show import clean

KERNEL = "python3"


class RunError(RuntimeError):
    """A run that cannot start or a notebook that failed; the message says which, why and what to do."""


@dataclass(frozen=True)
class Step:
    """One notebook of a run with its checked parameters (defaults included) and its results folder."""

    notebook: Path
    parameters: dict[str, Any]
    folder: Path

    @property
    def name(self) -> str:
        """The notebook's name, such as "05_sft"."""
        return self.notebook.stem

    @property
    def marker(self) -> Path:
        """Where the notebook writes its marker."""
        return self.folder / f"{self.name}.json"

    def fingerprint(self) -> str:
        """What the result depends on, as of now."""
        return fingerprint.of(self.notebook, self.parameters, self.folder)


def plan(profile: str, seed: int | None = None) -> list[Step]:
    """The notebooks of a profile in order, each with its parameters checked; with a `seed`, those of another run of it.

    A profile holds the notebooks for which it has a parameter file; `left_out` names the others.

    Raises:
        RunError: unknown profile, no notebooks, a parameter file without a notebook, another kernel.
        params.ParameterError: a parameter that is unknown or of the wrong type.
    """
    root = record.repo_root()
    known = sorted(p.name for p in (root / "params").glob("*") if any(p.glob("*.yaml")))
    if profile not in known:
        raise RunError(f"unknown profile {profile!r}: wanted one of {', '.join(known) or '(none in params/)'}")
    notebooks = sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    files = {p.stem: p for p in (root / "params" / profile).glob("[0-9]*.yaml")}  # not roles.yaml
    odd = sorted(set(files) - {n.stem for n in notebooks})
    if odd or not notebooks:
        lacks = ", ".join(odd) or "at all"
        raise RunError(f"params/{profile} and notebooks/ do not match: there is no notebook {lacks}; rename the file")
    return [_step(notebook, files[notebook.stem], profile, seed) for notebook in notebooks if notebook.stem in files]


def left_out(profile: str) -> list[str]:
    """Names of the notebooks that a profile has no parameter file for."""
    names = sorted(p.stem for p in (record.repo_root() / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    return [name for name in names if not (record.repo_root() / "params" / profile / f"{name}.yaml").is_file()]


def _step(notebook: Path, file: Path, profile: str, seed: int | None = None) -> Step:
    kernel = json.loads(notebook.read_text(encoding="utf-8"))["metadata"].get("kernelspec", {}).get("name", KERNEL)
    if kernel != KERNEL:
        raise RunError(
            f"{notebook.name}: got the kernel {kernel!r}, wanted {KERNEL!r}: change it in the notebook's metadata"
        )
    values = params.check_file(file, notebook)
    if values.get("profile") != profile:
        raise RunError(f"params/{profile}/{file.name}: got profile {values.get('profile')!r}, wanted {profile!r}")
    if seed is not None:
        profile = f"{profile}_seed{seed}"
        values |= {"profile": profile, "seed": seed}
    return Step(notebook, values, record.results_dir(profile))


def stale(step: Step) -> str:
    """Why the notebook has to run; empty if its results are fresh."""
    try:
        marker = json.loads(step.marker.read_text(encoding="utf-8"))
        outputs, old = marker["outputs"], marker["fingerprint"]
    except FileNotFoundError:
        return "never run"
    except (ValueError, KeyError, TypeError):
        return "its marker cannot be read"
    if old != step.fingerprint():
        return "code, parameters or what it reads changed"
    for name, entry in outputs.items():
        path = step.folder / name
        if not path.exists():
            return f"{name} is missing"
        now = record.describe(path)["sha256"]
        if now != entry["sha256"] and not fingerprint.carried_on(step.marker, name, entry["sha256"], now):
            return f"{name} changed"
    return "" if (step.folder / f"{step.name}.ipynb").is_file() else "the executed notebook is missing"


def execute(step: Step) -> float:
    """Run one notebook; returns the seconds it took.

    Raises:
        RunError: a cell failed, the kernel died or is missing, or no new marker was written.
    """
    before, started = _state(step.marker), time.monotonic()
    draft = step.folder / f"{step.name}.unfinished.ipynb"
    try:
        _papermill(step, draft)
    except Exception as error:  # cells raise anything; nbclient and papermill have a dozen error types
        raise RunError(_failure(step, draft, error)) from error
    if _state(step.marker) == before:
        raise RunError(
            f"{step.name} ended without writing its marker {step.marker.name}: did a cell leave early (sys.exit)? "
            f"See {draft.name} in results/{step.folder.name}"
        )
    clean.finished(draft, step.folder / f"{step.name}.ipynb")
    return time.monotonic() - started


def _state(path: Path) -> tuple[int, int] | None:
    """Tells one version of a file from another: markers are replaced, never changed in place."""
    return (path.stat().st_ino, path.stat().st_mtime_ns) if path.is_file() else None


def _papermill(step: Step, draft: Path) -> None:
    """Execute the notebook into `draft`, showing cells and their progress bars, which also go to `run.log`."""
    import papermill

    logging.getLogger("papermill").setLevel(logging.ERROR)  # it warns of what `params` has checked already
    standard = params.defaults(step.notebook)
    changed = {k: v for k, v in step.parameters.items() if v != standard[k] or k == "profile"}
    with own_kernel(), (step.folder / "run.log").open("a", encoding="utf-8") as log:
        shown = _Tee(sys.stderr, log)
        papermill.execute_notebook(
            step.notebook,
            draft,
            changed,
            kernel_name=KERNEL,
            cwd=record.repo_root(),
            progress_bar=False,
            stdout_file=log,
            stderr_file=shown,
            start_timeout=120,
            coalesce_streams=True,  # a progress bar leaves its last state in the notebook, not hundreds
            on_cell_execute=lambda cell, cell_index: shown.write(_heading(step.notebook, cell, cell_index)),
        )


class _Tee:
    """Writes to the terminal and to the log."""

    def __init__(self, *files: TextIO) -> None:
        self.files = files

    def write(self, text: str) -> None:
        for file in self.files:
            file.write(text)

    def flush(self) -> None:
        for file in self.files:
            file.flush()


def _heading(notebook: Path, cell: dict[str, Any], index: int) -> str:
    """A line that names the cell: its number and first line."""
    lines = [line for line in cell["source"].splitlines() if line.strip()]
    return f"  {notebook.stem} cell {index:>2}: {lines[0][:70] if lines else '(empty)'}\n"


@contextmanager
def own_kernel() -> Iterator[None]:
    """Make `python3` mean the Python that runs this, whatever kernels the user or the system registered."""
    old = {name: os.environ.get(name) for name in ("JUPYTER_PATH", "GOMP_SPINCOUNT")}
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder, "kernels", KERNEL, "kernel.json")
        spec.parent.mkdir(parents=True)
        argv = [sys.executable, "-m", "ipykernel_launcher", "--log-level=40", "-f", "{connection_file}"]
        spec.write_text(json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}))
        os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, (folder, old["JUPYTER_PATH"])))
        os.environ.setdefault("GOMP_SPINCOUNT", "0")  # waiting threads sleep: tenfold faster on a busy machine
        try:
            yield
        finally:
            for name, value in old.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def _failure(step: Step, draft: Path, error: Exception) -> str:
    """One paragraph on what failed and where to look."""
    cause = f"{type(error).__name__}: {error}"
    if hasattr(error, "ename"):  # papermill's own: names the cell
        cause = f"in the cell numbered [{error.exec_count}]: {error.ename}: {error.evalue}"
    elif "died" in str(error).lower():
        cause = f"the kernel died ({error}): out of memory, or ipykernel is not installed in {Path(sys.prefix).name}"
    where = f"results/{step.folder.name}/{draft.name}"
    return f"{step.name} failed {cause}\nSee {where}; the same command goes on from here once it is mended."


def choose(steps: Sequence[Step], first: str = "", only: str = "") -> list[Step]:
    """The steps from `first` on, or only one; both are numbers ("05") or names ("05_sft")."""
    wanted = only or first
    if not wanted:
        return list(steps)
    at = [i for i, s in enumerate(steps) if wanted == s.name or wanted.zfill(2) == s.name[:2]]
    if not at:
        raise RunError(f"no notebook {wanted!r}: wanted one of {', '.join(s.name for s in steps)}")
    return list(steps[at[0] : at[0] + 1] if only else steps[at[0] :])


def run(profile: str, *, first: str = "", only: str = "", force: bool = False, seed: int | None = None) -> list[str]:
    """Run what is not fresh; returns the names of the notebooks that ran.

    Raises:
        RunError: see `plan` and `execute`; what was finished before stays.
    """
    steps = plan(profile, seed)
    chosen, ran, started = choose(steps, first, only), [], time.monotonic()
    if others := left_out(profile):
        print(f"{profile} has no parameters for {', '.join(others)}: left out", flush=True)
    for step in chosen:
        why = "asked to (--force)" if force else stale(step)
        if not why:
            print(f"{step.name}: fresh, skipped", flush=True)
            continue
        print(f"{step.name}: runs ({why})", flush=True)
        expected = step.fingerprint()
        print(f"{step.name}: done in {execute(step):.0f} s", flush=True)
        ran.append(step.name)
        if json.loads(step.marker.read_text(encoding="utf-8"))["fingerprint"] != expected:
            print(f"{step.name}: something it depends on changed while it ran, so it will run again next time")
    spent = time.monotonic() - started
    print(f"{steps[0].folder.name}: {len(ran)} of {len(chosen)} notebooks ran, {spent:.0f} s", flush=True)
    return ran


def table(profile: str, seed: int | None = None) -> str:
    """One line a notebook: name, seconds of the last run, fresh or why not."""
    lines = []
    for step in plan(profile, seed):
        why = stale(step)
        try:
            seconds = f"{json.loads(step.marker.read_text(encoding='utf-8'))['seconds']:.0f} s"
        except (OSError, ValueError, KeyError):
            seconds = "-"
        lines.append(f"{step.name:<16}{seconds:>8}  {why or 'fresh'}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns 0, 1 when a notebook failed, 2 when nothing was started."""
    parser = argparse.ArgumentParser(
        prog="python -m webdancer.run", description="Run the notebooks of a profile in order."
    )
    parser.add_argument("profile", help="a folder in params/, such as quick or laptop")
    parser.add_argument("--seed", type=int, metavar="N", help="another run of the profile, in results/PROFILE_seedN")
    parser.add_argument("--from", dest="first", default="", metavar="NN", help="start at this notebook")
    parser.add_argument("--only", default="", metavar="NN", help="run only this notebook")
    parser.add_argument("--list", action="store_true", help="say what is fresh and stop")
    parser.add_argument("--force", action="store_true", help="run also what is fresh")
    args = parser.parse_args(arguments)
    try:
        choose(plan(args.profile, args.seed), args.first, args.only)
    except (RunError, params.ParameterError) as error:
        print(f"Nothing was started. {error}", file=sys.stderr)
        return 2
    if args.list:
        print(table(args.profile, args.seed))
        return 0
    try:
        run(args.profile, first=args.first, only=args.only, force=args.force, seed=args.seed)
    except RunError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
