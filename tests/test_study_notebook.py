"""Notebook 08 as it is run: by papermill on small artifacts, twice, the second time with one seed more."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import study_files
import yaml

from webdancer import run, study, study_findings
from webdancer.study_measure import Results

ROOT = Path(__file__).parents[1]
TINY = {"profile": "tiny", "seeds": 1, **study_files.PARAMETERS}


def test_the_profile_study_is_01_to_04_and_08():
    assert [step.name[:2] for step in run.plan("study")] == ["01", "02", "03", "04", "08"]


def decided_again(folder: Path) -> tuple[list[tuple], list[tuple]]:
    """Verdicts and reasons by the marker, and as they follow from the counts in `arms/` and from nothing else."""
    marker = json.loads((folder / "08_analyze.json").read_text(encoding="utf-8"))
    setup = study.Setup.of(marker["parameters"])
    found = [json.loads(p.read_text(encoding="utf-8")) for p in (folder / "arms").glob("*.json")]
    counts = {kept["name"]: kept["counts"] for kept in found}
    rows = study_findings.table(Results(counts, study.labels(setup), marker["metrics"]["seeds"]), setup)
    parts = ("analysis", "paper", "ours", "seeds", "verdict", "why")
    return tuple(
        [tuple(row[k] for k in parts) for row in r] for r in (marker["metrics"]["verdicts"], rows.to_dict("records"))
    )


def test_the_committed_verdicts_follow_from_the_committed_counts():
    folder = ROOT / "results" / "study"
    if not (folder / "08_analyze.json").is_file():
        pytest.skip("results/study is not there: run `python -m webdancer.run study` first")
    written, again = decided_again(folder)
    assert written == again and min(row[3] for row in written) >= 3


def analyze(root: Path, **changes) -> dict:
    """Run notebook 08 with the values of the tests and `changes`; its marker."""
    (root / "params" / "tiny" / "08_analyze.yaml").write_text(yaml.safe_dump(TINY | changes))
    env = os.environ | {
        "WEBDANCER_ROOT": str(root),
        "PYTHONPATH": str(ROOT / "tests" / "guard"),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "webdancer.run", "tiny"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600, cwd=root)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads((root / "results" / "tiny" / "08_analyze.json").read_text())


@pytest.mark.slow
def test_the_notebook_runs_goes_on_and_shows_every_analysis(root):
    (root / "notebooks" / "08_analyze.ipynb").symlink_to(ROOT / "notebooks" / "08_analyze.ipynb")
    folder = root / "results" / "tiny"
    study_files.write(folder / "artifacts")
    first = analyze(root)["metrics"]
    files = {p.name: p.read_bytes() for p in (folder / "arms").glob("*.json")}
    assert len(files) == first["arms"] and first["seeds"] == [0]
    assert {row["analysis"] for row in first["verdicts"]} == {"practice", "data", "thoughts", "temperature", "patterns"}
    figures = {p.stem for p in (folder / "figures").glob("*.png")}
    assert figures == {f"08_{name}" for name in ("practice", "data", "thoughts", "temperature", "patterns", "curves")}
    cells = [c for c in nbformat.read(folder / "08_analyze.ipynb", 4).cells if c.cell_type == "code"]
    assert not [o for c in cells for o in c.outputs if o.output_type == "error"]
    assert (folder / "08_analyze.ipynb").stat().st_size < 500 * 1024
    second = analyze(root, seeds=2)["metrics"]
    assert second["arms"] == 2 * first["arms"] and second["seeds"] == [0, 1]
    assert all((folder / "arms" / name).read_bytes() == text for name, text in files.items())
    written, again = decided_again(folder)
    assert written == again
