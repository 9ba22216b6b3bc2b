"""Start and stop the pocket web: the sites and the endpoint of the rule-based stand-in models.

Serves every notebook on the profiles `quick` and `laptop`. In: worlds or their seeds. Out: a `Net` with the address of
each host and of the endpoint. Everything listens on loopback only. How the real clients are pointed at it:

    with serve.start([1, 2]) as net:
        any page      the stored URL http://HOST/PATH is at net.hosts[HOST] + PATH
        wikipedia-api subclass, `_build_url(self, language)` returns net.hosts["wiki.pocket.test"] + "/w/api.php"
        arxiv         client.query_url_format = net.hosts["arxiv.pocket.test"] + "/api/query?{}"
        PyGithub      github.Github(base_url=net.hosts["github.pocket.test"], seconds_between_requests=0)
        openai        openai.OpenAI(base_url=net.endpoint, api_key="EMPTY")

From a shell: `python -m pocketweb.serve --worlds 1 2 --port 8000`, or only the endpoint, in a process that never sees a
world: `python -m pocketweb.serve --endpoint-only --port 8000`. The paper has the real web and real models instead.
"""

import argparse
import atexit
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    from pocketweb.world import World

LOOPBACK = "127.0.0.1"
PATIENCE = 60.0  # seconds that a server may take to start


@dataclass
class Net:
    """A running pocket web.

    `hosts` maps each host name to its base address, `endpoint` is the base address of the models (`.../v1`, or ""),
    `log` holds (host, path with query) of every request to a site in the order of arrival. Use it in a `with`, or call
    `close`.
    """

    hosts: dict[str, str] = field(default_factory=dict)
    endpoint: str = ""
    log: list[tuple[str, str]] = field(default_factory=list)
    stops: list[Callable[[], None]] = field(default_factory=list, repr=False)

    def close(self) -> None:
        """Stop everything that `start` started; a second call does nothing."""
        while self.stops:
            self.stops.pop()()

    def __enter__(self) -> "Net":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def start(
    worlds: Sequence["World | int"] = (),
    *,
    pages: int = 400,
    novel: bool = False,
    endpoint: bool | str = True,
    faults: Mapping[str, Any] | None = None,
    port: int = 0,
) -> Net:
    """Start the sites, the endpoint or both.

    Args:
        worlds: worlds, or seeds to build them from, served side by side; none: no sites.
        pages, novel: size of the worlds built from seeds, and whether they use the sentences of held-out webs.
        endpoint: True serves the models from the same port, "process" from a process (and core) of their own.
        faults, port: what goes wrong on the sites (see `faults.read`; None: nothing), where to listen (0: anywhere).

    Returns:
        The running net; without worlds it has no hosts, which means the real web.

    Raises:
        ValueError: unknown `endpoint` or fault, or a world twice; the message says what was got and wanted.
        RuntimeError: a server did not start; the message says why.
    """
    if endpoint not in (True, False, "process"):
        raise ValueError(f'got endpoint={endpoint!r}, wanted True, False or "process"')
    net = _fresh()
    try:
        net.endpoint = _spawn(net) if endpoint == "process" else ""
        web = _web(net, worlds, pages, novel, faults) if worlds else None
        models = _models() if endpoint is True else None
        if web or models:
            # To uvicorn a truncated answer is an error, and here it is wanted: keep the server quiet about it.
            address = _serve(net, _either(web, models), port, "critical" if faults else "warning")
            net.hosts = {host: address + base for host, base in net.hosts.items()}
            net.endpoint = f"{address}/v1" if models else net.endpoint
    except BaseException:
        net.close()
        raise
    return net


def _fresh() -> Net:
    """An empty net that closes itself when the interpreter ends."""
    net = Net()
    atexit.register(net.close)
    net.stops.append(lambda: atexit.unregister(net.close))
    return net


