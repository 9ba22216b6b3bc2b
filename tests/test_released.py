"""webdancer.core.released: the same text as in the released file, to the letter."""

import json
from pathlib import Path

import pytest

from webdancer.core import prompts, released

FILE = Path(__file__).parents[1] / "../shared/data/webdancer/sample_traj.jsonl"


def test_every_released_trajectory_begins_with_our_head():
    if not FILE.is_file():
        pytest.skip("the released trajectories (../shared/data/webdancer/sample_traj.jsonl) are not here")
    rows = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 200
    for row in rows:
        question = row["messages"][1]["content"].rpartition("\nUser: ")[2]
        date = row["messages"][0]["content"][-10:]
        assert prompts.head(question, date) == row["messages"][:2]
        assert prompts.restyle(row["messages"], "released") == row["messages"]
        assert list(released.FUNCTIONS) == row["functions"]


def test_the_constants_end_where_date_and_question_go():
    assert released.SYSTEM.endswith("\nCurrent date: ") and released.USER_HEAD.endswith("\n\nUser: ")
    assert [f["name_for_model"] for f in released.FUNCTIONS] == ["search", "visit"]
