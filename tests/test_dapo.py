"""The DAPO loop on a tiny random Qwen3 with hand-made episodes: gradients, accumulation, learning, failure."""

import csv
import math
import random
from dataclasses import replace

import pytest
import torch
from test_dapo_batch import Episode, question
from transformers import Qwen3Config, Qwen3ForCausalLM

from webdancer import dapo, dapo_keep, dapo_update
from webdancer.dapo_batch import Settings, TrainingError, make_group
from webdancer.dapo_guard import Guards

END, RIGHT, WRONG = 3, 4, 5
VOCABULARY = 12


class Toy:
    """A policy in the sense of `agent.policy.Policy`, without a tokenizer."""

    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)
        sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "vocab_size": VOCABULARY}
        heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8, "tie_word_embeddings": True}
        self.model = Qwen3ForCausalLM(Qwen3Config(**sizes, **heads)).float().eval()
        self.tokenizer = self.workers = None


@pytest.fixture
def policy() -> Toy:
    return Toy()


def logp_of(model, ids, mask) -> list[float]:
    """Log-probabilities the slow way: all logits, one episode, no padding."""
    with torch.no_grad():
        every = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    return [float(every[t - 1, i]) if t and m else 0.0 for t, (i, m) in enumerate(zip(ids, mask, strict=True))]


def episode(model, chance: random.Random, prediction: str, stop: str = "answer") -> Episode:
    """Prompt, written tokens, observation, written tokens; random lengths."""
    spans = [(False, 3), (True, chance.randint(1, 6)), (False, chance.randint(1, 9)), (True, chance.randint(1, 4))]
    mask = [m for m, n in spans for _ in range(n)]
    ids = [chance.randrange(VOCABULARY) for _ in mask]
    return Episode("q", 0, prediction, stop, ids=ids, mask=mask, logp=logp_of(model, ids, mask))


def group(model, seed: int = 0, number: int = 0, size: int = 4):
    chance = random.Random(seed)
    answers = ["Kestin"] + ["Oslo"] * (size - 1)
    return make_group([episode(model, chance, a) for a in answers], "Kestin", number)


def gradients(policy, rollouts, **settings) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """The gradients `update` leaves behind when the optimiser does nothing."""
    nothing = torch.optim.SGD(policy.model.parameters(), lr=0.0)
    s = Settings(grad_clip=1e9, **settings)
    sums = dapo_update.update(policy.model, nothing, rollouts, dapo_update.stored_logp(rollouts), s)
    return {n: p.grad.clone() for n, p in policy.model.named_parameters()}, sums


def test_padded_logp_equals_the_rollouts_own(policy):
    rows = group(policy.model)
    for got, wanted in zip(
        dapo_update.trainer_logp(policy.model, rows, 1000), dapo_update.stored_logp(rows), strict=True
    ):
        assert got == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("aggregation", ["token_mean", "group_token_mean"])
def test_any_micro_batch_split_gives_the_same_gradient(policy, aggregation):
    rows = group(policy.model, 1, 0) + group(policy.model, 2, 1)
    whole, sums = gradients(policy, rows, micro_tokens=10_000, aggregation=aggregation)
    parts, again = gradients(policy, rows, micro_tokens=1, aggregation=aggregation)
    assert all(torch.allclose(whole[n], parts[n], atol=1e-6) for n in whole)
    assert sums["loss"] == pytest.approx(again["loss"], abs=1e-6)
    assert sums["tokens"] == sum(r.trained for r in rows)


def test_on_policy_loss_is_minus_the_token_mean_of_the_advantage(policy):
    rows = group(policy.model, 3)
    wanted = -sum(r.advantage * r.trained for r in rows) / sum(r.trained for r in rows)
    _, sums = gradients(policy, rows)
    assert sums["loss"] == pytest.approx(wanted, abs=1e-5)
    assert sums["ratio"] / sums["tokens"] == pytest.approx(1, abs=1e-5)
    assert sums["low"] == sums["high"] == 0


def test_observation_tokens_get_no_gradient_as_targets(policy):
    """The loss reads hidden states only where the next token was written by the model: see it on their gradients."""
    rows = group(policy.model, 4, size=2)
    seen = []
    hook = policy.model.model.norm.register_full_backward_hook(lambda m, i, out: seen.append(out[0].clone()))
    gradients(policy, rows, micro_tokens=1)
    hook.remove()
    assert len(seen) == 2
    order = sorted(rows, key=lambda r: -len(r.episode.ids))
    for gradient, row in zip(seen, order, strict=True):
        before_written = [*row.episode.mask[1:], False]
        alive = (gradient[0].abs().sum(-1) > 0).tolist()
        assert alive == before_written


