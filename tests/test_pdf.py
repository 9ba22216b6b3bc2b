"""PDF to text: divided words, paragraphs, limits, and files that hold no text for one reason or another."""

import builtins
import io
import os
import subprocess
import sys

import matplotlib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfWriter

from pocketweb import typeset
from webdancer.web import pdf
from webdancer.web.pdf import flowing, pdf_text

LONG = "We study sparse tidal lattices and their manifold applications in harbours, canals and estuaries of the north."
PAPER = typeset.document(["Sparse Tidal Lattices", LONG, "1 Introduction", "Tides rise. " * 200, "Tal Veron wrote it."])


def encrypted(password: str, algorithm: str = "RC4-128") -> bytes:
    writer, out = PdfWriter(clone_from=io.BytesIO(PAPER)), io.BytesIO()
    writer.encrypt(user_password=password, owner_password="owner", algorithm=algorithm)
    writer.write(out)
    return out.getvalue()


def test_a_paper_with_its_words_whole_again():
    got = pdf_text(PAPER)
    assert (got.pages, got.reason) == (2, "")
    first, *_, last = got.text.split("\n")
    assert first == f"Sparse Tidal Lattices {LONG}" and last.endswith("Tal Veron wrote it.")
    assert "\n1 Introduction\nTides rise." in got.text
    assert not any(line.isdigit() for line in got.text.split("\n"))  # page numbers are gone


def test_only_the_first_pages_are_read():
    got = pdf_text(PAPER, max_pages=1)
    assert got.pages == 2 and LONG in got.text and "Tal Veron" not in got.text
    with pytest.raises(ValueError, match="got max_pages=0, wanted at least 1"):
        pdf_text(PAPER, max_pages=0)


def test_a_very_long_file_stops_at_the_limit_of_characters(monkeypatch):
    monkeypatch.setattr(pdf, "MAX_CHARACTERS", 100)
    assert "Tal Veron" not in pdf_text(PAPER).text and LONG in pdf_text(PAPER).text


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-256"])
def test_encrypted_with_and_without_a_password(algorithm):
    assert pdf_text(encrypted("secret", algorithm)).reason == "pdf: encrypted"
    assert pdf_text(encrypted("", algorithm)).text == pdf_text(PAPER).text  # only printing is forbidden


def test_a_scan_has_no_text():
    writer, out = PdfWriter(), io.BytesIO()
    writer.add_blank_page(200, 200)
    writer.write(out)
    assert (pdf_text(out.getvalue()).reason, pdf_text(out.getvalue()).pages) == ("pdf: no text", 1)


@pytest.mark.parametrize("data", [b"", b"<html>not found</html>", b"\x00" * 2000 + b"%PDF-1.4"])
def test_what_is_no_pdf(data):
    assert pdf_text(data).reason == "pdf: not a PDF"


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_half_a_file_is_broken_or_has_some_text(share):
    got = pdf_text(PAPER[: int(len(PAPER) * share)])
    assert got.reason.startswith("pdf: broken (") or got.reason == "pdf: no text" or got.text


@settings(max_examples=60, deadline=None)
@given(st.integers(8, len(PAPER) - 1), st.binary(min_size=1, max_size=30))
def test_whatever_the_bytes_are_there_is_no_exception(at, noise):
    got = pdf_text(PAPER[:at] + noise + PAPER[at + len(noise) :])
    assert bool(got.text) != bool(got.reason)


def test_a_file_by_another_writer():
    with matplotlib.rc_context({"pdf.fonttype": 42}):
        from matplotlib.figure import Figure

        figure, out = Figure(), io.BytesIO()
        figure.text(0.1, 0.5, "Tides rise in the harbour of Kestin.")
        figure.savefig(out, format="pdf")
    assert pdf_text(out.getvalue()).text == "Tides rise in the harbour of Kestin."


@pytest.mark.parametrize(
    "lines, wanted",
    [
        (["sparse lat-", "tices rise"], "sparse lattices rise"),
        (["from 1901-", "1950 it grew"], "from 1901- 1950 it grew"),  # a hyphen after a digit is no division
        (["The end of a short one.", "A line that is a good deal longer than that", "goes on"], None),
        (["2.1 Results", "We find"], "2.1 Results\nWe find"),
        (["ﬁnal ﬂow of eﬃcient tides"], "final flow of efficient tides"),
        (["Text here", "12", "and there"], "Text here and there"),
        ([], ""),
    ],
)
def test_lines_to_paragraphs(lines, wanted):
    wanted = wanted if wanted is not None else f"{lines[0]}\n{lines[1]} {lines[2]}"
    assert flowing("\n".join(lines)) == wanted


def test_without_pypdf_one_clear_error(monkeypatch):
    real = builtins.__import__

    def absent(name, *rest):
        if name == "pypdf":
            raise ImportError("No module named 'pypdf'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImportError, match="pip install pypdf"):
        pdf_text(PAPER)


def test_pypdf_is_imported_only_when_a_pdf_is_read():
    code = "import sys; import webdancer.crawl; print('pypdf' in sys.modules, 'torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ)
    assert shown.stdout.split() == ["False", "False"]
