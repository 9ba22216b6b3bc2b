"""Verdicts on episodes, the predictions file, and grouping by question."""

import json
from dataclasses import replace

import pytest
from episodes import one, sampled, trajectory

from webdancer import evaluate_predictions as e
from webdancer.core import protocol
from webdancer.core.vault import Vault, VaultError


def test_score_gives_both_verdicts():
    assert (one().correct, one().valid) == (True, True)
    assert (one(said="Bo Lind").correct, one(said="Bo Lind").valid) == (False, True)
    assert not one(stop="cut").correct and not one(stop="cut").valid


def test_an_answer_given_when_told_that_the_budget_is_at_an_end_counts():
    forced = replace(trajectory(), stop="forced")
    assert e.score("m", [forced])[0].correct
    assert e.score("m", [forced])[0].said == "ada veron" and one(stop="cut").said == ""


def test_any_of_several_right_answers_is_enough():
    aliases = replace(trajectory(said="Lady Ada"), answer=(("Ada Veron", "Lady Ada"),))
    assert e.score("m", [aliases])[0].correct and e.score("m", [aliases])[0].gold == "Ada Veron"


def test_a_prediction_says_who_judged_it():
    def strict(prediction, golds):
        return prediction in golds

    assert one().judged_by == "match"
    assert e.score("m", [trajectory()], strict)[0].judged_by == "strict"


def test_repetition_counts_ten_grams_of_the_model_only():
    line = "one two three four five six seven eight nine ten "
    talk = trajectory()
    loud = {"role": "assistant", "content": protocol.render_turn(protocol.Turn(line * 5, answer="x"))}
    assert not e.repeats(talk)
    assert e.repeats(replace(talk, messages=(*talk.messages[:-1], loud)))
    assert not e.repeats(trajectory(read=line * 9))


def test_predictions_survive_the_file(tmp_path):
    rows = sampled("sft", {"a": "10"})
    assert e.write_predictions(tmp_path / "p.jsonl", rows) == 2
    assert e.read_predictions(tmp_path / "p.jsonl") == rows
    first = json.loads((tmp_path / "p.jsonl").read_text().splitlines()[0])
    assert (first["model"], first["correct"], first["question_id"]) == ("sft", True, "a")
    assert first["judged_by"] == "match" and first["confidence"] is None


def test_a_file_of_before_verdicts_had_names_is_read(tmp_path):
    e.write_predictions(tmp_path / "p.jsonl", sampled("sft", {"a": "1"}))
    row = json.loads((tmp_path / "p.jsonl").read_text())
    del row["judged_by"], row["confidence"]
    (tmp_path / "p.jsonl").write_text(json.dumps(row) + "\n")
    assert e.read_predictions(tmp_path / "p.jsonl") == sampled("sft", {"a": "1"})


@pytest.mark.parametrize("line", ["{", "[]", '{"model": "m"}', '{"model": "m", "correct": 1, "valid": true}'])
def test_a_malformed_prediction_names_file_and_line(tmp_path, line):
    e.write_predictions(tmp_path / "p.jsonl", sampled("m", {"a": "1"}))
    with (tmp_path / "p.jsonl").open("a") as out:
        out.write(line + "\n")
    with pytest.raises(ValueError, match="p.jsonl, line 2"):
        e.read_predictions(tmp_path / "p.jsonl")


def test_a_sealed_file_needs_its_vault(tmp_path):
    rows = sampled("m", {"a": "10"})
    vault, other = Vault("set", ["Who is the mayor of Kestin?"]), Vault("set", ["Another question?"])
    e.write_predictions(tmp_path / "p.jsonl", rows, vault)
    text = (tmp_path / "p.jsonl").read_text()
    assert "Kestin" not in text and "Ada" not in text and '"correct": true' in text
    assert e.read_predictions(tmp_path / "p.jsonl", vault) == rows
    with pytest.raises(VaultError, match="load the same benchmark file"):
        e.read_predictions(tmp_path / "p.jsonl", other)
    sealed = e.read_predictions(tmp_path / "p.jsonl")
    assert [p.correct for p in sealed] == [True, False]
    with pytest.raises(ValueError, match="a: the episode is sealed"):
        e.repeats(sealed[0].trajectory)


def test_groups_hold_the_samples_in_order_and_each_once():
    rows = sampled("m", {"b": "10", "a": "01"})
    groups = e.by_question(rows[::-1])
    assert list(groups) == ["a", "b"]
    assert [[p.trajectory.sample for p in g] for g in groups.values()] == [[0, 1]] * 2
    assert e.per_question(rows, lambda p: p.correct) == {"a": 0.5, "b": 0.5}
    with pytest.raises(ValueError, match="sample 0 of question b twice"):
        e.by_question([*rows, rows[0]])
