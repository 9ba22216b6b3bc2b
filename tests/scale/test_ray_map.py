"""Ray itself on two local CPUs: the same pages, trajectories and predictions as without, and a killed actor loses none.

Left out where Ray is not installed: `make test-scale` has it. The teachers are rule-based stand-ins.
"""

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed here: make test-scale")
HERE = Path(__file__).parents[1]
sys.path[:0] = [str(HERE), str(HERE / "benchmarks")]

import by_heart  # noqa: E402
from bench_distill import questions as chained  # noqa: E402

from pocketweb import pages, serve, world  # noqa: E402
from webdancer import distill, evaluate  # noqa: E402
from webdancer.agent import partial, policy, react  # noqa: E402
from webdancer.agent.llm import LLM  # noqa: E402
from webdancer.agent.summarise import summariser  # noqa: E402
from webdancer.agent.workers import Workers  # noqa: E402
from webdancer.core import spread  # noqa: E402
from webdancer.core.schema import Page  # noqa: E402
from webdancer.scale.ray_crew import RayCrew  # noqa: E402
from webdancer.web.answer import Fetched  # noqa: E402
from webdancer.web.document import document  # noqa: E402
from webdancer.web.parsers import Parsers  # noqa: E402
from webdancer.web.search import SearchIndex  # noqa: E402
from webdancer.web.tools import Tools  # noqa: E402

DATED = react.Settings(date="2025-01-01")


@pytest.fixture(scope="module")
def crew():
    """Two actors, whose processes find the tests' modules too."""
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    with RayCrew(2) as one:
        yield one


@pytest.fixture(scope="module")
def net():
    with serve.start([], endpoint="process") as one:
        yield one


@pytest.fixture(scope="module")
def web():
    """Questions of a small world, and its pages."""
    docs = [d for d in pages.render(world.build(11, 200)) if d.kind not in ("redirect", "dead")]
    stored = [Page(d.url, d.title, d.text, date=d.date) for d in docs]
    return chained(docs, 40), stored


def tools(stored, **options) -> Tools:
    return Tools(SearchIndex.build(stored, snippet_words=14), stored, results=2, snippet_words=14, **options)


def teach(net, web, out, **options) -> tuple[bytes, LLM]:
    """The file of a distillation, and its teacher."""
    asked, stored = web
    teacher = LLM("pocket-short", net.endpoint, concurrency=8, price_in=1.0, price_out=2.0)
    distill.run([(teacher, DATED, 2, asked)], tools(stored), out, progress=False, **options)
    return out.read_bytes(), teacher


def test_the_same_trajectories_and_the_same_bill(crew, net, web, tmp_path):
    plain, here = teach(net, web, tmp_path / "plain.jsonl")
    with spread.over(crew):
        found, there = teach(net, web, tmp_path / "ray.jsonl")
    assert found == plain and len(found) > 50_000
    assert there.usage == pytest.approx(here.usage)
    assert there.budget.spent_dollars == pytest.approx(here.budget.spent_dollars)


def test_a_killed_actor_loses_no_finished_episode(crew, net, web, tmp_path, monkeypatch):
    plain, _ = teach(net, web, tmp_path / "plain.jsonl")
    finished, victims = [], []
    original = partial.PartFile.add

    def add(part, episode):
        original(part, episode)
        finished.append(episode.key)
        if len(finished) == 15:
            threading.Thread(target=kill).start()

    def kill():
        pid = asyncio.run(crew.do(os.getpid))
        os.kill(pid, signal.SIGKILL)
        victims.append(pid)

    monkeypatch.setattr(partial.PartFile, "add", add)
    with spread.over(crew):
        found, _ = teach(net, web, tmp_path / "ray.jsonl")
        now = asyncio.run(crew.do(os.getpid))
    assert victims and found == plain
    assert len(finished) == len(set(finished)) == 80, "an episode that was finished has been kept twice"
    assert now != os.getpid()


def test_a_run_that_was_stopped_goes_on_with_ray_and_the_other_way_round(crew, net, web, tmp_path):
    plain, _ = teach(net, web, tmp_path / "plain.jsonl")
    asked, stored = web
    kept = tmp_path / "part"
    teacher = LLM("pocket-short", net.endpoint, concurrency=8)
    with spread.over(crew), partial.PartFile(kept) as part:
        react.fill(teacher, asked[:10], tools(stored), DATED, part, samples=2, progress=False)
    used = teacher.usage["calls"]
    react.many(teacher, asked[:10], tools(stored), DATED, samples=2, partial=kept, progress=False)
    assert teacher.usage["calls"] == used > 20
    assert plain


def test_a_summariser_goes_along_and_is_counted(crew, net, web):
    def both():
        reader = LLM("pocket-summariser", net.endpoint)
        return reader, tools(web[1], summarise=summariser(reader))

    (here, plain), (there, copied) = both(), both()
    call = "visit", {"url": [web[1][0].url], "goal": "mayor"}
    assert asyncio.run(crew.do(Tools.call, copied, *call)) == asyncio.run(plain.call(*call))
    assert there.usage == here.usage and here.usage["calls"] == 1


def process(policy) -> int:
    return os.getpid()


def test_a_local_policy_plays_the_same_episodes(crew):
    agent, dials = by_heart.trained(240), {"samples": 3, "max_tokens": 120, "slots": 6, "seed": 5}
    with Workers(agent, 1) as workers:
        one = policy.Policy(agent.model, agent.tokenizer, workers)
        here = evaluate.run_policy("p", one, by_heart.QUESTIONS, by_heart.EchoTools(), **dials)
    two = policy.Policy(agent.model, agent.tokenizer, crew.workers(agent))
    there = evaluate.run_policy("p", two, by_heart.QUESTIONS, by_heart.EchoTools(), **dials)
    (pid,) = two.workers.run(agent, process, [()])
    os.kill(pid, signal.SIGKILL)
    again = evaluate.run_policy("p", two, by_heart.QUESTIONS, by_heart.EchoTools(), **dials)
    assert again == there and two.workers.run(agent, process, [()]) != [pid]
    two.workers.close()
    assert there == here and any(p.correct for p in here)
    assert evaluate.rates(there) == evaluate.rates(here)


def test_pages_are_cleaned_the_same(crew):
    html = (
        "<html><title>Tea {n}</title><body><p>" + "Tea is a drink that many people like. " * 20 + "</p></body></html>"
    )
    fetched = [Fetched(f"http://a.test/{n}", 200, "text/html", html.replace("{n}", str(n))) for n in range(30)]

    async def read() -> list:
        async with Parsers(0) as parsers:
            return await asyncio.gather(*(parsers.read(got, got.url) for got in fetched))

    with spread.over(crew):
        assert asyncio.run(read()) == [document(got, got.url) for got in fetched]
