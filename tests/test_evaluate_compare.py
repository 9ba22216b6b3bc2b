"""Scoring stored episodes again, and two results side by side: hand-worked numbers, refusals, and the command."""

import json
from dataclasses import replace

import pytest
from episodes import one, sampled

from webdancer import evaluate_compare as c
from webdancer.agent import grade
from webdancer.core.vault import Vault, VaultError
from webdancer.evaluate_predictions import read_predictions, write_predictions

OLD = sampled("sft", {"a": "000", "b": "100", "c": "110", "d": "111", "e": "011"})
NEW = sampled("dapo", {"a": "111", "b": "110", "c": "111", "d": "111", "e": "000"})


def test_compare_by_hand():
    found = c.compare(OLD, NEW)
    assert found.old["value"] == pytest.approx(8 / 15) and found.new["value"] == pytest.approx(11 / 15)
    assert found.difference["value"] == pytest.approx(3 / 15) and found.difference["n"] == 5
    assert [(f.question_id, f.old, f.new) for f in found.gained] == [
        ("a", 0, 1),
        ("b", pytest.approx(1 / 3), pytest.approx(2 / 3)),
    ]
    assert [f.question_id for f in found.lost] == ["e"]
    assert (found.better, found.worse) == (3, 1)
    # differences in thirds: 3, 1, 1, 0, -2; of the 16 ways to give signs, 10 sum to 3 or more, or -3 or less
    assert found.p == 10 / 16
    assert found.gained[0].gold == "Ada Veron" and "mayor of Kestin" in found.gained[0].question


def test_compare_the_other_way_round_is_the_mirror():
    there, back = c.compare(OLD, NEW), c.compare(NEW, OLD)
    assert there.p == back.p and there.difference["value"] == -back.difference["value"]
    assert [f.question_id for f in there.gained] == [f.question_id for f in back.lost]


@pytest.mark.parametrize("compared", [[], ["sft"], ["sft", "gpt"], ["sft", "dapo", "base"]])
def test_the_two_to_compare_must_be_two_of_those_evaluated(compared):
    with pytest.raises(ValueError, match="wanted two of base, sft, dapo"):
        c.pair(compared, ["base", "sft", "dapo"])


def test_texts_can_be_left_out():
    found = c.compare(OLD, NEW, texts=False)
    assert {(f.question, f.gold) for f in (*found.gained, *found.lost)} == {("", "")}
    assert "Kestin" not in c.told(found) and "Ada" not in c.told(found)


def test_a_result_does_not_differ_from_itself():
    found = c.compare(OLD, OLD)
    assert (found.p, found.better, found.worse, found.gained, found.lost) == (1.0, 0, 0, (), ())


def other(**fields):
    """The new predictions with other fields in their trajectories."""
    return [replace(p, trajectory=replace(p.trajectory, **fields)) for p in NEW]


@pytest.mark.parametrize(
    ("new", "says"),
    [
        (sampled("dapo", {"a": "1", "b": "1"}), "5 and 2 questions, 3 of them on one side only .c, ..."),
        ([], "5 and 0 questions"),
        ([replace(p, judged_by="yes_no m 1f") for p in NEW], "by match and by yes_no m 1f, wanted one judge"),
        (other(answer=(("Bo",),)), "5 questions with the same id"),
        (other(messages=({"role": "user", "content": "Who else?"},)), "another text or answer .a"),
    ],
)
def test_what_cannot_be_compared_is_refused(new, says):
    with pytest.raises(ValueError, match=says):
        c.compare(OLD, new)


class Strict:
    """A judge that wants the gold letter by letter and is half sure."""

    label = "strict m"

    def grade_many(self, cases):
        self.cases = list(cases)
        return [grade.Grade("correct" if said in golds else "incorrect", said, 0.5) for _, said, golds in self.cases]


