"""Executed notebooks without machine paths, keys and clock times."""

import base64
import io
import random
import sys

import nbformat
import pytest
from PIL import Image, ImageChops, ImageStat

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


def test_a_large_picture_is_stored_with_a_palette_and_looks_the_same():
    side, out = 300, io.BytesIO()
    colours = [(x * 7919 % 256, x * 104729 % 256, x * 1299709 % 256) for x in range(60)]
    noisy = random.Random(1).choices(colours, k=side * side)
    picture = Image.new("RGB", (side, side))
    picture.putdata(noisy)
    picture.save(out, "PNG", compress_level=0)
    before = base64.b64encode(out.getvalue()).decode()
    after = clean._clean({"image/png": before, "text/plain": "x"})["image/png"]
    assert len(after) < len(before) / 2
    with Image.open(io.BytesIO(base64.b64decode(after))) as small:
        difference = ImageChops.difference(small.convert("RGB"), picture)
    assert small.size == (side, side) and max(ImageStat.Stat(difference).mean) < 2
