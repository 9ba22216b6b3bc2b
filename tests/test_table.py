"""The table of slots: refilled at once, prompts computed once, observations in pieces, tools beside decoding."""

import threading
from concurrent.futures import ThreadPoolExecutor

import by_heart
import pytest
import torch
from by_heart import EchoTools

from webdancer.agent import forward, rollout
from webdancer.agent.episode import Episode, Limits
from webdancer.agent.table import Shared, Table
from webdancer.core import prompts


class Spy:
    """Passes on to a real forward pass and writes down what it was fed."""

    def __init__(self, inner, seen):
        self.inner, self.seen = inner, seen

    def feed(self, rows, starts, new):
        self.seen.append([(row, start, list(tokens)) for row, start, tokens in zip(rows, starts, new, strict=True)])
        return self.inner.feed(rows, starts, new)

    def __getattr__(self, name):
        return getattr(self.inner, name)


@pytest.fixture(scope="module")
def trained():
    return by_heart.trained()


@pytest.fixture(scope="module")
def questions():
    return by_heart.QUESTIONS


@pytest.fixture
def fed(monkeypatch):
    seen, of = [], forward.of
    monkeypatch.setattr(forward, "of", lambda *arguments: Spy(of(*arguments), seen))
    return seen


def play(policy, asked, tools=None, **dials):
    return rollout.run(policy, asked, tools or EchoTools(), **{"max_tokens": 200, "tables": 1, **dials})


def test_the_prompt_of_a_question_is_computed_once(trained, questions, fed):
    episodes = play(trained, questions[:3], samples=5, slots=4, temperature=0.7)
    prompts_fed = [tuple(new) for step in fed for _, start, new in step if start == 0]
    assert len(prompts_fed) == 3 == len(set(prompts_fed))
    assert all(tuple(e.ids[: len(prompts_fed[n // 5])]) == prompts_fed[n // 5] for n, e in enumerate(episodes))


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_what_samples_of_a_question_have_in_common_is_computed_once(trained, questions, fed, temperature):
    asked = questions[:4]
    together = play(trained, asked, samples=6, slots=24, temperature=temperature, seed=5)
    fed_tokens = sum(len(new) for step in fed for _, _, new in step)
    # the last token of an episode is fed for nobody, unless another goes on with it
    beginnings = {(e.question_id, tuple(e.ids[: n + 1])) for e in together for n in range(len(e.ids) - 1)}
    assert fed_tokens == len(beginnings)
    fed.clear()
    alone = play(trained, asked, samples=6, slots=1, temperature=temperature, seed=5)
    assert [e.ids for e in alone] == [e.ids for e in together]
    assert [e.messages for e in alone] == [e.messages for e in together]
    logps = [torch.tensor(e.logp) for e in alone], [torch.tensor(e.logp) for e in together]
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(*logps, strict=True))
    ways = {tuple(e.ids) for e in together if e.question_id == "q0"}
    assert len(ways) == 1 if temperature == 0 else len(ways) > 1


def test_an_observation_enters_in_bounded_pieces_beside_decoding(trained, questions, fed):
    whole = play(trained, questions, samples=2, slots=5, temperature=1.0, seed=2)
    fed.clear()
    pieces = play(trained, questions, samples=2, slots=5, temperature=1.0, seed=2, prefill_tokens=6)
    assert [e.ids for e in pieces] == [e.ids for e in whole]
    several = [[len(new) for _, _, new in step if len(new) > 1] for step in fed]
    assert max(max(n) * len(n) for n in several if n) <= 6
    assert any(n and len(step) > len(n) for n, step in zip(several, fed, strict=True))  # in one pass with decoding


def test_a_free_slot_takes_the_next_episode_before_the_next_pass(trained, questions):
    limits = Limits(temperature=0.0, max_tokens=200)
    episodes = [Episode(q.id, 0, prompts.head(q.question, "", "brief"), [], [], []) for q in questions]
    with torch.inference_mode(), ThreadPoolExecutor(1) as thread:
        table = Table(Shared(trained, EchoTools(), limits, 0, thread, threading.Lock()), episodes, 3)
        while table.fill():
            busy = sum(slot.episode is not None for slot in table.slots)
            assert busy == 3 or not table.queue
            table.collect(), table.advance(), table.ask(), table.release(), table.sort()
    assert all(e.stop == "answer" for e in episodes)


class Held(EchoTools):
    """Tools that answer only once they are let go."""

    def __init__(self):
        super().__init__()
        self.go = threading.Event()

    def call_many(self, calls):
        assert self.go.wait(60), "nothing let the tools go"
        return super().call_many(calls)


def test_tools_run_beside_decoding(trained, questions, fed):
    """While an episode waits for its tool, another that began later decodes: no clock and no sampling decides it."""
    tools, limits = Held(), Limits(temperature=0.0, max_tokens=200, patience=50)
    first, second = (Episode(q.id, 0, prompts.head(q.question, "", "brief"), [], [], []) for q in questions[:2])
    with torch.inference_mode(), ThreadPoolExecutor(1) as thread:
        table = Table(Shared(trained, tools, limits, 0, thread, threading.Lock()), [first], 2)
        beside = 0
        while table.fill():
            table.collect(), table.advance()
            beside += bool(table.asked) and not table.asked[0][2].done()
            table.ask(), table.release()
            if len(fed) == 4:
                table.queue.append(second)
            if beside > 2:
                tools.go.set()
    assert beside > 2
    assert first.stop == second.stop == "answer"


def test_patience_changes_when_observations_come_and_not_what_is_sampled(trained, questions):
    dials = {"samples": 2, "temperature": 1.0, "slots": 5, "seed": 6}
    runs = [[e.ids for e in play(trained, questions, **dials, patience=n)] for n in (-1, 0, 1, 5)]
    assert runs[1:] == runs[:1] * 3


def test_transformers_own_pass_samples_the_same(trained, questions, monkeypatch):
    dials = {"samples": 3, "temperature": 1.0, "slots": 7, "seed": 8}
    fast = play(trained, questions, **dials)
    monkeypatch.setattr(forward, "of", forward.Hub)
    slow = play(trained, questions, **dials)
    assert [e.ids for e in slow] == [e.ids for e in fast]
    for a, b in zip(fast, slow, strict=True):
        assert a.logp == pytest.approx(b.logp, abs=1e-5)
