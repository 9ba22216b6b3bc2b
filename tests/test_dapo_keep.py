"""A run that is killed and started again ends as one that was never stopped; a foreign checkpoint is refused."""

import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import by_heart
import dapo_child
import pandas as pd
import pytest
import torch

from webdancer.agent import checkpoint, policy

CLOCK = ("seconds", "seconds_rollout")  # columns that measure time


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A folder with the first weights: known half by heart, so that some groups are live."""
    folder = tmp_path_factory.mktemp("start")
    policy.save(by_heart.trained(240), folder / "start")
    return folder


@pytest.fixture
def folder(start, tmp_path):
    (tmp_path / "start").symlink_to(start / "start")
    return tmp_path


@pytest.fixture(scope="module")
def whole(start):
    """The run that is never stopped."""
    agent, result = dapo_child.go(start)
    assert sum(row["used"] for row in result.rows) > 0, "no group was live: the test would test nothing"
    return agent, result


def weights(agent):
    return {n: p.detach() for n, p in agent.model.named_parameters()}


def same(a, b):
    return all(torch.equal(p, weights(b)[n]) for n, p in weights(a).items())


def rows(result):
    return pd.DataFrame(result.rows).drop(columns=list(CLOCK))


def test_killed_at_random_and_started_again_until_it_ends_with_the_same_weights(folder, whole):
    chance = random.Random()
    for _ in range(2):
        run_and_kill(folder, chance.randint(1, 4))
    agent, result = dapo_child.go(folder)
    assert same(agent, whole[0])
    pd.testing.assert_frame_equal(rows(result), rows(whole[1]), check_exact=True)
    assert (result.groups, result.best_step) == (whole[1].groups, whole[1].best_step)
    assert same(policy.load(folder / "dapo"), whole[0])
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 7)) == pd.read_csv(folder / "log.csv")["step"].tolist()


def run_and_kill(folder, steps):
    """Start the run and kill it some time after it printed that many steps."""
    command = [sys.executable, str(Path(dapo_child.__file__)), str(folder)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    for _ in range(steps):
        child.stdout.readline()
    try:
        child.wait(random.uniform(0.0, 0.4))
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)
        child.wait()
    child.stdout.close()


class Stop(Exception):
    pass


def stopped_after(folder, step, settings=dapo_child.SETTINGS):
    def stop(row, batch):
        if row["step"] == step:
            raise Stop

    with pytest.raises(Stop):
        dapo_child.go(folder, settings, on_step=stop)


def test_an_error_between_checkpoints_repeats_the_steps_since_the_last(folder, whole):
    stopped_after(folder, 5)
    seen = []
    agent, result = dapo_child.go(folder, on_step=lambda row, batch: seen.append(row["step"]))
    assert seen == [5, 6] and same(agent, whole[0])
    pd.testing.assert_frame_equal(rows(result), rows(whole[1]), check_exact=True)


def test_a_run_that_is_over_is_not_run_again(folder, whole):
    dapo_child.go(folder)
    agent, result = dapo_child.go(folder, on_step=lambda row, batch: pytest.fail("a step was repeated"))
    assert same(agent, whole[0]) and len(result.rows) == 6
    assert (result.first_dev, result.best_dev) == (whole[1].first_dev, whole[1].best_dev)


def test_another_run_s_checkpoint_is_refused_and_says_what_differs(folder):
    stopped_after(folder, 3)
    with pytest.raises(checkpoint.CheckpointError, match=r"belongs to another run, which had lr 0.002 \(now 0.001\)"):
        dapo_child.go(folder, replace(dapo_child.SETTINGS, lr=1e-3))
    other = policy.load(folder / "start")
    (folder / "start").unlink()
    with torch.no_grad():
        next(other.model.parameters())[0, 0] += 0.001
    policy.save(other, folder / "start")
    with pytest.raises(checkpoint.CheckpointError, match="which had start '"):
        dapo_child.go(folder)


def test_a_damaged_checkpoint_is_refused_and_named(folder):
    stopped_after(folder, 3)
    path = folder / "run.checkpoint"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(checkpoint.CheckpointError, match="run.checkpoint.*delete it to start anew"):
        dapo_child.go(folder)


def test_checkpoints_can_be_turned_off(folder, whole):
    agent, _ = dapo_child.go(folder, replace(dapo_child.SETTINGS, checkpoint_every=0))
    assert not (folder / "run.checkpoint").exists() and same(agent, whole[0])
