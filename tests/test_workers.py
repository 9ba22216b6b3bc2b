"""Worker processes compute what one process computes, and say what happened when they cannot."""

import os
import pickle
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import by_heart
import pytest
import torch

from webdancer import dapo_batch, dapo_update, sft
from webdancer.agent import policy, prefixes, rollout
from webdancer.agent.workers import WorkerError, Workers
from webdancer.core.schema import Page
from webdancer.sft_data import Example, evenly
from webdancer.web.search import SearchIndex
from webdancer.web.tools import Tools

pytestmark = pytest.mark.skipif(os.name != "posix", reason="workers need pipes that can be handed on: not on Windows")


@pytest.fixture(scope="module")
def agent():
    """A policy that knows half of its questions, with one worker."""
    agent = by_heart.trained(240)
    with Workers(agent, 1) as workers:
        agent.workers = workers
        yield agent


@pytest.fixture
def alone(agent):
    """The same policy without workers."""
    return policy.Policy(agent.model, agent.tokenizer)


def gradients(agent):
    found = {n: p.grad.clone() for n, p in agent.model.named_parameters() if p.grad is not None}
    agent.model.zero_grad(set_to_none=True)
    return found


def close(a, b, share=1e-5):
    """Equal names, and differences below a share of the largest value of each."""
    return a.keys() == b.keys() and all((a[n] - b[n]).abs().max() <= share * a[n].abs().max() for n in a)


EXAMPLES = [Example(tuple(range(9, 9 + n)), (False, *[True] * (n - 1)), 1) for n in (4, 9, 6, 7, 5)]


@pytest.mark.parametrize("packing", [False, True])
@pytest.mark.parametrize("micro", [0, 16])
def test_the_gradient_of_a_batch_is_the_same(agent, alone, packing, micro):
    recipe = sft.Recipe(steps=1, packing=packing, micro_tokens=micro)
    row = sft.gradient(alone, EXAMPLES, recipe)
    whole = gradients(agent)
    assert sft.gradient(agent, EXAMPLES, recipe) == pytest.approx(row)
    once = gradients(agent)
    assert close(whole, once)
    sft.gradient(agent, EXAMPLES, recipe)
    twice = gradients(agent)
    assert all(torch.equal(once[n], twice[n]) for n in once)


def test_a_batch_of_one_needs_no_worker(agent, alone):
    recipe = sft.Recipe(steps=1)
    sft.gradient(alone, EXAMPLES[:1], recipe)
    whole = gradients(agent)
    sft.gradient(agent, EXAMPLES[:1], recipe)
    assert close(whole, gradients(agent))


def test_the_worker_has_the_weights_of_the_moment(agent, alone):
    recipe = sft.Recipe(steps=1)
    before = {n: p.detach().clone() for n, p in agent.model.named_parameters()}
    try:
        with torch.no_grad():
            for p in agent.model.parameters():
                p.mul_(1.5)
        sft.gradient(alone, EXAMPLES, recipe)
        whole = gradients(agent)
        sft.gradient(agent, EXAMPLES, recipe)
        assert close(whole, gradients(agent))
    finally:
        agent.model.load_state_dict(before, strict=False)


@pytest.mark.parametrize("samples", [1, 3, 4])
def test_the_same_tokens_are_sampled(agent, alone, samples):
    tools, options = by_heart.EchoTools(), {"samples": samples, "max_tokens": 120, "slots": 6, "seed": 5}
    here = rollout.run(alone, by_heart.QUESTIONS, tools, **options)
    apart = rollout.run(agent, by_heart.QUESTIONS, tools, **options)
    assert [(e.question_id, e.sample) for e in apart] == [(q.id, s) for q in by_heart.QUESTIONS for s in range(samples)]
    assert [e.ids for e in apart] == [e.ids for e in here]
    assert [e.messages for e in apart] == [e.messages for e in here]
    assert any(e.stop == "answer" for e in here), "nothing was answered: the test would test little"


def test_an_update_of_dapo_is_the_same(agent, alone):
    s = dapo_batch.Settings(max_tokens=120, micro_tokens=64)
    episodes = rollout.run(alone, by_heart.QUESTIONS[:4], by_heart.EchoTools(), samples=6, max_tokens=120, seed=1)
    groups = [
        dapo_batch.make_group(episodes[n * 6 : n * 6 + 6], q.answer, n, s) for n, q in enumerate(by_heart.QUESTIONS[:4])
    ]
    rollouts = [r for group in groups for r in group if r.trained]
    assert len(prefixes.parts([r.episode.ids for r in rollouts], s.micro_tokens)) > 2
    none = torch.optim.SGD(agent.model.parameters(), lr=0.0)
    old = dapo_update.stored_logp(rollouts)
    row = dapo_update.update(agent.model, none, rollouts, old, s)
    whole = gradients(agent)
    assert dapo_update.update(agent.model, none, rollouts, old, s, agent.workers) == pytest.approx(
        row, rel=1e-5, abs=1e-6
    )
    assert close(whole, gradients(agent), 1e-4)


