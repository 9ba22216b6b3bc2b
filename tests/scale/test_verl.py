"""The export in verl itself: configuration, data, tools, agent loop, reward manager, group filter, advantage and loss.

Left out of the normal run, because verl wants another transformers: `make test-scale` builds the environment
(`setup.sh`, which says what and why) and runs this folder. No GPU: what samples is a stub that says again what a tiny
policy said, or what a trajectory has; all else is verl's own code.
"""

import asyncio
import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
pytest.importorskip("verl", reason="verl is not installed here: make test-scale")

import by_heart  # noqa: E402
import hydra  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from replayed import LIMITS, Observed, Replay, distinct, of_trajectory, sampled  # noqa: E402
from verl import DataProto  # noqa: E402
from verl.experimental.agent_loop.agent_loop import AgentLoopWorker  # noqa: E402
from verl.experimental.reward_loop.reward_loop import migrate_legacy_reward_impl  # noqa: E402
from verl.experimental.reward_loop.reward_manager.dapo import DAPORewardManager  # noqa: E402
from verl.tools.tool_registry import load_all_tools  # noqa: E402
from verl.trainer.ppo import core_algos  # noqa: E402
from verl.trainer.ppo.reward import load_reward_manager  # noqa: E402
from verl.trainer.ppo.utils import need_critic, need_reference_policy  # noqa: E402
from verl.trainer.ppo.v1 import replay_buffer  # noqa: E402
from verl.utils.config import omega_conf_to_dataclass, validate_config  # noqa: E402
from verl.utils.dataset.rl_dataset import collate_fn, get_dataset_class  # noqa: E402
from verl.workers.rollout.replica import TokenOutput  # noqa: E402

from webdancer import dapo_batch, dapo_loss  # noqa: E402
from webdancer.agent import judge, policy, tokens  # noqa: E402
from webdancer.core import prompts  # noqa: E402
from webdancer.core.schema import Page, Question, Trajectory, from_row, write_jsonl  # noqa: E402
from webdancer.scale import verl_export, verl_reward  # noqa: E402
from webdancer.web import functions  # noqa: E402

LOOP = asyncio.new_event_loop()
asyncio.set_event_loop(LOOP)
ROOT = Path(__file__).parents[2]
RELEASED = ROOT / ".." / "shared" / "data" / "webdancer" / "sample_traj.jsonl"
RECORDED = os.environ.get("WEBDANCER_RECORDED", "")  # a kept.jsonl of another place
PAGES = [Page(f"http://a.test/{w}", w, f"{w} is a town. Its mayor is {w} Lind.", sha256=w) for w in by_heart.WORDS]
SHORT = {k.upper(): str(v) for k, v in LIMITS.items()} | {"PROMPT": "30", "OVERLONG": "0", "OVERLONG_FILTER": "False"}


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """The export of hand-made questions and pages, under the parameters of the profile laptop."""
    root = tmp_path_factory.mktemp("root")
    for name in ("params", "notebooks"):
        (root / name).symlink_to(ROOT / name)
    folder = root / "results" / "laptop" / "artifacts"
    folder.mkdir(parents=True)
    questions = [Question(q.id, q.question, q.answer, q.kind, q.hops, split="rl") for q in by_heart.QUESTIONS]
    write_jsonl(folder / "questions.jsonl", questions)
    write_jsonl(folder / "pages_rl.jsonl", PAGES[:3])
    write_jsonl(folder / "pages_train.jsonl", PAGES[3:])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WEBDANCER_ROOT", str(root))
        yield verl_export.write(root / "export", "laptop")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of a tiny policy."""
    return policy.save(by_heart.trained(), tmp_path_factory.mktemp("model") / "sft")


def run(work):
    """The result of a coroutine, in the loop that verl's objects take when they are made outside of one."""
    return LOOP.run_until_complete(work)


