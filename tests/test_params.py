"""Strict parameters: every wrong value stops with a message that says which, where, got and wanted."""

import nbformat
import papermill.iorw
import papermill.parameterize
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.core import params

CELL = 'profile = "tiny"\nseed = 0\nrate = 0.5  # share\nworlds = [1, 2]\nfast = False\nnames = []\n'
GOOD = {"profile": "tiny", "seed": 0, "rate": 0.5, "worlds": [1, 2], "fast": False, "names": []}


@pytest.fixture
def notebook(add_notebook):
    return add_notebook("01_crawl", CELL)


def test_defaults_in_order(notebook):
    assert list(params.defaults("01_crawl").items()) == list(GOOD.items())
    assert params.defaults(notebook) == GOOD


def tagged(path, *cells):
    """Write a notebook of cells with one tag each."""
    made = [nbformat.v4.new_code_cell(source, metadata={"tags": [tag]}) for tag, source in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=made), path)
    return path


def test_defaults_stand_in_cells_before_the_parameters(tmp_path):
    path = tagged(
        tmp_path / "01_a.ipynb", ("defaults", "rate = 0.5"), ("defaults", "n = 1"), ("parameters", "seed = 0")
    )
    assert params.defaults(path) == {"rate": 0.5, "n": 1, "seed": 0}


def test_defaults_after_the_parameters_would_undo_what_papermill_sets(tmp_path):
    path = tagged(tmp_path / "01_a.ipynb", ("parameters", "seed = 0"), ("defaults", "rate = 0.5"))
    with pytest.raises(params.ParameterError, match="after the parameters would undo"):
        params.defaults(path)


def test_a_name_in_two_cells_is_refused(tmp_path):
    path = tagged(tmp_path / "01_a.ipynb", ("defaults", "seed = 1"), ("parameters", "seed = 0"))
    with pytest.raises(params.ParameterError, match="seed given twice"):
        params.defaults(path)


def test_papermill_sets_a_parameter_of_an_earlier_cell(tmp_path):
    path = tagged(
        tmp_path / "01_a.ipynb", ("defaults", "rate = 0.5"), ("parameters", "seed = 0"), ("work", "print(rate)")
    )
    book = papermill.iorw.load_notebook_node(str(path))
    made = papermill.parameterize.parameterize_notebook(book, {"rate": 2.0}, kernel_name="python3", language="python")
    kinds = [cell.metadata.tags for cell in made.cells]
    assert kinds == [["defaults"], ["parameters"], ["injected-parameters"], ["work"]]
    assert "rate = 2.0" in made.cells[2].source


def test_check_takes_the_values_of_the_kernel(notebook):
    namespace = GOOD | {"seed": 4, "rate": 1, "unrelated": object()}
    found = params.check("01_crawl", namespace)
    assert found == GOOD | {"seed": 4, "rate": 1.0}
    assert type(found["rate"]) is float


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("seed", "3", r"seed: got '3' \(str\), wanted int"),
        ("seed", True, r"seed: got True \(bool\), wanted int"),
        ("seed", 3.0, r"got 3.0 \(float\), wanted int"),
        ("seed", None, r"got None \(NoneType\), wanted int"),
        ("rate", "1e-5", r"wanted float \(YAML reads 1e-5 as a string: write 1.0e-5\)"),
        ("fast", "true", r"got 'true' \(str\), wanted bool"),
        ("fast", 1, r"got 1 \(int\), wanted bool"),
        ("worlds", 3, r"worlds: got 3, wanted a flat list"),
        ("worlds", [1, "2"], r"worlds\[1\]: got '2' \(str\), wanted int"),
        ("worlds", [[1]], "wanted a flat list"),
        ("names", ["a", 1], r"names\[1\]: got 1 \(int\), wanted str"),
    ],
)
def test_a_wrong_type_is_refused(notebook, name, value, says):
    with pytest.raises(params.ParameterError, match=says):
        params.check("01_crawl", GOOD | {name: value})


def test_empty_lists_are_lists(notebook):
    assert params.check("01_crawl", GOOD | {"worlds": []})["worlds"] == []
    assert params.check("01_crawl", GOOD | {"names": ["a"]})["names"] == ["a"]


def test_a_parameter_not_set_is_an_error(notebook):
    with pytest.raises(params.ParameterError, match="seed not set: run the parameters cell first"):
        params.check("01_crawl", {k: v for k, v in GOOD.items() if k != "seed"})


def test_papermills_unknown_parameter_is_refused(notebook):
    cells = ["", CELL, "# Parameters\nprofile = 'tiny'\nsed = 1\n", "later = 3"]
    with pytest.raises(params.ParameterError, match="unknown parameter sed: did you mean seed"):
        params.check("01_crawl", GOOD | {"In": cells})


def test_check_file(notebook, tmp_path):
    file = tmp_path / "01.yaml"
    file.write_text("profile: tiny\nrate: 1\nworlds: [3]\n")
    assert params.check_file(file, "01_crawl") == GOOD | {"rate": 1.0, "worlds": [3]}
    file.write_text("")
    assert params.check_file(file, notebook) == GOOD


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- a\n", "got a list, wanted lines"),
        ("a: [1\n", "cannot be read as YAML"),
        ("seed: 1\nseed: 2\n", "seed given twice"),
        ("world_pages: 3\n", "unknown parameter world_pages"),
        ("rate: 1e-5\n", "write 1.0e-5"),
        ("seed:\n", "got None"),
        ("worlds: {a: 1}\n", "wanted a flat list"),
        ("3: 4\n", "unknown parameter 3"),
    ],
)
def test_a_bad_file_is_refused(notebook, tmp_path, text, says):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(params.ParameterError, match=says):
        params.check_file(tmp_path / "x.yaml", "01_crawl")


def test_a_missing_file_is_refused(notebook, tmp_path):
    with pytest.raises(params.ParameterError, match="cannot be read"):
        params.check_file(tmp_path / "no.yaml", "01_crawl")


@pytest.mark.parametrize(
    "cell",
    ["a = 1 + x\n", "a = b = 1\n", "a, b = 1, 2\n", "import os\n", "a = {'b': 1}\n", "a = None\n", "a = [[1]]\n"],
)
def test_a_parameters_cell_holds_flat_literals_only(add_notebook, cell):
    add_notebook("02_x", cell)
    with pytest.raises(params.ParameterError, match="02_x"):
        params.defaults("02_x")


def test_no_notebook_and_no_tagged_cell(root):
    with pytest.raises(params.ParameterError, match="there is no notebook 09_none.ipynb"):
        params.defaults("09_none")
    (root / "notebooks" / "08_x.ipynb").write_text('{"cells": []}')
    with pytest.raises(params.ParameterError, match="got 0 cells tagged"):
        params.defaults("08_x")


@given(st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5), st.none()))
def test_a_scalar_passes_only_for_its_own_type(value):
    for kind in (bool, int, float, str):
        fits = type(value) is kind or (kind is float and type(value) is int)
        try:
            assert params._scalar("x", value, kind, "here") == kind(value) and fits
        except params.ParameterError:
            assert not fits