def test_rescore_changes_verdicts_and_nothing_else():
    rows = [one(said="ada veron"), one(said="Ada Veron", sample=1), one(said="Ada Veron", sample=2, stop="cut")]
    assert [p.correct for p in rows] == [True, True, False]
    judge = Strict()
    again = c.rescore(rows, judge)
    assert [p.correct for p in again] == [False, True, False]
    assert {(p.judged_by, p.confidence) for p in again} == {("strict m", 0.5)}
    assert [p.trajectory for p in again] == [p.trajectory for p in rows]
    assert judge.cases[2][1] == ""  # an episode that was cut off has no answer, whatever it wrote
    back = c.rescore(again, grade.Grader("match"))
    assert [replace(p, confidence=None) for p in back] == rows


def test_sealed_episodes_can_be_compared_by_id_but_not_judged():
    vault = Vault("set", ["Who is the mayor of Kestin?"])
    old, new = ([replace(p, trajectory=vault.hide(p.trajectory)) for p in rows] for rows in (OLD, NEW))
    found = c.compare(old, new)
    assert found.p == 10 / 16 and found.gained[0].question == "" == found.gained[0].gold
    with pytest.raises(VaultError, match="open it first"):
        c.rescore(old, grade.Grader("match"))


@pytest.fixture
def results(tmp_path):
    """Two result folders; the second holds both models."""
    for name, rows in (("old", OLD), ("new", [*OLD, *NEW])):
        write_predictions(tmp_path / name / "artifacts" / "predictions.jsonl", rows)
    return tmp_path


def test_load_finds_the_file_and_names_what_is_missing(results):
    file = results / "old" / "artifacts" / "predictions.jsonl"
    assert c.load(results / "old") == c.load(file) == c.load(file.parent, "sft") == OLD
    with pytest.raises(ValueError, match="model 'base', wanted one of sft, dapo"):
        c.load(results / "new", "base")
    with pytest.raises(FileNotFoundError, match="nowhere: no predictions.jsonl there .* run 07_evaluate"):
        c.load(results / "nowhere")


def command(capsys, *args):
    code = c.main([str(a) for a in args])
    return code, *capsys.readouterr()


def test_the_command_compares(results, capsys):
    code, out, _ = command(capsys, "compare", results / "old", results / "new", "--model", "sft", "--new-model", "dapo")
    assert code == 0
    assert "5 questions: old 53.3%, new 73.3%" in out and "p = 0.625 (exact sign-flip test)" in out
    assert "gained: 2" in out and "0% -> 100%  a" in out and "lost: 1" in out
    *_, line = out.splitlines()
    assert line == "  67% -> 0%  e  Who is the mayor of Kestin? [Ada Veron]"


def test_the_command_writes_json_and_cuts_long_lists(results, capsys):
    both = ("compare", results / "old", results / "new", "--model", "sft", "--new-model", "dapo")
    assert json.loads(command(capsys, *both, "--json")[1])["p"] == 0.625
    assert "... and 1 more" in command(capsys, *both, "--most", "1")[1]


def test_the_command_scores_again(results, capsys):
    code, out, _ = command(capsys, "rescore", results / "new", "--judge", "exact", "--out", results / "again.jsonl")
    assert code == 0
    assert "sft: Pass@1 53.3% by match, 53.3% by exact; of 15 verdicts 0 became right, 0 wrong" in out
    assert {p.judged_by for p in read_predictions(results / "again.jsonl")} == {"exact"}
    assert command(capsys, "compare", results / "again.jsonl", results / "new", "--model", "sft")[0] == 2


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("compare", "{}/old", "{}/none", "--model", "sft"), "none: no predictions.jsonl"),
        (("compare", "{}/old", "{}/new"), "model 'dapo', wanted one of sft"),
        (("rescore", "{}/old", "--judge", "yes_no"), "asks a model"),
    ],
)
def test_the_command_says_in_one_line_why_it_could_not(results, capsys, args, says):
    code, out, err = command(capsys, *(a.format(results) for a in args))
    assert code == 2 and not out and says in err and "Traceback" not in err


def test_help_tells_what_there_is(capsys):
    with pytest.raises(SystemExit) as left:
        c.main(["--help"])
    out = capsys.readouterr().out
    assert left.value.code == 0 and "compare" in out and "rescore" in out and "example:" in out