def compose(export, model, **variables):
    """verl's configuration with the flags that launch.sh gives."""
    clean = {
        k: v for k, v in os.environ.items() if k not in ("SETTINGS", "G", "LR", "SEED", "STEPS", "WEBDANCER_TOOLS_URL")
    }
    script = [str(export / "launch.sh")]
    env = clean | {"DRY_RUN": "1", "MODEL": str(model)} | variables
    flags = subprocess.run(script, env=env, capture_output=True, text=True, check=True).stdout.splitlines()
    with hydra.initialize_config_module("verl.trainer.config", version_base=None):
        return hydra.compose("ppo_trainer", overrides=flags)


@pytest.fixture(scope="module")
def config(export, model):
    return compose(export, model, **SHORT)


# Configuration


@pytest.mark.parametrize("settings, group, mini, buffer", [("paper", 16, 32, 204), ("profile", 8, 12, 0)])
def test_verls_own_configuration_composes_and_validates(export, model, settings, group, mini, buffer):
    found = compose(export, model, SETTINGS=settings)
    critic, reference = need_critic(found), need_reference_policy(found)
    assert not critic and not reference  # no value network, no KL
    validate_config(found, use_reference_policy=reference, use_critic=critic)
    actor, rollout = found.actor_rollout_ref.actor, found.actor_rollout_ref.rollout
    assert (actor.clip_ratio_low, actor.clip_ratio_high, actor.loss_agg_mode) == (0.2, 0.28, "token-mean")
    assert (rollout.n, actor.ppo_mini_batch_size, rollout.temperature, rollout.top_p) == (group, mini, 1.0, 1.0)
    assert not actor.use_kl_loss and not found.algorithm.use_kl_in_reward
    assert found.algorithm.filter_groups.enable and found.algorithm.filter_groups.metric == "acc"
    assert found.trainer.use_v1 and found.trainer.v1.trainer_mode == "sync"
    overlong = found.reward.reward_kwargs.overlong_buffer_cfg
    assert (overlong.enable, overlong.len) == (buffer > 0, buffer) and found.reward.reward_kwargs.max_resp_len == 768
    assert omega_conf_to_dataclass(rollout).multi_turn.max_assistant_turns == found.webdancer.max_turns == 12
    moved = migrate_legacy_reward_impl(found)  # the trainer does this first
    assert moved.reward.reward_manager.name == "RewardManager" and moved.reward.reward_kwargs.max_resp_len == 768


def test_the_address_of_the_service_goes_to_every_node(export, model):
    found = compose(export, model, WEBDANCER_TOOLS_URL="http://10.0.0.1:8000")
    assert found.ray_kwargs.ray_init.runtime_env.env_vars.WEBDANCER_TOOLS_URL == "http://10.0.0.1:8000"


# Data and tools


def test_verls_data_set_class_reads_our_parquet(export, model, config):
    made = get_dataset_class(config.data)
    found = {
        name: made(
            data_files=str(export / f"{name}.parquet"), tokenizer=by_heart.trained().tokenizer, config=config.data
        )
        for name in ("train", "validation")
    }
    assert [len(part) for part in found.values()] == [6, 2]
    known = {q.id: q for q in by_heart.QUESTIONS}
    seen = {row["extra_info"]["id"] for part in found.values() for row in part}
    assert seen == set(known)
    for name, part in found.items():
        for i, row in enumerate(part):
            question = known[row["extra_info"]["id"]]
            assert row["raw_prompt"] == prompts.head(question.question, style="brief")
            assert row["reward_model"] == {"style": "rule", "ground_truth": question.answer}
            assert (row["agent_name"], row["index"], row["tools_kwargs"]) == ("webdancer", i, {})
            assert row["extra_info"]["split"] == name
    assert set(collate_fn(list(found["train"]))["agent_name"]) == {"webdancer"}


def test_verls_registry_loads_our_tools(export, config):
    found = load_all_tools(None, config.actor_rollout_ref.rollout.multi_turn.function_tool_path)
    assert sorted(tool.name for tool in found) == ["search", "visit"]
    shown = {tool["name"]: tool["description"] for tool in functions.shown()}
    assert {tool.name: tool.tool_schema.function.description for tool in found} == shown
    search, visit = sorted(found, key=lambda tool: tool.name)
    said = run(search.call({"query": ["Tal mayor"]}))
    assert said.startswith("A search for 'Tal mayor' found") and "(http://a.test/Tal)" in said
    said = run(visit.call({"url": ["http://a.test/Tal"], "goal": "mayor"}))
    assert "Its mayor is Tal Lind." in said
    assert search.fn.tools.results == 2 and search.fn.tools.max_observation_chars == 1200  # the profile's dials


