"""A small PDF writer for the papers of the pocket web: pages of plain lines, words divided at the ends of lines.

Serves 01_crawl, for those who read papers whole. In: paragraphs. Out: the bytes of a PDF 1.4 file in Helvetica, the
same for the same paragraphs. It does what makes real papers hard to read back: lines are short, long words are divided,
page numbers stand between paragraphs.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence

WIDTH = 64  # characters a line
LINES = 44  # lines a page


def document(paragraphs: Iterable[str]) -> bytes:
    """The file; every paragraph starts a line of its own."""
    lines = [line for paragraph in paragraphs for line in broken(paragraph)]
    sheets = [lines[k : k + LINES] for k in range(0, len(lines), LINES)] or [[]]
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(sheets)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(sheets)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, sheet in enumerate(sheets, 1):
        shown = f"/Resources << /Font << /F1 3 0 R >> >> /Contents {2 * number + 3} 0 R"
        objects.append(f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] {shown} >>".encode())
        stream = zlib.compress(_drawn(sheet, number))
        head = f"<< /Length {len(stream)} /Filter /FlateDecode >>\nstream\n".encode()
        objects.append(head + stream + b"\nendstream")
    return _file(objects)


def broken(paragraph: str, width: int = WIDTH) -> Iterator[str]:
    """A paragraph in lines of at most `width` characters; a word that does not fit is divided if it is long enough.

    >>> list(broken("about sparse tidal lattices", 16))
    ['about sparse ti-', 'dal lattices']
    """
    line = ""
    for word in paragraph.split():
        room = width - len(line) - (1 if line else 0)
        if len(word) > room and word.isalpha() and 2 <= room - 1 <= len(word) - 3:
            yield f"{line} {word[: room - 1]}-".strip()
            line = word[room - 1 :]
        elif len(word) > room and line:
            yield line
            line = word
        else:
            line = f"{line} {word}".strip()
    if line:
        yield line


def _drawn(lines: Sequence[str], number: int) -> bytes:
    """The drawing commands of one page."""
    shown = "".join(f"({_escaped(line)}) Tj T*\n" for line in lines)
    return f"BT /F1 11 Tf 14 TL 72 780 Td\n{shown}ET\nBT /F1 9 Tf 295 40 Td ({number}) Tj ET\n".encode(
        "cp1252", "replace"
    )


def _escaped(line: str) -> str:
    return line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def _file(objects: Sequence[bytes]) -> bytes:
    """Objects, their table and the trailer."""
    data, places = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(data))
    return data + b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table) + trailer
