"""The runner on tiny notebooks: freshness, resume, and success only with a new marker."""

import json
import sys

import nbformat
import pytest

from webdancer import run
from webdancer.core import params

CELL = 'profile = "quick"\nseed = 0\n'
HEAD = "from webdancer.core import params, record"
# A small stage: counts its own runs in a file, writes one artifact from its parameter and the one before.
START = 'P = {"profile": profile, "seed": seed}\nstage = record.Stage("%s", P)\nhome = record.artifacts(profile)'
WORK = """with open(home / "runs.txt", "a") as runs:
    _ = runs.write("%s ")
out = stage.writes(home / "%s.txt")
_ = out.write_text(f"{seed}")"""
FINISH = 'stage.finish({"n": seed})'


@pytest.fixture
def two(add_notebook):
    """Two stages, 01_a and 02_b."""
    for name in ("01_a", "02_b"):
        add_notebook(name, CELL, HEAD, START % name, WORK % (name, name), FINISH)


def runs(root) -> list[str]:
    return (root / "results" / "tiny" / "artifacts" / "runs.txt").read_text().split()


def edit(root, name: str, old: str, new: str) -> None:
    path = root / "notebooks" / f"{name}.ipynb"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_runs_in_order_then_only_what_is_not_fresh(root, two, capfd):
    assert run.run("tiny") == ["01_a", "02_b"]
    assert runs(root) == ["01_a", "02_b"]
    shown = capfd.readouterr()
    assert "01_a cell  2: from webdancer.core import params" in shown.err
    assert "2 of 2 notebooks ran" in shown.out
    assert run.run("tiny") == []
    assert runs(root) == ["01_a", "02_b"]
    # a parameter of the second only
    (root / "params" / "tiny" / "02_b.yaml").write_text("profile: tiny\nseed: 1\n")
    assert run.run("tiny") == ["02_b"]
    # the first writes something else: what follows is stale too
    (root / "params" / "tiny" / "01_a.yaml").write_text("profile: tiny\nseed: 5\n")
    assert run.run("tiny") == ["01_a", "02_b"]
    assert "fresh" in run.table("tiny").splitlines()[0]


def test_another_seed_is_another_run_beside(root, two):
    assert run.run("tiny") == run.run("tiny", seed=7) == ["01_a", "02_b"]
    assert run.run("tiny") == run.run("tiny", seed=7) == []
    folder = root / "results" / "tiny_seed7"
    marker = json.loads((folder / "02_b.json").read_text())
    assert (marker["seed"], marker["metrics"], marker["parameters"]["profile"]) == (7, {"n": 7}, "tiny_seed7")
    assert (folder / "artifacts" / "02_b.txt").read_text() == "7"
    assert "fresh" in run.table("tiny", 7) and run.main(["tiny", "--seed", "7", "--list"]) == 0


def test_what_the_executed_notebook_looks_like(root, add_notebook):
    noise = "import sys, os\nprint(os.getcwd(), sys.executable, sys.prefix)\nimport warnings\nwarnings.warn('look')"
    bar = "from tqdm import tqdm\nfor i in tqdm(range(30), mininterval=0):\n    pass"
    add_notebook("01_a", CELL, HEAD, START % "01_a", noise, bar, FINISH)
    run.run("tiny", only="1")
    folder = root / "results" / "tiny"
    assert sorted(p.name for p in folder.glob("*.ipynb")) == ["01_a.ipynb"]
    text = (folder / "01_a.ipynb").read_text()
    for path in (str(root), sys.prefix, "ipykernel_", "input_path", "start_time"):
        assert path not in text
    cells = [c for c in nbformat.reads(text, 4).cells if c.cell_type == "code"]
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))
    assert cells[4].outputs[0].text.startswith(". .venv/bin/python")  # the kernel is this Python, started in the root
    assert text.count("it/s") <= 2  # the bar's last state only
    assert "30/30" in (folder / "run.log").read_text()


def test_prose_and_comments_re_run_nothing(root, two):
    run.run("tiny")
    edit(root, "01_a", HEAD, HEAD + "  # the shared rooms")
    notebook = nbformat.read(root / "notebooks" / "01_a.ipynb", 4)
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell("A new sentence."))
    nbformat.write(notebook, root / "notebooks" / "01_a.ipynb")
    assert run.run("tiny") == []
    edit(root, "01_a", "{seed}", "{seed + 1}")
    assert run.run("tiny") == ["01_a", "02_b"]


def test_a_lost_or_changed_output_is_made_again(root, two):
    run.run("tiny")
    folder = root / "results" / "tiny"
    (folder / "artifacts" / "01_a.txt").unlink()
    assert run.stale(run.plan("tiny")[0]) == "artifacts/01_a.txt is missing"
    assert run.run("tiny") == ["01_a"]  # the same bytes again, so 02_b stays fresh
    (folder / "artifacts" / "02_b.txt").write_text("other")
    assert run.stale(run.plan("tiny")[1]) == "artifacts/02_b.txt changed"
    (folder / "01_a.json").write_text("{")
    assert run.stale(run.plan("tiny")[0]) == "its marker cannot be read"


