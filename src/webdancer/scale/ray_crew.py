"""Ray as the crew of `core.spread`: pages are cleaned and episodes are played by actors, on any number of machines.

    with ray_crew.over(32, address="auto"):
        distill.run(jobs, tools, out)

For 01 (cleaning), 03 and 07. In: a function and its arguments. Out: its value. Clients of models and tools are handed
to an actor once and kept there; budgets and counts stay here, and are kept up to date after every piece. What is
finished lies in the files of the stage, on this machine: an actor that dies costs the pieces it was at, which Ray gives
to its successor, and a run that dies goes on from its files as without Ray. Departures from the paper: it does not say
how it spread this work.

Keys of endpoints never travel: an actor reads the variable of the same name in its own environment. A reply cache on
disk is not used by actors. Unpickling runs what it is told: use a Ray cluster that is yours alone.
"""

import asyncio
import contextlib
import dataclasses
import io
import logging
import os
import pickle
from collections.abc import Callable, Iterator
from typing import Any

from webdancer.agent.llm import LLM
from webdancer.core import spread
from webdancer.web.search import SearchIndex
from webdancer.web.tools import Tools

TRIES = 3  # further actors that a piece is given to after one died with it
PLAIN = (str, bytes, int, float, bool, tuple, list, dict, type(None))
_copies: list[tuple[int, LLM, dict[str, float]]] = []  # in an actor: number, client, and what was told of its usage


class CrewError(RuntimeError):
    """Ray cannot do the work; the message says why, and how to do without."""


def connect(count: int, address: str = "") -> Any:
    """The module `ray`, connected to a cluster or to one of `count` CPUs that is started here.

    Raises:
        CrewError: Ray is not installed, or does not start, or there is no such cluster.
    """
    try:
        import ray
    except ImportError as error:
        raise CrewError("Ray is not installed: make test-scale sets up an environment with it (extra scale)") from error
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if ray.is_initialized():
        return ray
    where = {"address": address} if address else {"num_cpus": count, "include_dashboard": False}
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **where)
    except Exception as error:  # noqa: BLE001 - Ray raises a bare Exception where its processes do not come up
        raise CrewError(
            f"Ray cannot be reached or started ({address or 'on this machine'}): {error}; start a cluster with ray "
            "start --head, or do without Ray"
        ) from error
    return ray


class RayCrew:
    """`count` actors that take pieces of work, and as many again that play local policies once `workers` is asked for.

    Use it in a `with`, inside `spread.over`; it ends its actors, not the cluster.

    Args:
        count: actors, a CPU each. address: of a Ray cluster ("auto": the one of this machine); "": starts one here.

    Raises:
        ValueError: fewer than one actor. CrewError: as `connect`.
    """

    def __init__(self, count: int = 2, address: str = "") -> None:
        if count < 1:
            raise ValueError(f"got {count} actors, wanted 1 or more")
        self.count = count
        self._ray = connect(count, address)
        dials = {"num_cpus": 0.5, "max_restarts": -1, "max_task_retries": TRIES, "max_concurrency": 1000}
        self._hands = [self._ray.remote(**dials)(Hand).remote() for _ in range(count)]
        self._busy = [0] * count
        self._kept: list[tuple[Any, Any]] = []  # what the actors keep, and where it lies; held, so that ids stay
        self._models: list[LLM] = []

    async def do(self, work: Callable[..., Any], *args: Any) -> Any:
        """What `work(*args)` returns or raises, from the actor with the least to do.

        Raises:
            CrewError: the piece ended its actor `TRIES` times and once more. TypeError: an argument cannot be copied.
        """
        body, needed = self._packed(work, args)
        async with contextlib.AsyncExitStack() as stack:
            for llm in [arg for arg in args if isinstance(arg, LLM)]:
                await stack.enter_async_context(llm.budget.flight())
            hand = min(range(self.count), key=self._busy.__getitem__)
            self._busy[hand] += 1
            try:
                answer = await self._hands[hand].do.remote(body, needed)
            except self._ray.exceptions.RayActorError as error:
                raise CrewError(
                    f"{TRIES + 1} actors in a row ended at a piece of work ({type(error).__name__}): often memory ran "
                    "out; what is finished is kept, run again with fewer actors or without Ray"
                ) from error
            finally:
                self._busy[hand] -= 1
        ok, value, spent = pickle.loads(answer)
        self._count(spent)
        if not ok:
            raise value
        return value

    def workers(self, policy: Any) -> Any:
        """Actors that hold copies of a local policy; with as many as `threads` of 07 they play the same episodes."""
        from webdancer.scale.ray_workers import RayWorkers

        return RayWorkers(self._ray, policy, self.count)

    def close(self) -> None:
        """End the actors."""
        for hand in self._hands:
            self._ray.kill(hand)
        self._hands, self._kept = [], []

    def __enter__(self) -> "RayCrew":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _packed(self, work: Callable[..., Any], args: tuple[Any, ...]) -> tuple[bytes, dict[int, list[Any]]]:
        """The piece as bytes, with numbers in the place of what actors keep; and where that lies, by number."""
        needed, sent = {}, []
        for arg in args:
            if isinstance(arg, PLAIN) or dataclasses.is_dataclass(arg):
                sent.append((False, arg))
                continue
            number = self._keep(arg)
            needed[number] = [self._kept[number][1]]  # in a list: Ray does not fetch it before the actor asks
            sent.append((True, number))
        return pickle.dumps((work, sent)), needed

    def _keep(self, thing: Any) -> int:
        for number, (known, _) in enumerate(self._kept):
            if known is thing:
                return number
        out = io.BytesIO()
        _pickler(out, self._models).dump(thing)
        self._kept.append((thing, self._ray.put(out.getvalue())))
        return len(self._kept) - 1

    def _count(self, spent: list[tuple[int, dict[str, float]]]) -> None:
        """Add what the copies of the clients have used since they were last asked."""
        for number, used in spent:
            llm = self._models[number]
            for name, value in used.items():
                llm.usage[name] += value
            llm.budget.add(used["cost"], int(used["prompt_tokens"] + used["completion_tokens"]))


