"""The committed study: whole, within its time, and its verdicts follow from the counts in its arms' files."""

import json
from pathlib import Path

import nbformat
import pytest

from webdancer import study, study_findings, study_measure
from webdancer.study_claims import VERDICTS

STUDY = Path(__file__).parents[1] / "results" / "study"
pytestmark = pytest.mark.skipif(
    not (STUDY / "08_analyze.json").is_file(),
    reason="results/study is not there: run `python -m webdancer.run study` first",
)


@pytest.fixture(scope="module")
def marker() -> dict:
    return json.loads((STUDY / "08_analyze.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def arms() -> dict[str, dict]:
    found = [json.loads(path.read_text(encoding="utf-8")) for path in (STUDY / "arms").glob("*.json")]
    return {arm["name"]: arm for arm in found}


def test_every_arm_of_three_seeds_is_there(marker, arms):
    setup = study.Setup.of(marker["parameters"])
    seeds = marker["metrics"]["seeds"]
    assert len(seeds) >= 3 and marker["metrics"]["arms"] == len(arms)
    assert set(arms) == {arm.name for seed in seeds for arm in study.arms(setup, range(seed, seed + 1))}
    assert marker["metrics"]["commits"] == len({arm["git"]["commit"] for arm in arms.values()})


def test_it_took_less_than_three_hours(marker):
    before = [json.loads(path.read_text(encoding="utf-8"))["seconds"] for path in STUDY.glob("0[1-4]_*.json")]
    assert len(before) == 4
    assert sum(before) + max(marker["seconds"], marker["metrics"]["seconds_of_arms"]) < 3 * 3600


def test_the_verdicts_follow_from_the_counts(marker, arms):
    setup = study.Setup.of(marker["parameters"])
    counts = {name: arm["counts"] for name, arm in arms.items()}
    results = study_measure.Results(counts, study.labels(setup), marker["metrics"]["seeds"])
    again = json.loads(study_findings.table(results, setup).to_json(orient="records"))
    for new, old in zip(again, marker["metrics"]["verdicts"], strict=True):
        assert new["verdict"] in VERDICTS
        assert all(new[key] == old[key] for key in ("analysis", "verdict", "why"))
        assert new["value"] == pytest.approx(old["value"], abs=1e-9)


def test_the_executed_notebook_ran_whole():
    path = STUDY / "08_analyze.ipynb"
    cells = [c for c in nbformat.read(path, 4).cells if c.cell_type == "code"]
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))
    assert not [o for c in cells for o in c.outputs if o.output_type == "error"]
    assert path.stat().st_size <= 500 * 1024
