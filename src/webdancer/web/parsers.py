"""HTML to pages beside the crawl's own event loop: in a thread, or in processes of their own, one a core.

Used by 01_crawl. In: a `Fetched`. Out: its `Document`. Cleaning a page takes several times as long as fetching it, so
from a few hundred pages a second on it needs cores of its own; and a process that hangs on a page, or is killed by it,
costs that page and no more. Not in the paper.

The processes are plain children that read from their input and write to their output: nothing of the program that
crawls is imported again, as multiprocessing would.
"""

import asyncio
import pickle
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import BinaryIO

from webdancer.core import spread
from webdancer.web.answer import Fetched
from webdancer.web.document import NOTHING, Document, document

_LENGTH = struct.Struct("!I")
_COMMAND = (sys.executable, "-m", "webdancer.web.parsers")


class Parsers:
    """Use it in an `async with`.

    Args:
        processes: how many; 0 for a thread of this process.
        patience: seconds that one page may take in a process.
    """

    def __init__(self, processes: int = 0, patience: float = 30.0) -> None:
        self.processes = processes
        self.patience = patience
        self._thread = ThreadPoolExecutor(1, "parser") if processes == 0 else None
        self._idle: asyncio.Queue[asyncio.subprocess.Process | None] = asyncio.Queue()
        self._all: set[asyncio.subprocess.Process] = set()

    async def __aenter__(self) -> "Parsers":
        for _ in range(self.processes):
            self._idle.put_nowait(None)  # started when first needed
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
        for child in list(self._all):
            await self._end(child)

    async def read(self, got: Fetched, asked: str) -> Document:
        """The document in a fetched answer; a page that cannot be read is a reason."""
        if (crew := spread.crew()) is not None:
            return await crew.do(document, got, asked)
        if self._thread is not None:
            return await asyncio.get_running_loop().run_in_executor(self._thread, document, got, asked)
        child = await self._idle.get()
        try:
            if child is None:
                pipe = asyncio.subprocess.PIPE
                child = await asyncio.create_subprocess_exec(*_COMMAND, stdin=pipe, stdout=pipe)
                self._all.add(child)
            async with asyncio.timeout(self.patience):
                return await _exchange(child, got, asked)
        except (OSError, EOFError, TimeoutError, asyncio.IncompleteReadError):
            await self._end(child)
            child = None
            return Document(asked, asked, NOTHING, "error: unreadable HTML", got.robots or "not asked")
        except asyncio.CancelledError:
            await self._end(child)  # its answer is still to come and must not be taken for another's
            child = None
            raise
        finally:
            self._idle.put_nowait(child)

    async def _end(self, child: asyncio.subprocess.Process | None) -> None:
        if child is not None:
            self._all.discard(child)
            if child.returncode is None:
                child.kill()
            await child.wait()


async def _exchange(child: asyncio.subprocess.Process, got: Fetched, asked: str) -> Document:
    data = pickle.dumps((got, asked), pickle.HIGHEST_PROTOCOL)
    child.stdin.write(_LENGTH.pack(len(data)) + data)
    await child.stdin.drain()
    (size,) = _LENGTH.unpack(await child.stdout.readexactly(_LENGTH.size))
    return pickle.loads(await child.stdout.readexactly(size))  # from our own child, over our own pipe


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Read answers from one file and write their documents to another, until the first ends."""
    while head := source.read(_LENGTH.size):
        got, asked = pickle.loads(source.read(*_LENGTH.unpack(head)))
        data = pickle.dumps(document(got, asked), pickle.HIGHEST_PROTOCOL)
        sink.write(_LENGTH.pack(len(data)) + data)
        sink.flush()


if __name__ == "__main__":
    # What a library prints must not get between the answers.
    answers, sys.stdout = sys.stdout.buffer, sys.stderr
    serve(sys.stdin.buffer, answers)