def _web(
    net: Net, worlds: Sequence["World | int"], pages: int, novel: bool, faults: Mapping[str, Any] | None
) -> ASGIApp:
    """The application of the sites; puts the hosts with the first part of their paths into `net`."""
    from pocketweb import faults as faulty  # imported here: the endpoint alone must never see a world
    from pocketweb import sites, world

    failing = faulty.read(faults)
    built = [world.build(w, pages, novel) if isinstance(w, int) else w for w in worlds]
    net.hosts.update({host: f"/{host}" for host in sites.HOSTS})
    return sites.app(built, net.log, failing)


def _models() -> ASGIApp:
    """The application of the rule-based stand-in models."""
    from pocketweb import endpoint

    return endpoint.app()


def _either(web: ASGIApp | None, models: ASGIApp | None) -> ASGIApp:
    """One application: paths below /v1 go to the models, all others to the sites."""
    if web is None or models is None:
        return web or models or Starlette()

    async def both(scope: Scope, receive: Receive, send: Send) -> None:
        await (models if scope["path"].startswith("/v1/") else web)(scope, receive, send)

    return both


def _listen(port: int) -> socket.socket:
    """A socket that listens on loopback.

    Raises:
        RuntimeError: the port is taken; the message names it.
    """
    # The protocol is named because asyncio switches Nagle's delay (40 ms a request) off only for sockets that name it.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError as error:
        listener.close()
        raise RuntimeError(f"cannot listen on port {port} ({error}): choose another, or 0 for any free one") from error
    listener.listen(1024)
    return listener


def _server(app: ASGIApp, level: str) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        log_config=None,  # leaves the logging of the notebook alone
        log_level=level,
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


def _serve(net: Net, app: ASGIApp, port: int, level: str) -> str:
    """Run `app` in a background thread until `net` closes; returns its address."""
    listener, server = _listen(port), _server(app, level)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="pocketweb", daemon=True)
    thread.start()

    def stop() -> None:
        server.should_exit = True
        thread.join(PATIENCE)

    net.stops.append(stop)
    deadline = time.monotonic() + PATIENCE
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the pocket web's server did not start: see the message above")
        time.sleep(0.005)
    return f"http://{LOOPBACK}:{listener.getsockname()[1]}"


def _spawn(net: Net) -> str:
    """Run the endpoint in a process of its own until `net` closes or this process ends; returns its address."""
    command = [sys.executable, "-m", "pocketweb.serve", "--endpoint-only", "--port", "0", "--until-stdin-closes"]
    paths = [str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in paths if p)}
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True)

    def stop() -> None:
        child.terminate()
        child.wait(PATIENCE)
        child.stdin.close()
        child.stdout.close()

    net.stops.append(stop)
    address = child.stdout.readline().strip()  # printed once it listens; empty if the process ended before
    if not address.startswith("http://"):
        raise RuntimeError(f"the endpoint's process did not start (exit code {child.wait(PATIENCE)}): see its message")
    return address


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve from the command line until interrupted; prints one line an address."""
    parser = argparse.ArgumentParser(prog="python -m pocketweb.serve", description="Serve the pocket web on loopback.")
    parser.add_argument("--worlds", type=int, nargs="*", default=[1], help="seeds of the worlds (default: 1)")
    parser.add_argument("--pages", type=int, default=400, help="pages about entities in each world (default: 400)")
    parser.add_argument("--novel", action="store_true", help="use the sentences kept for held-out webs")
    parser.add_argument("--port", type=int, default=8000, help="where to listen, 0 for any free port (default: 8000)")
    parser.add_argument("--endpoint-only", action="store_true", help="only the models, in a process without any world")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end with the process that started this one")
    options = parser.parse_args(arguments)
    worlds = [] if options.endpoint_only else options.worlds
    with start(worlds, pages=options.pages, novel=options.novel, port=options.port) as net:
        lines = [net.endpoint, *(f"http://{host} is at {base}" for host, base in net.hosts.items())]
        print("\n".join(lines), flush=True)
        try:
            if options.until_stdin_closes:
                sys.stdin.read()
            else:
                threading.Event().wait()
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)


if __name__ == "__main__":
    main()