# Episodes


class Server:
    """In the place of verl's inference servers: says again what recorded episodes have, those of a prompt in turn."""

    def __init__(self, episodes):
        self.waiting = {}
        for episode in episodes:
            start = tuple(episode.ids[: episode.mask.index(True)])
            self.waiting.setdefault(start, []).append(Replay(episode))
        self.playing, self.asked = {}, []

    async def generate(self, request_id, *, prompt_ids, sampling_params, **more):
        if request_id not in self.playing:
            self.playing[request_id] = self.waiting[tuple(prompt_ids)].pop(0)
        self.asked.append(sampling_params)
        ids, logp = await self.playing[request_id](prompt_ids, sampling_params["max_tokens"])
        steps = {"global_steps": 5, "min_global_steps": 5, "max_global_steps": 5 + len(self.asked)}
        return TokenOutput(token_ids=ids, log_probs=logp, num_preempted=0, extra_fields=steps)


def worker(config, episodes, tools, manager=None):
    """verl's worker with a stub for its servers; with `manager` it scores as in training, beside the rollouts."""
    handle = SimpleNamespace(compute_score=SimpleNamespace(remote=manager.run_single)) if manager else None
    made = AgentLoopWorker(config, Server(episodes), reward_loop_worker_handles=[handle] if manager else None)
    for tool in made.tools:
        tool.fn.tools = tools
    return made


def batch(heads, golds):
    """Rows as verl's trainer hands them to a worker."""
    rows = [
        {
            "raw_prompt": head,
            "agent_name": "webdancer",
            "data_source": "webdancer",
            "reward_model": {"style": "rule", "ground_truth": gold},
            "extra_info": {"index": i},
            "index": i,
            "dummy_tensor": torch.tensor([0], dtype=torch.uint8),
        }
        for i, (head, gold) in enumerate(zip(heads, golds, strict=True))
    ]
    return DataProto.from_single_dict(collate_fn(rows), meta_info={"global_steps": 1})


def same(output, n, episode):
    """Whether row `n` of verl's batch holds exactly the recorded episode, padding apart."""
    prompt = episode.mask.index(True)
    width = output.batch["prompts"].shape[1]
    seen = output.batch["attention_mask"][n].bool()
    ids = torch.cat([output.batch["prompts"][n], output.batch["responses"][n]])
    response = seen[width:]
    return (
        ids[seen].tolist() == episode.ids
        and int(seen[:width].sum()) == prompt
        and output.batch["response_mask"][n][response].bool().tolist() == episode.mask[prompt:]
        and int(output.batch["response_mask"][n][~response].sum()) == 0
    )


@pytest.fixture(scope="module")
def played(config):
    """128 sampled episodes, good and bad, played again by verl's worker and scored by its reward manager."""
    episodes = sampled()
    manager = load_reward_manager(config, by_heart.trained().tokenizer)
    made = worker(config, episodes, by_heart.EchoTools(), manager)
    golds = {q.id: q.answer for q in by_heart.QUESTIONS}
    rows = batch([e.messages[:2] for e in episodes], [golds[e.question_id] for e in episodes])
    return run(made.generate_sequences(rows)), made


def test_verls_loop_plays_our_episodes_with_our_masks(played):
    output, made = played
    episodes = sampled()
    assert len(output) == len(episodes) == 128 and {e.stop for e in episodes} >= {"answer", "malformed", "cut"}
    assert all(same(output, n, episode) for n, episode in enumerate(episodes))
    logps = output.batch["rollout_log_probs"]
    for n, episode in enumerate(episodes):
        written = episode.logp[episode.mask.index(True) :]
        assert torch.allclose(logps[n][: len(written)], torch.tensor(written))
        assert output.non_tensor_batch["webdancer"][n]["stop"] == episode.stop
        assert output.non_tensor_batch["__num_turns__"][n] == len(episode.messages) - 1
    assert set(output.non_tensor_batch["min_global_steps"]) == {5}  # the first weights of an episode, and the last
    end = by_heart.trained().tokenizer.eos_token_id
    assert all(asked["stop_token_ids"] == [end] and asked["temperature"] == 1.0 for asked in made.llm_client.asked)


