"""SFT: the mask decides what is learned, gradients are exact, the loss falls, and a killed run ends as if unharmed."""

import itertools
import math
import random
import subprocess
import sys

import pandas as pd
import pytest
import torch

from webdancer import sft, sft_data
from webdancer.agent import checkpoint, lora, policy, tokens
from webdancer.core import params
from webdancer.core.schema import Trajectory


def trajectory(word, hops=1):
    turns = [
        {"role": "system", "content": "Search, visit, answer."},
        {"role": "user", "content": f"Who is {word}?"},
        {"role": "assistant", "content": f"<think>\n{word}.\n</think>\n<answer>\n{word}\n</answer>"},
    ]
    return Trajectory(tuple(turns), ((word,),), hops=hops)


@pytest.fixture(scope="module")
def data():
    return [trajectory(w, hops=1 + n % 3) for n, w in enumerate("Tal Veron Kor Hask Orlen Ford".split() * 4)]


@pytest.fixture
def tiny(data):
    tokenizer = tokens.train_tokenizer(tokens.corpus(data), 600)
    return policy.build_tiny(tokenizer, hidden=24, layers=2, heads=2, feed_forward=32, seed=1)


def examples_of(data, tiny):
    return sft_data.prepare(data, tiny.tokenizer, prompt_style="keep")[0]


def flat(tensors):
    return torch.cat([t.detach().flatten().clone() for t in tensors])


def gradient(tiny, examples, **recipe):
    tiny.model.zero_grad()
    row = sft.gradient(tiny, examples, sft.Recipe(steps=1, **recipe))
    return flat(p.grad for p in tiny.model.parameters()), row


def test_loss_of_uniform_logits_is_the_log_of_the_vocabulary(tiny):
    with torch.no_grad():
        for p in tiny.model.parameters():
            p.zero_()
    ids, mask = torch.tensor([[5, 6, 7]]), torch.tensor([[False, True, True]])
    loss, count = sft.loss_sum(tiny.model, ids, mask)
    assert count == 2
    assert loss.item() == pytest.approx(2 * math.log(len(tiny.tokenizer)), rel=1e-5)


def test_the_loss_is_the_sum_over_trained_tokens_by_their_number(tiny):
    """Two episodes of 1 and 3 trained tokens: every token weighs the same, not every episode."""
    ids = torch.tensor([[5, 6, 7, 8], [9, 5, 6, 7]])
    mask = torch.tensor([[False, False, False, True], [False, True, True, True]])
    examples = [sft.Example(tuple(i), tuple(m), 1) for i, m in zip(ids.tolist(), mask.tolist(), strict=True)]
    _, row = gradient(tiny, examples)
    logp = torch.log_softmax(tiny.model(ids).logits, dim=-1)
    picked = [logp[0, 2, 8], logp[1, 0, 5], logp[1, 1, 6], logp[1, 2, 7]]
    assert row["loss"] == pytest.approx(-sum(p.item() for p in picked) / 4, abs=1e-5)
    assert (row["tokens"], row["trained"]) == (8, 4)


@pytest.mark.parametrize("recipe", [{}, {"packing": True}, {"micro_tokens": 70}], ids=["padded", "packed", "parts"])
def test_no_gradient_comes_from_what_was_only_read(data, tiny, recipe):
    """d loss / d hidden state is exactly zero wherever the next token was read, and not where it was written."""
    examples, found = examples_of(data, tiny)[:3], []

    def keep(module, arguments, named, out):
        hidden = out.last_hidden_state
        hidden.register_hook(lambda grad: found.append((named["input_ids"], grad)))

    handle = policy.decoder(tiny.model).register_forward_hook(keep, with_kwargs=True)
    gradient(tiny, examples, **recipe)
    handle.remove()
    sent = [row for ids, grad in found for row in zip(ids.flatten().tolist(), grad.flatten(0, 1), strict=True)]
    sent = [(i, g.abs().max().item()) for i, g in sent if i != tiny.tokenizer.pad_token_id]
    wanted = [e.mask[at + 1] if at + 1 < len(e.ids) else False for e in examples for at in range(len(e.ids))]
    assert [size > 0 for _, size in sent] == wanted
    assert 0 < sum(wanted) < len(wanted)


def test_which_observation_was_read_matters_as_context_only(tiny):
    """The loss with two trained tokens is the sum of the losses with one each: nothing else enters."""
    both = sft.Example((5, 6, 7, 8), (False, True, False, True), 1)
    first, last = (
        sft.Example(both.ids, (False, True, False, False), 1),
        sft.Example(both.ids, (False,) * 3 + (True,), 1),
    )
    parts = [gradient(tiny, [e])[0] for e in (first, last)]
    assert torch.allclose(2 * gradient(tiny, [both])[0], parts[0] + parts[1], atol=1e-6)


