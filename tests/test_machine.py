"""Commit, hardware, versions, and nothing that names a machine or a person."""

import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from webdancer.core import machine


def test_scrub_keeps_ordinary_texts():
    values = ["http://wiki.pocket.test/wiki/A", "./results/x", "a/b", "1 / 2", 3, None, True]
    assert machine.scrub(values, Path("/nowhere")) == values


@given(st.recursive(st.integers() | st.text("ab c/"), lambda x: st.lists(x) | st.dictionaries(st.text("ab"), x)))
def test_scrub_twice_is_scrub_once(value):
    once = machine.scrub(value, Path("/a/b"))
    assert machine.scrub(once, Path("/a/b")) == once


def test_git_state_outside_a_repository(tmp_path):
    assert machine.git_state(tmp_path)["commit"] == ""


def test_paths_that_lead_elsewhere_keep_their_last_part():
    values = ["/a/b/x.jsonl", "../../c/x.jsonl", "~/x.jsonl", "C:\\d\\x.jsonl"]
    assert machine.scrub(values, Path("/nowhere")) == ["x.jsonl"] * 4


def test_only_whole_folder_names_are_replaced(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    text = "/home/ada/x /home/adam/y /data/project/z /data/project-2"
    assert machine.scrub_text(text, Path("/data/project")) == "~/x /home/adam/y ./z /data/project-2"
    assert machine.scrub_text(f"{sys.prefix}/bin", Path("/data")) == ".venv/bin"


def test_keys_of_the_environment_are_hidden(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-abcdefgh")
    monkeypatch.setenv("SHORT_KEY", "a")  # too short to be a key: replacing it would eat ordinary letters
    assert machine.scrub(["uses sk-abcdefgh", "a"], Path("/x")) == ["uses ***", "a"]


def test_hardware_and_versions():
    found = machine.hardware()
    assert found["cpus"] >= 1 and found["peak_memory_mib"] > 5
    assert machine.versions()["papermill"].startswith("2.")
