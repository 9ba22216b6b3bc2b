"""webdancer.distill_tables: tables worked out by hand."""

import math

import pytest
from fake_agent import ANSWER, CALL

from webdancer import distill_tables as tables
from webdancer.core.schema import Trajectory, write_jsonl

SEARCH = f"<think>\na b c\n</think>\n{CALL}"
DONE = f"<think>\nd e\n</think>\n{ANSWER}"


def done(name, *texts, style="short", prediction="Tal Veron", stop="answer", hops=1, sample=0, calls=None):
    messages = [{"role": "user", "content": "Who?"}]
    for text in texts or (SEARCH, DONE):
        messages += [{"role": "assistant", "content": text}, {"role": "user", "content": "<tool_response>"}]
    calls = len(texts or (1, 1)) - 1 if calls is None else calls
    return Trajectory(
        tuple(messages),
        (("Tal Veron",),),
        question_id=name,
        style=style,
        prediction=prediction,
        stop=stop,
        hops=hops,
        sample=sample,
        n_calls=calls,
        tokens=10,
        cost=0.5,
    )


FOUR = [
    done("a"),
    done("b", SEARCH, SEARCH, DONE, hops=2, stop="forced"),
    done("c", SEARCH, "no turn", prediction="", stop="malformed"),
    done("a", DONE, style="long"),
]


def test_one_row_an_episode(tmp_path):
    write_jsonl(tmp_path / "t.jsonl", FOUR)
    assert tables.frame(tmp_path / "t.jsonl").equals(tables.frame(FOUR))
    rows = tables.frame(FOUR).to_dict("records")
    assert [r["actions"] for r in rows] == [2, 3, 2, 1]
    assert [r["thought_words"] for r in rows] == [5, 8, 3, 2]  # "a b c" is three words, "d e" two
    assert [r["right"] for r in rows] == [True, True, False, True]
    assert tables.thoughts(FOUR[2]) == ["a b c"]
    with pytest.raises(ValueError, match="no trajectories"):
        tables.frame([])


def test_means_by_style():
    short, long = tables.summary(tables.frame(FOUR)).to_dict("records")
    assert short == {
        "style": "short",
        "episodes": 3,
        "answered": pytest.approx(2 / 3),  # a forced answer is one
        "tool_calls": pytest.approx(4 / 3),
        "thought_words": pytest.approx(16 / 3),
        "tokens": 10,
        "cost_usd": 1.5,
    }
    assert long["tool_calls"] == 0 and long["answered"] == 1


def test_stops_and_calls_by_hops():
    episodes = tables.frame(FOUR)
    stops = {(r["style"], r["stop"]): r["episodes"] for r in tables.stops(episodes).to_dict("records")}
    assert stops == {
        ("short", "answer"): 1,
        ("short", "forced"): 1,
        ("short", "malformed"): 1,
        ("long", "answer"): 1,
    }
    assert tables.calls_by_hops(episodes).to_dict("records") == [
        {"style": "long", "hops": 1, "tool_calls": 0.0, "episodes": 1},
        {"style": "short", "hops": 1, "tool_calls": 1.0, "episodes": 1},
        {"style": "short", "hops": 2, "tool_calls": 2.0, "episodes": 1},
    ]


def test_lengths_beside_the_papers():
    rows = tables.beside_paper(tables.frame(FOUR)).to_dict("records")
    assert rows[0] == {"style": "short", "origin": "here, right", "episodes": 2, "actions": 2.5, "thought": 6.5}
    assert rows[1] == {"style": "short", "origin": "paper, kept", "episodes": 7678, "actions": 4.56, "thought": 510}
    assert [r["style"] for r in rows] == ["short", "short", "long", "long"]


def test_pick_reads_rows_anew(tmp_path):
    write_jsonl(tmp_path / "t.jsonl", FOUR)
    assert tables.pick(tmp_path / "t.jsonl", [3, 1]) == [FOUR[1], FOUR[3]]
    assert tables.pick(tmp_path / "t.jsonl", []) == []


def test_samples_behind_the_right_ones_would_have_been_spared():
    verdicts = {"a": [1, 0, 1], "b": [0, 1, 1], "c": [0, 0, 0]}
    rows = [
        done(q, sample=i, prediction="Tal Veron" if right else "Ada")
        for q, found in verdicts.items()
        for i, right in enumerate(found)
    ]
    episodes = tables.frame(rows[::-1])
    assert tables.spared(episodes, 1) == 2 + 1 + 0
    assert tables.right_samples(episodes).to_dict("list") == {
        "right samples": [0, 2],
        "questions": [1, 2],
        "share": [pytest.approx(1 / 3), pytest.approx(2 / 3)],
    }
    assert tables.spared(episodes, 2) == 0
    assert tables.spared(tables.frame([*rows, done("a", style="long")]), 1) == 3  # the styles are apart


def test_difficulty_of_nothing_is_an_empty_table():
    assert tables.difficulty([]).empty and "more_calls_low" in tables.difficulty([]).columns


def test_difficulty_by_hand():
    rows = [
        *[done(f"{q}.n0", calls=1) for q in "ab"],
        done("a.n1", calls=2),
        done("a.n1", calls=4, sample=1, prediction="Ada"),  # samples of a version are averaged first
        done("b.n1", calls=2, prediction="Ada"),
        done("a.n2", calls=6),
    ]
    table = tables.difficulty(rows)
    assert table["rewrites"].tolist() == [0, 1, 2] and table["questions"].tolist() == [2, 2, 1]
    assert table["tool_calls"].tolist() == [1.0, 2.5, 6.0]
    assert table["solved"].tolist() == [1.0, 0.25, 1.0]
    assert math.isnan(table["more_calls"][0]) and math.isnan(table["more_calls_low"][0])
    assert table["more_calls"].tolist()[1:] == [1.5, 3.0]  # a: 3 - 1, b: 2 - 1; then a alone: 6 - 3
    assert (table["tool_calls_low"][1], table["tool_calls_high"][1]) == (2.0, 3.0)
    assert table.equals(tables.difficulty(rows[::-1]))


@pytest.mark.parametrize("name", ["a", "a.n", "a.nx", "n1"])
def test_an_id_without_a_version_is_an_error(name):
    with pytest.raises(ValueError, match="wanted one of `versions`"):
        tables.difficulty([done(name)])
