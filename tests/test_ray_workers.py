"""Actors that play a local policy, with a fake in the place of Ray; Ray itself runs in tests/scale."""

import by_heart
import fake_ray
import pytest
import torch

from webdancer.agent import policy, rollout
from webdancer.agent.workers import WorkerError, Workers
from webdancer.scale.ray_workers import RayWorkers

OPTIONS = {"samples": 3, "max_tokens": 120, "slots": 6, "seed": 5}


@pytest.fixture(scope="module")
def agent():
    return by_heart.trained(120)


@pytest.fixture
def ray(monkeypatch):
    return fake_ray.install(monkeypatch)


def test_the_episodes_are_those_of_worker_processes(ray, agent):
    tools = by_heart.EchoTools()
    with Workers(agent, 1) as workers:
        here = rollout.run(policy.Policy(agent.model, agent.tokenizer, workers), by_heart.QUESTIONS, tools, **OPTIONS)
    there = policy.Policy(agent.model, agent.tokenizer, RayWorkers(ray, agent, 2))
    found = rollout.run(there, by_heart.QUESTIONS, tools, **OPTIONS)
    assert [(e.question_id, e.sample, e.ids, e.logp) for e in found] == [
        (e.question_id, e.sample, e.ids, e.logp) for e in here
    ]
    there.workers.close()
    assert ray.killed == 2 and there.workers.count == 0


def total(policy, x):
    return x + sum(p.sum().item() for p in policy.model.parameters())


def broken(policy, x):
    raise KeyError(x)


def test_actors_have_the_weights_of_the_moment(ray, agent):
    workers = RayWorkers(ray, agent, 2)
    before = workers.run(agent, total, [(0,), (1,), (2,)])
    assert before == pytest.approx([before[0], before[0] + 1, before[0] + 2])
    with torch.no_grad():
        next(agent.model.parameters()).add_(1.0)
    more = next(agent.model.parameters()).numel()
    assert workers.run(agent, total, [(0,)]) == pytest.approx([before[0] + more], rel=1e-4)
    with torch.no_grad():
        next(agent.model.parameters()).sub_(1.0)


def test_errors_are_raised_and_other_sizes_refused(ray, agent):
    workers = RayWorkers(ray, agent, 2)
    with pytest.raises(KeyError, match="7"):
        workers.run(agent, broken, [(7,), (8,)])
    with pytest.raises(ValueError, match="no gradients: Ray plays episodes"):
        workers.run(agent, total, [(0,)], gradients=True)
    other = policy.build_tiny(agent.tokenizer, hidden=24, layers=1, heads=2, feed_forward=32)
    with pytest.raises(ValueError, match="got a policy of"):
        workers.run(other, total, [(0,)])
    ray.lost = True
    with pytest.raises(WorkerError, match="finished chunks are kept"):
        workers.run(agent, total, [(0,)])


def test_what_cannot_be_copied_is_not_kept(ray, agent):
    workers = RayWorkers(ray, agent, 1)
    assert workers.keep(lambda: 0) == -1
    tools = by_heart.EchoTools()
    assert workers.keep(tools) == workers.keep(tools) == 0
