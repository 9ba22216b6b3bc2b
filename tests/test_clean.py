"""Executed notebooks without machine paths, keys and clock times."""

import sys

import nbformat
import pytest

from webdancer.show import clean


def test_texts(root, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "abcdef123456")
    text = f"{root}/notebooks {sys.prefix}/lib abcdef123456 http://w.test/wiki/A /tmp/ipykernel_7/8.py:3: Warning"
    assert clean.clean_text(text) == "./notebooks .venv/lib *** http://w.test/wiki/A cell: Warning"


def test_a_folder_that_only_begins_alike_is_left(root):
    assert clean.clean_text(f"{root}-other") == f"{root}-other"


def test_outputs_are_cleaned_and_pictures_kept(root, tmp_path):
    outputs = [
        nbformat.v4.new_output("stream", text=f"{root}/x"),
        nbformat.v4.new_output("display_data", data={"text/html": f"<p>{root}</p>", "image/png": "iVBORw0KGgo="}),
    ]
    cell = nbformat.v4.new_code_cell("1", outputs=outputs, execution_count=1)
    cell.metadata.update(papermill={"start_time": "now"}, tags=["kept"])
    notebook = nbformat.v4.new_notebook(cells=[cell])
    notebook.metadata["papermill"] = {"input_path": f"{root}/a.ipynb", "duration": 1.5, "environment_variables": {}}
    draft, target = tmp_path / "draft.ipynb", tmp_path / "done.ipynb"
    nbformat.write(notebook, draft)
    clean.finished(draft, target)
    assert not draft.exists() and str(root) not in target.read_text()
    done = nbformat.read(target, 4)
    assert done.metadata["papermill"] == {"duration": 1.5}
    assert done.cells[0].metadata == {"tags": ["kept"]} and done.cells[0].execution_count == 1
    assert done.cells[0].outputs[1].data["image/png"] == "iVBORw0KGgo="


def test_a_damaged_draft_keeps_the_last_good_notebook(tmp_path):
    draft, target = tmp_path / "draft.ipynb", tmp_path / "done.ipynb"
    draft.write_text("{")
    target.write_text("good")
    with pytest.raises(Exception, match="JSON"):
        clean.finished(draft, target)
    assert target.read_text() == "good"
