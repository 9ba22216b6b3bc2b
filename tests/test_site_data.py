"""The explorer's data: every episode once, verdicts and reasons right, partial artifacts named, bytes repeatable."""

import base64
import gzip
import json
import re

import pytest
from site_files import artifacts, episode

from webdancer.core.schema import write_jsonl
from webdancer.core.vault import Vault
from webdancer.evaluate_predictions import Prediction, write_predictions
from webdancer.show import site_data


@pytest.fixture
def folder(tmp_path):
    artifacts(tmp_path / "artifacts")
    return tmp_path / "artifacts"


def unpacked(text: str) -> tuple[str, object]:
    name, packed = re.fullmatch(r'siteData\("(\w+)", "([A-Za-z0-9+/=]+)"\);\n', text).groups()
    return name, json.loads(gzip.decompress(base64.b64decode(packed)))


def test_every_episode_is_there_with_its_stage_verdict_and_reason(folder):
    shown, notes = site_data.collect(folder)
    found = site_data.index(shown, site_data.questions(folder))
    columns, names = found["columns"], found["names"]
    assert notes == [] and {len(values) for values in columns.values()} == {9}
    assert [names["stage"][i] for i in columns["stage"]] == (
        ["kept for SFT"] * 4 + ["dropped by the filter"] * 2 + ["evaluated"] * 3
    )
    assert columns["right"] == [1, 1, 1, 1, 0, 1, 1, 0, 0]
    assert columns["reward"] == [1, 1, 1, 1, 0.1, 1, 1, 0.1, 0]
    said = [names["outcome"][i] for i in columns["outcome"]]
    assert said[6:] == ["right", "seen, not chosen", "cut off"] and said[4] == "unsupported"
    assert [names["reason"][i] for i in columns["reason"]][4:6] == [
        "correctness: wrong answer",
        "quality: repeated call",
    ]
    assert columns["question"][0] == columns["question"][5] and columns["sample"][5] == 1
    assert found["questions"][0] == ["q1", "Question 1 <b>of</b> multihop?", "Tal Veron"]


def test_stand_ins_are_called_so(folder):
    agents = {s.prediction.model for s in site_data.collect(folder, stand_in=True)[0]}
    assert agents == {"teacher (rule-based stand-in), short", "dapo", "sft"}


def test_files_unpack_to_index_and_messages(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(site_data, "PART", 4)
    shown, _ = site_data.collect(folder)
    size = site_data.write(shown, {}, tmp_path / "data")
    files = sorted((tmp_path / "data").iterdir())
    assert [f.name for f in files] == ["index.js", "part_000.js", "part_001.js", "part_002.js"]
    assert size == sum(f.stat().st_size for f in files)
    name, part = unpacked(files[2].read_text())
    assert name == "part_001" and len(part) == 4
    assert part[0] == [[m["role"], m["content"]] for m in shown[4].prediction.trajectory.messages]
    before = [f.read_bytes() for f in files]
    site_data.write(shown, {}, tmp_path / "data")
    assert before == [f.read_bytes() for f in files]


def test_a_script_holds_nothing_of_the_data_as_it_is():
    text = site_data.script("index", ["</script><script>alert(1)</script>", "\ud800"])
    assert "<" not in text and unpacked(text)[1] == ["</script><script>alert(1)</script>", "?"]


def test_what_is_missing_is_named_with_its_notebook(tmp_path):
    shown, notes = site_data.collect(tmp_path)
    assert shown == [] and "trajectories.jsonl is missing: run 03_distill" in notes[0]
    assert "predictions.jsonl is missing: run 07_evaluate" in notes[1]
    write_jsonl(tmp_path / "trajectories.jsonl", [episode(1, "count", 1, "3", "3")])
    shown, notes = site_data.collect(tmp_path)
    assert [s.stage for s in shown] == ["distilled, not filtered"] and "kept.jsonl is missing: run 04_filter" in notes[
        0
    ]


def test_sealed_episodes_are_left_out_and_counted(tmp_path):
    secret = Prediction("dapo", episode(1, "bench", 1, "Tal Veron"), True, True)
    vault = Vault("bench", ["Question 1 <b>of</b> bench?"], ["Tal Veron"])
    write_predictions(tmp_path / "predictions.jsonl", [secret], vault)
    shown, notes = site_data.collect(tmp_path)
    assert shown == [] and any(n.startswith("1 sealed episodes") for n in notes)


def test_an_episode_without_question_or_gold_is_still_shown():
    odd = Prediction("x", episode(1, "", 0, "a", gold=""), False, True)
    found = site_data.index([site_data.Shown("evaluated", odd)], {})
    assert found["names"]["kind"] == ["not told"] and found["columns"]["hops"] == [0]