def test_other_observation_targets_change_nothing_else(policy):
    """The last token of a trailing observation is no input and no target: replacing it leaves the gradient alone."""
    rows = group(policy.model, 5, size=2)
    for row in rows:
        row.episode.ids += [7]
        row.episode.mask += [False]
        row.episode.logp += [0.0]
    before, _ = gradients(policy, rows)
    for row in rows:
        row.episode.ids[-1] = 8
    after, _ = gradients(policy, rows)
    assert all(torch.equal(before[n], after[n]) for n in before)


def test_dead_group_and_truncated_rollouts_give_no_gradient(policy):
    chance = random.Random(0)
    dead = make_group([episode(policy.model, chance, "Oslo") for _ in range(3)], "Kestin", 0)
    got, _ = gradients(policy, dead)
    assert all(not g.any() for g in got.values())


def test_second_update_sees_a_ratio_other_than_one(policy):
    rows = group(policy.model, 6)
    optimiser = torch.optim.AdamW(policy.model.parameters(), lr=0.05)
    old = dapo_update.stored_logp(rows)
    first = dapo_update.update(policy.model, optimiser, rows, old, Settings())
    second = dapo_update.update(policy.model, optimiser, rows, old, Settings())
    assert first["low"] + first["high"] == 0
    assert second["low"] + second["high"] > 0


def test_a_number_that_is_not_finite_stops_and_changes_no_weight(policy):
    rows = group(policy.model, 7)
    before = dapo_keep.snapshot(policy.model)
    bad = [replace(r, advantage=math.inf) for r in rows]
    optimiser = torch.optim.AdamW(policy.model.parameters(), lr=0.1)
    with pytest.raises(TrainingError, match="got loss .* wanted finite numbers"):
        dapo_update.update(policy.model, optimiser, bad, dapo_update.stored_logp(bad), Settings())
    assert all(torch.equal(before[n], p) for n, p in policy.model.named_parameters())


def toy_engine(policy, questions, tools, *, samples, seed, **limits):
    """One-token answers: token RIGHT is the right answer, anything else is wrong."""
    chance, episodes = random.Random(seed), []
    for q in questions:
        for s in range(samples):
            ids = [1, 2]
            with torch.no_grad():
                p = policy.model(torch.tensor([ids])).logits[0, -1].softmax(-1)
            token = chance.choices(range(VOCABULARY), p.tolist())[0]
            said = "Kestin" if token == RIGHT else "Oslo"
            row = {"ids": [*ids, token], "mask": [False, False, True], "logp": [0.0, 0.0, math.log(p[token])]}
            episodes.append(Episode(q.id, s, said, **row))
    return episodes


TOY = Settings(steps=12, groups=3, samples=8, lr=0.02, warmup=1, dev_every=4, dev_samples=8)


def test_training_raises_the_pass_rate_and_logs_each_step(policy, tmp_path):
    questions, log = [question(i) for i in range(6)], tmp_path / "dapo_log.csv"
    seen = []
    result = dapo.train(
        policy, questions[:4], None, TOY, log=log, dev_questions=questions[4:], engine=toy_engine,
        on_step=lambda row, batch: seen.append((row["step"], len(batch.sampled))),
    )  # fmt: skip
    rows = list(csv.DictReader(log.open()))
    assert [int(r["step"]) for r in rows] == list(range(1, 13)) == [s for s, _ in seen]
    assert result.best_dev > 0.8 and result.rows[-1]["pass_rate"] > result.rows[0]["pass_rate"]
    assert float(rows[0]["logp_gap"]) < 1e-5 and rows[1]["logp_gap"] == ""
    assert rows[0]["dev"] == "" and rows[3]["dev"] != ""
    assert all(float(r["sampled"]) >= float(r["used"]) for r in rows)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    def run(seed):
        policy = Toy()
        dapo.train(policy, [question(0)], None, replace(TOY, steps=3, dev_every=0, seed=seed), engine=toy_engine)
        return policy.model.state_dict()["model.embed_tokens.weight"]

    assert torch.equal(run(0), run(0))
    assert not torch.equal(run(0), run(1))


def test_the_best_step_on_dev_is_what_stays(policy, monkeypatch):
    rates = iter([0.5, 0.9, 0.2])
    monkeypatch.setattr(dapo.Run, "pass_rate", lambda self: next(rates))
    kept = []
    s = replace(TOY, steps=2, dev_every=1)
    result = dapo.train(
        policy, [question(0)], None, s, dev_questions=[question(1)], engine=toy_engine,
        on_step=lambda row, batch: kept.append(dapo_keep.snapshot(policy.model)),
    )  # fmt: skip
    assert (result.best_step, result.best_dev) == (1, 0.9)
    assert all(torch.equal(kept[0][n], p) for n, p in policy.model.named_parameters())