def test_what_a_limit_cut_off_can_stay_out_of_the_loss(export, model):
    episodes = [e for e in sampled() if e.stop in ("cut", "context_cap", "answer")][:12]
    filtered = compose(export, model, **SHORT | {"OVERLONG_FILTER": "True"})
    made = worker(filtered, episodes, by_heart.EchoTools())
    output = run(made.generate_sequences(batch([e.messages[:2] for e in episodes], ["Tal"] * len(episodes))))
    counts = output.batch["response_mask"].sum(1).tolist()
    assert counts == [0 if e.truncated else sum(e.mask) for e in episodes] and 0 in counts


def recorded(name):
    """Trajectories that were recorded earlier, in the form of the released ones."""
    found = {"released": [RELEASED], "kept": [Path(RECORDED), *sorted(ROOT.glob("results/*/artifacts/kept.jsonl"))]}
    path = next((path for path in found[name] if path.is_file()), None)
    if path is None:
        pytest.skip(f"no {name} trajectories here: ../shared/data/webdancer, or WEBDANCER_RECORDED=.../kept.jsonl")
    with open(path, encoding="utf-8") as lines:
        rows = [from_row(json.loads(line), Trajectory) for line, _ in zip(lines, range(400), strict=False)]
    return distinct([t for t in rows if t.messages[-1]["role"] == "assistant"], 120)


@pytest.mark.parametrize("name", ["released", "kept"])
def test_masks_of_recorded_trajectories_are_those_of_sft(export, tmp_path, name):
    found = recorded(name)
    tokenizer = tokens.train_tokenizer(tokens.corpus(found[:30]), 2000, max_length=40_000)
    folder = policy.save(policy.build_tiny(tokenizer, hidden=8, layers=1, heads=1, feed_forward=8), tmp_path / "model")
    episodes = [of_trajectory(tokenizer, t) for t in found]
    longest = max(len(e.ids) for e in episodes) + 1
    limits = {"MAX_TURNS": "60", "MAX_TOKENS": str(longest), "MAX_TURN_TOKENS": str(longest)}
    most = max(e.mask.index(True) for e in episodes)
    made = worker(compose(export, folder, **limits, PROMPT=str(most), OVERLONG="0"), episodes, Observed(found))
    output = run(made.generate_sequences(batch([e.messages[:2] for e in episodes], ["x"] * len(episodes))))
    assert len(output) >= 100 and all(same(output, n, episode) for n, episode in enumerate(episodes))
    assert {said["stop"] for said in output.non_tensor_batch["webdancer"]} == {"answer"}


# Reward


def ours(episodes, **settings):
    """Our rollouts of the same episodes, question by question."""
    golds = {q.id: q.answer for q in by_heart.QUESTIONS}
    s = dapo_batch.Settings(max_tokens=LIMITS["max_tokens"], overlong_filter=False, **settings)
    groups = [[e for e in episodes if e.question_id == q] for q in golds]
    return [r for n, g in enumerate(groups) for r in dapo_batch.make_group(g, golds[g[0].question_id], n, s)]


def test_verls_dapo_manager_calls_our_reward(played, config):
    output, _ = played
    assert issubclass(verl_reward.RewardManager, DAPORewardManager)
    assert type(load_reward_manager(config, by_heart.trained().tokenizer)).__name__ == "RewardManager"
    wanted = ours(sampled())
    assert output.batch["rm_scores"].sum(1).tolist() == pytest.approx([r.reward for r in wanted])
    assert output.non_tensor_batch["acc"].tolist() == [float(r.correct) for r in wanted]
    assert output.non_tensor_batch["format"].tolist() == [float(r.episode.format_ok) for r in wanted]
    assert 0 < sum(r.correct for r in wanted) < len(wanted)


