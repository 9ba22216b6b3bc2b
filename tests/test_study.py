"""The arms: names, what depends on what, and that every comparison has its own."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from study_files import PARAMETERS, SETUP

from webdancer import study
from webdancer.study import Arm, Setup

DATA = {"kept": "abc"}


def marks(arm, setup, data=DATA):
    return [study.fingerprint(arm, setup, data, stage) for stage in (*arm.stages, "measure")]


def test_the_middle_width_is_used_where_width_is_not_the_question():
    assert replace(SETUP, widths=(128, 64, 96)).middle == 96
    assert {a.width for a in study.cells(SETUP)["practice"].values()} == {64}


def test_every_comparison_of_the_paper_has_its_arms():
    found = study.cells(SETUP)
    assert list(found) == ["practice", "data", "thoughts", "temperature", "patterns"]
    assert found["practice"]["RL alone"].stages == ("base", "dapo")
    assert (found["data"]["crawlqa"].count, found["data"]["unfiltered"].data) == (3, "unfiltered")
    assert [found["thoughts"][f"long, width {w}"].width for w in (32, 64)] == [32, 64]
    assert found["temperature"]["short, RL at 0.0"].temperature == 0.0


def test_a_label_means_one_arm_and_a_name_too():
    each = [(label, arm) for arms in study.cells(SETUP).values() for label, arm in arms.items()]
    assert dict(each) == study.labels(SETUP) and len({*each}) == len(study.labels(SETUP))
    arms = set(study.labels(SETUP).values())
    assert len({arm.name for arm in arms}) == len(arms)


def test_arms_come_once_seed_after_seed_and_practice_after_what_it_starts_from():
    found = list(study.arms(SETUP, range(5, 7)))
    assert len(set(found)) == len(found) == 2 * len(set(study.labels(SETUP).values()))
    assert [arm.seed for arm in found] == sorted(arm.seed for arm in found)
    seen = [arm.model() for arm in found]
    for arm in found:
        if arm.practised:
            assert seen.index(arm.model(arm.stages[-2])) < seen.index(arm.model())


def test_what_comes_later_does_not_change_what_came_before():
    arm = Arm(width=64, practised=True)
    old = marks(arm, SETUP)
    assert len(set(old)) == 4
    for change, same in (
        ({"questions": 2}, 3),
        ({"practice_steps": 9}, 2),
        ({"steps": 9}, 1),
        ({"layers": 2}, 0),
        ({"ladder": (2, 3)}, 4),
    ):
        new = marks(arm, replace(SETUP, **change))
        assert [a == b for a, b in zip(old, new, strict=True)] == [True] * same + [False] * (4 - same), change
    assert not set(old) & set(marks(arm, SETUP, {"kept": "abd"}))


def test_arms_share_the_models_that_are_the_same():
    hot, cool = Arm(temperature=1.0), Arm(temperature=0.0)
    assert marks(hot, SETUP)[:2] == marks(cool, SETUP)[:2] and marks(hot, SETUP)[2] != marks(cool, SETUP)[2]
    short, long = Arm(), Arm(style="long")
    assert marks(short, SETUP)[0] == marks(long, SETUP)[0] and marks(short, SETUP)[1] != marks(long, SETUP)[1]


@given(
    st.builds(
        Arm,
        seed=st.integers(0, 3),
        width=st.sampled_from([32, 64]),
        style=st.sampled_from(study.STYLES),
        data=st.sampled_from(study.DATA),
        count=st.integers(0, 20),
        practised=st.booleans(),
        temperature=st.sampled_from([0.0, 0.6]),
    ),
    st.integers(0, 3),
)
def test_another_arm_has_another_name_and_fingerprint(arm, seed):
    for other in (
        replace(arm, seed=seed),
        replace(arm, count=arm.count + 1),
        replace(arm, practised=not arm.practised),
    ):
        assert (other.name == arm.name) == (other == arm)
        assert (marks(other, SETUP)[-1] == marks(arm, SETUP)[-1]) == (other == arm)


def test_bad_values_are_refused():
    with pytest.raises(ValueError, match="got style='medium', wanted one of short, long"):
        Arm(style="medium")
    with pytest.raises(ValueError, match="got data='half'"):
        Arm(data="half")
    for change in ({"samples": 2}, {"widths": [100]}, {"widths": []}):
        with pytest.raises(ValueError, match="at least 3 samples"):
            Setup.of(PARAMETERS | change)


def test_an_arm_as_plain_data():
    assert study.described(Arm(seed=1)) == {
        "name": "short-96-both-s1-t0.6",
        "model": "short-96-both-s1",
        "seed": 1,
        "width": 96,
        "style": "short",
        "data": "both",
        "count": 0,
        "taught": True,
        "practised": False,
        "temperature": 0.6,
    }
