"""The notebooks: their structure, then all by papermill in order on `quick`, offline, twice with the same metrics."""

import ast
import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from webdancer.core import params

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = ["01_crawl", "02_synthesize", "03_distill", "04_filter", "05_sft", "06_dapo", "07_evaluate"]
GUARD = ROOT / "tests" / "guard"
ABSOLUTE = re.compile(r"""["'\s(](/(home|root|Users|tmp|usr|opt|mnt|work|var)/|[A-Z]:\\)""")
TIMING = ("seconds", "per_second", "memory")  # the only metrics that may differ between two runs

each = pytest.mark.parametrize("notebook", [pytest.param(nbformat.read(p, 4), id=p.stem) for p in FILES])


def code(notebook) -> list:
    return [c for c in notebook.cells if c.cell_type == "code"]


def settings(notebook) -> list:
    """The cells of parameters."""
    return [c for c in code(notebook) if params.TAGS & set(c.metadata.get("tags", ()))]


def prose(notebook) -> str:
    return "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


def test_the_seven_are_there():
    assert [p.stem for p in FILES][:7] == NAMES


@each
def test_committed_without_outputs(notebook):
    assert notebook.metadata.kernelspec.name == "python3"
    assert all(c.outputs == [] and c.execution_count is None for c in code(notebook))
    ids = [c.id for c in notebook.cells]
    assert len(set(ids)) == len(ids)


@each
def test_size_of_notebook_and_cells(notebook):
    assert 25 <= len(notebook.cells) <= 45
    assert max(len(c.source.splitlines()) for c in code(notebook)) <= 20
    cells = [c.source.splitlines() for c in code(notebook) if c not in settings(notebook)]
    assert statistics.median(sum(bool(line.strip()) for line in lines) for lines in cells) <= 5
    assert max(len(line) for c in code(notebook) for line in c.source.splitlines()) <= 79


@each
def test_code_cells_use_the_library_instead_of_being_one(notebook):
    for cell in code(notebook):
        assert not re.search(r"^\s*[%!]\s*(pip|conda|apt)|pip install", cell.source, re.MULTILINE), "no install cell"
        assert not ABSOLUTE.search(" " + cell.source), f"absolute path in {cell.source!r}"
        for node in ast.walk(ast.parse(cell.source)):
            assert not isinstance(node, ast.ClassDef), "no class in a notebook"
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 5, f"def {node.name} has more than 5 lines"
            if isinstance(node, ast.ExceptHandler):
                assert node.type is not None, "no bare except"


@each
def test_the_order_of_a_lesson(notebook):
    first, second = notebook.cells[:2]
    assert first.cell_type == "markdown" and first.source.startswith("# ")
    text = prose(notebook).lower()
    head = "\n".join(c.source for c in notebook.cells[:4] if c.cell_type == "markdown").lower()
    for word in ("reads", "writes", "time", "hardware", "cost", "you will", "you need"):
        assert word in head, f"the head of the notebook does not say {word!r}"
    for word in ("what could go wrong", "recap"):
        assert word in text, f"no part {word!r}"
    cells, given = code(notebook), settings(notebook)
    assert cells[: len(given)] == given, "the first code cells hold the parameters"
    assert [c.metadata.tags for c in given] == [["defaults"]] * (len(given) - 1) + [["parameters"]]
    after = cells[len(given)].source
    assert "params.check(" in after and "record.Stage(" in after
    assert notebook.cells[-1].cell_type == "code" and ".finish(" in notebook.cells[-1].source


@each
def test_prose_stands_before_code(notebook):
    """One idea of prose for each step: never more than three code cells in a row."""
    kinds = "".join(c.cell_type[0] for c in notebook.cells)
    assert "cccc" not in kinds