def score(manager, episode, gold, fields=None):
    """What a reward manager says of an episode."""
    prompt = episode.mask.index(True)
    ids = torch.tensor([episode.ids])
    tensors = {"prompts": ids[:, :prompt], "responses": ids[:, prompt:], "attention_mask": torch.ones_like(ids)}
    info = {"data_source": "webdancer", "reward_model": {"ground_truth": gold}, "extra_info": {"index": 0}}
    rows = {k: np.array([v], dtype=object) for k, v in info.items()}
    if fields is not None:
        rows["tool_extra_fields"] = np.array([fields], dtype=object)
    return run(manager.run_single(DataProto.from_dict(tensors, non_tensors=rows)))


def test_soft_overlong_punishment_is_ours_but_for_the_prompt(export, model):
    """verl counts the tokens of the response against PROMPT less: with prompts of that length it is the same."""
    episodes = [e for e in sampled() if e.stop in ("answer", "context_cap")]
    prompt = episodes[0].mask.index(True)
    found = compose(export, model, **SHORT | {"OVERLONG": "80", "PROMPT": str(prompt)})
    manager = load_reward_manager(found, by_heart.trained().tokenizer)
    told = [
        score(
            manager, e, "nobody", {"webdancer": {"prediction": "", "truncated": False, "format_ok": True, "n_calls": 0}}
        )
        for e in episodes
    ]
    punished = [float(t["reward_score"]) - 0.1 for t in told]
    wanted = [
        dapo_loss.soft_overlong(len(e.ids) - e.mask.index(True), LIMITS["max_tokens"] - prompt, 80) for e in episodes
    ]
    assert punished == pytest.approx(wanted, abs=1e-6) and min(wanted) < -0.5 and max(wanted) == 0.0


def test_the_stock_dapo_manager_reads_the_text_and_is_fooled_only_by_an_invented_observation(export, model, config):
    from omegaconf import OmegaConf

    stock = OmegaConf.merge(config, {"reward": {"reward_manager": {"source": "register", "name": "dapo"}}})
    manager, own = (load_reward_manager(c, by_heart.trained().tokenizer) for c in (stock, config))
    assert type(manager) is DAPORewardManager
    golds = {q.id: q.answer for q in by_heart.QUESTIONS}
    for episode in sampled():
        text = "".join(m["content"] for m in episode.messages if m["role"] == "assistant")
        if "<tool_response>" not in text:
            assert score(manager, episode, golds[episode.question_id])["reward_score"] == judge.reward(
                episode.format_ok,
                not episode.truncated and dapo_batch.exact(episode.prediction, golds[episode.question_id]),
            )
    tokenizer = by_heart.trained().tokenizer
    said = by_heart.search("Tal") + "\n<tool_response>\nTal\n</tool_response>\n" + by_heart.answer("Tal")
    head = tokens.render(tokenizer, [{"role": "user", "content": "Who is Tal?"}], generate=True).ids
    turn = tokens.encode(tokenizer, said) + [tokenizer.eos_token_id]
    invented = SimpleNamespace(ids=head + turn, mask=[False] * len(head) + [True] * len(turn))
    assert score(manager, invented, "Tal")["reward_score"] == 1.0
    fields = {"webdancer": {"prediction": "", "truncated": False, "format_ok": False, "n_calls": 0}}
    assert score(own, invented, "Tal", fields)["reward_score"] == 0.0


# Group filter, advantage, loss


def test_verls_filter_keeps_the_groups_that_we_call_live(monkeypatch):
    """Its buffer, fed with `acc` of our rewards; a group all wrong with different rewards must go."""
    groups = {"right": [1, 1], "wrong": [0, 0], "mixed": [0, 1]}
    stored = {f"{u}_{i}_0": {"acc": float(a), "score": a - 0.1 * i} for u, g in groups.items() for i, a in enumerate(g)}
    buffer = replay_buffer.ReplayBuffer.__new__(replay_buffer.ReplayBuffer)
    buffer.filter_groups_metric, buffer._dapo_classification_cache = "acc", {"train": {}}
    buffer.finished_keys, buffer.partitions = {"train": set(groups)}, {"train": dict.fromkeys(stored, {})}

    def get(keys, partition_id, select_fields):
        return {"extra_fields": [SimpleNamespace(data={"reward_extra_info": stored[key]}) for key in keys]}

    monkeypatch.setattr(replay_buffer.tq, "kv_batch_get", get)
    dropped, _ = buffer._dapo_filtered_keys("train")
    assert dropped == {u for u, g in groups.items() if not dapo_loss.is_live([bool(a) for a in g])}


