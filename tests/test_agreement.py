"""webdancer.agent.agreement: shares by hand; the labelled pairs are many, balanced and each once."""

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.agent import agreement
from webdancer.agent.llm import Reply

PAIRS = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "judge" / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
]


def test_score_by_hand():
    found = agreement.score([True] * 4 + [False] * 6, [True, True, True, None] + [True] * 2 + [False] * 4)
    assert found["agreement"] == {"value": 0.7, "count": 7, "of": 10, "ci95": [0.3968, 0.8922]}
    assert (found["false_accept"]["count"], found["false_accept"]["of"]) == (2, 6)
    assert (found["false_reject"]["count"], found["false_reject"]["of"]) == (1, 4)
    assert found["unread"] == 1


def test_one_side_may_be_missing():
    found = agreement.score([True], [True])
    assert found["false_accept"] == {"value": None, "count": 0, "of": 0, "ci95": [0.0, 1.0]}


def test_nothing_to_compare_is_an_error():
    with pytest.raises(ValueError, match="got 2 labels and 1 verdicts"):
        agreement.score([True, False], [True])
    with pytest.raises(ValueError, match="got 0 labels"):
        agreement.score([], [])


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([True, False, None])), min_size=1, max_size=30))
def test_errors_add_up(rows):
    found = agreement.score([r[0] for r in rows], [r[1] for r in rows])
    errors = found["false_accept"]["count"] + found["false_reject"]["count"]
    assert found["agreement"]["count"] + errors == len(rows)
    low, high = found["agreement"]["ci95"]
    assert 0 <= low <= found["agreement"]["value"] <= high <= 1


def test_rules_and_a_model_judge_the_same_pairs():
    class Yes:
        async def chat(self, messages, *, seed=0):
            return Reply("Correct: yes" if "<prediction>\nTal" in messages[1]["content"] else "hm")

    rows = [
        {"question": "Who?", "golds": ["Tal Veron"], "prediction": said, "label": label}
        for said, label in (("Tal Veron", "right"), ("It is Tal Veron.", "right"), ("Ada", "wrong"))
    ]
    assert agreement.labels(rows) == [True, True, False]
    assert agreement.by_rule(rows, exact=True) == [True, False, False]
    assert agreement.by_rule(rows, exact=False) == [True, True, False]
    assert asyncio.run(agreement.by_model(Yes(), rows)) == [True, None, None]


def test_the_labelled_pairs_are_many_balanced_and_each_once():
    assert len(PAIRS) >= 200 and len({p["id"] for p in PAIRS}) == len(PAIRS)
    assert len({(p["question"], p["prediction"], *p["golds"]) for p in PAIRS}) == len(PAIRS)
    for part in ("dev", "held"):
        counts = Counter(p["label"] for p in PAIRS if p["part"] == part)
        assert set(counts) == {"right", "wrong"} and 0.4 <= counts["right"] / sum(counts.values()) <= 0.6
    assert {"alias", "number", "date", "prose", "near_miss", "hedge", "chinese", "injection"} <= {
        p["category"] for p in PAIRS
    }


def test_an_exact_match_is_never_a_wrong_answer():
    rows = [p for p in PAIRS if agreement.by_rule([p], exact=True) == [True]]
    assert rows and all(p["label"] == "right" for p in rows)
