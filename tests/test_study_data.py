"""What the arms learn: the right trajectories, nested draws, a mask that leaves the assistant out of reading."""

from dataclasses import replace

import pytest
import study_files
from hypothesis import given
from hypothesis import strategies as st
from study_files import SETUP

from webdancer import study_data
from webdancer.core.protocol import turns_of
from webdancer.core.schema import Trajectory
from webdancer.sft_data import Example
from webdancer.study import Arm
from webdancer.study_data import Material, chosen, key, observed

ROWS = [
    Trajectory((), (), tag=tag, question_id=f"{tag}{n}", style=style)
    for style in ("short", "long")
    for tag in ("count", "multihop", "e2hqa")
    for n in range(4)
]
KEPT = {key(t) for t in ROWS if not t.question_id.endswith("3")}


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    return Material(study_files.write(tmp_path_factory.mktemp("artifacts")), SETUP)


def test_an_arm_gets_its_style_its_kinds_and_the_funnel_s():
    for data, tags, ends in (
        ("both", {"count", "multihop", "e2hqa"}, {"0", "1", "2"}),
        ("crawlqa", {"count", "multihop"}, {"0", "1", "2"}),
        ("e2hqa", {"e2hqa"}, {"0", "1", "2"}),
        ("unfiltered", {"count", "multihop", "e2hqa"}, {"0", "1", "2", "3"}),
    ):
        for style in ("short", "long"):
            found = [ROWS[i] for i in chosen(ROWS, KEPT, Arm(style=style, data=data))]
            assert {t.style for t in found} == {style} and {t.tag for t in found} == tags
            assert {t.question_id[-1] for t in found} == ends and len(found) == len(tags) * len(ends)


@given(st.integers(1, 9), st.integers(0, 5))
def test_a_smaller_draw_is_part_of_a_larger_one_and_a_seed_s_own(count, seed):
    small = chosen(ROWS, KEPT, Arm(count=count, seed=seed))
    assert len(small) == count
    assert small == chosen(ROWS, KEPT, Arm(seed=seed))[:count]


def test_other_seeds_draw_others():
    assert len({tuple(chosen(ROWS, KEPT, Arm(count=4, seed=seed))) for seed in range(5)}) > 1


def test_too_few_trajectories_say_how_many_and_what_to_do():
    with pytest.raises(ValueError, match="got 9 trajectories of style short, data both, wanted 10: ask more questions"):
        chosen(ROWS, KEPT, Arm(count=10))
    with pytest.raises(ValueError, match="got 0 trajectories of style long, data both, wanted at least 1"):
        chosen(ROWS[:12], KEPT, Arm(style="long"))


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=8))
def test_reading_and_sft_share_no_token_and_leave_none_out(pairs):
    example = Example(tuple(i for i, _ in pairs), tuple(m for _, m in pairs), 1)
    (read,) = observed([example])
    assert all(a != b for a, b in zip(read.mask, example.mask, strict=True)) and read.ids == example.ids


def test_reading_is_of_all_episodes_and_never_of_an_assistant_s_words(material):
    assert len(material.reading) == len(material.rows) == 16
    for example, row in zip(material.reading, material.rows, strict=True):
        read = material.tokenizer.decode([i for i, m in zip(example.ids, example.mask, strict=True) if m])
        assert "<think>" not in read and not any(text in read for text in turns_of(row.messages))
        assert "The mayor of" in read


def test_lessons_are_the_chosen_trajectories_in_their_order(material):
    arm = Arm(style="long", data="e2hqa", seed=3)
    places = chosen(material.rows, material.kept, arm)
    assert material.lessons(arm) == [material.examples[i] for i in places]
    for example, place in zip(material.lessons(arm), places, strict=True):
        wrote = material.tokenizer.decode([i for i, m in zip(example.ids, example.mask, strict=True) if m])
        said = [text + "<|end|>" for text in turns_of(material.rows[place].messages)]
        assert wrote == "".join(said)


def test_what_is_too_long_is_left_out_of_both(material):
    longest = sorted(len(e.ids) for e in material.examples)
    short = Material(material.folder, replace(SETUP, max_length=longest[7]))
    assert len(short.reading) == sum(n <= longest[7] for n in longest) < 16
    assert len(short.examples) == 16


def test_questions_and_tools_are_of_the_right_web(material):
    assert {q.split for q in material.asked} == {"eval"} and len(material.asked) == SETUP.questions
    assert {q.split for q in material.practice} == {"rl"}
    assert "Kestin" in material.exam_tools.call_many([("search", {"query": ["Kestin mayor"]})])[0]
    assert len(material.practice_tools.call_many([("search", {"query": ["Kestin mayor"]})])) == 1


def test_the_digest_is_of_every_file_that_is_read(material, tmp_path):
    folder = study_files.write(tmp_path)
    assert study_data.digests(folder) == material.digests and list(material.digests) == list(study_data.FILES)
    with (folder / "kept.jsonl").open("a") as file:
        file.write("\n")
    assert study_data.digests(folder)["kept"] != material.digests["kept"]
    (folder / "kept.jsonl").unlink()
    with pytest.raises(FileNotFoundError):
        Material(folder, SETUP)
