"""Who does the work of a stage: this process, or the crew of the innermost block, in every thread."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from webdancer.agent import react
from webdancer.agent.llm import Reply
from webdancer.agent.partial import PartFile
from webdancer.core import spread
from webdancer.core.schema import Question
from webdancer.web.answer import Fetched
from webdancer.web.document import document
from webdancer.web.parsers import Parsers


class Fake:
    """Does the work here, and remembers what it was."""

    def __init__(self) -> None:
        self.done = []

    async def do(self, work, *args):
        self.done.append(work.__name__)
        found = work(*args)
        return await found if asyncio.iscoroutine(found) else found

    def workers(self, policy):
        return ("workers", policy)


async def double(x):
    return 2 * x


def test_without_a_crew_the_work_is_done_here():
    assert spread.crew() is None
    assert asyncio.run(spread.do(double, 4)) == 8


def test_inside_a_block_the_innermost_crew_gets_the_work_and_after_it_nobody():
    outer, inner = Fake(), Fake()
    with spread.over(outer):
        with spread.over(inner) as one:
            assert one is inner and asyncio.run(spread.do(double, 4)) == 8
        with ThreadPoolExecutor(1) as thread:
            assert thread.submit(asyncio.run, spread.do(double, 3)).result() == 6
        with pytest.raises(KeyError), spread.over(inner):
            raise KeyError
        assert spread.crew() is outer
    assert spread.crew() is None
    assert (outer.done, inner.done) == (["double"], ["double"])


def test_the_crawl_hands_over_pages_to_clean():
    got, fake = Fetched("http://a.test/tea", 200, "text/html", "<title>Tea</title><p>Tea is hot. " * 20), Fake()

    async def read():
        async with Parsers(0) as parsers:
            return await parsers.read(got, got.url)

    with spread.over(fake):
        assert asyncio.run(read()) == document(got, got.url)
    assert fake.done == ["document"]


class Teacher:
    model, max_tokens, concurrency = "teacher", 100, 2

    async def chat(self, messages, **options):
        return Reply("<think>\nd\n</think>\n<answer>\nTal\n</answer>", prompt_tokens=4, completion_tokens=1)

    def cost(self, reply):
        return 0.5


def test_distillation_and_evaluation_hand_over_episodes_and_keep_them_here(tmp_path):
    questions = [Question(f"q{n}", f"Who is {n}?", "Tal", "multihop", 1) for n in range(3)]
    fake, options, way = Fake(), {"samples": 2, "progress": False}, react.Settings(prompt_style="brief")
    plain = react.many(Teacher(), questions, None, way, **options)
    path = tmp_path / "part"
    with PartFile(path) as part:
        react.fill(Teacher(), questions[:1], None, way, part, **options)
    with spread.over(fake):
        assert react.many(Teacher(), questions, None, way, partial=path, **options) == plain
    assert fake.done == ["play"] * 4  # two of six lay in the file
