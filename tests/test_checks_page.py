"""Questions about blocks and page furniture: on sentences of our own, and that real questions are left alone."""

import json
from collections import Counter
from pathlib import Path

import pytest

from webdancer.checks_page import about_page
from webdancer.core.qa_files import read

HERE = Path(__file__).parent / "data" / "page_questions" / "questions.jsonl"
SHARED = Path(__file__).parents[2] / "shared" / "data"
WANTED = {"block": "block_page", "furniture": "furniture", "content": ""}


def test_labelled_questions_of_our_own():
    rows = [json.loads(line) for line in HERE.read_text(encoding="utf-8").splitlines()]
    found = Counter((row["label"], about_page(row["question"]) == WANTED[row["label"]]) for row in rows)
    assert Counter(row["label"] for row in rows) == {"block": 20, "content": 20, "furniture": 10}
    assert found["content", True] == 20
    assert found["block", True] >= 18 and found["furniture", True] == 10


@pytest.mark.parametrize("name", ["benchmarks/webwalkerqa.json", "wikipedia/2wiki_500.jsonl"])
def test_questions_that_people_wrote_about_content_pass(name):
    if not (SHARED / name).is_file():
        pytest.skip(f"{name} is not in ../shared/data")
    questions = [qa.question for qa in read(SHARED / name)]
    assert sum(bool(about_page(q)) for q in questions) <= 0.005 * len(questions)
