"""An update as a whole against numbers worked out by hand, and against TRL's own loss where TRL is installed."""

import math
from types import SimpleNamespace

import pytest
import torch
from test_dapo_batch import Episode

from webdancer import dapo_loss, dapo_update
from webdancer.dapo_batch import Settings, make_group

A = 1 / math.sqrt(2)  # one right of two: (1.0 - 0.55) / (0.9 / sqrt 2) = 0.707107, and minus that


class Table(torch.nn.Module):
    """A policy that is a table: token number i has the log-probability `logp[i]`, whatever stands before it."""

    def __init__(self, logp):
        super().__init__()
        self.logp = torch.nn.Parameter(torch.tensor(logp))

    def get_output_embeddings(self):
        return SimpleNamespace(weight=self.logp)


@pytest.fixture(autouse=True)
def table(monkeypatch):
    def token_logp(model, ids, mask):
        chosen = model.logp[ids[:, 1:][mask[:, 1:]]]
        return chosen, torch.zeros_like(chosen)

    monkeypatch.setattr(dapo_loss, "token_logp", token_logp)


def build(groups, **settings):
    """Groups of rollouts `(answer, marks, stop, form)`; marks: "o" a token read, a number the ratio of one written.

    Every token gets a number of its own. Before each episode stands one prompt token.
    """
    s, rows, now = Settings(micro_tokens=7, grad_clip=1e9, **settings), [], [0.0]
    for number, group in enumerate(groups):
        episodes = []
        for answer, marks, *rest in group:
            ids, mask, logp = [0], [False], [0.0]
            for mark in marks:
                ids.append(len(now))
                mask.append(mark != "o")
                logp.append(0.0 if mark == "o" else -1.0)
                now.append(0.0 if mark == "o" else -1.0 + math.log(mark))
            stop, form = [*rest, *("answer", True)[len(rest) :]]
            episodes.append(Episode(prediction=answer, stop=stop, format_ok=form, ids=ids, mask=mask, logp=logp))
        rows += make_group(episodes, "y", number, s)
    return Table(now), [r for r in rows if r.trained], s


def step(model, rows, s, lr=0.0):
    optimiser = torch.optim.SGD(model.parameters(), lr=lr)
    sums = dapo_update.update(model, optimiser, rows, dapo_update.stored_logp(rows), s)
    return sums, model.logp.grad.clone()


def pair(good, bad):
    return [[("y", good), ("n", bad)]]


