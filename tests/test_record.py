"""Run records: atomic writes, markers without names of machines or people, seeds."""

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from webdancer.core import record

PARAMETERS = {"profile": "tiny", "seed": 3}


def test_root_is_the_checkout_unless_the_environment_names_another(monkeypatch, tmp_path):
    monkeypatch.delenv("WEBDANCER_ROOT", raising=False)
    assert (record.repo_root() / "pyproject.toml").is_file()
    monkeypatch.setenv("WEBDANCER_ROOT", str(tmp_path))
    assert record.artifacts("tiny") == tmp_path / "results" / "tiny" / "artifacts"
    assert record.artifacts("tiny").is_dir()


@pytest.mark.parametrize("profile", ["../x", "", "a/b", "a b"])
def test_a_profile_is_a_plain_folder_name(root, profile):
    with pytest.raises(ValueError, match="wanted a folder name"):
        record.results_dir(profile)


def test_atomic_path_replaces_only_on_success(tmp_path):
    target = tmp_path / "deep" / "rows.csv"
    with record.atomic_path(target) as temporary:
        assert temporary.suffix == ".csv" and temporary.parent == target.parent
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    with pytest.raises(RuntimeError), record.atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("power cut")
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_atomic_path_replaces_a_folder_as_a_whole(tmp_path):
    target = tmp_path / "sft"
    for files in (["a", "b"], ["c"]):
        with record.atomic_path(target) as temporary:
            temporary.mkdir()
            for name in files:
                (temporary / name).write_text(name)
    assert [p.name for p in target.iterdir()] == ["c"]
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(RuntimeError), record.atomic_path(target) as temporary:
        temporary.mkdir()
        raise RuntimeError("disk full")
    assert [p.name for p in target.iterdir()] == ["c"]


def test_atomic_path_says_when_nothing_was_written(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match="nothing was written for x.json"),
        record.atomic_path(tmp_path / "x.json"),
    ):
        pass


def test_write_json_takes_numpy_and_refuses_nan(tmp_path):
    path = tmp_path / "x.json"
    record.write_json(path, {"a": numpy.float64(0.5), "b": numpy.arange(2), "c": Path("d/e"), "é": None})
    assert json.loads(path.read_text()) == {"a": 0.5, "b": [0, 1], "c": "d/e", "é": None}
    with pytest.raises(ValueError):
        record.write_json(path, {"a": float("nan")})
    with pytest.raises(TypeError, match="cannot write set"):
        record.write_json(path, {"a": {1}})
    assert json.loads(path.read_text())["a"] == 0.5  # what was there stays


def test_describe_counts_rows_and_hashes_folders(tmp_path):
    (tmp_path / "a.jsonl").write_text("{}\n{}\n\n")
    (tmp_path / "b.csv").write_text("x,y\n1,2\n")
    assert record.describe(tmp_path / "a.jsonl")["rows"] == 2
    assert record.describe(tmp_path / "b.csv") == {"sha256": hashlib.sha256(b"x,y\n1,2\n").hexdigest(), "rows": 1}
    before = record.describe(tmp_path)
    assert before["files"] == 2
    (tmp_path / "b.csv").rename(tmp_path / "c.csv")
    assert record.describe(tmp_path)["sha256"] != before["sha256"]


def test_a_marker_has_every_field_and_relative_names(root):
    source = record.artifacts("tiny") / "pages_train.jsonl"
    source.write_text("{}\n{}\n")
    stage = record.Stage("02_synthesize", PARAMETERS)
    assert stage.reads(source) == source
    source.write_text("{}\n")  # the hash is that of what was read
    stage.writes(record.artifacts("tiny") / "questions.jsonl").write_text("{}\n")
    stage.cost({"calls": 2, "cost": 0.5})
    stage.cost({"calls": 3})
    marker = json.loads(stage.finish({"n": 1}).read_text())
    fields = "stage fingerprint parameters git seed seconds machine versions inputs outputs cost metrics"
    assert list(marker) == fields.split()
    assert (marker["stage"], marker["seed"], marker["metrics"]) == ("02_synthesize", 3, {"n": 1})
    assert marker["inputs"]["artifacts/pages_train.jsonl"]["rows"] == 2
    assert marker["outputs"]["artifacts/questions.jsonl"]["rows"] == 1
    assert marker["cost"] == {"calls": 5, "cost": 0.5}
    assert marker["machine"]["peak_memory_mib"] > 5
    assert marker["versions"]["python"].startswith("3.")


def test_a_missing_input_names_the_notebook_to_run(root):
    stage = record.Stage("03_distill", PARAMETERS)
    with pytest.raises(FileNotFoundError, match="03_distill needs questions.jsonl.*run 02_synthesize first"):
        stage.reads(record.artifacts("tiny") / "questions.jsonl")


def test_no_marker_without_the_outputs_that_were_announced(root):
    stage = record.Stage("01_crawl", PARAMETERS)
    stage.writes(record.artifacts("tiny") / "pages_train.jsonl")
    with pytest.raises(FileNotFoundError, match="announced pages_train.jsonl but did not write it"):
        stage.finish({})
    assert not (record.results_dir("tiny") / "01_crawl.json").exists()


def test_a_failing_marker_leaves_the_old_one(root):
    record.Stage("01_crawl", PARAMETERS).finish({"n": 1})
    with pytest.raises(ValueError):
        record.Stage("01_crawl", PARAMETERS).finish({"n": float("inf")})
    assert json.loads((record.results_dir("tiny") / "01_crawl.json").read_text())["metrics"] == {"n": 1}


def test_a_marker_names_no_path_user_or_key(root, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "sk-secret-12345")
    outside = root.parent / f"{root.name}-models"
    outside.mkdir()
    parameters = PARAMETERS | {"model": str(outside), "home": str(Path.home() / "x"), "note": "sk-secret-12345"}
    stage = record.Stage("05_sft", parameters)
    stage.reads(outside)
    text = stage.finish({"where": f"in {root}/results"}).read_text()
    for secret in (str(root), str(Path.home()) + "/", "sk-secret", os.uname().nodename + "."):
        assert secret not in text
    assert json.loads(text)["parameters"]["model"] == outside.name


def test_seeding_repeats_draws():
    draws = []
    for _ in range(2):
        record.seed_everything(7)
        draws.append((random.random(), float(numpy.random.rand())))
    assert draws[0] == draws[1]


def test_seeding_and_recording_do_not_import_torch(root):
    code = "import sys; from webdancer.core import record, params; record.seed_everything(0); record.set_threads(1);"
    code += f"record.Stage('01_crawl', {PARAMETERS!r}).finish({{}}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