@pytest.mark.parametrize("packing", [False, True])
def test_any_split_into_parts_gives_the_gradient_of_the_whole_batch(data, tiny, packing):
    examples = examples_of(data, tiny) + [sft.Example((5, 6, 7), (False, False, True), 1)]
    random.Random(3).shuffle(examples)
    whole, row = gradient(tiny, examples, micro_tokens=10_000)
    for micro in (1, 60, 130, 500):
        split, same = gradient(tiny, examples, micro_tokens=micro, packing=packing)
        assert torch.allclose(split, whole, atol=1e-6), micro
        assert same["loss"] == pytest.approx(row["loss"], abs=1e-6) and same["trained"] == row["trained"]


def test_training_lowers_the_loss_and_repeats_to_the_bit(data, tiny, tmp_path):
    examples, _ = sft_data.prepare(data, tiny.tokenizer, prompt_style="keep")
    recipe = sft.Recipe(steps=80, batch_tokens=256, warmup=3)
    before = sft.evaluate_loss(tiny, examples)
    start = {k: v.clone() for k, v in tiny.model.state_dict().items()}
    log = sft.train(tiny, examples, recipe, log_file=tmp_path / "log.csv")
    after = sft.evaluate_loss(tiny, examples)
    assert after < 0.5 * before
    assert list(log.step) == list(range(80)) and (tmp_path / "log.csv").read_text().count("\n") == 81
    end = {k: v.clone() for k, v in tiny.model.state_dict().items()}
    tiny.model.load_state_dict(start)
    sft.train(tiny, examples, recipe)
    assert all(torch.equal(end[k], v) for k, v in tiny.model.state_dict().items())


@pytest.mark.parametrize("packing", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("rank", [0, 2], ids=["all weights", "adapters"])
def test_computing_activations_again_changes_no_gradient(data, tiny, tmp_path, packing, rank):
    if rank:
        pytest.importorskip("peft", reason="peft is not installed: pip install peft")
    folder, found = policy.save(tiny, tmp_path / "base"), []
    for recompute in (False, True):
        agent = policy.load(folder, adapter=lora.Lora(rank) if rank else None, recompute=recompute)
        sft.gradient(agent, examples_of(data, tiny)[:5], sft.Recipe(steps=1, packing=packing))
        found.append(flat(p.grad for p in agent.model.parameters() if p.requires_grad))
        assert agent.model.is_gradient_checkpointing == recompute
    assert torch.equal(*found) and found[0].abs().max() > 0


def test_packed_training_learns_too(data, tiny):
    examples = examples_of(data, tiny)
    before = sft.evaluate_loss(tiny, examples)
    log = sft.train(tiny, examples, sft.Recipe(steps=60, batch_tokens=256, warmup=3, packing=True))
    assert sft.evaluate_loss(tiny, examples) < 0.5 * before and log["tokens"].max() <= 256


@pytest.mark.parametrize("shape", ["linear", "cosine"])
def test_the_schedule_of_the_recipe_is_the_one_used(data, tiny, shape):
    recipe = sft.Recipe(steps=12, batch_tokens=128, warmup=2, schedule=shape, optimizer="adamw", lr=1e-3)
    log = sft.train(tiny, examples_of(data, tiny), recipe)
    assert log["lr"][:3].tolist() == [0.5, 1.0, 1.0]
    assert log["lr"][7] == pytest.approx(0.5) and log["lr"][11] < 0.15  # half way between steps 2 and 12


def test_early_stop_takes_the_best_weights(data, tiny):
    values = iter([5.0, 3.0, 4.0, 3.5, 1.0])
    kept = []

    def watch(step):
        kept.append(flat(tiny.model.parameters()))
        return {"aside": next(values)}

    recipe = sft.Recipe(steps=20, batch_tokens=128, warmup=1, patience=2)
    log = sft.train(tiny, examples_of(data, tiny), recipe, watch=watch, watch_every=2)
    assert len(log) == 8 and log["aside"].dropna().tolist() == [5.0, 3.0, 4.0, 3.5]  # two in a row no better than 3.0
    assert torch.equal(flat(tiny.model.parameters()), kept[1])


def test_a_loss_that_is_not_finite_stops_before_any_weight_is_changed(data, tiny, tmp_path):
    examples = examples_of(data, tiny)
    recipe = sft.Recipe(steps=4, batch_tokens=128, warmup=1, checkpoint_every=1)
    spoiled = itertools.count()

    def watch(step):
        if next(spoiled) == 1:
            tiny.model.model.norm.weight.data[0] = float("inf")
        return {}

    with pytest.raises(FloatingPointError, match="at step 2, lr .*lower lr; the weights are those before"):
        sft.train(
            tiny, examples, recipe, watch=watch, watch_every=1, save_to=tmp_path / "c", log_file=tmp_path / "l.csv"
        )
    assert len(pd.read_csv(tmp_path / "l.csv")) == 2 and (tmp_path / "c").is_file()
    assert all(torch.isfinite(p).all() for n, p in tiny.model.named_parameters() if n != "model.norm.weight")


def test_nan_weights_stop_at_the_first_step(data, tiny):
    examples = examples_of(data, tiny)
    with torch.no_grad():
        tiny.model.get_input_embeddings().weight.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="at step 0"):
        sft.train(tiny, examples, sft.Recipe(steps=2))