def test_a_step_without_live_groups_changes_nothing(policy):
    before = dapo_keep.snapshot(policy.model)
    nobody = lambda p, qs, t, *, samples, **k: [Episode(q.id, s) for q in qs for s in range(samples)]  # noqa: E731
    result = dapo.train(policy, [question(0)], None, replace(TOY, steps=1, dev_every=0), engine=nobody)
    assert all(torch.equal(before[n], p) for n, p in policy.model.named_parameters())
    row = result.rows[0]
    assert (row["live_share"], row["used"], row["sampled"]) == (0, 0, 3 * 3 * 8)
    assert math.isnan(row["loss"])


def test_trainer_logp_replaces_wrong_stored_ones(policy):
    def forgetful(*arguments, **keywords):
        episodes = toy_engine(*arguments, **keywords)
        for e in episodes:
            e.logp = [0.0] * len(e.ids)
        return episodes

    s = replace(TOY, steps=1, dev_every=0, old_logp="trainer", minibatches=1)
    row = dapo.train(policy, [question(0)], None, s, engine=forgetful).rows[0]
    assert row["logp_gap"] > 0.5
    assert row["ratio"] == pytest.approx(1, abs=1e-5)


def test_no_questions_is_an_error_that_says_where_they_come_from(policy):
    with pytest.raises(ValueError, match="split rl"):
        dapo.train(policy, [], None, TOY, engine=toy_engine)


def test_failure_in_a_run_names_the_step_and_keeps_the_log(policy, tmp_path, monkeypatch):
    real, calls = dapo_update.update, []

    def fails_later(*arguments):
        calls.append(1)
        if len(calls) > 2:
            raise TrainingError("got loss nan")
        return real(*arguments)

    monkeypatch.setattr(dapo_update, "update", fails_later)
    saved = []
    monkeypatch.setattr(dapo_keep, "save", lambda policy, folder: saved.append(folder))
    with pytest.raises(TrainingError, match="stopped at step 2: got loss nan"):
        s = replace(TOY, steps=5, dev_every=0)
        dapo.train(policy, [question(0)], None, s, engine=toy_engine, log=tmp_path / "log.csv", folder=tmp_path / "d")
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 2
    assert saved == [tmp_path / "d"]


def test_an_alarm_is_said_once_and_stops_only_if_asked_to(policy, capsys):
    """No group is ever live: after two windows that is said, and with `stop_on` the run is over."""
    nobody = lambda p, qs, t, *, samples, **k: [Episode(q.id, s) for q in qs for s in range(samples)]  # noqa: E731
    s = replace(TOY, steps=6, dev_every=0, max_rounds=1)
    dials = {"engine": nobody, "guards": Guards(window=2)}
    result = dapo.train(policy, [question(0)], None, s, **dials)
    assert [(a.step, a.name) for a in result.alarms] == [(4, "few_live_groups")] and not result.stopped
    assert len(result.rows) == 6 and capsys.readouterr().out.count("step 4: few_live_groups: live groups are 0%") == 1
    dials["guards"] = Guards(window=2, stop_on=("few_live_groups",))
    result = dapo.train(policy, [question(0)], None, s, **dials)
    assert (len(result.rows), result.stopped) == (4, "few_live_groups")


def test_rows_hold_the_parts_of_the_reward_and_what_was_thrown_away(policy):
    s = replace(TOY, steps=2, dev_every=0)
    for row in dapo.train(policy, [question(i) for i in range(4)], None, s, engine=toy_engine).rows:
        parts = row["reward_format"] + row["reward_answer"] + row["reward_overlong"]
        assert parts == pytest.approx(row["reward"]) and row["reward_format"] == pytest.approx(0.1)
        assert row["thrown_away"] == row["sampled"] - row["used"]  # nothing truncated, nothing reused
        assert row["ratio_max"] >= row["ratio"] or math.isnan(row["ratio"])


def test_weights_that_are_not_in_fp32_are_trained_in_it():
    """An update of 1e-6 is lost when it is added to a weight in bf16."""
    policy = Toy()
    policy.model.to(torch.bfloat16)
    dapo.train(policy, [question(0)], None, replace(TOY, steps=1, dev_every=0), engine=toy_engine)
    assert all(p.dtype == torch.float32 for p in policy.model.parameters())
