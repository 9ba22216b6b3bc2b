"""The launch script as text and as bash runs it; verl composes the same flags in tests/scale."""

import os
import subprocess

import pytest

from webdancer.core import params, record
from webdancer.scale import verl_launch


def profile(name):
    return params.check_file(record.repo_root() / "params" / name / "06_dapo.yaml", "06_dapo")


@pytest.fixture(scope="module")
def launch(tmp_path_factory):
    """The script of the profile laptop, as a file."""
    path = tmp_path_factory.mktemp("launch") / "launch.sh"
    path.write_text(verl_launch.script("laptop", profile("laptop"), profile("paper"), 256), encoding="utf-8")
    path.chmod(0o755)
    return path


def run(launch, *arguments, **variables):
    clean = {"PATH": os.environ["PATH"], "DRY_RUN": "1", "MODEL": "m"} | variables
    return subprocess.run(["bash", str(launch), *arguments], env=clean, capture_output=True, text=True)


def flags(launch, **variables):
    done = run(launch, **variables)
    assert done.returncode == 0, done.stderr
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def test_the_papers_settings_are_the_default(launch):
    found = flags(launch)
    wanted = {
        "actor_rollout_ref.rollout.n": "16",
        "actor_rollout_ref.actor.clip_ratio_low": "0.2",
        "actor_rollout_ref.actor.clip_ratio_high": "0.28",
        "actor_rollout_ref.actor.loss_agg_mode": "token-mean",
        "actor_rollout_ref.actor.use_kl_loss": "False",
        "algorithm.use_kl_in_reward": "False",
        "algorithm.filter_groups.enable": "True",
        "algorithm.filter_groups.metric": "acc",
        "+reward.reward_kwargs.overlong_buffer_cfg.enable": "True",
        "+reward.reward_kwargs.overlong_buffer_cfg.len": "204",  # a fifth of 1,024, as 4,096 is of 20,480
        "+reward.reward_kwargs.max_resp_len": "768",
        "actor_rollout_ref.actor.optim.lr": "1e-06",
        "actor_rollout_ref.actor.optim.lr_warmup_steps": "20",
        "data.train_batch_size": "128",
        "actor_rollout_ref.actor.ppo_mini_batch_size": "32",
        "+webdancer.overlong_filter": "True",
        "+webdancer.max_turns": "12",
        "+webdancer.max_tokens": "1024",
    }
    assert {name: found[name] for name in wanted} == wanted


def test_the_profiles_settings_are_a_word_away(launch):
    found, ours = flags(launch, SETTINGS="profile"), profile("laptop")
    wanted = {
        "actor_rollout_ref.rollout.n": ours["samples"],
        "data.train_batch_size": ours["groups"],
        "actor_rollout_ref.actor.ppo_mini_batch_size": ours["groups"] // ours["minibatches"],
        "actor_rollout_ref.actor.optim.lr": ours["lr"],
        "trainer.total_training_steps": ours["steps"],
        "+reward.reward_kwargs.overlong_buffer_cfg.enable": ours["overlong_buffer"] > 0,
        "+webdancer.overlong_filter": ours["overlong_filter"],
    }
    assert {name: found[name] for name in wanted} == {name: str(value) for name, value in wanted.items()}


def test_a_long_episode_has_the_papers_own_buffer():
    text = verl_launch.script("paper", profile("paper"), profile("paper"), 2048)
    assert text.count("OVERLONG=${OVERLONG:-4096}") == 2


def test_a_variable_from_outside_goes_before_and_arguments_go_last(launch):
    assert flags(launch, G="4")["actor_rollout_ref.rollout.n"] == "4"
    assert run(launch, "trainer.save_freq=3").stdout.splitlines()[-1] == "trainer.save_freq=3"
    service = flags(launch, WEBDANCER_TOOLS_URL="http://10.0.0.1:8000")
    assert service["+ray_kwargs.ray_init.runtime_env.env_vars.WEBDANCER_TOOLS_URL"] == "http://10.0.0.1:8000"


@pytest.mark.parametrize(
    "variables, message",
    [
        ({"SETTINGS": "mine"}, "SETTINGS=mine, wanted paper or profile"),
        ({"MODEL": "", "DRY_RUN": ""}, "MODEL is not set"),
        ({"QUESTIONS": "10", "UPDATES": "3", "DRY_RUN": ""}, "QUESTIONS=10 is no multiple of UPDATES=3"),
    ],
)
def test_what_cannot_run_is_refused_with_a_sentence(launch, variables, message):
    done = run(launch, **variables)
    assert done.returncode == 2 and message in done.stderr and not done.stdout


def test_every_setting_says_where_it_comes_from(launch):
    lines = launch.read_text(encoding="utf-8").splitlines()
    settings = [line for line in lines if ":-" in line and "=${" in line]
    assert len(settings) >= 2 * len(verl_launch.SETTINGS) + len(verl_launch.LIMITS)
    assert all("  # " in line for line in settings)
    assert max(map(len, lines)) <= 120


def test_prompts_must_leave_room():
    with pytest.raises(ValueError, match="prompts of 1024 tokens and max_tokens=1024"):
        verl_launch.script("laptop", profile("laptop"), profile("paper"), 1024)
