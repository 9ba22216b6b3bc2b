"""The README's table of judges from hand-made figures."""

import pytest

from webdancer import tables_judge
from webdancer.core import record


def measured(count, of, low, high):
    return {"value": count / of if of else None, "count": count, "of": of, "ci95": [low, high]}


ONE = {
    "agreement": measured(3, 4, 0.3, 0.95),
    "false_accept": measured(1, 2, 0.1, 0.9),
    "false_reject": measured(0, 0, 0.0, 1.0),
    "unread": 0,
}
FIGURES = {
    "pairs": {"dev": {"right": 1, "wrong": 2}, "held": {"right": 2, "wrong": 2}},
    "judges": {"dev": {"match by rule": ONE}, "held": {"match by rule": ONE}},
    "held_by_category": {"hedge": {"pairs": 4, "match by rule": ONE}},
}


@pytest.fixture
def figures(root):
    record.write_json(root / "results" / "bench" / "judge.json", FIGURES)
    return root


def test_the_table_shows_the_held_part(figures):
    lines = tables_judge.judges(figures).splitlines()
    assert lines[0] == "| judge | agreement | wrong answers accepted | right answers rejected |"
    assert lines[2] == "| match by rule | 75.0 (30.0 to 95.0) | 50.0 (10.0 to 90.0) | - |"
    assert lines[4].startswith("4 labelled answers (2 right, 2 wrong)") and "No language model" in lines[4]


def test_without_figures_it_says_so(root):
    assert tables_judge.judges(root) == tables_judge.NOT_RUN
    assert tables_judge.frame(tables_judge.load(root)).empty and tables_judge.by_category({}).empty


def test_frames_for_the_notebook(figures):
    data = tables_judge.load(figures)
    assert tables_judge.frame(data)["part"].tolist() == ["dev", "held"]
    assert tables_judge.by_category(data).to_dict("records") == [
        {"category": "hedge", "pairs": 4, "match by rule": "3 of 4"}
    ]