def test_a_model_that_cannot_be_copied_has_no_workers():
    found = by_heart.trained(0)
    found.model.gradient_checkpointing_enable({"use_reentrant": False})
    found.model.enable_input_require_grads()  # as adapters do when activations are computed again
    alone = Workers(found, 2)
    assert (alone.count, alone.parts) == (0, 1)
    assert alone.run(found, lambda policy, x: x + 1, [(1,), (2,)]) == [2, 3]


class Unpicklable(by_heart.EchoTools):
    """Tools with something that no other process can have."""

    def __init__(self):
        super().__init__()
        self.connection = (n for n in range(3))


def test_tools_that_cannot_be_copied_are_used_here(agent, alone):
    options = {"samples": 2, "max_tokens": 120, "seed": 5}
    here = rollout.run(alone, by_heart.QUESTIONS[:3], by_heart.EchoTools(), **options)
    found = rollout.run(agent, by_heart.QUESTIONS[:3], Unpicklable(), **options)
    assert [e.ids for e in found] == [e.ids for e in here]


def fails(policy, x):
    if x < 0:
        raise ValueError(f"got {x}, wanted no less than 0")
    return x


@pytest.mark.parametrize("parts", [[(1,), (-2,)], [(-1,), (2,)]])
def test_an_error_in_a_part_is_raised_and_the_next_call_is_not_confused(agent, parts):
    with pytest.raises(ValueError, match="wanted no less than 0"):
        agent.workers.run(agent, fails, parts)
    assert agent.workers.run(agent, fails, [(3,), (4,), (5,)]) == [3, 4, 5]


def test_another_size_is_refused(agent):
    other = policy.build_tiny(agent.tokenizer, hidden=12, layers=1, heads=1, feed_forward=8)
    with pytest.raises(ValueError, match="needs workers of its own"):
        agent.workers.run(other, fails, [(1,), (2,)])


def test_no_workers_for_other_precisions():
    model = torch.nn.Linear(2, 2).to(torch.bfloat16)
    assert Workers(SimpleNamespace(model=model), 3).parts == 1


def test_a_worker_that_died_is_told(agent):
    with Workers(policy.Policy(agent.model, agent.tokenizer), 1) as workers:
        assert workers.run(agent, fails, [(1,), (2,)]) == [1, 2]
        workers._processes[0].kill()
        workers._processes[0].wait()
        with pytest.raises(WorkerError, match=r"exit code -9.*threads=1"):
            workers.run(agent, fails, [(1,), (2,)])


def test_workers_end_with_the_process_that_started_them(tmp_path):
    code = (
        "import by_heart, time; from webdancer.agent import policy; from webdancer.agent.workers import Workers\n"
        "agent = by_heart.trained(0); h = Workers(agent, 1); print(h._processes[0].pid, flush=True); time.sleep(60)"
    )
    here = os.path.dirname(by_heart.__file__)
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": here}
    )
    pid = int(parent.stdout.readline())
    os.kill(pid, 0)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    for _ in range(300):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if "\nState:\tZ" in open(f"/proc/{pid}/status").read() if os.path.exists(f"/proc/{pid}/status") else "":
            return  # ended; nobody collects it here
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the worker outlived its parent by 30 s")


def test_a_copy_of_the_policy_has_no_workers(agent):
    assert pickle.loads(pickle.dumps(agent)).workers is None


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_evenly_loses_nothing_and_keeps_the_order(count):
    parts = evenly(EXAMPLES, count)
    assert [e for part in parts for e in part] == EXAMPLES
    assert len(parts) == min(count, len(EXAMPLES))


PAGES = [Page(url=f"http://a.test/{n}", title=f"Tal {n}", text=f"Tal {n} was born in Orlen {n}.") for n in range(4)]


def test_a_copy_of_the_tools_gives_the_same_observations():
    tools = Tools(SearchIndex.build(PAGES), PAGES, results=2)
    calls = [("search", {"query": ["Tal 2"]}), ("visit", {"url": [PAGES[1].url], "goal": "born"})]
    assert pickle.loads(pickle.dumps(tools)).call_many(calls) == tools.call_many(calls)


def test_tools_that_ask_a_model_are_not_copied():
    async def summarise(text, goal):
        return text, goal

    with pytest.raises(TypeError, match="stored pages alone"):
        pickle.dumps(Tools(SearchIndex.build(PAGES), PAGES, summarise))
