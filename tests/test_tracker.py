"""The log is on disk line by line, the same in every file, and goes on where a run goes on."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

from webdancer.agent.tracker import Tracker


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_row_is_on_disk_before_the_next_step(tmp_path):
    track = Tracker(tmp_path / "log.csv")
    track.add({"step": 0, "loss": np.float32(0.5), "aside": float("nan")})
    assert lines(tmp_path / "log.jsonl") == [{"step": 0, "loss": 0.5}]
    track.add({"step": 1, "loss": 0.1 + 0.2, "aside": 1.0})
    table = track.close()
    assert lines(tmp_path / "log.jsonl")[1] == {"step": 1, "loss": 0.1 + 0.2, "aside": 1.0}
    again = pd.read_csv(tmp_path / "log.csv", float_precision="round_trip")
    assert again["loss"].tolist() == [0.5, 0.1 + 0.2] and np.isnan(table["aside"][0])


def test_a_run_that_fails_leaves_both_files(tmp_path):
    with pytest.raises(RuntimeError), Tracker(tmp_path / "log.csv") as track:
        track.add({"step": 0, "loss": 1.0})
        raise RuntimeError
    assert len(pd.read_csv(tmp_path / "log.csv")) == 1


def test_going_on_drops_the_rows_after_the_checkpoint(tmp_path):
    with Tracker(tmp_path / "log.csv") as track:
        for step in range(5):
            track.add({"step": step, "loss": float(step)})
    with Tracker(tmp_path / "log.csv", rows=track.rows[:3]) as again:
        again.add({"step": 3, "loss": -3.0})
    assert [row["loss"] for row in lines(tmp_path / "log.jsonl")] == [0.0, 1.0, 2.0, -3.0]
    assert pd.read_csv(tmp_path / "log.csv")["loss"].tolist() == [0.0, 1.0, 2.0, -3.0]


def test_tensorboard_gets_the_numbers(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed: pip install tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with Tracker(tmp_path / "log.csv", "tensorboard") as track:
        for step in range(3):
            track.add({"step": step, "loss": 1.0 / (step + 1), "phase": "sft", "aside": float("nan")})
    found = EventAccumulator(str(tmp_path / "log_tensorboard"))
    found.Reload()
    assert found.Tags()["scalars"] == ["loss"]
    assert [(e.step, round(e.value, 3)) for e in found.Scalars("loss")] == [(0, 1.0), (1, 0.5), (2, 0.333)]


def test_an_unknown_tracker_and_a_missing_package_say_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="got tracker='wandb', wanted one of"):
        Tracker(tmp_path / "log.csv", "wandb")
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ValueError, match="pip install tensorboard"):
        Tracker(tmp_path / "log.csv", "tensorboard")
