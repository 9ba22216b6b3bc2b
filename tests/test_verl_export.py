"""The folder that goes to verl: what is in it, what is refused; verl reads it in tests/scale."""

import ast
import os
from pathlib import Path

import by_heart
import pytest

from webdancer import dapo_batch
from webdancer.core import prompts
from webdancer.core.schema import Page, Question, read_jsonl, write_jsonl
from webdancer.scale import verl_export

ROOT = Path(__file__).parents[1]
PAGES = [Page(f"http://a.test/{w}", w, f"{w} is a town.", sha256=w) for w in ("Kestin", "Orlen", "Mir")]
QUESTIONS = [
    Question(f"q{n}", f"Who is number {n}?", f"Name {n}", "multihop", 1 + n % 3, split="rl" if n % 4 else "sft")
    for n in range(40)
]


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A checkout with the artifacts of 01 and 02, and none of what comes after them."""
    for name in ("params", "notebooks"):
        (tmp_path / name).symlink_to(ROOT / name)
    folder = tmp_path / "results" / "laptop" / "artifacts"
    folder.mkdir(parents=True)
    write_jsonl(folder / "questions.jsonl", QUESTIONS)
    write_jsonl(folder / "pages_rl.jsonl", PAGES[:1])
    write_jsonl(folder / "pages_train.jsonl", PAGES[1:])
    monkeypatch.setenv("WEBDANCER_ROOT", str(tmp_path))
    return tmp_path


def rows(path):
    from pyarrow import parquet

    return parquet.read_table(path).to_pylist()


def test_the_parts_are_those_that_06_dapo_practises_and_sets_aside(root):
    folder = verl_export.write(root / "export", "laptop")
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md",
        "agent_loop.yaml",
        "launch.sh",
        "pages.jsonl",
        "reward.py",
        "tools.py",
        "train.parquet",
        "validation.parquet",
    ]
    practice, dev = dapo_batch.divide(QUESTIONS, 200, 0)  # dev_questions and seed of the profile
    found = {name: rows(folder / f"{name}.parquet") for name in ("train", "validation")}
    for name, part in (("train", practice), ("validation", dev)):
        assert [r["extra_info"]["id"] for r in found[name]] == [q.id for q in part]
        assert [r["extra_info"]["index"] for r in found[name]] == list(range(len(part)))
        assert {r["extra_info"]["split"] for r in found[name]} == {name}
    assert len(found["train"]) + len(found["validation"]) == 30  # nothing of the split sft
    assert read_jsonl(folder / "pages.jsonl", Page) == PAGES
    assert os.access(folder / "launch.sh", os.X_OK)


def test_a_row_by_hand():
    p = {"date": "2025-01-01", "prompt_style": "released"}
    assert verl_export.row(QUESTIONS[5], "train", 2, p) == {
        "data_source": "webdancer",
        "agent_name": "webdancer",
        "prompt": prompts.head("Who is number 5?", "2025-01-01", "released"),
        "ability": "search",
        "reward_model": {"style": "rule", "ground_truth": "Name 5"},
        "extra_info": {
            "split": "train",
            "index": 2,
            "id": "q5",
            "kind": "multihop",
            "hops": 3,
            "need_tools_kwargs": False,
        },
    }


def test_its_python_files_hold_no_logic(root):
    folder = verl_export.write(root / "export", "laptop")
    for name in ("tools.py", "reward.py"):
        tree = ast.parse((folder / name).read_text())
        assert not [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef | ast.If)]
    tools = (folder / "tools.py").read_text()
    assert "results=2, snippet_words=14, max_observation_chars=1200" in tools  # the profile's
    assert "_target_: webdancer.scale.verl_loop.WebDancerLoop" in (folder / "agent_loop.yaml").read_text()
    assert str(root) not in tools + (folder / "launch.sh").read_text()  # it can be copied elsewhere


def test_the_readme_says_what_to_install_and_start_with_the_profiles_dials(root):
    text = (verl_export.write(root / "export", "laptop") / "README.md").read_text()
    assert (
        "pip install 'verl[vllm]==0.9.1'" in text and "`train.parquet` (23 questions), `validation.parquet` (7)" in text
    )
    assert (
        "--pages pages.jsonl --host 0.0.0.0 --port 8000 --results 2 --snippet-words 14 --max-observation-chars 1200"
        in text
    )
    assert "the profile has" not in text
    paper = root / "results" / "paper" / "artifacts"
    paper.mkdir(parents=True)
    for file in (root / "results" / "laptop" / "artifacts").iterdir():
        (paper / file.name).write_bytes(file.read_bytes())
    text = (verl_export.write(root / "paper", "paper") / "README.md").read_text()
    assert "the profile has `search_engine: serper`, `live_visits: True`" in text


def test_an_older_export_is_replaced_and_nothing_else(root):
    folder = verl_export.write(root / "export", "laptop")
    (folder / "train.parquet").write_bytes(b"old")
    assert len(rows(verl_export.write(folder, "laptop") / "train.parquet")) == 23
    (root / "home").mkdir()
    (root / "home" / "letters.txt").write_text("dear")
    with pytest.raises(ValueError, match="is there and is no export"):
        verl_export.write(root / "home", "laptop")
    assert (root / "home" / "letters.txt").read_text() == "dear"


def test_the_longest_prompt_can_be_measured(root, tmp_path):
    tokenizer = by_heart.trained(0).tokenizer
    tokenizer.save_pretrained(tmp_path / "model")
    text = (verl_export.write(root / "export", "laptop", tmp_path / "model") / "launch.sh").read_text()
    said = int(text.partition("PROMPT=${PROMPT:-")[2].partition("}")[0])
    assert 10 < said < 60
    assert "PROMPT=${PROMPT:-256}" in (verl_export.write(root / "export", "laptop") / "launch.sh").read_text()


def test_what_is_missing_is_named(root, capsys):
    (root / "results" / "laptop" / "artifacts" / "pages_rl.jsonl").unlink()
    assert verl_export.main(["--profile", "laptop", "--to", str(root / "export")]) == 1
    assert "pages_rl.jsonl of the profile laptop is missing: run 01_crawl first" in capsys.readouterr().err
    assert verl_export.main(["--profile", "nowhere", "--to", str(root / "export")]) == 1
    assert "nowhere/06_dapo.yaml" in capsys.readouterr().err and not (root / "export").exists()


def test_too_few_questions_are_refused(root):
    write_jsonl(root / "results" / "laptop" / "artifacts" / "questions.jsonl", QUESTIONS[1:3])
    with pytest.raises(ValueError, match="got 2 questions to practise and 0 for validation"):
        verl_export.write(root / "export", "laptop")


def test_from_the_command_line(root, capsys):
    assert verl_export.main(["--profile", "laptop", "--to", str(root / "export")]) == 0
    assert capsys.readouterr().out.endswith("export: read README.md there\n")
