"""The snapshot service: `search` and `visit` over stored pages, for many clients on one or more machines.

    python -m webdancer.scale.service --pages results/laptop/artifacts/pages_heldout.jsonl --port 8000 --workers 2

For training and evaluation that run in more than one process or on more than one machine (verl, Ray): all see one
frozen web. In: a file of pages as 01_crawl writes it. Out: over HTTP, the texts that `web.tools.Tools` gives for the
same pages and settings; `scale.client` asks for them. `POST /search` and `POST /visit` take the arguments of a call as
a JSON object and return the observation as text; `POST /calls` takes a list of `[name, arguments]` and returns a list;
`GET /` says what is served. What the agent did wrong is an observation, as in `Tools`; what is no call at all is
refused with a status from 400 on, and a sentence.

The index is built once, beside the pages, and mapped into memory; the worker processes are forked when it is open, so
that they share it and the page table. There is no key and no encryption: keep it on this machine or in a private
network. Departure from the paper: it searches and reads the live web through paid services.
"""

import argparse
import asyncio
import gc
import json
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from webdancer.core.schema import Page, iter_jsonl
from webdancer.scale.client import MAX_BODY, MAX_CALLS, NAME, TOO_LONG
from webdancer.web.search import SearchIndex
from webdancer.web.tools import Tools

READ_ON = 16 * 2**20  # bytes of too long a request that are read, so that its sender gets to read the refusal
LONG_CALL = 2_000  # characters; the observation of a longer call is not kept for the next who asks
STARTS = 5  # times that workers may end within `SOON` seconds of their start, before the service gives up
SOON = 5.0
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
PATIENCE = 10.0  # seconds that workers have to finish what they are at


class Refused(ValueError):
    """A request that is no call; `status` is that of HTTP."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class _Served(Tools):
    """The tools, which do not keep the observation of a long call: strangers could fill the memory with them."""

    def _keep(self, done: dict[Any, Any], key: Any, work: Callable[[], Any]) -> Any:
        return work() if sum(map(len, key)) > LONG_CALL else super()._keep(done, key, work)


def open_index(pages: Path, folder: Path, snippet_words: int) -> SearchIndex:
    """The index in `folder`, memory-mapped; built first if it is not there or is one of other pages.

    Raises:
        FileNotFoundError: no such file of pages. ValueError: a line of it is no page, there is none, or the folder
            holds other files.
    """
    if not pages.is_file():
        raise FileNotFoundError(f"there is no file {pages}: wanted pages as 01_crawl writes them")
    try:
        index = SearchIndex.load(folder, pages=iter_jsonl(pages, Page))
        if index.snippet_words == snippet_words:
            return index
    except (FileNotFoundError, ValueError):
        pass  # not there, or stale: the message of `build` is the one that counts
    return SearchIndex.build(iter_jsonl(pages, Page), snippet_words=snippet_words, folder=folder)


def app(tools: Tools, about: Mapping[str, Any]) -> ASGIApp:
    """The ASGI application: tools over HTTP. `about` is what `GET /` says."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            status, kind, text = 200, *await _answer(tools, about, scope, receive)
        except Refused as error:
            status, kind, text = error.status, "text/plain; charset=utf-8", f"Error: {error}"
        body = text.encode()
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return answer


async def _answer(tools: Tools, about: Mapping[str, Any], scope: Scope, receive: Receive) -> tuple[str, str]:
    """Content type and text of the answer to one request."""
    method, path = scope["method"], scope["path"]
    if path not in ("/", "/search", "/visit", "/calls"):
        raise Refused(404, f"there is no {path[:60]!r} here: POST /search, /visit or /calls, or GET /")
    if method != ("GET" if path == "/" else "POST"):
        raise Refused(405, f"got {method[:20]} {path}, wanted {'GET' if path == '/' else 'POST'}")
    if path == "/":
        return "application/json", json.dumps(about)
    value = _read(await _body(scope, receive))
    if path != "/calls":
        return "text/plain; charset=utf-8", await tools.call(path[1:], value)
    pairs = isinstance(value, list) and all(isinstance(call, list) and len(call) == 2 for call in value)
    if not pairs or len(value) > MAX_CALLS:
        raise Refused(400, f"got {str(value)[:80]!r}, wanted a list of at most {MAX_CALLS} pairs [name, arguments]")
    return "application/json", json.dumps([await tools.call(name, arguments) for name, arguments in value])


async def _body(scope: Scope, receive: Receive) -> bytes:
    """The body of a request; one that is too long is read but not kept."""
    told = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    parts, size, long, more = [], 0, int(told) > MAX_BODY, True
    while more and size <= READ_ON:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "the request ended before its end")
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        long = long or size > MAX_BODY
        parts = [] if long else [*parts, part]
    if long:
        raise Refused(413, TOO_LONG.removeprefix("Error: "))
    return b"".join(parts)


