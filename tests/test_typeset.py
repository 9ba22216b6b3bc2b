"""The pocket web's PDF writer: lines by hand, and a file that pypdf reads back."""

import io
import re

from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

from pocketweb.typeset import LINES, broken, document


def test_lines_by_hand():
    assert list(broken("about sparse tidal lattices", 16)) == ["about sparse ti-", "dal lattices"]
    assert list(broken("a velmar-parser reads", 10)) == ["a", "velmar-parser", "reads"]  # never cut at its own hyphen
    assert list(broken("to be or not", 5)) == ["to be", "or", "not"]
    assert list(broken("")) == []


@given(st.lists(st.text("abcdefghijk", min_size=1, max_size=30), max_size=40), st.integers(12, 40))
def test_the_lines_put_together_are_the_paragraph(words, width):
    lines = list(broken(" ".join(words), width))
    assert re.sub(r"-\n", "", "\n".join(lines)).replace("\n", " ") == " ".join(words)
    assert all(len(line) <= width or " " not in line for line in lines)


def test_pages_and_characters_that_need_care():
    data = document([r"Brackets (and a \ too)", "ä", *(["x"] * LINES)])
    assert data == document([r"Brackets (and a \ too)", "ä", *(["x"] * LINES)])
    first, second = PdfReader(io.BytesIO(data)).pages
    assert first.extract_text().split("\n")[:2] == [r"Brackets (and a \ too)", "ä"]
    assert second.extract_text().split() == ["x", "x", "2"]
    assert len(PdfReader(io.BytesIO(document([]))).pages) == 1
