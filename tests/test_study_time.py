"""How long it will take: what is done counts as done, what was measured replaces what was assumed."""

from dataclasses import replace

import pytest
import study_files
from study_files import SETUP

from webdancer import study_run, study_time
from webdancer.study import Arm
from webdancer.study_data import Material
from webdancer.study_train import Trainer

ARMS = [replace(arm, seed=s) for s in (0, 1) for arm in (Arm(width=32), Arm(width=32, practised=True))]


def by_kind(rows):
    return rows.set_index(["what", "style"])


def test_assumed_times_follow_the_work():
    arm = Arm(width=96)
    for what, change in (
        ("base", "reading_steps"),
        ("sft", "steps"),
        ("dapo", "practice_steps"),
        ("measure", "questions"),
    ):
        more = replace(SETUP, **{change: 2 * getattr(SETUP, change)})
        assert study_time.assumed(what, arm, more) == pytest.approx(2 * study_time.assumed(what, arm, SETUP))
        wide = study_time.assumed(what, replace(arm, width=192), SETUP)
        assert wide == pytest.approx(2**study_time.GROWTH * study_time.assumed(what, arm, SETUP))
    alone = replace(arm, taught=False, practised=True)
    hundred = replace(SETUP, practice_steps=100)
    assert study_time.assumed("dapo", alone, hundred) == pytest.approx(0.1 * study_time.assumed("dapo", arm, hundred))
    long = study_time.assumed("measure", replace(arm, style="long"), SETUP)
    assert long == pytest.approx(study_time.LONG * study_time.assumed("measure", arm, SETUP))


def test_finished_work_counts_with_its_own_time(tmp_path):
    material = Material(study_files.write(tmp_path / "artifacts"), SETUP)
    with Trainer(material, tmp_path / "models") as trainer:
        before = by_kind(study_time.table(ARMS, trainer, tmp_path / "arms"))
        assert before["runs"].to_dict() == {
            ("base", ""): 2,
            ("dapo", "short"): 2,
            ("measure", "short"): 4,
            ("sft", "short"): 2,
        }
        assert not before["measured"].any() and before["done"].sum() == 0
        assert before.loc[("sft", "short"), "left"] == round(2 * (study_time.assumed("sft", ARMS[0], SETUP) + 2))
        study_run.run(ARMS[:2], trainer, tmp_path / "arms")
        half = by_kind(study_time.table(ARMS, trainer, tmp_path / "arms"))
        assert half["measured"].all() and (half["done"] * 2 == half["runs"]).all()
        study_run.run(ARMS, trainer, tmp_path / "arms")
        assert by_kind(study_time.table(ARMS, trainer, tmp_path / "arms"))["left"].sum() == 0
