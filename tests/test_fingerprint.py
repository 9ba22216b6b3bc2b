"""Fingerprints: what changes a result changes them, prose and comments do not."""

import nbformat

from webdancer.core import fingerprint, record

CELL = 'profile = "quick"\nseed = 0\n'


def test_modules_are_followed_through_imports(tmp_path):
    found = fingerprint.modules(["from webdancer.core import schema", "import os"])
    assert {"webdancer.core.schema", "webdancer.core.record"} <= found  # schema imports record
    assert "webdancer.core.params" not in found and "os" not in found
    assert "webdancer.show.plots" in fingerprint.modules(["def f():\n    from webdancer.show.plots import save"])
    assert fingerprint.modules(["%matplotlib inline\n!ls", "not python ("]) == set()


def test_a_changed_module_changes_the_fingerprint(root, add_notebook, tmp_path, monkeypatch):
    source = tmp_path / "src"
    (source / "webdancer").mkdir(parents=True)
    module = source / "webdancer" / "one.py"
    module.write_text("x = 1\n")
    (source / "webdancer" / "__init__.py").write_text("")
    monkeypatch.setattr(fingerprint, "SOURCE", source)
    notebook = add_notebook("01_a", CELL, "from webdancer.one import x")
    first = fingerprint.of(notebook, {}, root)
    module.write_text("x = 1  # why\n")
    assert fingerprint.of(notebook, {}, root) == first
    module.write_text("x = 2\n")
    assert fingerprint.of(notebook, {}, root) != first
    assert fingerprint.of(notebook, {"seed": 1}, root) != fingerprint.of(notebook, {"seed": 2}, root)


def test_defaults_and_prose_do_not_count_but_cells_do(root, add_notebook):
    first = fingerprint.of(add_notebook("01_a", CELL, "x = 1"), {}, root)
    assert fingerprint.of(add_notebook("01_a", CELL + "more = 1\n", "x = 1  # one\n\n"), {}, root) == first
    assert fingerprint.of(add_notebook("01_a", CELL, "x = 1", "x"), {}, root) != first
    path = add_notebook("01_a", CELL, "x = 1")
    notebook = nbformat.read(path, 4)
    notebook.cells.append(nbformat.v4.new_markdown_cell("A sentence."))
    nbformat.write(notebook, path)
    assert fingerprint.of(path, {}, root) == first


def test_upstream_is_what_earlier_notebooks_wrote(root):
    for name, text in (("01_a", "one"), ("02_b", "two")):
        stage = record.Stage(name, {"profile": "tiny"})
        stage.writes(record.artifacts("tiny") / f"{name}.txt").write_text(text)
        stage.writes(record.results_dir("tiny") / f"{name}.png").write_text(text)
        stage.finish({})
    folder = record.results_dir("tiny")
    assert fingerprint.upstream("01_a", folder) == {}
    assert list(fingerprint.upstream("03_c", folder)) == ["01_a", "02_b"]
    assert list(fingerprint.upstream("02_b", folder)["01_a"]) == ["artifacts/01_a.txt"]  # figures feed nothing
