"""Files of questions as others publish them: every form by hand, encrypted ones, and messages that show no cell."""

import base64
import csv
import hashlib
import json
import zipfile
from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.core.qa_files import QA, decrypted, read

SHARED = Path(__file__).parents[2] / "shared" / "data"
SECRET, CANARY = "Which secret river, 河, is it?", "keep-out-7"


def encrypted(text: str, key: bytes) -> str:
    return base64.b64encode(bytes(a ^ b for a, b in zip(text.encode(), cycle(key), strict=False))).decode()


def hashed(text: str) -> str:
    return encrypted(text, hashlib.sha256(CANARY.encode()).digest())


def workbook(path: Path, rows: list[list[str]]) -> Path:
    """A sheet with shared strings, one of them in two runs, as spreadsheets write them."""
    texts = list(dict.fromkeys(cell for row in rows for cell in row))
    shared = "".join(f"<si><r><t>{t[:1]}</t></r><r><t>{t[1:]}</t></r></si>" for t in texts)
    lines = ""
    for n, row in enumerate(rows, 1):
        cells = (f'<c r="{c}{n}" t="s"><v>{texts.index(t)}</v></c>' for c, t in zip("ABCD", row, strict=True))
        lines += f'<row r="{n}">{"".join(cells)}</row>'
    name = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("xl/sharedStrings.xml", f'<sst xmlns="{name}">{shared}</sst>')
        book.writestr(
            "xl/worksheets/sheet1.xml", f'<worksheet xmlns="{name}"><sheetData>{lines}</sheetData></worksheet>'
        )
    return path


def test_simpleqa_as_it_is(tmp_path):
    path = tmp_path / "simple_qa_test_set.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["metadata", "problem", "answer"])
        rows.writerow(["{'topic': 'Art', 'urls': ['a', 'b']}", 'Who painted "Tea",\nthe large one?', "Ada Moor"])
    assert read(path) == [QA('Who painted "Tea",\nthe large one?', "Ada Moor")]


def test_hotpotqa_as_it_is(tmp_path):
    path = tmp_path / "hotpot_dev.json"
    rows = [{"_id": "5a", "answer": "yes", "question": "Were both born in Tarn?", "supporting_facts": [["Tarn", 0]],
             "context": [["Tarn", ["Tarn is a town."]]], "type": "comparison", "level": "hard"}]  # fmt: skip
    path.write_text(json.dumps(rows))
    assert read(path) == [QA("Were both born in Tarn?", "yes")]


def test_jsonl_wrapped_lists_tabs_and_several_answers(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"question": "A\u2028b?", "golden_answers": ["x", "y"]}\n\n{"question": "", "answer": "z"}\n', "utf-8"
    )
    assert read(path) == [QA("A\u2028b?", "x")]  # not split at a line separator; a row without a question is left out
    (tmp_path / "b.json").write_text('{"version": 1, "data": [{"Prompt": "Who?", "Answer": 3}]}')
    assert read(tmp_path / "b.json") == [QA("Who?", "3")]
    (tmp_path / "c.tsv").write_text("query\tanswer\nWho?\tAda\n")
    assert read(tmp_path / "c.tsv") == [QA("Who?", "Ada")]


def test_encrypted_rows_in_both_known_ways(tmp_path):
    rows = [["Topic", "Question", "Answer", "canary"], [hashed("Art"), hashed(SECRET), hashed("Tarn"), CANARY]]
    assert read(workbook(tmp_path / "browsecomp-zh.xlsx", rows)) == [QA(SECRET, "Tarn")]
    with (tmp_path / "xbench.csv").open("w", newline="") as file:
        csv.writer(file).writerows([
            ["id", "prompt", "answer", "canary"],
            ["1", encrypted(SECRET, CANARY.encode()), encrypted("Tarn", CANARY.encode()), CANARY],
        ])  # fmt: skip
    assert read(tmp_path / "xbench.csv") == [QA(SECRET, "Tarn")]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.txt", SECRET, "wanted a file of questions that ends in one of .jsonl"),
        ("a.jsonl", '{"question": "' + SECRET, "cannot be read as .jsonl"),
        ("a.jsonl", f'["{SECRET}"]', "row 1: got a list, wanted an object"),
        ("a.jsonl", json.dumps({"text": SECRET}), "row 1: got no column for the question, wanted one of question"),
        ("a.json", json.dumps(SECRET), "cannot be read as .json"),
        ("a.xlsx", SECRET, "cannot be read as .xlsx"),
        ("a.jsonl", json.dumps({"question": SECRET, "canary": CANARY}), "row 1: has a canary, but is encrypted in no"),
        ("a.jsonl", json.dumps({"question": encrypted(SECRET, b"other"), "canary": CANARY}), "row 1: has a canary"),
    ],
)
def test_a_message_names_file_and_row_and_shows_no_cell(tmp_path, name, text, says):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=f"^(got )?{name}.*{says}|{says}") as error:
        read(tmp_path / name)
    assert "secret" not in str(error.value) and CANARY not in str(error.value)
    assert error.value.__cause__ is None  # nor does what lies behind it


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.csv is missing"):
        read(tmp_path / "none.csv")


@given(st.text(), st.binary(min_size=1, max_size=40))
def test_decryption_undoes_encryption(text, key):
    plain = text.encode("utf-8", "ignore").decode()
    assert decrypted(encrypted(plain, key), key) == plain


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("benchmarks/webwalkerqa.json", 680),
        ("benchmarks/browsecomp-zh-encrypted.xlsx", 289),
        ("benchmarks/xbench-deepsearch-2505.csv", 100),
        ("wikipedia/2wiki_500.jsonl", 500),
        ("webdancer/sample_qa.jsonl", 200),
    ],
)
def test_the_real_files_open_whole(name, rows):
    if not (SHARED / name).is_file():
        pytest.skip(f"{name} is not in ../shared/data")
    found = read(SHARED / name)
    assert len(found) == rows and all(qa.answer for qa in found)
    if "browsecomp" in name or "xbench" in name:  # decrypted: nearly all of it is Chinese
        assert sum(any("\u4e00" <= c <= "\u9fff" for c in qa.question) for qa in found) > 0.95 * rows
