"""Worker processes: the parts of one step of a tiny policy computed side by side, one core each.

Used by `sft` (05), `rollout` and `dapo_update` (06, 07). In: a function and the arguments of each part. Out: what it
returned for each, in order, and the gradients of all parts added up. Threads do not do it: the operations of a small
model take microseconds, and between them Python's lock lets one thread run at a time. Two processes do twice the work.

The weights go through shared memory before every call, so that a worker always computes with those of the moment. The
parts and the order in which gradients are added up depend on the number of workers and on nothing else: the same
number gives the same result, to the last digit. Departure from the paper, which spread its work over many GPUs: this
is for a CPU; with weights anywhere else there are no workers, and everything runs in one process.
"""

import contextlib
import itertools
import mmap
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, Pipe
from typing import Any

import torch

Work = Callable[..., Any]  # called with the policy, then the arguments of a part


class WorkerError(RuntimeError):
    """A worker process died or failed; the message says how, and how to do without."""


class Workers:
    """`count` processes that hold a copy of `policy` each.

    They start in the background, and end with `close` or with this process, however it ends. There are none where the
    weights are not in fp32 on a CPU, none where the model cannot be copied (activations that are computed again hang
    hooks on it), and none on Windows, where pipes cannot be handed on.

    >>> from types import SimpleNamespace
    >>> policy = SimpleNamespace(model=torch.nn.Linear(1, 1))
    >>> alone = Workers(policy, 0)
    >>> alone.parts, alone.run(policy, lambda policy, x: x + 1, [(1,), (2,)])
    (1, [2, 3])
    """

    def __init__(self, policy: Any, count: int) -> None:
        fits = all(p.device.type == "cpu" and p.dtype == torch.float32 for p in policy.model.parameters())
        self.count = count if fits and os.name == "posix" else 0
        self._numbers, self._number = itertools.count(), -1
        self._processes: list[subprocess.Popen[bytes]] = []
        self._pipes: list[Connection] = []
        self._known: list[tuple[Any, int]] = []  # objects that the workers keep, and their keys; held, so ids stay
        if self.count:
            self._start(policy)

    @property
    def parts(self) -> int:
        """How many parts run side by side: one a worker, and one here."""
        return self.count + 1

    def _start(self, policy: Any) -> None:
        """Start the processes and hand them the policy."""
        size = sum(p.numel() for p in policy.model.parameters())
        with contextlib.ExitStack() as stack:
            body, *files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(self.count + 2)]
            try:
                torch.save({"policy": policy, "exact": torch.are_deterministic_algorithms_enabled()}, body)
            except (pickle.PicklingError, TypeError, AttributeError):
                self.count = 0
                return
            body.flush()
            self._weights, *self._gradients = [_shared(file.fileno(), size) for file in files]
            for file in files[1:]:
                ours, theirs = Pipe()
                fds = [theirs.fileno(), body.fileno(), files[0].fileno(), file.fileno()]
                code = f"import sys; sys.path[:] = {sys.path!r}; from webdancer.agent import workers; "
                command = [sys.executable, "-c", f"{code}workers.serve({', '.join(map(str, fds))}, {size})"]
                environment = os.environ | {"OMP_NUM_THREADS": "1"}
                self._processes.append(subprocess.Popen(command, pass_fds=fds, env=environment))
                theirs.close()
                self._pipes.append(ours)

    def keep(self, thing: Any) -> int:
        """Hand the workers an object that they keep, such as the tools, unless they have it.

        Returns:
            The key that `run` takes for it; -1 if it cannot be handed over (it holds a connection, or its class belongs
            to a notebook).

        Raises:
            WorkerError: a worker died.
        """
        if not self.count:
            return -1
        for known, key in self._known:
            if known is thing:
                return key
        key = len(self._known)
        try:
            body = pickle.dumps(thing)
        except (pickle.PicklingError, TypeError, AttributeError):
            key = -1
        else:
            self._ask([("keep", pickle.dumps((key, body)))] * self.count)
            key = key if all(ok for ok, _ in self._answers(self.count)) else -1
        self._known.append((thing, key))
        return key

    def run(
        self, policy: Any, work: Work, parts: Sequence[tuple[Any, ...]], *, kept: int = -1, gradients: bool = False
    ) -> list[Any]:
        """`work(policy, *part)` for each part: the first here, the others in workers at the same time.

        Args:
            policy: whose weights to take, the one given at the start or another of its shapes.
            work: a function of a module; workers find it by its name.
            kept: key of `keep`; that object is then the second argument of `work`, here too.
            gradients: add the gradients that the workers computed to those of `policy`.

        Returns:
            What `work` returned for each part, in order.

        Raises:
            ValueError: `policy` is of another size. WorkerError: a worker died. What `work` raises is raised as it is,
                wherever it was.
        """
        extra = [thing for thing, key in self._known if key == kept] if kept >= 0 else []
        done: list[Any] = []
        with one_thread(bool(self.count)):
            for first in range(0, len(parts), self.parts):
                now = parts[first : first + self.parts]
                if len(now) > 1:
                    self._share(policy.model)
                    self._ask([("run", pickle.dumps((work, part, kept, gradients))) for part in now[1:]])
                try:
                    done.append(work(policy, *extra, *now[0]))
                finally:  # whatever happens here, the answers must not be taken for those of the next question
                    answers = self._answers(len(now) - 1)
                done += [_value(*answer) for answer in answers]
                if gradients:
                    self._add(policy.model, len(now) - 1)
        return done

    def _share(self, model: Any) -> None:
        """Write the weights of the moment where the workers read them."""
        parts = [p.detach().flatten() for p in model.parameters()]
        if sum(map(len, parts)) != len(self._weights):
            raise ValueError(
                f"got a policy of {sum(map(len, parts)):,} weights, wanted {len(self._weights):,} as the workers were "
                "started with: a policy of another size needs workers of its own"
            )
        torch.cat(parts, out=self._weights)

    def _add(self, model: Any, count: int) -> None:
        """Add the gradients that the first `count` workers wrote."""
        for flat in self._gradients[:count]:
            for p, part in zip(model.parameters(), _pieces(model, flat), strict=True):
                if p.requires_grad:
                    p.grad = part.clone() if p.grad is None else p.grad.add_(part)

    def _ask(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Send the first workers a message each."""
        self._number = next(self._numbers)
        for pipe, message in zip(self._pipes, messages, strict=False):
            try:
                pipe.send_bytes(pickle.dumps((self._number, *message)))
            except OSError as error:
                raise self._dead(pipe) from error

    def _answers(self, count: int) -> list[tuple[bool, Any]]:
        """What the first `count` workers answered to the last message; answers to older ones are dropped."""
        found = []
        for pipe in self._pipes[:count]:
            number = -1
            while number != self._number:
                try:
                    number, ok, value = pickle.loads(pipe.recv_bytes())
                except (OSError, EOFError) as error:
                    raise self._dead(pipe) from error
            found.append((ok, value))
        return found

    def _dead(self, pipe: Connection) -> WorkerError:
        """The error for a worker that no longer answers."""
        process = self._processes[self._pipes.index(pipe)]
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2)
        return WorkerError(
            f"a worker process ended (exit code {process.returncode}), wanted its part of the step: -9 often means "
            "that memory ran out; threads=1 does without workers, and what was saved in a checkpoint is kept"
        )

    def close(self) -> None:
        """End the processes; from then on everything runs here."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.kill()
            process.wait()
        self._pipes, self._processes, self._known, self.count = [], [], [], 0

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def one_thread(on: bool = True) -> Iterator[None]:
    """If `on`, torch works with one thread inside the block: the other cores have work of their own."""
    before = torch.get_num_threads()
    if on:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _shared(fd: int, size: int) -> torch.Tensor:
    """`size` fp32 numbers in a file that several processes map into their memory."""
    os.ftruncate(fd, 4 * size)
    return torch.frombuffer(mmap.mmap(fd, 4 * size), dtype=torch.float32)


def _pieces(model: Any, flat: torch.Tensor) -> list[torch.Tensor]:
    """`flat` cut into tensors of the shapes of the model's parameters, in their order."""
    parameters = list(model.parameters())
    return [part.view_as(p) for part, p in zip(flat.split([p.numel() for p in parameters]), parameters, strict=True)]


def _value(ok: bool, value: Any) -> Any:
    """An answer's value; raises it if it is what `work` raised."""
    if not ok:
        raise value
    return value


def serve(pipe_fd: int, policy_fd: int, weights_fd: int, gradients_fd: int, size: int) -> None:
    """What a worker process does: answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the process that asks
    torch.set_num_threads(1)
    with open(f"/dev/fd/{policy_fd}", "rb") as body:  # opened anew: the place in the file is this process's own
        found = torch.load(body, weights_only=False)  # from the process that started this one
    torch.use_deterministic_algorithms(found["exact"])
    worker = _Worker(found["policy"], _shared(weights_fd, size), _shared(gradients_fd, size))
    pipe = Connection(pipe_fd)
    while True:
        try:
            number, name, body = pickle.loads(pipe.recv_bytes())
            pipe.send_bytes(_packed(number, *worker.answer(name, body)))
        except (EOFError, OSError):
            return


def _packed(number: int, ok: bool, value: Any) -> bytes:
    """An answer as bytes; an error that cannot be sent goes as its text."""
    try:
        return pickle.dumps((number, ok, value))
    except Exception as error:  # noqa: BLE001 - any class can fail to pickle in its own way
        return pickle.dumps((number, False, WorkerError(f"a worker got {value!r:.500}, which cannot be sent: {error}")))


class _Worker:
    """The state of a worker process: its copy of the policy, over the shared weights, and what it keeps."""

    def __init__(self, policy: Any, weights: torch.Tensor, gradients: torch.Tensor) -> None:
        self.policy, self.gradients = policy, _pieces(policy.model, gradients)
        self.kept: dict[int, Any] = {}
        for p, part in zip(policy.model.parameters(), _pieces(policy.model, weights), strict=True):
            p.data = part

    def answer(self, name: str, body: bytes) -> tuple[bool, Any]:
        """Do what a message asks; (True, value), or (False, the exception)."""
        try:
            return True, {"keep": self._keep, "run": self._run}[name](body)
        except Exception as error:  # noqa: BLE001 - whatever it is, the process that asked raises it
            return False, error

    def _keep(self, body: bytes) -> None:
        key, thing = pickle.loads(body)
        self.kept[key] = pickle.loads(thing)

    def _run(self, body: bytes) -> Any:
        work, part, kept, gradients = pickle.loads(body)
        extra = [self.kept[kept]] if kept >= 0 else []
        value = work(self.policy, *extra, *part)
        for p, flat in zip(self.policy.model.parameters(), self.gradients, strict=True):
            if gradients:
                flat.zero_() if p.grad is None else flat.copy_(p.grad)
            p.grad = None
        return value
