"""webdancer.agent.partial: what was added is found again, also after a kill in the middle of a line."""

from dataclasses import replace

import pytest
from fake_agent import BRIEF, LONG, ask
from hypothesis import given
from hypothesis import strategies as st

from webdancer.agent.partial import Finished, PartFile, path_for
from webdancer.agent.turns import Settings
from webdancer.core.schema import Trajectory


def done(name="q1", sample=0, stop="answer", text="é", **more):
    messages = ({"role": "user", "content": text},)
    return Finished(Trajectory(messages, (("A",),), question_id=name, sample=sample, stop=stop), **more)


FOUR = [done("q1"), done("q1", 1, right=True), done("q2", changes=("hosted call",)), done("q3", text="\u2028 \n x")]


def test_what_was_added_is_found_again_now_and_later(tmp_path):
    path = tmp_path / "x.partial"
    with PartFile(path) as part:
        for finished in FOUR:
            part.add(finished)
        assert len(part) == 4 and ("q1", 1) in part and ("q1", 2) not in part
        assert [part.get(f.key) for f in FOUR] == FOUR
        part.add(done("q4"))  # reading in between does not move where the next one goes
        assert part.get(("q4", 0)) == done("q4")
    with PartFile(path) as part:
        assert [part.get(f.key) for f in FOUR] == FOUR and len(part) == 5
    with pytest.raises(KeyError):
        part.get(("q9", 0))


def test_the_later_one_counts_and_failed_ones_are_run_again(tmp_path):
    path = tmp_path / "x.partial"
    with PartFile(path) as part:
        part.add(done("q1"))
        part.add(done("q1", right=False))
        part.add(done("q2", stop="error"))
        assert part.get(("q2", 0)).trajectory.stop == "error"  # this run has it, the next one tries again
    with PartFile(path) as part:
        assert part.get(("q1", 0)).right is False
        assert ("q2", 0) not in part and len(part) == 1


@given(cut=st.integers(0, 2000), noise=st.binary(max_size=20))
def test_a_file_cut_anywhere_loses_only_what_was_behind_the_cut(tmp_path_factory, cut, noise):
    path = tmp_path_factory.mktemp("cut") / "x.partial"
    with PartFile(path) as part:
        for finished in FOUR:
            part.add(finished)
    whole = path.read_bytes()
    ends = [i + 1 for i, b in enumerate(whole) if b == 10]
    path.write_bytes(whole[:cut] + noise.replace(b"\n", b""))
    with PartFile(path) as part:
        kept = [f for f, end in zip(FOUR, ends, strict=True) if end <= cut]
        assert all(part.get(f.key) == f for f in kept)
        for finished in FOUR:
            if finished.key not in part:
                part.add(finished)
    with PartFile(path) as part:
        assert [part.get(f.key) for f in FOUR] == FOUR


def test_lines_of_another_kind_are_passed_over(tmp_path):
    path = tmp_path / "x.partial"
    path.write_text('{"a": 1}\n[]\nnull\n{"trajectory": {}, "right": null, "changes": []}\n\n')
    with PartFile(path) as part:
        assert len(part) == 0


def test_without_a_path_nothing_is_left():
    with PartFile() as part:
        part.add(done())
        assert part.get(("q1", 0)) == done() and part.path is None


def test_the_name_is_another_one_when_the_episodes_would_be(tmp_path):
    final, one = tmp_path / "trajectories.jsonl", [ask("q1")]
    names = {
        path_for(final, "m", BRIEF, one),
        path_for(final, "n", BRIEF, one),
        path_for(final, "m", LONG, one),
        path_for(final, "m", BRIEF, [ask("q2")]),
        path_for(final, "m", BRIEF, [replace(ask("q1"), answer="Another")]),
        path_for(final, "m", Settings(prompt_style="brief", seed=1), one),
        path_for(final, "m", BRIEF, one, {"search_results": 3}),
    }
    assert len(names) == 7
    assert path_for(final, "m", BRIEF, one) in names
    assert {p.parent for p in names} == {tmp_path} and {p.suffix for p in names} == {".partial"}
