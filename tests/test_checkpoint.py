"""Checkpoints come back to the bit, a damaged or foreign one is refused, and a kill while saving loses nothing."""

import random
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch

from webdancer.agent import checkpoint, optim


def tiny(width=4, seed=0):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(3, width), torch.nn.LayerNorm(width), torch.nn.Linear(width, 1))


def one_update(model, optimisers):
    loss = model(torch.rand(8, 3)).square().sum() * random.random() * np.random.rand()
    loss.backward()
    for o in optimisers:
        o.step()
        o.zero_grad()


def build(model, name="adamw"):
    return optim.build(model, name, 1e-2)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


LOG = pd.DataFrame({"step": [0, 1], "loss": [0.1 + 0.2, 1 / 3], "aside": [np.nan, 1e-300], "phase": ["sft", "sft"]})


@pytest.fixture
def saved(tmp_path):
    model = tiny()
    optimisers = build(model)
    one_update(model, optimisers)
    path = checkpoint.save(
        tmp_path / "run.checkpoint",
        kind="sft",
        model=model,
        optimisers=optimisers,
        state={"step": 2, "stream": checkpoint.stream_state(random.Random(5))},
        log=LOG,
        identity={"lr": 0.01, "data": "abc"},
        tensors={"best": torch.arange(3.0)},
    )
    return path, model, optimisers


def load(path, model=None, optimisers=None, **other):
    model = model or tiny(seed=9)
    facts = {"kind": "sft", "identity": {"lr": 0.01, "data": "abc"}} | other
    return checkpoint.load(path, model=model, optimisers=optimisers or build(model), **facts)


def test_a_run_goes_on_as_if_it_had_never_stopped(saved):
    path, model, optimisers = saved
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    checkpoint.save(path, kind="sft", model=model, optimisers=optimisers, state={}, log=LOG)
    for _ in range(3):
        one_update(model, optimisers)
    other = tiny(seed=9)
    others = build(other)
    random.seed(77), np.random.seed(77), torch.manual_seed(77)
    assert not torch.equal(weights(other), weights(model))
    load(path, other, others, identity=None)
    for _ in range(3):
        one_update(other, others)
    assert torch.equal(weights(other), weights(model))


def test_state_log_and_tensors_come_back_exactly(saved):
    found = load(saved[0])
    assert found.state["step"] == 2
    pd.testing.assert_frame_equal(found.log, LOG, check_exact=True)
    assert torch.equal(found.tensors["best"], torch.arange(3.0))
    stream = random.Random(0)
    checkpoint.restore_stream(found.state["stream"], stream)
    assert stream.random() == random.Random(5).random()


def test_muon_and_adamw_together_come_back(tmp_path):
    from transformers import Qwen3Config, Qwen3ForCausalLM

    sizes = {"vocab_size": 16, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "head_dim": 8}
    config = Qwen3Config(**sizes, num_key_value_heads=1, intermediate_size=8, tie_word_embeddings=True)
    models = [Qwen3ForCausalLM(config) for _ in range(2)]
    pairs = [optim.build(m, "muon", 1e-2) for m in models]
    ids = torch.tensor([[1, 2, 3]])

    def step(i):
        models[i](ids, labels=ids).loss.backward()
        for o in pairs[i]:
            o.step(), o.zero_grad()

    step(0)
    path = checkpoint.save(tmp_path / "x", kind="a", model=models[0], optimisers=pairs[0], state={}, log=LOG)
    checkpoint.load(path, kind="a", model=models[1], optimisers=pairs[1])
    step(0), step(1)
    assert torch.equal(weights(models[0]), weights(models[1]))


def test_only_what_is_trained_is_saved(tmp_path):
    model = tiny()
    model[0].weight.requires_grad_(False)
    path = checkpoint.save(tmp_path / "x", kind="a", model=model, optimisers=[], state={}, log=LOG)
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        names = [n for n in file.keys() if n.startswith("weight.")]  # noqa: SIM118
    assert names == ["weight.0.bias", "weight.1.bias", "weight.1.weight", "weight.2.bias", "weight.2.weight"]