def _read(body: bytes) -> Any:
    """The JSON in a body."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body is not JSON ({type(error).__name__}), wanted the arguments of a call") from None


class _Worker(uvicorn.Server):
    """One worker: takes one connection at a time from the shared socket, so that each gets its share of the clients;
    ends when the process that started it is gone, which closes the other end of `alive`.
    """

    def __init__(self, application: ASGIApp, alive: int) -> None:
        config = uvicorn.Config(
            application,
            backlog=1,  # asyncio accepts so many at a time
            lifespan="off",
            ws="none",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=int(PATIENCE) // 2,
        )
        super().__init__(config)
        self.alive = alive

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, with room for many that wait, and watch the process that started this one."""
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(1024)
        asyncio.get_running_loop().add_reader(self.alive, self._alone)

    def _alone(self) -> None:
        asyncio.get_running_loop().remove_reader(self.alive)
        self.should_exit = True


def bind(host: str, port: int) -> socket.socket:
    """A socket on `host` and `port` (0: any free one) that does not listen yet.

    Raises:
        RuntimeError: it cannot be had; the message names it and says why.
    """
    # The protocol is named because asyncio switches Nagle's delay (40 ms a request) off only for sockets that name it.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise RuntimeError(
            f"cannot listen on port {port} of {host} ({error}): choose another with --port, or 0 for any free one"
        ) from error
    return listener


def supervise(start: Callable[[], int], count: int) -> int:
    """Keep `count` children running until SIGTERM or SIGINT; returns the exit code.

    Args:
        start: forks one child and returns its process id; `SIGNALS` are blocked until the child lets them in.
    """
    stopping: list[int] = []
    children: dict[int, float] = {}

    def stop(number: int, frame: Any) -> None:
        stopping.append(number)
        for child in children:
            os.kill(child, signal.SIGTERM if len(stopping) == 1 else signal.SIGKILL)
        signal.alarm(int(PATIENCE))  # who has not ended by then is killed

    for number in SIGNALS:
        signal.signal(number, stop)
    soon = 0
    while (len(children) < count and not stopping) or children:
        if len(children) < count and not stopping:
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # a child that is not known yet could not be told
            children[start()] = time.monotonic()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            continue
        child, status = os.waitpid(-1, 0)
        lived = time.monotonic() - children.pop(child)
        if not stopping:
            soon = soon + 1 if lived < SOON else 0
            print(f"worker {child} ended (exit code {os.waitstatus_to_exitcode(status)})", file=sys.stderr, flush=True)
            if soon >= STARTS:
                print(f"{STARTS} workers in a row ended soon after their start: giving up", file=sys.stderr)
                stop(signal.SIGTERM, None)
    return 1 if soon >= STARTS else 0


def serve(tools: Tools, about: Mapping[str, Any], listener: socket.socket, workers: int) -> int:
    """Answer with so many processes until a signal comes; returns the exit code."""
    application = app(tools, about)
    watched, held = os.pipe()  # `held` closes with this process, however it ends

    def start() -> int:
        child = os.fork()
        if child:
            return child
        try:  # from here on in the worker, which must never return into the code of its parent
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            os.close(held)
            _Worker(application, watched).run(sockets=[listener])
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)

    gc.collect()
    gc.freeze()  # the collector would write into pages that are shared
    return supervise(start, workers)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve from the command line; prints the address once it answers."""
    parser = argparse.ArgumentParser(prog="python -m webdancer.scale.service", description=NAME)
    parser.add_argument("--pages", type=Path, required=True, help="file of pages, such as pages_heldout.jsonl")
    parser.add_argument("--index", type=Path, help="folder of the index (default: beside the pages, NAME.index)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine alone)")
    parser.add_argument("--port", type=int, default=8000, help="where to listen, 0 for any free port (default: 8000)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    dials = {"results": 10, "snippet_words": 40, "max_queries": 3, "max_observation_chars": 20_000}
    for name, value in dials.items():
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, type=int, default=value, help=f"as in web.tools.Tools (default: {value})")
    options = parser.parse_args(arguments)
    dials = {name: getattr(options, name) for name in dials}
    try:
        if options.workers < 1 or not hasattr(os, "fork"):
            raise ValueError(f"got {options.workers} workers, wanted 1 or more, and a system that can fork")
        listener = bind(options.host, options.port)
        folder = options.index or options.pages.with_suffix(".index")
        index = open_index(options.pages, folder, options.snippet_words)
        tools = _Served(index, index.pages, **dials)
        listener.listen(1024)
    except (RuntimeError, ValueError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    about = {"service": NAME, "pages": len(index), "built_from": index.built_from, "settings": dials}
    host, port = listener.getsockname()[:2]
    print(f"http://{host}:{port} serves {len(index)} pages with {options.workers} workers", flush=True)
    return serve(tools, about, listener, options.workers)


if __name__ == "__main__":
    sys.exit(main())
