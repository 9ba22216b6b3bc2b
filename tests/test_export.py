"""Every layout is opened the way its trainer opens it, and gives back the messages word for word."""

import json

import pandas as pd
import pytest
from datasets import load_dataset

from webdancer import export
from webdancer.core.schema import Trajectory

CHAT = (
    {"role": "system", "content": "Be an agent."},
    {"role": "user", "content": "Who is the mayor of Kestin?"},
    {"role": "assistant", "content": '<think>\nLook.\n</think>\n<tool_call>\n{"name": "search"}\n</tool_call>'},
    {"role": "user", "content": "<tool_response>\nKestin · 市长\n</tool_response>"},
    {"role": "assistant", "content": "<think>\nThere.\n</think>\n<answer>\nTal Veron\n</answer>"},
)
ROWS = [Trajectory(CHAT, (("Tal Veron",),)), Trajectory(CHAT[1:], (("Tal Veron",),))]


@pytest.fixture
def folder(tmp_path):
    return export.write(tmp_path / "export", ROWS)


def test_trl_reads_conversations(folder):
    data = load_dataset("json", data_files=str(folder / "trl" / "train.jsonl"), split="train")
    assert data.column_names == ["messages"]
    assert [tuple(dict(m) for m in row) for row in data["messages"]] == [CHAT, CHAT[1:]]


def test_trl_itself_takes_it_for_a_conversation(folder):
    utils = pytest.importorskip("trl.data_utils", reason="TRL is not installed (extra bench)")
    data = load_dataset("json", data_files=str(folder / "trl" / "train.jsonl"), split="train")
    assert utils.is_conversational(data[0])


def llama_factory(folder):
    """LLaMA-Factory's reading: the entry names file, columns and tags; odd turns are the user's, even ones the model's.

    Written after its documentation and what its ShareGPT converter accepts: a system message may stand first; a row
    with a role out of place, or an odd number of the rest, is skipped with a warning.
    """
    entry = json.loads((folder / "dataset_info.json").read_text())[export.NAME]
    assert entry["formatting"] == "sharegpt"
    tags, column = entry["tags"], entry["columns"]["messages"]
    for row in json.loads((folder / entry["file_name"]).read_text()):
        messages = [(m[tags["role_tag"]], m[tags["content_tag"]]) for m in row[column]]
        system = messages.pop(0)[1] if messages[0][0] == tags["system_tag"] else ""
        sides = (tags["user_tag"], tags["assistant_tag"])
        good = len(messages) % 2 == 0 and all(role == sides[i % 2] for i, (role, _) in enumerate(messages))
        yield good, system, [text for _, text in messages]


def test_llama_factory_skips_no_row(folder):
    rows = list(llama_factory(folder / "llama_factory"))
    texts = [m["content"] for m in CHAT]
    assert rows == [(True, texts[0], texts[1:]), (True, "", texts[1:])]


def test_verl_reads_lists_of_messages(folder):
    frame = pd.read_parquet(folder / "verl" / "train.parquet")
    assert list(frame.columns) == ["messages"]
    assert [tuple(dict(m) for m in row.tolist()) for row in frame["messages"]] == [CHAT, CHAT[1:]]


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ((), "got the roles none"),
        (CHAT[:2], "system, user; wanted"),
        (CHAT[:4], "wanted system"),
        ((CHAT[1], CHAT[1], CHAT[2]), "user, user, assistant"),
        (({"role": "tool", "content": "x"}, CHAT[4]), "tool, assistant"),
    ],
)
def test_what_a_trainer_would_skip_is_refused(tmp_path, messages, says):
    with pytest.raises(ValueError, match=says):
        export.write(tmp_path / "export", [Trajectory(messages, (("x",),))])
    assert not (tmp_path / "export").exists()


def test_nothing_to_export_leaves_the_old_folder(folder):
    with pytest.raises(ValueError, match="no trajectories to export"):
        export.write(folder, [])
    assert (folder / "verl" / "train.parquet").is_file()


def test_the_readme_names_every_layout(folder):
    text = (folder / "README.md").read_text()
    assert all(f"`{name}/`" in text for name in export.LAYOUTS) and export.NAME in text
