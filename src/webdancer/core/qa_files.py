"""Files of questions and answers as others publish them, opened as they are.

Used by 02_synthesize: seeds for E2HQA (SimpleQA, HotpotQA, 2WikiMultihopQA, any JSONL) and benchmarks to compare with
(WebWalkerQA, BrowseComp, BrowseComp-ZH, xbench-DeepSearch). In: a .jsonl, .json, .csv, .tsv or .xlsx file. Out: pairs
of question and answer. Some benchmarks are published encrypted, each row with a `canary`, so that no crawler picks the
plain text up: they are decrypted in memory only, and no message of this module shows a cell.
"""

import base64
import binascii
import csv
import hashlib
import json
import re
import unicodedata
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

# Names of the columns, whatever their case, in the order in which they are looked for.
QUESTIONS = ("question", "problem", "prompt", "query")
ANSWERS = ("answer", "answers", "gold", "golden_answers", "ground_truth", "final answer")
SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".xlsx")
LARGEST_CELL = 2**27  # characters; the csv module's own limit of 131,072 is below some published reference steps

_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


@dataclass(frozen=True)
class QA:
    """A question with its answer ("" if the file has none)."""

    question: str
    answer: str = ""


def read(path: str | Path) -> list[QA]:
    """The questions of a file, in its order; rows without a question are left out.

    Args:
        path: its suffix says what it is. A .json file holds a list of objects, or one object with such a list in it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: another suffix, not readable as what it says it is, no column for the question, or a row that is
            encrypted in a way not known; the message names file and row and shows no cell.
    """
    found = [pair(row, number, Path(path).name) for number, row in enumerate(rows(path), 1)]
    return [qa for qa in found if qa.question]


def rows(path: str | Path) -> Iterator[dict[str, Any]]:
    """The rows of a file as objects, the names of their columns in small letters; raises as `read`."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path.name} is missing (looked for {path}): check the path of the question file")
    readers = {".jsonl": _jsonl, ".json": _json, ".csv": _table, ".tsv": _table, ".xlsx": _xlsx}
    if path.suffix.lower() not in readers:
        raise ValueError(f"got {path.name}, wanted a file of questions that ends in one of {', '.join(SUFFIXES)}")
    try:
        found = list(readers[path.suffix.lower()](path))
    except (ValueError, KeyError, csv.Error, zipfile.BadZipFile, SyntaxError) as error:
        kind = type(error).__name__  # the error's own text may hold a piece of the file
        raise ValueError(f"{path.name} cannot be read as {path.suffix} ({kind}): is it complete?") from None
    for number, row in enumerate(found, 1):
        if not isinstance(row, dict):
            raise ValueError(f"{path.name}, row {number}: got a {type(row).__name__}, wanted an object")
        yield {str(key).strip().lower(): value for key, value in row.items()}


def _jsonl(path: Path) -> list[Any]:
    # Not `splitlines`: it also splits at characters that may stand inside a JSON string.
    return [json.loads(line) for line in path.read_text(encoding="utf-8-sig").split("\n") if line.strip()]


def _json(path: Path) -> list[Any]:
    found = json.loads(path.read_text(encoding="utf-8-sig"))
    if isinstance(found, dict):
        found = next((v for v in found.values() if isinstance(v, list)), None)
    if not isinstance(found, list):
        raise ValueError("no list")
    return found


def _table(path: Path) -> list[dict[str, str]]:
    limit = csv.field_size_limit(LARGEST_CELL)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ","))
    finally:
        csv.field_size_limit(limit)


def _xlsx(path: Path) -> list[dict[str, str]]:
    """The first sheet of a workbook: a zip of XML files; a cell with text holds a number into a list of texts."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    with zipfile.ZipFile(path) as book:
        names = book.namelist()
        sheet = etree.fromstring(book.read(min(n for n in names if n.startswith("xl/worksheets/sheet"))), parser)
        shared = []
        if "xl/sharedStrings.xml" in names:
            items = etree.fromstring(book.read("xl/sharedStrings.xml"), parser).findall(f"{_SHEET}si")
            shared = ["".join(t.text or "" for t in item.iter(f"{_SHEET}t")) for item in items]
    lines = [_cells(row, shared) for row in sheet.iter(f"{_SHEET}row")]
    head = lines[0] if lines else {}
    return [{name: line.get(column, "") for column, name in head.items()} for line in lines[1:]]


def _cells(row: Any, shared: Sequence[str]) -> dict[str, str]:
    """Column letters to texts of one row."""
    found = {}
    for cell in row.findall(f"{_SHEET}c"):
        value, column = cell.findtext(f"{_SHEET}v") or "", re.sub(r"\d", "", cell.get("r", ""))
        inline = "".join(t.text or "" for t in cell.iter(f"{_SHEET}t"))
        found[column] = shared[int(value)] if cell.get("t") == "s" and value else inline or value
    return found


def pair(row: Mapping[str, Any], number: int, name: str) -> QA:
    """Question and answer of a row, decrypted if the row has a canary."""
    asked = next((key for key in QUESTIONS if key in row), "")
    told = next((key for key in ANSWERS if key in row), "")
    if not asked:
        raise ValueError(f"{name}, row {number}: got no column for the question, wanted one of {', '.join(QUESTIONS)}")
    texts = [_text(row.get(key)) for key in (asked, told)]
    canary = _text(row.get("canary"))
    if canary:
        texts = [_plain(text, canary) for text in texts]
        if texts[0] is None or texts[1] is None:
            raise ValueError(f"{name}, row {number}: has a canary, but is encrypted in no known way: is it complete?")
    return QA(*texts)


def _text(value: Any) -> str:
    """A cell as text; of a list of equally right answers the first."""
    while isinstance(value, list):
        value = value[0] if value else ""
    return str(value).strip() if isinstance(value, str | int | float) else ""


def decrypted(text: str, key: bytes) -> str:
    """Base64 text, XORed with a key that is repeated as often as needed.

    >>> decrypted(base64.b64encode(bytes([104 ^ 1, 105 ^ 2])).decode(), bytes([1, 2]))
    'hi'

    Raises:
        ValueError: this is not base64, or not UTF-8 after all.
    """
    try:
        coded = base64.b64decode(text, validate=True)
        return bytes(a ^ b for a, b in zip(coded, cycle(key), strict=False)).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("not base64 of UTF-8 under this key") from None


def _plain(text: str, canary: str) -> str | None:
    """The text in plain under the two ways known: BrowseComp hashes the canary for a key, xbench takes it as it is."""
    if not text:
        return ""
    for key in (hashlib.sha256(canary.encode()).digest(), canary.encode()):
        try:
            plain = decrypted(text, key)
        except ValueError:
            continue
        if not any(unicodedata.category(c) in ("Cc", "Cn", "Co") and c not in "\n\r\t" for c in plain):
            return plain.strip()
    return None
