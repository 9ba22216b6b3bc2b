"""Starting and stopping: hosts and endpoint, in threads and in a process, and what must not be imported."""

import os
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import httpx
import openai
import pytest

from pocketweb import serve, world

SRC = Path(__file__).resolve().parents[1] / "src"


def ask(base: str) -> str:
    """The reply of a stand-in model to a small request, through the real client."""
    with openai.OpenAI(base_url=base, api_key="EMPTY", max_retries=0) as client:
        assert "pocket-judge" in {model.id for model in client.models.list()}
        messages = [{"role": "user", "content": "hello"}]
        return client.chat.completions.create(model="pocket-short", messages=messages).choices[0].message.content


def reachable(url: str) -> bool:
    try:
        return httpx.get(url).status_code < 500
    except httpx.TransportError:
        return False


def python(code: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(SRC)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)


def test_nothing_asked_for_starts_nothing() -> None:
    with serve.start([], endpoint=False) as net:
        assert (net.hosts, net.endpoint, net.log) == ({}, "", [])


def test_sites_and_endpoint_share_a_port() -> None:
    with serve.start([1], pages=200) as net:
        assert set(net.hosts) == {f"{name}.pocket.test" for name in ("wiki", "www", "arxiv", "github")}
        root = net.endpoint.removesuffix("/v1")
        assert all(base == f"{root}/{host}" for host, base in net.hosts.items())
        assert root.startswith("http://127.0.0.1:")
        assert ask(net.endpoint)
        assert reachable(net.hosts["www.pocket.test"] + "/robots.txt")
    assert not reachable(root)
    net.close()  # a second time does nothing


def test_worlds_may_be_seeds_or_built() -> None:
    with serve.start([1, world.build(17, 200, novel=True)], pages=200, endpoint=False) as net:
        for seed in (1, 17):
            region = world.build(seed, 200).of_type("region")[0].title.replace(" ", "_")
            assert reachable(f"{net.hosts['wiki.pocket.test']}/wiki/{region}")
        assert net.endpoint == ""


def test_two_nets_live_side_by_side() -> None:
    with serve.start([1], pages=200, endpoint=False) as one, serve.start([2], pages=200, endpoint=False) as two:
        assert one.hosts["www.pocket.test"] != two.hosts["www.pocket.test"]
        httpx.get(one.hosts["www.pocket.test"] + "/")
        assert (len(one.log), len(two.log)) == (1, 0)


def test_the_endpoint_in_a_process_of_its_own() -> None:
    with serve.start([1], pages=200, endpoint="process") as net:
        assert not net.hosts["wiki.pocket.test"].startswith(net.endpoint.removesuffix("/v1"))
        assert ask(net.endpoint)
    assert not reachable(net.endpoint + "/models")


@pytest.mark.parametrize("end", ["pass", "net.close()", "raise SystemExit(3)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_the_process_ends_with_the_one_that_started_it(end: str) -> None:
    code = "import os, signal\nfrom pocketweb import serve\nnet = serve.start(endpoint='process')\n"
    done = python(f"{code}print(net.endpoint, flush=True)\n{end}")
    assert done.returncode == {"raise SystemExit(3)": 3}.get(end, -signal.SIGKILL if "SIGKILL" in end else 0)
    url = done.stdout.strip() + "/models"
    deadline = time.monotonic() + 5
    while reachable(url) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not reachable(url)


def test_the_endpoint_alone_never_imports_a_world() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "pocketweb.serve", "--endpoint-only", "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(SRC)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*command, "--until-stdin-closes"], env=environment, text=True, **pipes) as child:
        assert ask(child.stdout.readline().strip())
        _, imported = child.communicate(timeout=30)
    assert "pocketweb.endpoint" in imported
    for name in ("pocketweb.world", "pocketweb.pages", "pocketweb.names", "webdancer", "torch"):
        assert name not in imported


def test_serving_the_sites_does_not_import_webdancer_or_torch() -> None:
    code = "import sys\nfrom pocketweb import serve\nwith serve.start([1], pages=200): pass\n"
    done = python(f"{code}print([m for m in sys.modules if m in ('webdancer', 'torch', 'transformers')])")
    assert done.stdout.strip() == "[]"


def test_a_port_in_use_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RuntimeError, match=f"port {port}.*choose another"):
            serve.start([1], pages=200, endpoint=False, port=port)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"endpoint": "thread"}, "wanted True, False or"),
        ({"worlds": [99]}, "99"),
        ({"worlds": [1, 1]}, "at most once"),
        ({"worlds": [1], "faults": {"404": 0.5}}, "404"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        serve.start(**({"pages": 200, "endpoint": False} | arguments))


def test_the_command_line_serves_until_stopped() -> None:
    command = [sys.executable, "-m", "pocketweb.serve", "--worlds", "1", "--pages", "200", "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(SRC)}
    pipes = {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # tests started in the background ignore it
    with subprocess.Popen(command, env=environment, preexec_fn=heed, **pipes) as child:
        endpoint = child.stdout.readline().strip()
        assert reachable(endpoint + "/models")
        assert "http://wiki.pocket.test is at http://127.0.0.1:" in child.stdout.readline()
        child.send_signal(signal.SIGINT)
        _, told = child.communicate(timeout=30)
    assert (child.returncode, told.strip()) == (0, "stopped")
