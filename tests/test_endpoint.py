"""pocketweb.endpoint: what the openai client and a raw HTTP client get; a process that never sees a world."""

import asyncio
import json
import socket
import subprocess
import sys
import time

import httpx
import openai
import pytest
from starlette.testclient import TestClient

from pocketweb import endpoint, oracle
from webdancer.core import prompts

ASK = {"model": "pocket-short", "messages": prompts.head("Who is the mayor of Orlen Ford?", style="brief")}
SERVE = """
import socket, sys, uvicorn
from pocketweb import endpoint
listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
listening.bind(("127.0.0.1", 0))
listening.listen()
print(listening.getsockname()[1], sorted(m for m in sys.modules if m.startswith("pocketweb")), flush=True)
config = uvicorn.Config(endpoint.app(), log_level="warning", access_log=False)
uvicorn.Server(config).run(sockets=[listening])
"""


@pytest.fixture(scope="module")
def served():
    """A process with nothing but the endpoint: its address, and the modules of pocketweb that it has loaded."""
    process = subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True)
    port, modules = process.stdout.readline().split(" ", 1)
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", int(port)), 0.2).close()
            httpx.get(f"http://127.0.0.1:{port}/v1/models")
            break
        except (OSError, httpx.HTTPError):
            time.sleep(0.05)
    yield f"http://127.0.0.1:{port}/v1", modules
    process.terminate()
    process.wait(10)


def test_the_process_holds_no_world(served):
    modules = served[1]
    assert "pocketweb.oracle" in modules and "pocketweb.grammar" in modules
    for name in ("world", "pages", "sites"):
        assert f"'pocketweb.{name}" not in modules


def test_answering_every_role_loads_no_world():
    code = (
        "import sys\nfrom pocketweb import endpoint, oracle\nendpoint.app()\n"
        "ask = [{'role': 'system', 'content': 'Task: judge an answer.'}, {'role': 'user', 'content': 'x'}]\n"
        "[oracle.reply({'model': m, 'messages': ask}) for m in oracle.MODELS]\n"
        "print(sorted(m for m in sys.modules if m.startswith(('pocketweb', 'webdancer'))))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for name in ("pocketweb.world", "pocketweb.pages", "pocketweb.sites", "webdancer"):
        assert name not in out


def test_the_openai_client_talks_to_it(served):
    client = openai.OpenAI(base_url=served[0], api_key="EMPTY", max_retries=0)
    assert {m.id for m in client.models.list()} == set(oracle.MODELS)
    assert "rule-based stand-in" in client.models.retrieve("pocket-judge").owned_by
    reply = client.chat.completions.create(**ASK, temperature=0.0, seed=1)
    assert reply.choices[0].message.content.startswith("<think>\nPlan: Orlen Ford, mayor.")
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    long = client.chat.completions.create(**ASK | {"model": "pocket-long"})
    assert "Orlen Ford" in long.choices[0].message.reasoning_content
    with pytest.raises(openai.NotFoundError, match="gpt-4o"):
        client.chat.completions.create(**ASK | {"model": "gpt-4o"})
    with pytest.raises(openai.BadRequestError, match="temperature"):
        client.chat.completions.create(**ASK, temperature=9)


def test_errors_have_the_form_that_openai_gives():
    client = TestClient(endpoint.app(), raise_server_exceptions=False)
    cases = [
        (client.post("/v1/chat/completions", content=b"{not json"), 400),
        (client.post("/v1/chat/completions", content=b"\xff\xfe"), 400),
        (client.post("/v1/chat/completions", content=b"[" * 100_000), 400),
        (client.post("/v1/chat/completions", json=[1]), 400),
        (client.post("/v1/chat/completions", json={**ASK, "model": "x"}), 404),
        (client.get("/v1/models/x"), 404),
        (client.get("/v1/embeddings"), 404),
        (client.get("/v1/chat/completions"), 405),
    ]
    for response, status in cases:
        error = response.json()["error"]
        assert (
            response.status_code == status and error["message"] and set(error) == {"message", "type", "param", "code"}
        )
    assert cases[4][0].json()["error"]["code"] == "model_not_found"


async def _send(port, count, streams):
    """Post `count` requests over `streams` kept connections."""
    raw = json.dumps(ASK).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(raw)}\r\n\r\n".encode()

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(count // streams):
            writer.write(head + raw)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200")
            await reader.readexactly(int(answer.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
        writer.close()

    await asyncio.gather(*(one() for _ in range(streams)))


def test_half_a_surrogate_pair_does_no_harm():
    client = TestClient(endpoint.app())
    for model in oracle.MODELS:
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Who is \ud800?"}]})
        assert client.post("/v1/chat/completions", content=body).status_code == 200


def test_it_serves_250_requests_a_second(served):
    port, best = int(served[0].split(":")[2].split("/")[0]), 0.0
    for _ in range(3):  # the best of three: the machine may be busy with something else
        start = time.perf_counter()
        asyncio.run(_send(port, 400, 8))
        best = max(best, 400 / (time.perf_counter() - start))
    assert best > 250
