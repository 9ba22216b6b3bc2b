"""Where the pieces of a stage's work are done: in this process, or wherever a crew takes them.

Crawl (01, cleaning a page), distillation and evaluation (03, 07, an episode of a model at an endpoint) hand every piece
to `do`; 07 asks `crew` for workers that play a local policy. Nobody takes them unless a block says so:

    with spread.over(crew):
        distill.run(...)

In: a function and its arguments. Out: what it returns, the same wherever it was done; what is finished is kept by the
stage, in its own files, so that resuming is the same story too. The paper does not say how it spread its work.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol


class Crew(Protocol):
    """Who may take work: `scale.ray_crew.RayCrew`, or a fake in a test."""

    async def do(self, work: Callable[..., Any], *args: Any) -> Any:
        """What `work(*args)` returns or raises; `work` is a function of a module, plain or async."""

    def workers(self, policy: Any) -> Any:
        """Workers with the face of `agent.workers.Workers` that hold copies of a policy."""


_crews: list[Crew] = []  # the one of the innermost block is last


def crew() -> Crew | None:
    """Who takes the work now; None: nobody."""
    return _crews[-1] if _crews else None


@contextmanager
def over(one: Crew) -> Iterator[Crew]:
    """Inside the block, in all threads, the work goes to this crew."""
    _crews.append(one)
    try:
        yield one
    finally:
        _crews.remove(one)


async def do(work: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    """What `work(*args)` returns, done here unless there is a crew."""
    found = crew()
    return await (work(*args) if found is None else found.do(work, *args))
