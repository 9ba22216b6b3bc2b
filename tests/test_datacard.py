"""The data sets open with `load_dataset`, hold every field, and their cards say what the notebook knew."""

import pytest
import yaml
from datasets import load_dataset

from webdancer import datacard
from webdancer.core.schema import Page, Question, Trajectory

FACTS = datacard.Facts(
    "Pocket questions",
    "Written from pages.",
    roles={"author": "pocket-author", "judge": "<b>j</b>"},
    funnel=[("written", 1200), ("kept", 3)],
    licences={"CC BY-SA 4.0": 2, "none stated": 1},
)
QUESTIONS = [
    Question("a", "Who?", "Ada", "multihop", 1, ("http://a.test/x",), ("Ada is.",), split="sft", offsets=(7,)),
    Question("b", "How many?", "2", "count", 1, ("http://a.test/y",), ("Two.",), checks=("leaked",), split="eval"),
    Question("c", "Whose?", "Bo", "e2hqa", 2, ("u", "v"), ("s", "t"), rewrites=("Q1",), split="sft"),
]
CHAT = ({"role": "user", "content": "Who?"}, {"role": "assistant", "content": "<answer>Ada</answer>"})
KEPT = [
    Trajectory(CHAT, (("Ada", "Ada M."),), tag="count", style="short", n_calls=2, ratings=(5, 4, 5)),
    Trajectory(CHAT, (("Ada",),), functions=({"name": "search"},)),
]


def head(folder) -> dict:
    return yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])


def test_questions_open_by_split(tmp_path):
    folder = datacard.write_questions(tmp_path / "q", QUESTIONS, FACTS)
    data = load_dataset(str(folder))
    assert {name: len(rows) for name, rows in data.items()} == {"sft": 2, "eval": 1}
    first = data["sft"][0]
    assert (first["offsets"], first["support"], first["rewrites"]) == ([7], ["Ada is."], [])
    assert data["eval"][0]["checks"] == ["leaked"]
    assert head(folder)["size_categories"] == "n<1K" and head(folder)["license"] == "other"


def test_trajectories_open(tmp_path):
    folder = datacard.write_trajectories(tmp_path / "t", KEPT, FACTS)
    data = load_dataset(str(folder), split="train")
    assert [dict(m) for m in data[0]["messages"]] == list(CHAT)
    assert data[0]["answer"] == [["Ada", "Ada M."]] and data[0]["ratings"] == [5, 4, 5] and data[1]["ratings"] == []
    assert data[1]["functions"] == '[{"name": "search"}]'


def test_the_card_says_what_is_known(tmp_path):
    text = (datacard.write_questions(tmp_path / "q", QUESTIONS, FACTS) / "README.md").read_text()
    for line in (
        "| sft | 2 |",
        "| count | 1 |",
        "| author | pocket-author |",
        "| written | 1,200 |",
        "| none stated | 1 |",
    ):
        assert line in text
    assert "<b>" not in text and datacard.UNKNOWN_TERMS in text and "not by its authors" in text


def test_terms_and_an_open_licence(tmp_path):
    facts = datacard.Facts("x", "y", licences={"Apache-2.0": 3}, terms=datacard.POCKET_TERMS)
    folder = datacard.write_questions(tmp_path / "q", QUESTIONS, facts)
    assert head(folder)["license"] == "apache-2.0" and datacard.POCKET_TERMS in (folder / "README.md").read_text()


def test_licences_counts_the_pages_used():
    pages = [Page("u", "U", "t", licence="MIT"), Page("v", "V", "t"), Page("w", "W", "t", licence="MIT")]
    assert datacard.licences(pages, ["u", "v", "u", "elsewhere"]) == {"MIT": 1, "none stated": 1}


def test_nothing_to_write_keeps_what_is_there(tmp_path):
    folder = datacard.write_questions(tmp_path / "q", QUESTIONS, FACTS)
    with pytest.raises(ValueError, match="got no question"):
        datacard.write_questions(folder, [], FACTS)
    with pytest.raises(ValueError, match="got no trajectory"):
        datacard.write_trajectories(folder, [], FACTS)
    assert load_dataset(str(folder), split="eval").num_rows == 1


def test_push_refuses_before_it_sends(tmp_path, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    folder = datacard.write_questions(tmp_path / "q", QUESTIONS, FACTS)
    with pytest.raises(ValueError, match="wanted user/name"):
        datacard.push(folder, "name")
    with pytest.raises(ValueError, match="has no README.md"):
        datacard.push(tmp_path, "user/name")
    with pytest.raises(ValueError, match="no HF_TOKEN"):
        datacard.push(folder, "user/name")


def test_push_sends_the_folder(tmp_path, monkeypatch):
    sent = []

    class Api:
        def create_repo(self, repo_id, **options):
            sent.append((repo_id, options))
            return f"https://hub.test/datasets/{repo_id}"

        def upload_folder(self, **options):
            sent.append(options)

    monkeypatch.setenv("HF_TOKEN", "hf_x")
    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    folder = datacard.write_questions(tmp_path / "q", QUESTIONS, FACTS)
    assert datacard.push(folder, "user/name") == "https://hub.test/datasets/user/name"
    assert sent[0] == ("user/name", {"repo_type": "dataset", "private": True, "exist_ok": True})
    assert sent[1] == {"repo_id": "user/name", "folder_path": folder, "repo_type": "dataset"}