@each
def test_exercises_are_unsolved_and_checked(notebook):
    source = "\n".join(c.source for c in code(notebook))
    tasks = re.findall(r"^mine\w* = None$", source, re.MULTILINE)
    assert 1 <= len(tasks) <= 3
    assert len(re.findall(r"lessons\.check\w*\(", source)) >= len(tasks)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_parameters_are_flat_literals_with_comments(path):
    values = params.defaults(path)
    assert values["profile"] == "quick" and type(values["seed"]) is int
    lines = [line for cell in settings(nbformat.read(path, 4)) for line in cell.source.splitlines()]
    assert len(lines) == len(values)
    for line in lines:
        assert re.match(r"\w+ = .+  # \S", line), f"{path.stem}: no comment on {line!r}"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "params").glob("*/[0-9]*.yaml")), ids=lambda p: f"{p.parent.name}-{p.stem}"
)
def test_committed_parameter_files_pass_the_check(path):
    assert params.check_file(path, ROOT / "notebooks" / f"{path.stem}.ipynb")["profile"] == path.parent.name


@pytest.mark.parametrize("profile", ["quick", "laptop"])
def test_a_profile_has_a_file_for_every_notebook(profile):
    from webdancer import run

    assert [s.name for s in run.plan(profile)][:7] == NAMES


def guarded(code: str, **more: str) -> subprocess.CompletedProcess:
    env = os.environ | {"PYTHONPATH": str(GUARD)} | more
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)


def test_the_guard_lets_only_loopback_through():
    connect = "import socket; socket.create_connection(({!r}, {}), timeout=2)"
    assert "only loopback is open" in guarded(connect.format("93.184.216.34", 80)).stderr
    assert "only loopback is open" in guarded(connect.format("example.org", 80)).stderr
    assert "PermissionError" not in guarded(connect.format("127.0.0.1", 9)).stderr
    assert "01-04 imported torch" in guarded("import torch", WEBDANCER_NO_TORCH="1").stderr


def quick(root: Path, without_torch: bool) -> tuple[dict[str, dict], float]:
    """Run `quick` into a project root of its own; returns the markers and the seconds."""
    for name in ("notebooks", "params"):
        (root / name).symlink_to(ROOT / name)
    env = os.environ | {"WEBDANCER_ROOT": str(root), "PYTHONPATH": str(GUARD), "OMP_NUM_THREADS": "2"}
    started = time.monotonic()
    parts = [["--only", n[:2]] for n in NAMES[:4]] + [["--from", "05"]] if without_torch else [[]]
    for part in parts:
        light = {"WEBDANCER_NO_TORCH": "1"} if "--only" in part else {}
        command = [sys.executable, "-m", "webdancer.run", "quick", *part]
        done = subprocess.run(command, env=env | light, capture_output=True, text=True, timeout=900, cwd=root)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    seconds = time.monotonic() - started
    files = sorted((root / "results" / "quick").glob("*.json"))
    return {p.stem: json.loads(p.read_text()) for p in files}, seconds


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    """Markers and seconds of two runs of `quick`; in the first one 01-04 cannot import torch."""
    return [quick(tmp_path_factory.mktemp("quick"), first) for first in (True, False)]


def steady(metrics):
    """Metrics without those that measure the clock."""
    if isinstance(metrics, dict):
        return {k: steady(v) for k, v in metrics.items() if not any(word in k for word in TIMING)}
    return [steady(v) for v in metrics] if isinstance(metrics, list) else metrics


@pytest.mark.slow
def test_all_run_offline_and_the_same_seed_gives_the_same_metrics(two_runs):
    (first, _), (second, _) = two_runs
    assert list(first)[:7] == NAMES
    for name in NAMES:
        assert steady(first[name]["metrics"]) == steady(second[name]["metrics"]), name
        assert first[name]["fingerprint"]


@pytest.mark.slow
def test_sft_learns_on_quick(two_runs):
    models = two_runs[0][0]["07_evaluate"]["metrics"]["models"]
    assert models["base"]["pass_at_1"]["value"] < 0.01
    assert models["sft"]["pass_at_1"]["value"] >= 0.25


@pytest.mark.slow
def test_quick_is_quick(two_runs):
    seconds = min(seconds for _, seconds in two_runs)
    if seconds > 240 and os.getloadavg()[0] > 3:
        pytest.skip(f"took {seconds:.0f} s while other work kept the machine busy: run it on a quiet machine")
    assert seconds <= 240