def test_a_finished_run_is_not_run_again_and_a_foreign_checkpoint_is_refused(data, tiny, tmp_path):
    examples, recipe = examples_of(data, tiny), sft.Recipe(steps=4, batch_tokens=128, warmup=1, checkpoint_every=3)
    start = {k: v.clone() for k, v in tiny.model.state_dict().items()}

    def again(examples=examples, recipe=recipe, **change):
        tiny.model.load_state_dict(start)
        return sft.train(tiny, examples, recipe, save_to=tmp_path / "c", **change)

    first = again()
    end = flat(tiny.model.parameters())
    second = again()
    assert torch.equal(flat(tiny.model.parameters()), end)
    pd.testing.assert_frame_equal(first, second)  # with the seconds of the first run: nothing was computed
    others = [
        (
            {"recipe": sft.Recipe(steps=4, batch_tokens=128, warmup=1, checkpoint_every=3, lr=1e-3)},
            "lr 0.004 .now 0.001",
        ),
        ({"examples": examples[:-1]}, "data"),
        ({"label": "reading"}, "label 'SFT'"),
        ({"names": [[5, 6]]}, "names"),
    ]
    for change, message in others:
        with pytest.raises(checkpoint.CheckpointError, match=f"belongs to another run, which had {message}"):
            again(**change)
    start["model.norm.weight"] = start["model.norm.weight"] * 2
    with pytest.raises(checkpoint.CheckpointError, match="which had start"):
        again()


DRIVER = """
import os, random, signal, sys, time
from pathlib import Path
import torch
from webdancer import sft, sft_data
from webdancer.agent import policy, tokens
torch.set_num_threads(1)
STEPS, KILLS = 36, 3
folder, stream, draw = Path(sys.argv[1]), random.Random(), random.Random(0)
tokenizer = tokens.train_tokenizer(["a b c d e f g h"] * 3, 600)
policy.build_tiny(tokenizer)  # imports what the children need
ids = [tuple(draw.choices(range(7, 60), k=draw.randint(4, 20))) for _ in range(50)]
examples = [sft.Example(row, tuple(at % 2 == 1 for at in range(len(row))), 1) for row in ids]

def run(name):
    tiny = policy.build_tiny(tokenizer, hidden=24, layers=2, heads=2, feed_forward=32)
    packing = name.startswith("packed")
    recipe = sft.Recipe(steps=STEPS, batch_tokens=96, warmup=4, checkpoint_every=3, patience=99, packing=packing)
    def watch(step):
        return {"aside": sft.evaluate_loss(tiny, examples[:5])}
    sft.train(tiny, examples[5:], recipe, names=[list(range(7, 20)), list(range(20, 40))], watch=watch, watch_every=4,
              save_to=folder / (name + ".checkpoint"), log_file=folder / (name + ".csv"))
    policy.save(tiny, folder / name)

def child(name):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            run(name)
            code = 0
        finally:
            os._exit(code)
    return pid

def lines(path):
    return path.read_text().count(chr(10)) if path.exists() else 0

for name in ("padded", "packed"):
    assert os.waitpid(child(name), 0)[1] == 0
    killed = []
    while len(killed) < KILLS:
        at, pid = stream.randint(1, STEPS - 4), child(name + "_killed")
        while lines(folder / (name + "_killed.jsonl")) < at:
            time.sleep(stream.random() * 0.004)
        os.kill(pid, signal.SIGKILL)
        assert os.waitpid(pid, 0)[1] == signal.SIGKILL
        killed.append(lines(folder / (name + "_killed.jsonl")))
    assert os.waitpid(child(name + "_killed"), 0)[1] == 0
    print(name, "killed after", killed)
"""


def test_runs_killed_at_random_steps_end_with_the_same_weights_to_the_bit(tmp_path):
    """One process forks the runs, so that torch is imported once; each is killed three times, then left to end."""
    command = [sys.executable, "-c", DRIVER, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    for name in ("padded", "packed"):
        weights = [(tmp_path / n / "model.safetensors").read_bytes() for n in (name, f"{name}_killed")]
        assert weights[0] == weights[1]
        logs = [pd.read_csv(tmp_path / f"{n}.csv").drop(columns="seconds") for n in (name, f"{name}_killed")]
        pd.testing.assert_frame_equal(*logs, check_exact=True)
    assert weights[0] != (tmp_path / "padded" / "model.safetensors").read_bytes()


def test_the_notebook_has_a_parameter_for_every_number_of_the_recipe():
    values = params.defaults("05_sft")
    recipe = sft.Recipe.of(values | {"lr": 0.125})
    assert (recipe.lr, recipe.steps, recipe.schedule) == (0.125, values["steps"], "flat")