# name: groups, settings, loss, the gradient on each token that has one (in order of their numbers), clipped low, high.
# "y" is right and "n" is wrong; A = 0.707107 is the advantage of the right one of two.
TABLE = {
    "nothing has moved: (A - A) / 2": (pair([1], [1]), {}, 0.0, [-A / 2, A / 2], 0, 0),
    "token mean: (3A - A) / 4": (pair([1, 1, 1], [1]), {}, -A / 2, [-A / 4] * 3 + [A / 4], 0, 0),
    "two groups, token mean: (3A - A + A - A) / 6": (
        pair([1, 1, 1], [1]) + pair([1], [1]), {}, -A / 3, [-A / 6] * 3 + [A / 6, -A / 6, A / 6], 0, 0,
    ),
    "two groups, each its own mean: ((3A - A) / 4 + (A - A) / 2) / 2": (
        pair([1, 1, 1], [1]) + pair([1], [1]), {"aggregation": "group_token_mean"},
        -A / 4, [-A / 8] * 3 + [A / 8, -A / 4, A / 4], 0, 0,
    ),
    "all right": ([[("y", [1.5]), ("y", [0.5])]], {}, 0.0, [0.0, 0.0], 0, 0),
    "all wrong": ([[("n", [1.5]), ("n", [0.5])]], {}, 0.0, [0.0, 0.0], 0, 0),
    # rewards 0.1 0.1 0.1 0: mean 0.075, std 0.05, advantages 0.5 0.5 0.5 -1.5
    "all wrong, one malformed: the form has an advantage": (
        [[("n", [1]), ("n", [1]), ("n", [1]), ("n", [1], "malformed", False)]], {}, 0.0, [-1 / 8] * 3 + [3 / 8], 0, 0,
    ),
    "good token clipped high: -(1.28 A - A) / 2": (pair([1.5], [1]), {}, -0.14 * A, [0.0, A / 2], 0, 1),
    "good token that fell is not clipped: -(0.5 A - A) / 2": (pair([0.5], [1]), {}, A / 4, [-A / 4, A / 2], 0, 0),
    "bad token clipped low: -(A - 0.8 A) / 2": (pair([1], [0.5]), {}, -A / 10, [-A / 2, 0.0], 1, 0),
    "bad token that rose is not clipped: -(A - 1.5 A) / 2": (pair([1], [1.5]), {}, A / 4, [-A / 2, 0.75 * A], 0, 0),
    "both clipped": (pair([2.0], [0.1]), {}, -(1.28 - 0.8) * A / 2, [0.0, 0.0], 1, 1),
    "a symmetric clip is a setting": (pair([1.5], [1]), {"eps_high": 0.2}, -0.1 * A, [0.0, A / 2], 0, 1),
    "what was read is no target: (2A - A) / 3": (
        pair([1, "o", "o", 1], ["o", 1]), {}, -A / 3, [-A / 3, -A / 3, A / 3], 0, 0,
    ),
    "a truncated one counts in the mean and not in the loss: -2A / 2": (
        [[("y", [1, 1]), ("n", [1, 1], "cut", True)]], {}, -A, [-A / 2, -A / 2], 0, 0,
    ),
    "without the filter it is trained: (2A - 2A) / 4": (
        [[("y", [1, 1]), ("n", [1, 1], "cut", True)]], {"overlong_filter": False},
        0.0, [-A / 4] * 2 + [A / 4] * 2, 0, 0,
    ),
    # rewards 1.0 - 0.5 (8 tokens: 2 of 4 into the buffer), 0.1, 0.1: mean 0.7 / 3, std 0.4 / sqrt 3
    "soft overlong punishment: 0.5 0.1 0.1 gives 2 -1 -1 over sqrt 3": (
        [[("y", ["o"] * 6 + [1]), ("n", [1]), ("n", [1])]], {"max_tokens": 10, "overlong_buffer": 4},
        0.0, [-2 / 3 / math.sqrt(3)] + [1 / 3 / math.sqrt(3)] * 2, 0, 0,
    ),
    "leave one out: 1 - 0.1 and 0.1 - (1 + 0.1) / 2": (
        [[("y", [1, 1]), ("n", [1]), ("n", [1])]], {"advantage": "leave_one_out"},
        -(2 * 0.9 - 2 * 0.45) / 4, [-0.9 / 4] * 2 + [0.45 / 4] * 2, 0, 0,
    ),
    "population std: one right of two is 1 and -1": (
        pair([1, 1], [1]), {"ddof": 0}, -1 / 3, [-1 / 3] * 2 + [1 / 3], 0, 0,
    ),
    # one right of eight: 2.474874 and -0.353553
    "one right of eight": (
        [[("y", [1])] + [("n", [1])] * 7], {}, 0.0, [-7 / math.sqrt(8) / 8] + [1 / math.sqrt(8) / 8] * 7, 0, 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_by_hand(name):
    groups, settings, loss, slopes, low, high = TABLE[name]
    model, rows, s = build(groups, **settings)
    sums, gradient = step(model, rows, s)
    written = [i for r in rows for i, m in zip(r.episode.ids, r.episode.mask, strict=True) if m]
    assert sums["loss"] == pytest.approx(loss, abs=1e-5)
    assert gradient[written].tolist() == pytest.approx(slopes, abs=1e-5)
    assert (sums["low"], sums["high"]) == (low, high)
    others = [i for i in range(len(gradient)) if i not in written]
    assert not gradient[others].any()  # prompts, observations, truncated rollouts


def test_the_second_update_meets_the_clip():
    """After one step of size 1 the good token stands at exp(A / 2) = 1.4241, the bad one at exp(-A / 2) = 0.7022."""
    model, rows, s = build(pair([1], [1]))
    step(model, rows, s, lr=1.0)
    sums, gradient = step(model, rows, s)
    assert (sums["low"], sums["high"]) == (1, 1)
    assert sums["loss"] == pytest.approx(-(1.28 - 0.8) * A / 2, abs=1e-5)
    assert sums["ratio"] == pytest.approx(1.424119 + 0.702188, abs=1e-5)
    assert sums["ratio_max"] == pytest.approx(1.424119, abs=1e-5)
    assert not gradient.any()


def drawn(seed):
    """Random groups with ratios on both sides of both clips."""
    chance = torch.Generator().manual_seed(seed)
    groups = []
    for _ in range(3):
        group = []
        for n in range(4):
            marks = torch.exp(torch.randn(int(torch.randint(1, 9, (1,), generator=chance)), generator=chance) * 0.4)
            group.append(("y" if n < 2 else "n", [m if i % 3 else "o" for i, m in enumerate(marks.tolist(), 1)]))
        groups.append([g for g in group if any(m != "o" for m in g[1])])
    return groups


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_the_loss_of_trl(seed):
    trl = pytest.importorskip("trl", reason="the independent reference is TRL 1.14: pip install webdancer[bench]")
    from trl.trainer.grpo_trainer import GRPOTrainer

    model, rows, s = build(drawn(seed))
    sums, gradient = step(model, rows, s)
    ids, mask = dapo_update._tensors(model, rows)
    old = dapo_loss.pad([r.episode.logp for r in rows], 0.0, torch.float32)
    again = Table(model.logp.tolist())
    stub = SimpleNamespace(
        aux_loss_enabled=False, top_entropy_quantile=1.0, off_policy_mask_threshold=None, beta=0.0, use_vllm=False,
        importance_sampling_level="token", loss_type="dapo", epsilon_low=0.2, epsilon_high=0.28, model=again,
        current_gradient_accumulation_steps=1, _entropy_bonus_enabled=False, args=SimpleNamespace(delta=None),
        accelerator=SimpleNamespace(num_processes=1, gather=lambda x: x, reduce=lambda x, reduction: x),
        _get_per_token_logps_and_entropies=lambda *a, **k: (again.logp[ids[:, 1:]], torch.zeros(mask[:, 1:].shape), 0),
    )  # fmt: skip
    stub.args.steps_per_generation = 1
    stub._metrics = {"train": {name: [] for name in _metric_names(GRPOTrainer)}}
    inputs = {
        "prompt_ids": ids[:, :1], "prompt_mask": torch.ones_like(ids[:, :1]), "completion_ids": ids[:, 1:],
        "completion_mask": (ids[:, 1:] > 0).int(), "tool_mask": mask[:, 1:].int(), "old_per_token_logps": old[:, 1:],
        "advantages": torch.tensor([r.advantage for r in rows]), "num_items_in_batch": mask[:, 1:].sum(),
    }  # fmt: skip
    loss = GRPOTrainer._compute_loss(stub, again, inputs)
    loss.backward()
    assert trl.__version__ and loss.item() == pytest.approx(sums["loss"], abs=1e-5)
    assert torch.allclose(again.logp.grad, gradient, atol=1e-5)
    for name, share in (("low_mean", sums["low"]), ("high_mean", sums["high"])):
        assert stub._metrics["train"][f"clip_ratio/{name}"] == pytest.approx([share / sums["tokens"]], abs=1e-5)


def _metric_names(trainer):
    import inspect
    import re

    return re.findall(r'_metrics\[mode\]\["([^"]+)"\]', inspect.getsource(trainer._compute_loss))


def test_the_drawn_groups_meet_both_clips():
    sums = [step(*build(drawn(seed)))[0] for seed in range(3)]
    assert all(s["low"] > 0 and s["high"] > 0 for s in sums)


def test_ratios_of_every_trained_token_and_none_of_the_truncated(monkeypatch):
    groups = [[("y", [1.5, "o", 0.5]), ("n", [2.0]), ("n", [3.0], "cut")]]
    model, _, s = build(groups)
    rows = build(groups)[1]
    found, advantages = dapo_update.ratios(model, rows)
    assert found == pytest.approx([1.5, 0.5, 2.0], abs=1e-5)
    assert advantages == [rows[0].advantage] * 2 + [rows[1].advantage]


def test_a_trial_step_says_what_it_would_do_and_leaves_the_weights():
    from webdancer.dapo_batch import Batch

    model, rows, s = build(pair([1], [1]))
    before = model.logp.detach().clone()
    row, (found, _) = dapo_update.trial(model, Batch([rows], rows, [1], 1), s)
    assert torch.equal(model.logp, before) and row["used"] == 2
    assert found[0] > 1 > found[1]  # after the step the good token stands higher, the bad one lower
