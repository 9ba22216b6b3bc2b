"""Cleaning beside the crawl: the same documents from a thread and from processes, whatever happens to those."""

import asyncio
import io
import pickle
import signal

from webdancer.web import parsers
from webdancer.web.answer import Fetched
from webdancer.web.document import document
from webdancer.web.parsers import Parsers

ANSWERS = [
    Fetched(f"http://a.test/{n}", 200, "text/html", f"<p>Kestin lies by lake number {n}.</p>", robots="allowed")
    for n in range(5)
]
WANTED = [document(got, got.url) for got in ANSWERS]


async def read(pool, answers=ANSWERS):
    return await asyncio.gather(*(pool.read(got, got.url) for got in answers))


def test_a_thread_and_processes_read_alike():
    async def both():
        async with Parsers(0) as thread, Parsers(2) as processes:
            return await read(thread), await read(processes)

    assert asyncio.run(both()) == (WANTED, WANTED)


def test_a_process_that_dies_or_hangs_costs_one_page():
    async def work():
        async with Parsers(1) as pool:
            first = await pool.read(ANSWERS[0], ANSWERS[0].url)
            (child,) = pool._all
            child.send_signal(signal.SIGSTOP)  # what a page that takes for ever looks like
            pool.patience = 0.05
            hung = await pool.read(ANSWERS[1], ANSWERS[1].url)
            pool.patience = 30.0
            after = await pool.read(ANSWERS[2], ANSWERS[2].url)
            (child,) = pool._all
            child.kill()
            await child.wait()
            dead = await pool.read(ANSWERS[3], ANSWERS[3].url)
            return [first, after, await pool.read(ANSWERS[4], ANSWERS[4].url)], [hung.reason, dead.reason]

    good, reasons = asyncio.run(work())
    assert good == [WANTED[0], WANTED[2], WANTED[4]]
    assert reasons == ["error: unreadable HTML"] * 2


def test_a_page_that_is_given_up_leaves_its_answer_to_nobody():
    async def work():
        async with Parsers(1) as pool:
            await pool.read(ANSWERS[0], ANSWERS[0].url)
            task = asyncio.create_task(pool.read(ANSWERS[1], ANSWERS[1].url))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return await pool.read(ANSWERS[2], ANSWERS[2].url)

    assert asyncio.run(work()) == WANTED[2]


def test_the_protocol():
    data = pickle.dumps((ANSWERS[0], "http://a.test/0"))
    sink = io.BytesIO()
    parsers.serve(io.BytesIO(len(data).to_bytes(4, "big") + data), sink)
    assert pickle.loads(sink.getvalue()[4:]) == WANTED[0]
