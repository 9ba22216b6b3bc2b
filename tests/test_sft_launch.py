"""SFT under `accelerate launch`: two processes make the updates of one, with all weights in each or shared out."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from webdancer.agent import policy, tokens
from webdancer.core import params
from webdancer.core.schema import Trajectory, write_jsonl
from webdancer.scale import sft_launch
from webdancer.scale.sft_devices import LaunchError

ROOT = Path(__file__).parents[1]
NAMES = "Tal Veron Kor Hask Orlen Ford".split()
RECIPE = {"steps": 5, "batch_tokens": 130, "warmup": 2, "lr": 0.01, "lr_rest": 0.01, "checkpoint_every": 0, "aside": 2}
RECIPE |= {"reading_steps": 0, "rename": False, "style": "", "prompt_style": "brief", "optimizer": "adamw"}


def trajectory(word: str, number: int) -> Trajectory:
    """An episode of its own length."""
    thought = " ".join([word] * (1 + number % 5))
    turns = [
        {"role": "system", "content": "Search, visit, answer."},
        {"role": "user", "content": f"Who is {word} {number}?"},
        {"role": "assistant", "content": f"<think>\n{thought}.\n</think>\n<answer>\n{word}\n</answer>"},
    ]
    return Trajectory(tuple(turns), ((word,),))


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> Path:
    """A folder with a model, trajectories and parameters."""
    folder = tmp_path_factory.mktemp("launch")
    rows = [trajectory(word, n) for n, word in enumerate(NAMES * 4)]
    write_jsonl(folder / "kept.jsonl", rows)
    tokenizer = tokens.train_tokenizer(tokens.corpus(rows), 600)
    policy.save(policy.build_tiny(tokenizer, hidden=24, layers=2, heads=2, feed_forward=32, seed=1), folder / "base")
    write_params(folder / "05_sft.yaml")
    return folder


def write_params(path: Path, **values: object) -> Path:
    path.write_text("".join(f"{name}: {json.dumps(value)}\n" for name, value in (RECIPE | values).items()))
    return path


def arguments(given: Path, out: str, processes: int, file: str = "05_sft.yaml") -> list[str]:
    places = {"--params": file, "--model": "base", "--trajectories": "kept.jsonl", "--out": out}
    flags = [part for flag, name in places.items() for part in (flag, str(given / name))]
    return [*flags, "--processes", str(processes)]


def launch(given: Path, config: str, out: str, file: str = "05_sft.yaml") -> pd.DataFrame:
    """The log of a run of two processes."""
    pytest.importorskip("accelerate", reason="accelerate is not installed: no launch of several processes")
    command = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--config_file"]
    command += [str(ROOT / "params" / "accelerate" / config), "--main_process_port", "0"]
    command += ["-m", "webdancer.scale.sft_launch", *arguments(given, out, 2, file)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "WEBDANCER_ROOT": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("5 steps, last loss") == 2
    return pd.read_csv((given / out).with_suffix(".csv"))


def weights(folder: Path) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in policy.load(folder, device="cpu").model.parameters()])


@pytest.fixture(scope="module")
def alone(given):
    """The run of one process: `sft.train` as the notebook calls it, by the same entry."""
    assert sft_launch.main(arguments(given, "alone", 1)) == 0
    return pd.read_csv(given / "alone.csv"), weights(given / "alone")


@pytest.mark.parametrize("config", ["two_cpus.yaml", "two_cpus_fsdp2.yaml"])
def test_two_processes_have_the_loss_and_the_weights_of_one(given, alone, config):
    log, one = alone
    two = launch(given, config, config.removesuffix(".yaml"))
    assert two["loss"].to_numpy() == pytest.approx(log["loss"].to_numpy(), abs=1e-5)
    assert two["grad_norm"].to_numpy() == pytest.approx(log["grad_norm"].to_numpy(), rel=1e-4)
    assert (two[["tokens", "trained", "lr"]] == log[["tokens", "trained", "lr"]]).all(axis=None)
    assert two["aside"].to_numpy() == pytest.approx(log["aside"].to_numpy(), abs=1e-5, nan_ok=True)
    assert log["loss"].iloc[-1] < log["loss"].iloc[0] - 0.05
    assert torch.allclose(weights(given / config.removesuffix(".yaml")), one, atol=1e-5)


def test_the_run_of_one_process_is_that_of_the_loop(given, alone):
    from webdancer import sft
    from webdancer.core.schema import read_jsonl

    P = params.check_file(given / "05_sft.yaml", "05_sft")
    agent = policy.load(given / "base", device="cpu")
    teach, held = sft_launch.data(read_jsonl(given / "kept.jsonl", Trajectory), agent.tokenizer, P)
    assert (len(teach), len(held)) == (22, 2)
    log = sft.train(agent, teach, sft.Recipe.of(P))
    assert log["loss"].tolist() == pytest.approx(alone[0]["loss"].tolist(), abs=1e-12)
    assert torch.equal(torch.cat([p.detach().flatten() for p in agent.model.parameters()]), alone[1])


def test_a_launch_of_another_size_is_refused(given, capsys):
    assert sft_launch.main(arguments(given, "none", 2)) == 1
    said = capsys.readouterr().err
    assert said.startswith("Error: got 1 processes, wanted 2") and "params/accelerate/" in said
    assert not (given / "none").exists()


REFUSED = [
    ({"reading_steps": 3}, False, "reading_steps: 0"),
    ({"rename": True}, False, "rename: false"),
    ({"backend": "unsloth"}, False, 'backend: "torch"'),
    ({"four_bit": True}, False, "four_bit: false"),
    ({"checkpoint_every": 5}, True, "checkpoint_every: 0"),
    ({"optimizer": "muon"}, True, 'optimizer: "adamw"'),
]


@pytest.mark.parametrize("values, sharded, says", REFUSED)
def test_what_the_entry_does_not_do_is_refused_by_name(tmp_path, values, sharded, says):
    P = params.check_file(write_params(tmp_path / "05_sft.yaml", **values), "05_sft")
    with pytest.raises(LaunchError, match=says):
        sft_launch.check(P, sharded)
    sft_launch.check(P | {name: RECIPE.get(name, {"backend": "torch"}.get(name, False)) for name in values}, sharded)


def test_no_trajectory_of_the_style_is_an_error(given):
    P = params.check_file(given / "05_sft.yaml", "05_sft") | {"style": "long"}
    with pytest.raises(ValueError, match="none of style 'long'"):
        sft_launch.data([Trajectory((), (), style="short")], None, P)