def test_advantages_are_ours_to_1e_6(played):
    output, _ = played
    wanted = ours(sampled())
    index = np.array([r.group for r in wanted])
    mask = output.batch["response_mask"]
    found, _ = core_algos.compute_grpo_outcome_advantage(output.batch["rm_scores"].clone(), mask, index)
    live = [n for n, r in enumerate(wanted) if dapo_loss.is_live([o.correct for o in wanted if o.group == r.group])]
    assert len(live) >= 16
    for n in live:
        assert found[n][mask[n].bool()].numpy() == pytest.approx(wanted[n].advantage, abs=1e-6)
        assert not found[n][~mask[n].bool()].any()


@pytest.mark.parametrize("seed", range(5))
def test_loss_and_gradient_are_ours_to_1e_6(config, seed):
    """Ratios on both sides of the clip, up to e^20 and beyond it; rows of different length, one with an empty mask."""
    chance = torch.Generator().manual_seed(seed)
    shape = (6, 40)
    mask = torch.rand(shape, generator=chance) < 0.6
    mask[2] = False
    old = -3 * torch.rand(shape, generator=chance, dtype=torch.float64)
    new = (
        old
        + torch.randn(shape, generator=chance, dtype=torch.float64)
        * torch.tensor([0.1, 0.5, 1, 0.3, 3.0, 0.01])[:, None]
    )
    advantage = torch.randn(6, generator=chance, dtype=torch.float64)[:, None].expand(shape)
    actor = omega_conf_to_dataclass(config.actor_rollout_ref.actor)
    theirs, mine = new.clone().requires_grad_(), new.clone().requires_grad_()
    loss, metrics = core_algos.compute_policy_loss_vanilla(
        old, theirs, advantage, mask.double(), actor.loss_agg_mode, actor
    )
    loss.backward()
    part = dapo_loss.surrogate(mine[mask], old[mask], advantage[mask], actor.clip_ratio_low, actor.clip_ratio_high)
    counts = mask.sum(1).tolist()
    weights = torch.tensor(dapo_loss.token_weights(counts, [0] * 6), dtype=torch.float64)
    total = (weights[:, None].expand(shape)[mask] * part.loss).sum()
    total.backward()
    assert float(loss) == pytest.approx(float(total), rel=1e-6, abs=1e-6)
    assert torch.allclose(theirs.grad, mine.grad, rtol=1e-6, atol=1e-6)
    matrix = torch.zeros(shape, dtype=torch.float64)
    matrix[mask] = part.loss.detach()
    summed = core_algos.agg_loss(matrix, mask.double(), "token-mean")
    assert float(summed) == pytest.approx(float(total), rel=1e-6, abs=1e-6)
    assert metrics["actor/pg_clipfrac_lower"] == 0.0  # the dual clip of verl, which the papers do not have, is off


def test_with_verls_usual_dual_clip_the_loss_would_be_another(config):
    """The test above can fail: a bad token with a large ratio."""
    import dataclasses

    actor = omega_conf_to_dataclass(config.actor_rollout_ref.actor)
    usual = dataclasses.replace(actor, clip_ratio_c=3.0)
    old, new, ones = torch.tensor([[-5.0]]), torch.tensor([[-1.0]]), torch.ones(1, 1)
    losses = [core_algos.compute_policy_loss_vanilla(old, new, -ones, ones, "token-mean", a)[0] for a in (actor, usual)]
    assert float(losses[0]) == pytest.approx(np.exp(4.0), rel=1e-5) and float(losses[1]) == pytest.approx(3.0)
