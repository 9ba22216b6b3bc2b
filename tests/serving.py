"""A snapshot service in a process of its own, for the tests of the service, its client and its benchmark."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


class Running:
    """A service that runs; `url` is its address, `process` the one that started the workers."""

    def __init__(self, pages: Path, *flags: str) -> None:
        command = [sys.executable, "-m", "webdancer.scale.service", "--pages", str(pages), "--port", "0", *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.said = self.process.stdout.readline()
        self.url = self.said.split(" ")[0]

    def workers(self) -> list[int]:
        """Process ids of the workers (Linux)."""
        pid = self.process.pid
        return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it with a signal; returns the exit code."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, number)
        code = self.process.wait(30)
        self.process.stdout.close()
        return code


@contextlib.contextmanager
def service(pages: Path, *flags: str) -> Iterator[Running]:
    """A service for the time of the block."""
    running = Running(pages, *flags)
    try:
        yield running
    finally:
        running.stop()
