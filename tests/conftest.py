"""What all tests share: one quiet thread for torch, and a project root of their own for tests that write results."""

import os
from pathlib import Path

import nbformat
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "0")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project (`notebooks/`, `params/tiny/`) that `record.repo_root` returns."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "params" / "tiny").mkdir(parents=True)
    monkeypatch.setenv("WEBDANCER_ROOT", str(tmp_path))
    return tmp_path


@pytest.fixture
def add_notebook(root: Path):
    """A function that writes a small notebook into `root`: parameters cell, then the code cells given."""

    def add(name: str, parameters: str, *cells: str, values: str = "profile: tiny\n", kernel: str = "python3") -> Path:
        first = nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})
        notebook = nbformat.v4.new_notebook(cells=[first, *map(nbformat.v4.new_code_cell, cells)])
        notebook.metadata["kernelspec"] = {"name": kernel, "display_name": kernel, "language": "python"}
        nbformat.write(notebook, root / "notebooks" / f"{name}.ipynb")
        (root / "params" / "tiny" / f"{name}.yaml").write_text(values)
        return root / "notebooks" / f"{name}.ipynb"

    return add