@pytest.mark.parametrize("keep", [0, 4, 100, 3000, -1])
def test_a_cut_file_is_refused_with_what_to_do(saved, keep):
    path = saved[0]
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(checkpoint.CheckpointError, match="could not read run.checkpoint.*delete it to start anew"):
        load(path)


def test_a_flipped_bit_is_refused_and_nothing_is_changed(saved):
    path = saved[0]
    data = bytearray(path.read_bytes())
    data[-7] ^= 4
    path.write_bytes(data)
    model = tiny(seed=9)
    before = weights(model)
    with pytest.raises(checkpoint.CheckpointError, match="checksum is wrong"):
        load(path, model)
    assert torch.equal(weights(model), before)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"kind": "dapo"}, "of kind 'sft', wanted 'dapo'"),
        ({"identity": {"lr": 0.02, "data": "abc"}}, r"had lr 0.01 \(now 0.02\)"),
        ({"identity": {"lr": 0.01}}, r"had data 'abc' \(now None\)"),
        ({"model": tiny(5)}, r"first 0.bias: got \(\(4,\), 'torch.float32'\), wanted \(\(5,\)"),
        ({"optimisers": []}, r"holds the optimisers \[\('AdamW', \[2, 4\]\)\], wanted \[\]"),
        ({"optimisers": [torch.optim.SGD(tiny().parameters(), 0.1)]}, "wanted .*SGD"),
    ],
)
def test_a_foreign_checkpoint_is_refused_and_nothing_is_changed(saved, other, message):
    model = other.pop("model", None) or tiny(seed=9)
    optimisers = other.pop("optimisers", build(model))
    before, state = weights(model), torch.get_rng_state()
    with pytest.raises(checkpoint.CheckpointError, match=message):
        facts = {"kind": "sft", "identity": {"lr": 0.01, "data": "abc"}} | other
        checkpoint.load(saved[0], model=model, optimisers=optimisers, **facts)
    assert torch.equal(weights(model), before) and torch.equal(torch.get_rng_state(), state)


def test_a_model_folder_s_weights_are_no_checkpoint(saved, tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2)}, tmp_path / "model.safetensors")
    with pytest.raises(checkpoint.CheckpointError, match="no checkpoint of this version: got format None"):
        load(tmp_path / "model.safetensors")
    with pytest.raises(FileNotFoundError, match="no checkpoint nothing"):
        load(tmp_path / "nothing")


def test_what_is_no_plain_data_is_refused_before_the_old_file_is_touched(saved):
    path, model, optimisers = saved
    with pytest.raises(TypeError, match="JSON"):
        checkpoint.save(path, kind="sft", model=model, optimisers=optimisers, state={"x": object()}, log=LOG)
    assert load(path).state["step"] == 2 and len(list(path.parent.iterdir())) == 1


SAVER = """
import sys, pandas as pd, torch
from webdancer.agent import checkpoint
model = torch.nn.Linear(600, 600)
print("ready", flush=True)
for step in range(10**6):
    with torch.no_grad():
        model.weight.fill_(step)
    checkpoint.save(sys.argv[1], kind="k", model=model, optimisers=[], state={"step": step}, log=pd.DataFrame())
    print(step, flush=True)
"""


def test_a_kill_while_saving_leaves_a_whole_checkpoint(tmp_path):
    """The child does nothing but save; wherever it is killed, the file is one of the last two it wrote."""
    path = tmp_path / "run.checkpoint"
    child = subprocess.Popen([sys.executable, "-c", SAVER, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n" and child.stdout.readline() == "0\n"
    time.sleep(random.uniform(0.05, 0.4))
    child.send_signal(signal.SIGKILL)
    last = int(([0, *child.stdout.read().split()])[-1])
    child.wait()
    model = torch.nn.Linear(600, 600)
    found = checkpoint.load(path, kind="k", model=model, optimisers=[])
    assert found.state["step"] in (last, last + 1)
    assert torch.equal(model.weight, torch.full((600, 600), float(found.state["step"])))
    checkpoint.save(path, kind="k", model=model, optimisers=[], state={}, log=LOG)
    assert [p.name for p in tmp_path.iterdir()] == ["run.checkpoint"]  # the half-written file is gone too
