"""From the bytes of a PDF to the text a reader reads. Used by 01_crawl for papers; pypdf does the reading.

In: bytes. Out: a `PdfText`, whatever the bytes are: a file that is broken, encrypted or without text gives a reason,
never an exception, because a crawl must go on. Words that the typesetter divided at the end of a line are joined
again, lines of a paragraph become one line, page numbers go. Departure from the paper: none known; how it read the
papers of arXiv is not published.
"""

import io
import re
import time
from dataclasses import dataclass

from webdancer.web.text import tidy

MAX_PAGES = 30  # of one paper; what lies behind is mostly appendix
MAX_SECONDS = 20.0  # for one file; checked between two pages
MAX_CHARACTERS = 400_000  # of one file: some drawings hold millions
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "\xad": "-", "\x00": ""})
_DIVIDED = re.compile(r"(?<=[^\W\d_])-[ \t]*\n[ \t]*(?=[^\W\d_])")
_END = re.compile(r"[.!?:;\])}»”\"']$")


@dataclass(frozen=True)
class PdfText:
    """Text of a file and its number of pages; `reason` says why there is no text ("" if there is)."""

    text: str
    pages: int = 0
    reason: str = ""


def pdf_text(data: bytes, max_pages: int = MAX_PAGES) -> PdfText:
    """The text of a PDF's first pages.

    Args:
        data: the file.
        max_pages: pages to read, from 1.
    Returns:
        The text, a paragraph a line, or a reason: "pdf: not a PDF", "pdf: encrypted", "pdf: broken (...)",
        "pdf: no text" (scanned pages are pictures).
    Raises:
        ValueError: `max_pages` is below 1.
        ImportError: pypdf is not installed; the message says how to install it.
    """
    if max_pages < 1:
        raise ValueError(f"got max_pages={max_pages}, wanted at least 1")
    if b"%PDF-" not in data[:1024]:
        return PdfText("", reason="pdf: not a PDF")
    reader = _reader()
    try:
        return _read(reader(io.BytesIO(data)), max_pages)
    except Exception as error:  # pypdf lets many kinds through, and a stranger's file may provoke any of them
        return PdfText("", reason=f"pdf: broken ({type(error).__name__})")


def _reader() -> type:
    """pypdf's reader, imported when a PDF is there to be read."""
    try:
        from pypdf import PdfReader
    except ImportError as error:
        raise ImportError("reading papers needs pypdf: pip install pypdf, or set arxiv_pdf to 0") from error
    import logging

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it reports every oddity of a file; we keep the result
    return PdfReader


def _read(file: object, max_pages: int) -> PdfText:
    """Text of an opened file, within the limits."""
    if file.is_encrypted and not file.decrypt(""):  # many are "encrypted" with an empty password, to forbid printing
        return PdfText("", reason="pdf: encrypted")
    count = len(file.pages)
    deadline = time.monotonic() + MAX_SECONDS
    parts: list[str] = []
    for page in file.pages[:max_pages]:
        parts.append(page.extract_text() or "")
        if time.monotonic() > deadline or sum(map(len, parts)) > MAX_CHARACTERS:
            break
    text = "\n".join(filter(None, map(flowing, parts)))
    readable = sum(c.isalpha() for c in text)
    return PdfText(text, count) if readable else PdfText("", count, "pdf: no text")


def flowing(text: str) -> str:
    """Text of one page as lines of print to paragraphs: divided words joined, lines of a paragraph put together.

    A line ends its paragraph if it ends like a sentence and is clearly shorter than the longest line around it, or if
    the next one starts like a heading. A hyphen between letters at the end of a line is taken for a division.

    >>> flowing("We study sparse tidal lat-\\ntices and their many\\nuses.\\n1 Introduction\\nTides rise.\\n7")
    'We study sparse tidal lattices and their many uses.\\n1 Introduction\\nTides rise.'
    """
    text = _DIVIDED.sub("", text.translate(_LIGATURES))
    lines = [line for line in tidy(text).split("\n") if not re.fullmatch(r"[\divxlc]{1,6}", line)]  # page numbers
    longest = max(map(len, lines), default=0)
    joined: list[str] = []
    for before, line in zip(["", *lines], lines, strict=False):
        starts = not before or _heading(before) or _heading(line) or (_END.search(before) and len(before) < longest - 8)
        joined.append(("" if not joined else "\n" if starts else " ") + line)
    return "".join(joined)


def _heading(line: str) -> bool:
    """Whether a line looks like the heading of a section: a number and a few words, or a few words known as such."""
    return bool(re.fullmatch(r"(?:\d{1,2}(?:\.\d{1,2})*\.?|[A-Z]\.?|[IVX]+\.) [A-Z][^.!?]{0,70}", line)) or line in (
        "Abstract",
        "References",
        "Acknowledgements",
        "Acknowledgments",
        "Appendix",
    )
