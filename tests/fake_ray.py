"""As much of Ray as `scale.ray_crew` and `scale.ray_workers` ask for, in this process; `lost` lets every actor die."""

import asyncio
import pickle
import sys
from types import ModuleType, SimpleNamespace
from typing import Any


class RayActorError(RuntimeError):
    """An actor is gone."""


class Method:
    """A method of an actor: called at once, and what it returns can be awaited or got."""

    def __init__(self, method: Any, ray: "FakeRay") -> None:
        self.method, self.ray = method, ray

    def remote(self, *args: Any) -> Any:
        self.ray.calls += 1
        if self.ray.lost:
            return Place(error=RayActorError("gone"))
        found = self.method(*args)
        return Place(coroutine=found) if asyncio.iscoroutine(found) else Place(found)


class Place:
    """Where a value lies: an ObjectRef."""

    def __init__(self, value: Any = None, coroutine: Any = None, error: Exception | None = None) -> None:
        self.value, self.coroutine, self.error = value, coroutine, error

    def __await__(self) -> Any:
        if self.error:
            raise self.error
        if self.coroutine is not None:
            self.value, self.coroutine = (yield from self.coroutine.__await__()), None
        return self.value


class FakeRay(ModuleType):
    """The module."""

    def __init__(self) -> None:
        super().__init__("ray")
        self.calls, self.lost, self.killed, self.put_sizes = 0, False, 0, []
        self.exceptions = SimpleNamespace(RayActorError=RayActorError)
        self.cloudpickle = ModuleType("ray.cloudpickle")

        class CloudPickler(pickle.Pickler):
            def reducer_override(self, obj: Any) -> Any:
                return NotImplemented

        self.cloudpickle.CloudPickler = CloudPickler

    def is_initialized(self) -> bool:
        return True

    def put(self, value: Any) -> Place:
        self.put_sizes.append(len(value))
        return Place(value)

    def get(self, places: Any) -> Any:
        if isinstance(places, list):
            return [self.get(place) for place in places]
        if places.error:
            raise places.error
        return places.value

    def kill(self, actor: Any) -> None:
        self.killed += 1

    def remote(self, **dials: Any) -> Any:
        def wrap(cls: type) -> Any:
            def make(*args: Any) -> Any:
                one = cls(*(self.get(a) if isinstance(a, Place) else a for a in args))
                return Actor(one, self)

            return SimpleNamespace(remote=make)

        return wrap


class Actor:
    """A handle; top-level places among the arguments are fetched, as Ray does."""

    def __init__(self, one: Any, ray: FakeRay) -> None:
        self._one, self._ray = one, ray

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._one, name)
        return Method(lambda *args: method(*(self._ray.get(a) if isinstance(a, Place) else a for a in args)), self._ray)


def install(monkeypatch: Any) -> FakeRay:
    """Put it in the place of Ray."""
    ray = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray.cloudpickle", ray.cloudpickle)
    return ray
