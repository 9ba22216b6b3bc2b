"""Models of arms: trained once and shared, gone on with after a stop, and nothing learned where there is nothing."""

import json
from dataclasses import replace

import pytest
import study_files
import torch
from study_files import SETUP

from webdancer import sft
from webdancer.study import Arm
from webdancer.study_data import Material
from webdancer.study_train import Trainer, quiet

ARM = Arm(width=32)


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    return Material(study_files.write(tmp_path_factory.mktemp("artifacts")), SETUP)


@pytest.fixture
def trainer(material, tmp_path):
    with Trainer(material, tmp_path / "models") as made:
        yield made


def weights(agent):
    return torch.cat([p.detach().flatten() for p in agent.model.parameters()])


def stamps(folder):
    return {p.name: p.stat().st_mtime_ns for p in sorted(folder.glob("*.json"))}


def test_what_arms_share_is_trained_once(trainer):
    trainer.policy(ARM)
    assert set(stamps(trainer.folder)) == {"base-32-s0.json", "short-32-both-s0.json"}
    before = stamps(trainer.folder)
    trainer.policy(replace(ARM, style="long"))
    trainer.policy(replace(ARM, practised=True))
    trainer.policy(replace(ARM, temperature=0.0))
    after = stamps(trainer.folder)
    assert set(after) - set(before) == {"long-32-both-s0.json", "short-32-both-rl-s0.json"}
    assert {name: after[name] for name in before} == before


def test_stages_change_the_weights_and_seeds_differ(trainer):
    base = weights(trainer.policy(replace(ARM, taught=False)))
    short, long = (weights(trainer.policy(replace(ARM, style=s))) for s in ("short", "long"))
    other = weights(trainer.policy(replace(ARM, seed=1)))
    for one, two in ((base, short), (short, long), (short, other)):
        assert not torch.equal(one, two)


def test_the_facts_say_what_the_training_took(trainer):
    arm = replace(ARM, data="e2hqa", count=2, practised=True)
    trainer.policy(arm)
    facts = trainer.facts(arm)
    assert list(facts) == ["base", "sft", "dapo"]
    assert facts["sft"]["examples"] == 2 and facts["base"]["examples"] == 16
    assert 0 < facts["sft"]["trained_tokens"] < facts["sft"]["tokens"]
    assert facts["dapo"]["steps"] == 2 and facts["dapo"]["sampled"] == 2 * 2 * 2
    assert [len(text.split()) for text in facts["dapo"]["curve"].values()] == [2] * 6


def test_other_parameters_or_lost_weights_train_again(material, trainer):
    trainer.policy(ARM)
    folder = trainer.folder
    with Trainer(Material(material.folder, replace(SETUP, steps=2)), folder) as other:
        assert list(other.facts(ARM)) == ["base"]
        other.policy(ARM)
        assert list(other.facts(ARM)) == ["base", "sft"] and list(trainer.facts(ARM)) == ["base"]
    for file in (folder / "base-32-s0").iterdir():
        file.unlink()
    (folder / "base-32-s0").rmdir()
    assert trainer.trained(replace(ARM, taught=False)) == "base"
    assert (folder / "base-32-s0").is_dir()


def test_a_run_that_broke_goes_on_to_the_same_weights(material, trainer, tmp_path, monkeypatch):
    whole = weights(trainer.policy(ARM))
    monkeypatch.setattr("webdancer.study_train.CHECKPOINT_EVERY", 1)
    step = sft.Run.step

    def breaks(self, n, batch):
        if self.recipe.steps == SETUP.steps and n == 2:
            raise KeyboardInterrupt
        return step(self, n, batch)

    with Trainer(material, tmp_path / "again") as again:
        monkeypatch.setattr(sft.Run, "step", breaks)
        with pytest.raises(KeyboardInterrupt):
            again.policy(ARM)
        assert [p.name.split(".")[0] for p in again.folder.glob("*.checkpoint")] == ["short-32-both-s0"]
        done = []
        monkeypatch.setattr(sft.Run, "step", lambda self, n, batch: done.append(n) or step(self, n, batch))
        assert torch.equal(weights(again.policy(ARM)), whole)
        assert done == [2] and not list(again.folder.glob("*.checkpoint"))


def test_practice_without_sft_stops_when_no_group_lives(material, tmp_path):
    patient = Material(material.folder, replace(SETUP, practice_steps=30))
    arm = replace(ARM, taught=False, practised=True)
    with Trainer(patient, tmp_path) as trainer:
        before, after = weights(trainer.policy(replace(arm, practised=False))), weights(trainer.policy(arm))
        facts = trainer.facts(arm)["dapo"]
    assert (facts["steps"], facts["updates"], facts["stopped"]) == (10, 0, "few_live_groups")
    assert torch.equal(before, after)


def test_recipe_and_settings_are_the_same_for_all_but_the_seed(trainer):
    arms = [ARM, replace(ARM, style="long"), replace(ARM, data="unfiltered")]
    assert len({trainer.recipe(arm, 5) for arm in arms}) == 1
    assert trainer.recipe(replace(ARM, seed=4), 5) == replace(trainer.recipe(ARM, 5), seed=4)
    assert trainer.settings(replace(ARM, seed=4)) == replace(trainer.settings(ARM), seed=4)
    assert trainer.settings(ARM).max_tokens == SETUP.max_length and trainer.settings(ARM).max_rounds == 1


def test_facts_are_plain_json(trainer):
    trainer.policy(ARM)
    kept = json.loads((trainer.folder / "base-32-s0.json").read_text())
    assert kept["model"] == "base-32-s0" and kept["fingerprint"] == trainer.fingerprint(ARM, "base")


def test_quiet_says_nothing_and_lets_errors_through(capfd):
    with pytest.raises(ZeroDivisionError), quiet():
        print("a bar")
        raise ZeroDivisionError
    print("after")
    assert capfd.readouterr().out == "after\n"
