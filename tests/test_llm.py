"""webdancer.agent.llm against a small HTTP server that answers, refuses, stumbles or talks nonsense."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from webdancer.agent import llm as module
from webdancer.agent.llm import LLM, EndpointError, Reply, wait

ASK = [{"role": "user", "content": "hello"}]


def completion(**message):
    """A chat completion as an endpoint sends it."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    return json.dumps({"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 3}})


class Server:
    """Sends the planned `(status, headers, body)` one after the other, the last one for ever."""

    def __init__(self, *plan):
        self.plan, self.seen, self.headers = list(plan), [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                outer.seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                outer.headers.append(dict(self.headers))
                status, headers, body = outer.plan.pop(0) if len(outer.plan) > 1 else outer.plan[0]
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http.server_port}/v1"


@pytest.fixture
def serve():
    servers = []

    def start(*plan):
        servers.append(Server(*plan))
        return servers[-1]

    yield start
    for server in servers:
        server.http.shutdown()
        server.http.server_close()


GOOD = (200, {}, completion(content="hi"))


def test_a_reply_with_its_reasoning_tokens_and_price(serve):
    server = serve((200, {}, completion(content="hi", reasoning_content="thinking")))
    llm = LLM("m", server.url, price_in=2.0, price_out=10.0, temperature=0.7)
    assert wait(llm.chat(ASK, seed=5, stop=["x"])) == Reply("hi", "thinking", 7, 3)
    assert llm.usage == {
        "calls": 1,
        "prompt_tokens": 7,
        "completion_tokens": 3,
        "cost": pytest.approx(44e-6),
        "cached": 0,
    }
    sent = {"model": "m", "messages": ASK, "max_tokens": 1024, "seed": 5, "temperature": 0.7, "stop": ["x"]}
    assert server.seen == [sent]


def test_hosted_tool_calls_are_kept(serve):
    call = {"id": "1", "type": "function", "function": {"name": "search", "arguments": '{"query": ["a"]}'}}
    server = serve((200, {}, completion(content=None, tool_calls=[call])))
    assert wait(LLM("m", server.url).chat(ASK)).calls == ({"name": "search", "arguments": '{"query": ["a"]}'},)


def test_endpoint_401_is_one_clear_error_at_once_and_hides_the_key(serve, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "sk-secret-1234")
    server = serve((401, {}, '{"error": {"message": "bad key sk-secret-1234"}}'))
    with pytest.raises(EndpointError, match="401.*check the key") as caught:
        wait(LLM("m", server.url, key_env="SOME_KEY").chat(ASK))
    assert "sk-secret" not in str(caught.value)
    assert caught.value.fatal
    assert len(server.seen) == 1
    assert {k.lower(): v for k, v in server.headers[0].items()}["authorization"] == "Bearer sk-secret-1234"


def test_endpoint_429_is_retried_after_what_the_server_asks(serve, monkeypatch):
    slept = []
    real = asyncio.sleep

    async def sleep(seconds):
        slept.append(seconds)
        await real(0)

    monkeypatch.setattr(module.asyncio, "sleep", sleep)
    server = serve((429, {"Retry-After": "3"}, "{}"), (429, {}, "{}"), GOOD)
    assert wait(LLM("m", server.url, backoff=0.25).chat(ASK)).content == "hi"
    assert slept == [3.0, 0.5]  # the header, then 0.25 * 2**1
    assert len(server.seen) == 3


def test_endpoint_500_is_retried_and_then_an_error(serve):
    server = serve((500, {}, "oops"), GOOD)
    assert wait(LLM("m", server.url, backoff=0.0).chat(ASK)).content == "hi"
    server = serve((503, {}, "oops"))
    with pytest.raises(EndpointError, match="503") as caught:
        wait(LLM("m", server.url, backoff=0.0, retries=2).chat(ASK))
    assert not caught.value.fatal
    assert len(server.seen) == 3


@pytest.mark.parametrize(
    "body", ["<html>login</html>", "{}", '{"choices": []}', '{"choices": [{"message": 3}]}', "[1]", ""]
)
def test_endpoint_garbage_is_retried_and_then_an_error(serve, body):
    server = serve((200, {}, body))
    with pytest.raises(EndpointError, match="did not answer with a chat completion"):
        wait(LLM("m", server.url, backoff=0.0, retries=1).chat(ASK))
    assert len(server.seen) == 2


def test_endpoint_400_is_not_retried(serve):
    server = serve((400, {}, '{"error": {"message": "context too long"}}'))
    with pytest.raises(EndpointError, match="context too long"):
        wait(LLM("m", server.url).chat(ASK))
    assert len(server.seen) == 1


def test_endpoint_that_is_not_there():
    with pytest.raises(EndpointError, match="gave no answer"):
        wait(LLM("m", "http://127.0.0.1:9/v1", retries=1, backoff=0.0).chat(ASK))


def test_missing_key_names_the_variable_except_on_loopback(monkeypatch):
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(EndpointError, match="set the environment variable SOME_KEY") as caught:
        LLM("m", "https://user:pass@api.example.org/v1", key_env="SOME_KEY")
    assert "pass" not in str(caught.value)
    LLM("m", "http://localhost:1/v1", key_env="SOME_KEY")


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


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("2", 2.0), ("-1", 0.0), (None, None), ("soon", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)],
)
def test_retry_after(value, seconds):
    assert module._retry_after(value) == seconds
