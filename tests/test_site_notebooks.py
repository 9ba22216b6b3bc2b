"""Executed notebooks as pages: formulas, outputs, folds; nothing that runs, nothing from the network."""

import re

import nbformat
import pytest
from site_files import PNG, notebook

from webdancer.show import site_notebooks


@pytest.fixture
def text(tmp_path):
    nbformat.write(notebook(), tmp_path / "07_evaluate.ipynb")
    return site_notebooks.body(tmp_path / "07_evaluate.ipynb")


def test_every_cell_is_there_and_parameters_are_folded(text):
    assert text.count('<div class="cell') == 3 and 'aria-label="Code 2"' in text
    assert re.search(r"<summary>parameters</summary><div class=\"source\".*?samples", text, re.DOTALL)
    assert "anchor-link" not in text and "07 &#183; Evaluate</h1>" in text and "<thead>" not in text


def test_outputs_are_escaped_tamed_and_embedded(text):
    assert "&lt;script&gt;window.hacked=&#x27;print&#x27;&lt;/script&gt;" in text and "\x1b" not in text
    assert "<script" not in text and "<th></th>" not in text
    assert f'<img loading="lazy" src="data:image/png;base64,{PNG}" alt="Figure made by the code above, cell 2">' in text
    assert "<summary>31 lines of output</summary>" in text
    assert not re.search(r"(?:src|href)=.?(?:https?:)?//", text)


def test_formulas_become_pictures_with_their_tex_but_not_in_code(text):
    assert text.count("<svg") == 1 and 'aria-label="n \\ge k"' in text and "<code>$x$</code>" in text


def test_a_formula_takes_the_colour_of_the_text_and_sits_on_its_line():
    drawn = site_notebooks.formula(r"\frac{1}{2}")
    assert '<g fill="currentColor">' in drawn and "#ffffff" not in drawn
    assert float(re.search(r"vertical-align:(-[\d.]+)em", drawn)[1]) < -0.1
    assert site_notebooks.formula("x", block=True).startswith("<p><svg")


def test_tex_that_cannot_be_set_is_shown_as_it_is():
    assert site_notebooks.formula(r"\nosuch{<a>}") == '<code class="math">\\nosuch{&lt;a&gt;}</code>'


@pytest.mark.parametrize("source", ["costs $5 or $6", "`$a$`", "```\n$a$\n```", r"\$a\$"])
def test_dollars_that_are_no_formula_stay(source):
    assert "<svg" not in site_notebooks.markdown(source) and 'class="math"' not in site_notebooks.markdown(source)


def test_a_broken_notebook_is_named(tmp_path):
    (tmp_path / "05_sft.ipynb").write_text("{")
    with pytest.raises(ValueError, match="05_sft.ipynb is not a notebook"):
        site_notebooks.body(tmp_path / "05_sft.ipynb")
