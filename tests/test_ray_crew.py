"""What the crew hands over, keeps and counts, with a fake in the place of Ray; Ray itself runs in tests/scale."""

import asyncio
import sys

import fake_ray
import pytest

from pocketweb import serve
from webdancer.agent import react
from webdancer.agent.llm import LLM, Budget, EndpointError
from webdancer.core import spread
from webdancer.core.schema import Page, Question
from webdancer.scale import ray_crew
from webdancer.scale.ray_crew import CrewError, RayCrew
from webdancer.web.search import SearchIndex
from webdancer.web.tools import Tools

PAGES = [Page("http://a.test/Kestin", "Kestin", "Kestin lies by a lake. The mayor of Kestin is Tal Veron.")]
DATED = react.Settings(date="2025-01-01")
QUESTIONS = [Question(f"q{n}", "Who is the mayor of Kestin?", "Tal Veron", "multihop", 1) for n in range(3)]


@pytest.fixture
def ray(monkeypatch):
    monkeypatch.setattr(ray_crew, "_copies", [])
    return fake_ray.install(monkeypatch)


@pytest.fixture(scope="module")
def net():
    with serve.start([]) as one:
        yield one


def tools(**options) -> Tools:
    return Tools(SearchIndex.build(PAGES), PAGES, **options)


async def double(x):
    return 2 * x


def plus(x, y):
    return x + y


def fail(x):
    raise EndpointError("wrong key", 401)


def unsendable(x):
    return lambda: x


def test_plain_and_async_functions_and_their_errors(ray):
    with RayCrew(2) as crew:
        assert asyncio.run(crew.do(double, 4)) == 8
        assert asyncio.run(crew.do(plus, (1,), (2,))) == (1, 2)
        with pytest.raises(EndpointError, match="wrong key") as caught:
            asyncio.run(crew.do(fail, 1))
        assert caught.value.status == 401 and caught.value.fatal
        with pytest.raises(CrewError, match="cannot be sent"):
            asyncio.run(crew.do(unsendable, 1))
    assert ray.killed == 2


def test_the_same_episodes_and_the_same_counts(ray, net):
    here, there = (LLM("pocket-short", net.endpoint, concurrency=2, price_in=1.0) for _ in range(2))
    plain = react.many(here, QUESTIONS, tools(), DATED, samples=2, progress=False)
    with RayCrew(2) as crew, spread.over(crew):
        assert react.many(there, QUESTIONS, tools(), DATED, samples=2, progress=False) == plain
    assert there.usage == pytest.approx(here.usage) and there.usage["calls"] > 6
    assert there.budget.spent_dollars == pytest.approx(here.budget.spent_dollars) and here.budget.spent_dollars > 0
    assert len(ray.put_sizes) == 2  # client and tools, once each for all episodes


async def ask(tools, name, arguments):
    return await tools.call(name, arguments)


def test_a_spent_budget_stops_before_the_next_episode(ray, net):
    llm = LLM("pocket-short", net.endpoint, concurrency=1, price_in=1e6, budget=Budget(dollars=1.0))
    with RayCrew(1) as crew, spread.over(crew), pytest.raises(EndpointError, match="the budget is spent"):
        react.many(llm, QUESTIONS, tools(), DATED, progress=False)
    assert llm.usage["calls"] > 0 and llm.budget.spent


def test_a_key_never_travels(monkeypatch, net):
    monkeypatch.setenv("SOME_KEY", "secret-123")
    llm = LLM("m", net.endpoint, key_env="SOME_KEY", top_p=0.9, extra={"a": 1}, retries=2)
    facts = ray_crew._facts(llm)
    assert "secret-123" not in str(facts) and facts["key_env"] == "SOME_KEY"
    copy = ray_crew._client(0, facts)
    assert (copy._key, copy.top_p, copy.extra, copy.retries) == ("secret-123", 0.9, {"a": 1}, 2)


def test_an_actor_that_dies_again_and_again_is_told(ray):
    crew = RayCrew(1)
    ray.lost = True
    with pytest.raises(CrewError, match="4 actors in a row ended .* what is finished is kept"):
        asyncio.run(crew.do(double, 1))
    assert crew._busy == [0]


def test_tools_over_the_live_web_are_refused(ray):
    class Reader:
        def get(self, url):
            raise AssertionError("not asked")

    with RayCrew(1) as crew, pytest.raises(TypeError, match="wanted stored pages alone"):
        asyncio.run(crew.do(ask, tools(reader=Reader()), "search", {}))


def test_no_actors_and_no_ray_are_errors(monkeypatch):
    with pytest.raises(ValueError, match="got 0 actors"):
        RayCrew(0)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(CrewError, match="make test-scale"):
        RayCrew(1)


def test_a_cluster_that_is_not_there_is_told(ray, monkeypatch):
    def init(**options):
        raise ConnectionError("nobody listens")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init, raising=False)
    with pytest.raises(CrewError, match="started .10.0.0.1:6379.: nobody listens; start a cluster"):
        RayCrew(1, "10.0.0.1:6379")


def test_no_actors_leave_the_work_here_and_need_no_ray(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with ray_crew.over(0) as nobody:
        assert nobody is None and spread.crew() is None


def test_some_actors_take_it_and_end_with_the_block(ray):
    with ray_crew.over(2) as crew:
        assert spread.crew() is crew and asyncio.run(spread.do(double, 4)) == 8
    assert spread.crew() is None and ray.killed == 2
