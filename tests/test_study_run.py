"""Arm after arm: files that are whole, nothing twice, and the same numbers after SIGKILL."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import study_files
from study_child import ARMS
from study_files import SETUP

from webdancer import study_run
from webdancer.study_data import Material
from webdancer.study_measure import Results, numbers
from webdancer.study_train import Trainer

HERE = Path(__file__).parent
CLOCK = ("seconds", "training", "git")


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    return Material(study_files.write(tmp_path_factory.mktemp("artifacts")), SETUP)


def play(material, folder, arms=ARMS[:4]):
    with Trainer(material, folder / "models") as trainer:
        return study_run.run(arms, trainer, folder / "arms")


def steady(found):
    return {name: {k: v for k, v in kept.items() if k not in CLOCK} for name, kept in found.items()}


def test_every_arm_has_a_file_with_all_that_made_it(material, tmp_path):
    found = play(material, tmp_path)
    assert list(found) == [arm.name for arm in ARMS[:4]]
    for name, kept in found.items():
        assert json.loads((tmp_path / "arms" / f"{name}.json").read_text()) == json.loads(json.dumps(kept))
        assert len(kept["counts"]["right"].split()) == SETUP.questions
        assert kept["metrics"]["pass_at_1"] == pytest.approx(numbers(kept["counts"])["pass_at_1"].mean(), abs=1e-4)
    taught, practised = found[ARMS[1].name], found[ARMS[3].name]
    assert taught["training"]["examples"] == 7 and practised["training"]["steps"] == SETUP.practice_steps
    assert "fingerprint" not in taught["training"] and taught["model"] == "short-32-both-s0"
    assert not list((tmp_path / "arms").glob(".*"))


def test_what_is_finished_is_not_run_again_and_what_changed_is(material, tmp_path, monkeypatch):
    first = play(material, tmp_path)
    ran = []
    measure = study_run.measure
    monkeypatch.setattr(study_run, "measure", lambda arm, trainer: ran.append(arm.name) or measure(arm, trainer))
    assert play(material, tmp_path) == json.loads(json.dumps(first)) and ran == []
    path = tmp_path / "arms" / f"{ARMS[1].name}.json"
    path.write_text("{")  # damaged
    assert steady(play(material, tmp_path)) == steady(first) and ran == [ARMS[1].name]
    other = Material(material.folder, replace(SETUP, practice_steps=1))
    play(other, tmp_path)
    assert ran[1:] == [ARMS[3].name]


def test_a_killed_study_goes_on_to_the_same_numbers(material, tmp_path):
    """SIGKILL as soon as some arms are there; what was finished stays, and the rest comes out as in an unbroken run."""
    command = [sys.executable, str(HERE / "study_child.py"), str(material.folder), str(tmp_path / "killed")]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])}
    child = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    files, deadline = tmp_path / "killed" / "arms", time.monotonic() + 120
    while len(list(files.glob("*.json"))) < 3 and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    _, said = child.communicate()
    kept = {p.name: p.read_bytes() for p in files.glob("*.json")}
    assert len(kept) >= 3, said.decode()[-500:]
    if child.returncode != -signal.SIGKILL:
        pytest.skip("the child was done before it could be killed")
    found = play(material, tmp_path / "killed", ARMS)
    assert len(found) == len(ARMS) > len(kept)
    assert all((files / name).read_bytes() == text for name, text in kept.items())
    assert steady(found) == steady(play(material, tmp_path / "whole", ARMS))


def test_arms_become_results_and_curves(material, tmp_path):
    arm = ARMS[3]
    found = play(material, tmp_path, [replace(arm, seed=s) for s in (0, 1)])
    results = Results({name: kept["counts"] for name, kept in found.items()}, {"RL": arm}, [0, 1])
    assert results.combine([(1.0, "RL", "tool_calls")]).shape == (2, SETUP.questions)
    logs = study_run.curves(found, [replace(arm, seed=s) for s in (0, 1, 2)])
    assert [len(row) for row in logs["pass_rate"]] == [2, 2]
    assert study_run.curves({}, [arm]) == {}