@contextlib.contextmanager
def over(count: int, address: str = "") -> Iterator[RayCrew | None]:
    """Inside the block the work of the stages goes to so many actors; with 0 it stays here, and Ray is not needed.

    Raises:
        ValueError, CrewError: as `RayCrew`.
    """
    if count == 0:
        yield None
        return
    with RayCrew(count, address) as crew, spread.over(crew):
        yield crew


class Hand:
    """An actor: does pieces of work, many at once as long as they wait for an endpoint, and keeps what it was given."""

    def __init__(self) -> None:
        self._kept: dict[int, Any] = {}
        self._loading = asyncio.Lock()

    async def do(self, body: bytes, needed: dict[int, list[Any]]) -> bytes:
        """(True, value) or (False, exception) of a piece, and what clients have used, as bytes."""
        async with self._loading:
            for number, (place,) in needed.items():
                if number not in self._kept:
                    self._kept[number] = pickle.loads(await place)
        work, sent = pickle.loads(body)
        try:
            value = work(*(self._kept[arg] if kept else arg for kept, arg in sent))
            answer = True, await value if asyncio.iscoroutine(value) else value
        except Exception as error:  # noqa: BLE001 - whatever it is, the process that asked raises it
            answer = False, error
        spent = _spent()
        try:
            return pickle.dumps((*answer, spent))
        except Exception:  # noqa: BLE001 - any class can fail to pickle in its own way
            return pickle.dumps((False, CrewError(f"an actor got {answer[1]!r:.500}, which cannot be sent"), spent))


def _spent() -> list[tuple[int, dict[str, float]]]:
    """What each client here has used since it was last told."""
    found = []
    for number, llm, told in _copies:
        new = {name: value - told.get(name, 0) for name, value in llm.usage.items()}
        told.update(llm.usage)
        found.append((number, new))
    return found


def _client(number: int, facts: dict[str, Any]) -> LLM:
    """A client in an actor, whose usage is told."""
    llm = LLM(**facts)
    _copies.append((number, llm, {}))
    return llm


def _facts(llm: LLM) -> dict[str, Any]:
    """The arguments that make a client anew; of its key only the name of the variable."""
    names = ("model", "base_url", "temperature", "max_tokens", "top_p", "extra", "concurrency", "timeout", "retries")
    facts = {name: getattr(llm, name) for name in (*names, "backoff", "price_in", "price_out")}
    variable = next((name for name, value in os.environ.items() if value == llm._key), "")
    return facts | ({"key_env": variable} if variable else {})


def _pickler(out: io.BytesIO, models: list[LLM]) -> Any:
    """A pickler for functions inside functions (Ray's), clients of models, and tools that ask one.

    Args:
        models: the clients met so far; their places are their numbers.
    """
    from ray.cloudpickle import CloudPickler

    class Pickler(CloudPickler):
        """Tools over the live web stay refused, by their own `__reduce__`."""

        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, LLM):
                if not any(obj is known for known in models):
                    models.append(obj)
                return _client, (next(n for n, known in enumerate(models) if known is obj), _facts(obj))
            if isinstance(obj, Tools) and obj.summarise and obj.reader is None and isinstance(obj.index, SearchIndex):
                return _tools, (obj.index, list(obj._pages), obj.summarise, _dials(obj))
            return super().reducer_override(obj)

    return Pickler(out)


def _dials(tools: Tools) -> dict[str, int]:
    names = ("results", "snippet_words", "max_queries", "max_observation_chars", "max_page_chars", "max_windows")
    return {name: getattr(tools, name) for name in (*names, "evidence_sentences")}


def _tools(index: SearchIndex, pages: list[Any], summarise: Any, dials: dict[str, int]) -> Tools:
    return Tools(index, pages, summarise, **dials)
