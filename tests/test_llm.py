"""webdancer.agent.llm against a small HTTP server that answers, refuses, stumbles or talks nonsense."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_endpoint import GOOD, Server, completion
from pydantic import BaseModel

from webdancer.agent import llm as module
from webdancer.agent.llm import LLM, Budget, BudgetSpent, EndpointError, Reply, Unusable, wait
from webdancer.core.schema import Trajectory, read_jsonl

ASK = [{"role": "user", "content": "hello"}]


@pytest.fixture
def serve():
    servers = []

    def start(*plan, **options):
        servers.append(Server(*plan, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.__exit__()


@pytest.fixture
def slept(monkeypatch):
    """The seconds that a client sleeps, without sleeping them."""
    seconds = []
    real = asyncio.sleep

    async def sleep(duration):
        seconds.append(duration)
        await real(0)

    monkeypatch.setattr(module.asyncio, "sleep", sleep)
    return seconds


def test_a_reply_with_its_reasoning_tokens_and_price(serve):
    server = serve((200, {}, completion(content="hi", reasoning_content="thinking")))
    llm = LLM("m", server.url, price_in=2.0, price_out=10.0, temperature=0.7)
    assert wait(llm.chat(ASK, seed=5, stop=["x"])) == Reply("hi", "thinking", 7, 3)
    counts = {"calls": 1, "prompt_tokens": 7, "completion_tokens": 3, "cached": 0, "retries": 0, "repairs": 0}
    assert llm.usage == counts | {"cost": pytest.approx(44e-6)}
    sent = {"model": "m", "messages": ASK, "max_tokens": 1024, "seed": 5, "temperature": 0.7, "stop": ["x"]}
    assert server.seen == [sent]


def test_further_fields_are_sent_and_none_takes_one_away(serve):
    server = serve(GOOD)
    llm = LLM("m", server.url, top_p=0.9, extra={"max_tokens": None, "max_completion_tokens": 5, "reasoning": {"a": 1}})
    wait(llm.chat(ASK))
    wanted = {"model": "m", "messages": ASK, "max_completion_tokens": 5, "seed": 0, "temperature": 0.0, "top_p": 0.9}
    assert server.seen == [wanted | {"reasoning": {"a": 1}}]


def test_hosted_tool_calls_are_kept(serve):
    call = {"id": "1", "type": "function", "function": {"name": "search", "arguments": '{"query": ["a"]}'}}
    server = serve((200, {}, completion(content=None, tool_calls=[call])))
    assert wait(LLM("m", server.url).chat(ASK)).calls == ({"name": "search", "arguments": '{"query": ["a"]}'},)


def test_endpoint_401_is_one_clear_error_at_once_and_hides_the_key(serve, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "sk-secret-1234")
    server = serve((401, {}, '{"error": {"message": "bad key sk-secret-1234"}}'))
    llm = LLM("m", server.url, key_env="SOME_KEY")
    with pytest.raises(EndpointError, match="401.*check the key") as caught:
        wait(llm.chat(ASK))
    assert "sk-secret" not in str(caught.value) + llm.last_error + repr(llm)
    assert caught.value.fatal
    assert len(server.seen) == 1
    assert {k.lower(): v for k, v in server.headers[0].items()}["authorization"] == "Bearer sk-secret-1234"


def test_429_waits_as_the_server_asks_and_else_a_random_share_of_twice_as_long(serve, slept):
    server = serve((429, {"Retry-After": "3"}, "{}"), (429, {}, "{}"), (500, {}, "{}"), GOOD)
    llm = LLM("m", server.url, backoff=0.25, jitter=lambda: 0.5)
    assert wait(llm.chat(ASK)).content == "hi"
    asked = [s for s in slept if s > 2]  # for as long as the 3 seconds are not over, and no sleep is a real one
    assert asked == [pytest.approx(3 + 0.5 * 0.25, abs=0.5)] * 3
    assert [s for s in slept if s < 2] == [0.5 * 0.25 * 2, 0.5 * 0.25 * 4]
    assert len(server.seen) == 4 and llm.usage["retries"] == 3


def test_jitter_spreads_the_whole_wait_and_a_seed_repeats_it(serve, slept):
    for _ in range(2):
        llm = LLM("m", serve((500, {}, "{}")).url, backoff=1.0, retries=8, jitter=random.Random(0).random)
        with pytest.raises(EndpointError):
            wait(llm.chat(ASK))
    assert slept[:8] == slept[8:]
    draw = random.Random(0)
    assert slept[:8] == [draw.random() * min(2**n, 120) for n in range(8)]


def test_a_retry_after_holds_for_every_client_of_the_endpoint(serve, slept):
    server = serve((429, {"Retry-After": "50"}, "{}"), GOOD)
    first, second = LLM("m", server.url, retries=0), LLM("other", server.url, backoff=0.0)
    with pytest.raises(EndpointError, match="429"):
        wait(first.chat(ASK))
    wait(second.chat(ASK))
    assert slept == [pytest.approx(50, abs=1)]


def test_no_more_than_its_own_requests_and_those_of_the_endpoint_at_once(serve):
    server = serve(GOOD, delay=0.02)
    teacher, reader = LLM("m", server.url, concurrency=4), LLM("n", server.url + "/", concurrency=2)

    async def many(*clients):
        await asyncio.gather(*(c.chat(ASK, seed=n) for n in range(8) for c in clients))

    wait(many(reader))
    assert server.most == 2
    wait(many(teacher, reader))
    assert server.most == 4


def test_endpoint_500_is_retried_and_then_an_error(serve):
    server = serve((500, {}, "oops"), GOOD)
    assert wait(LLM("m", server.url, backoff=0.0).chat(ASK)).content == "hi"
    server = serve((503, {}, "oops"))
    with pytest.raises(EndpointError, match="503") as caught:
        wait(LLM("m", server.url, backoff=0.0, retries=2).chat(ASK))
    assert not caught.value.fatal
    assert len(server.seen) == 3


@pytest.mark.parametrize(
    "body", ["<html>login</html>", "{}", '{"choices": []}', '{"choices": [{"message": 3}]}', "[1]", "", "[" * 9_000]
)
def test_endpoint_garbage_is_retried_and_then_an_error(serve, body):
    server = serve((200, {}, body))
    with pytest.raises(EndpointError, match="did not answer with a chat completion"):
        wait(LLM("m", server.url, backoff=0.0, retries=1).chat(ASK))
    assert len(server.seen) == 2


def test_endpoint_400_is_not_retried_and_an_empty_account_is_fatal(serve):
    server = serve((400, {}, '{"error": {"message": "context too long"}}'))
    with pytest.raises(EndpointError, match="context too long") as caught:
        wait(LLM("m", server.url).chat(ASK))
    assert len(server.seen) == 1 and not caught.value.fatal
    server = serve((429, {}, '{"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}'))
    with pytest.raises(EndpointError, match="check the credit") as caught:
        wait(LLM("m", server.url).chat(ASK))
    assert len(server.seen) == 1 and caught.value.fatal


def test_endpoint_that_is_not_there_or_too_slow(serve):
    with pytest.raises(EndpointError, match="gave no answer"):
        wait(LLM("m", "http://127.0.0.1:9/v1", retries=1, backoff=0.0).chat(ASK))
    with pytest.raises(EndpointError, match="within 0.05 s|Timeout"):
        wait(LLM("m", serve(GOOD, delay=0.3).url, timeout=0.05, retries=0).chat(ASK))


def test_cache_answers_the_same_request_and_survives_a_half_written_line(serve, tmp_path):
    server, path = serve((200, {}, completion(content="é", reasoning_content="r"))), tmp_path / "cache.jsonl"
    first = wait(LLM("m", server.url, cache=path).chat(ASK))
    path.write_text(path.read_text(encoding="utf-8") + '{"key": "ab', encoding="utf-8")
    again = LLM("m", server.url, cache=path)
    assert wait(again.chat(ASK)) == first
    assert again.usage["cached"] == 1
    assert again.usage["calls"] == 0
    wait(again.chat(ASK, seed=1))
    assert len(server.seen) == 2
    assert wait(LLM("m", server.url, cache=path).chat(ASK, seed=1)) == first
    assert len(server.seen) == 2


def test_every_part_of_the_request_is_in_the_key_and_nothing_else(serve, tmp_path):
    server, path = serve(GOOD), tmp_path / "cache.jsonl"

    def calls(llm, **options):
        wait(llm.chat(ASK, **options))
        return llm.usage["calls"]

    same = {"cache": path, "temperature": 0.5}
    assert calls(LLM("m", server.url, **same)) == 1
    free = {"concurrency": 1, "timeout": 9.0, "retries": 0, "price_in": 1.0, "jitter": lambda: 1.0}
    assert calls(LLM("m", server.url.replace("//", "//me:secret@") + "/", **same, **free)) == 0
    assert "secret" not in path.read_text()
    other = [{"temperature": 0.6}, {"max_tokens": 9}, {"top_p": 0.5}, {"extra": {"reasoning_effort": "low"}}]
    assert [calls(LLM("m", server.url, **same | o)) for o in other] == [1] * 4
    assert calls(LLM("m2", server.url, **same)) == calls(LLM("m", server.url.replace("v1", "v2"), **same)) == 1
    assert calls(LLM("m", server.url, **same), stop=["x"]) == calls(LLM("m", server.url, **same), seed=1) == 1
    unseeded = LLM("m", server.url, extra={"seed": None}, **same)  # a server that takes no seed: still a sample each
    assert (calls(unseeded, seed=0), calls(unseeded, seed=1), calls(unseeded, seed=0)) == (1, 2, 2)


def test_the_same_request_in_flight_is_paid_once_also_when_the_first_asker_leaves(serve, tmp_path):
    server = serve((500, {}, "{}"), GOOD, delay=0.05)
    llm = LLM("m", server.url, cache=tmp_path / "c.jsonl", retries=0)

    async def five():
        first = asyncio.ensure_future(llm.chat(ASK))
        await asyncio.sleep(0)
        rest = [asyncio.ensure_future(llm.chat(ASK)) for _ in range(4)]
        done = await asyncio.gather(first, *rest, return_exceptions=True)
        leaver = asyncio.ensure_future(llm.chat(ASK, seed=1))
        await asyncio.sleep(0.01)
        follower = asyncio.ensure_future(llm.chat(ASK, seed=1))
        await asyncio.sleep(0)
        leaver.cancel()
        return done, await follower

    (failed, *others), last = wait(five())
    assert isinstance(failed, EndpointError)
    assert {r.content for r in others} == {"hi"} == {last.content}
    assert len(server.seen) == 4  # the failed one, one for the four others, the one left, the follower's


def test_a_spent_budget_starts_nothing_and_keeps_what_is_in_flight(serve, tmp_path):
    server = serve((200, {}, completion(content="hi", usage=(1000, 0))), delay=0.03)
    purse = Budget(dollars=0.003)
    kw = {"price_in": 1.0, "concurrency": 4, "budget": purse, "cache": tmp_path / "c.jsonl"}
    teacher, reader = LLM("m", server.url, **kw), LLM("n", server.url, **kw)
    done = []

    async def worker(llm, seeds):
        for seed in seeds:
            done.append(await llm.chat(ASK, seed=seed))

    async def run():
        seeds = iter(range(100))
        async with asyncio.TaskGroup() as group:
            for n in range(8):
                group.create_task(worker((teacher, reader)[n % 2], seeds))

    with pytest.raises(ExceptionGroup) as caught:
        wait(run())
    assert all(isinstance(e, BudgetSpent) and e.fatal for e in caught.value.exceptions)
    assert " of 0.0030 US dollars" in str(caught.value.exceptions[0])
    assert 3 <= len(server.seen) <= 6  # the third reply spent it; at most three others were in flight then
    assert len(done) == teacher.usage["calls"] + reader.usage["calls"] == len(server.seen)  # and count and are kept
    assert purse.spent_dollars == pytest.approx(0.001 * len(done))
    again = LLM("m", server.url, **kw)
    assert wait(again.chat(ASK, seed=0)).content == "hi" and again.usage["cached"] == 1  # a cached reply stays free


def test_ask_gives_an_object_and_counts_repairs(serve):
    class Verdict(BaseModel):
        keep: bool

    server = serve((200, {}, completion(content="Well.")), (200, {}, completion(content='{"keep": true}')))
    llm = LLM("m", server.url)
    assert wait(llm.ask(ASK, Verdict)) == Verdict(keep=True)
    assert (llm.usage["calls"], llm.usage["repairs"]) == (2, 1)
    assert server.seen[1]["messages"][:2] == [*ASK, {"role": "assistant", "content": "Well."}]
    with pytest.raises(Unusable, match="Verdict after 1 repairs") as caught:
        wait(LLM("m", serve(GOOD).url).ask(ASK, Verdict, repairs=1))
    assert caught.value.reply == Reply("hi", "", 7, 3)


def test_wait_runs_inside_a_running_loop_and_passes_errors_on(serve):
    server = serve(GOOD)

    async def notebook_cell():
        return wait(LLM("m", server.url).chat(ASK))

    assert asyncio.run(notebook_cell()).content == "hi"

    async def fails():
        raise KeyError("x")

    with pytest.raises(KeyError):
        wait(fails())


def test_one_client_serves_two_event_loops(serve):
    llm = LLM("m", serve(GOOD).url)
    assert asyncio.run(llm.chat(ASK)).content == wait(llm.chat(ASK)).content == "hi"


STAGE = """
import sys
from pathlib import Path
from webdancer import distill
from webdancer.agent.llm import LLM
from webdancer.agent.react import Settings
from webdancer.core.schema import Page, Question
from webdancer.web.search import SearchIndex
from webdancer.web.tools import Tools
folder = Path(sys.argv[2])
pages = [Page("http://a.test/Kestin", "Kestin", "The mayor of Kestin is Tal Veron.")]
questions = [Question(f"q{n}", f"Who is mayor number {n}?", "Tal Veron", "multihop", 1) for n in range(30)]
llm = LLM("m", sys.argv[1], cache=folder / "replies.jsonl", concurrency=4)
job = (llm, Settings("short", date="2025-01-01"), 1, questions)
distill.run([job], Tools(SearchIndex.build(pages), pages), folder / "out.jsonl", progress=False)
print(int(llm.usage["calls"]))
"""


def agent(body):
    """Searches four times, then answers."""
    call = '<tool_call>{"name": "search", "arguments": {"query": ["Kestin"]}}</tool_call>'
    action = call if len(body["messages"]) < 10 else "<answer>Tal Veron</answer>"
    return 200, {}, completion(content=f"<think>Hm.</think>{action}")


def test_a_stage_killed_and_restarted_asks_again_only_what_was_in_flight(serve, tmp_path):
    server = serve(agent, delay=0.02)
    command = [sys.executable, "-c", STAGE, server.url, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(module.__file__).parents[2])}
    for kills in (1, 2):
        child = subprocess.Popen(command, env=environment)
        deadline = time.monotonic() + 60
        while len(server.seen) < 50 * kills and time.monotonic() < deadline:
            time.sleep(0.002)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    end = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert end.returncode == 0, end.stderr
    assert len(server.asked) == 150  # five turns of thirty episodes
    assert sum(n - 1 for n in server.asked.values()) <= 2 * 4  # two kills, four requests in flight at each
    assert int(end.stdout) <= 150 - 100 + 2 * 4
    rows = read_jsonl(tmp_path / "out.jsonl", Trajectory)
    assert [(t.question_id, t.prediction, t.n_calls) for t in rows] == [(f"q{n}", "Tal Veron", 4) for n in range(30)]