def test_an_output_that_a_later_notebook_rewrote_is_fresh(root, add_notebook):
    """As 04 moves questions to another split in the file that 02 wrote."""
    write = 'out = stage.writes(folder / "shared.txt")\nout.write_text("first")'
    rewrite = 'both = stage.writes(stage.reads(folder / "shared.txt"))\nboth.write_text(both.read_text() + " second")'
    for name, work in (("01_a", write), ("02_b", rewrite)):
        add_notebook(name, CELL, HEAD, START % name, "folder = record.artifacts(profile)\n" + work, FINISH)
    assert run.run("tiny") == ["01_a", "02_b"]
    assert run.run("tiny") == []
    shared = root / "results" / "tiny" / "artifacts" / "shared.txt"
    assert shared.read_text() == "first second"
    shared.write_text("third")  # nobody's
    assert run.stale(run.plan("tiny")[0]) == "artifacts/shared.txt changed"
    marker = root / "results" / "tiny" / "02_b.json"
    shared.write_text("first second")
    marker.write_text("{")
    assert run.stale(run.plan("tiny")[0]) == "artifacts/shared.txt changed"


FAILURES = {
    "raise ValueError('the reason')": "ValueError: the reason",
    "import sys\nsys.exit(0)": "without writing its marker",
    "import os\nos._exit(1)": "kernel died",
}


@pytest.mark.parametrize("cell", FAILURES)
def test_a_failure_is_clear_and_the_run_resumes(root, two, cell, capsys):
    edit(root, "02_b", json.dumps(FINISH)[1:-1], json.dumps(cell)[1:-1])
    assert run.main(["tiny"]) == 1
    said = capsys.readouterr().err
    assert FAILURES[cell] in said and "02_b" in said and "02_b.unfinished.ipynb" in said
    folder = root / "results" / "tiny"
    assert (folder / "01_a.json").is_file() and not (folder / "02_b.json").exists()
    edit(root, "02_b", json.dumps(cell)[1:-1], json.dumps(FINISH)[1:-1])
    assert run.main(["tiny"]) == 0
    assert runs(root) == ["01_a", "02_b", "02_b"]  # the first was not run again


def test_an_old_marker_does_not_count(root, two):
    run.run("tiny")
    edit(root, "01_a", json.dumps(FINISH)[1:-1], "1 + 1")
    with pytest.raises(run.RunError, match="without writing its marker"):
        run.run("tiny")
    assert (root / "results" / "tiny" / "01_a.ipynb").is_file()  # the last good run stays


def test_everything_is_checked_before_anything_starts(root, two, capsys):
    (root / "params" / "tiny" / "02_b.yaml").write_text("profile: tiny\nsed: 1\n")
    assert run.main(["tiny"]) == 2
    assert "Nothing was started. tiny/02_b.yaml: unknown parameter sed: did you mean seed?" in capsys.readouterr().err
    assert not (root / "results" / "tiny" / "01_a.json").exists()
    (root / "params" / "tiny" / "02_b.yaml").write_text("profile: tiny\nseed: 1e-5\n")
    with pytest.raises(params.ParameterError, match="wanted int"):
        run.plan("tiny")
    (root / "params" / "tiny" / "02_b.yaml").write_text("profile: quick\n")
    with pytest.raises(run.RunError, match="got profile 'quick', wanted 'tiny'"):
        run.plan("tiny")
    (root / "params" / "tiny" / "02_b.yaml").rename(root / "params" / "tiny" / "02_c.yaml")
    with pytest.raises(run.RunError, match="do not match: there is no notebook 02_c; rename the file"):
        run.plan("tiny")


def test_a_profile_holds_the_notebooks_that_it_has_parameters_for(root, two, capsys):
    (root / "params" / "tiny" / "01_a.yaml").unlink()
    assert run.left_out("tiny") == ["01_a"] and run.run("tiny") == ["02_b"]
    assert "tiny has no parameters for 01_a: left out" in capsys.readouterr().out
    assert run.main(["tiny", "--only", "01"]) == 2
    assert "no notebook '01': wanted one of 02_b" in capsys.readouterr().err


def test_an_unknown_profile_names_the_known_ones(root, two):
    with pytest.raises(run.RunError, match="unknown profile 'laptp': wanted one of tiny"):
        run.plan("laptp")


def test_a_missing_kernel_is_refused_before_anything_starts(add_notebook):
    add_notebook("01_a", CELL, kernel="julia")
    with pytest.raises(run.RunError, match="got the kernel 'julia', wanted 'python3'"):
        run.plan("tiny")


def test_a_kernel_that_does_not_start_is_a_clear_failure(root, two, monkeypatch):
    monkeypatch.setattr(run.sys, "executable", "/bin/false")
    with pytest.raises(run.RunError, match="the kernel died.*ipykernel is not installed"):
        run.run("tiny", only="01")


def test_choosing(root, two, capsys):
    steps = run.plan("tiny")
    assert [s.name for s in run.choose(steps, first="2")] == ["02_b"]
    assert [s.name for s in run.choose(steps, only="01_a")] == ["01_a"]
    with pytest.raises(run.RunError, match="no notebook '9': wanted one of 01_a, 02_b"):
        run.choose(steps, only="9")
    assert run.main(["tiny", "--list"]) == 0
    assert capsys.readouterr().out.count("never run") == 2


def test_force_runs_what_is_fresh(root, two):
    run.run("tiny", only="01")
    assert run.run("tiny", only="01", force=True) == ["01_a"]
