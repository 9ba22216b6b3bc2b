"""Notebook 09 as it is run: by papermill on small artifacts, with a service, a launch and an export of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import study_files
import yaml

from webdancer import run
from webdancer.agent import policy, tokens
from webdancer.core import params
from webdancer.core.protocol import Turn, render_response, render_turn
from webdancer.core.schema import Trajectory, write_jsonl
from webdancer.web.search import SearchIndex
from webdancer.web.tools import Tools

ROOT = Path(__file__).parents[1]
VALUES = {"profile": "tiny", "threads": 1, "searches": 6, "episodes": 4, "batch": 4}


def test_the_profile_paper_is_01_to_07():
    assert [step.name[:2] for step in run.plan("paper")] == ["01", "02", "03", "04", "05", "06", "07"]


def test_every_value_of_the_profile_paper_says_where_it_comes_from():
    """A comment on its line, or on the lines above that open its block; published or not is said in each file."""
    for path in sorted((ROOT / "params" / "paper").glob("0*.yaml")):
        text = path.read_text(encoding="utf-8")
        head = text.split("\nprofile:")[0]
        assert "arXiv 2505.22648" in head, path.name
        bare = [
            line
            for block in text.split("\n\n")
            for line in block.splitlines()
            if ":" in line and not line.lstrip().startswith(("#", "-")) and "#" not in line and "#" not in block
        ]
        assert not bare, f"{path.name}: no source for {bare}"


@pytest.mark.parametrize(
    ("notebook", "values"),
    [
        ("03_distill", {"short_samples": 5, "long_samples": 5, "search_results": 10}),  # E.3, section 2.2
        ("04_filter", {"ngram": 10, "max_ngram": 4}),  # appendix D
        ("06_dapo", {"samples": 16, "temperature": 1.0, "eps_low": 0.2, "eps_high": 0.28, "lr": 1e-6, "warmup": 20}),
        ("07_evaluate", {"samples": 3, "temperature": 0.6, "top_p": 0.95, "benchmark": "gaia_text"}),  # 5, E.3, E.1
    ],
)
def test_published_values_by_hand(notebook, values):
    found = params.check_file(ROOT / "params" / "paper" / f"{notebook}.yaml", notebook)
    assert {name: found[name] for name in values} == values


def test_published_numbers_of_questions():
    """Appendix D: 60,000 and 40,000; appendix A: about 5,000 for RL."""
    found = params.check_file(ROOT / "params" / "paper" / "02_synthesize.yaml", "02_synthesize")
    assert found["n_sft"] + found["n_rl"] == 100_000 and found["n_rl"] == 5_000 and found["share_e2hqa"] == 0.4


def artifacts(folder: Path) -> None:
    """What 01 to 05 would have written: pages, questions, episodes with real observations, an untrained policy."""
    study_files.write(folder)
    pairs = list(zip(study_files.TOWNS, study_files.PEOPLE, strict=True))
    pages = [study_files.page(town, mayor) for town, mayor in pairs]
    tools = Tools(SearchIndex.build(pages, snippet_words=14), pages, results=2, snippet_words=14)
    rows = []
    for town, mayor in pairs:
        old = study_files.episode(study_files.question(town, mayor, "sft"), "short")
        call = {"query": [f"{town} mayor"]}
        turns = Turn(f"Next: mayor of {town}.", "search", call), Turn("Done.", answer=mayor)
        said = [{"role": "assistant", "content": render_turn(turn)} for turn in turns]
        seen = {"role": "user", "content": render_response(tools.call_many([("search", call)])[0])}
        messages = (*old.messages[:-3], said[0], seen, said[1])
        rows.append(Trajectory(messages, old.answer, question_id=old.question_id, style="short", prediction=mayor))
    write_jsonl(folder / "kept.jsonl", rows)
    tokenizer = tokens.train_tokenizer(tokens.corpus(rows, pages), 900)
    policy.save(policy.build_tiny(tokenizer, layers=1), folder / "sft")


@pytest.mark.slow
def test_the_notebook_runs_and_what_must_be_equal_is(root):
    (root / "notebooks" / "09_scale.ipynb").symlink_to(ROOT / "notebooks" / "09_scale.ipynb")
    for notebook in (ROOT / "notebooks").glob("0[1-7]*.ipynb"):  # their parameters are read
        (root / "notebooks" / notebook.name).symlink_to(notebook)
    for name in ("paper", "accelerate"):
        shutil.copytree(ROOT / "params" / name, root / "params" / name)
    (root / "params" / "tiny" / "06_dapo.yaml").write_text("profile: tiny\ndev_questions: 1\n")
    (root / "params" / "tiny" / "09_scale.yaml").write_text(yaml.safe_dump(VALUES))
    folder = root / "results" / "tiny"
    artifacts(folder / "artifacts")
    guard = {"WEBDANCER_ROOT": str(root), "PYTHONPATH": str(ROOT / "tests" / "guard"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "webdancer.run", "tiny", "--only", "09"]
    done = subprocess.run(command, env=os.environ | guard, capture_output=True, text=True, timeout=900, cwd=root)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    found = json.loads((folder / "09_scale.json").read_text())["metrics"]
    assert found["agree"] and found["searches"] == 12 and found["apart"] <= 1e-5
    assert found["masks"] == {"equal": 4, "of": 4}
    assert found["gradient"]["sum over sum"] < 1e-5
    assert sum(found["export"].values()) == 4 and found["flags"] > 40
    assert {p.stem for p in (folder / "figures").glob("*.png")} == {"09_practice", "09_memory"}
    cells = [c for c in nbformat.read(folder / "09_scale.ipynb", 4).cells if c.cell_type == "code"]
    assert not [o for c in cells for o in c.outputs if o.output_type == "error"]
    assert (folder / "09_scale.ipynb").stat().st_size < 500 * 1024
    assert "no rates in results/" in str(cells)  # nothing was measured in this root, and nothing is made up
