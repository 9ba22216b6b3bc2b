"""Ray actors that play episodes of a local policy: `agent.workers.Workers` on several machines, for 07.

Asked for by `evaluate_agents.run` through `RayCrew.workers`. In: a function and the arguments of each part. Out: what
it returned for each, in order. The parts depend on the number of actors and on nothing else; as many actors as the
notebook has `threads` play the same episodes, to the last digit. An actor that dies is replaced and its part played
again; chunks of questions that were finished lie in the files of `evaluate_store`. Training is not spread by Ray: 05
goes through accelerate (`sft_launch`), 06 through verl. Departure from the paper: it used inference servers.
"""

import pickle
from collections.abc import Sequence
from typing import Any

import torch

from webdancer.agent.workers import Work, WorkerError
from webdancer.scale.ray_crew import TRIES


class RayWorkers:
    """`count` actors with a copy of `policy` each; the face of `agent.workers.Workers`.

    Args:
        ray: the connected module.
    """

    def __init__(self, ray: Any, policy: Any, count: int) -> None:
        self.count = self.parts = count
        self._ray = ray
        dials = {"num_cpus": 0.5, "max_restarts": -1, "max_task_retries": TRIES}
        self._size = sum(p.numel() for p in policy.model.parameters())
        # Held as long as the actors live: one that is started again reads it again.
        self._start = ray.put(pickle.dumps((policy, torch.are_deterministic_algorithms_enabled())))
        self._hands = [ray.remote(**dials)(Player).remote(self._start) for _ in range(count)]
        self._known: list[tuple[Any, Any]] = []  # objects that the actors keep, and where they lie

    def keep(self, thing: Any) -> int:
        """Hand the actors an object that they keep, such as the tools; -1 if it cannot be copied."""
        for key, (known, _) in enumerate(self._known):
            if known is thing:
                return key
        try:
            body = pickle.dumps(thing)
        except (pickle.PicklingError, TypeError, AttributeError):
            return -1
        self._known.append((thing, self._ray.put(body)))
        return len(self._known) - 1

    def run(
        self, policy: Any, work: Work, parts: Sequence[tuple[Any, ...]], *, kept: int = -1, gradients: bool = False
    ) -> list[Any]:
        """`work(policy, *part)` for each part, in the actors.

        Raises:
            ValueError: `policy` is of another size, or gradients are wanted. WorkerError: actors die of a part. What
                `work` raises is raised as it is.
        """
        weights = torch.cat([p.detach().flatten() for p in policy.model.parameters()])
        if gradients or len(weights) != self._size:
            raise ValueError(
                f"got a policy of {len(weights):,} weights and gradients={gradients}, wanted {self._size:,} weights "
                "and no gradients: Ray plays episodes; train with accelerate or in one process"
            )
        place = self._ray.put(weights.numpy())
        thing = [self._known[kept][1]] if kept >= 0 else []
        asked = [
            self._hands[n % self.count].play.remote(place, pickle.dumps((work, part)), kept, thing)
            for n, part in enumerate(parts)
        ]
        try:
            found = [pickle.loads(body) for body in self._ray.get(asked)]
        except self._ray.exceptions.RayActorError as error:
            raise WorkerError(
                f"{TRIES + 1} actors in a row ended at a part ({type(error).__name__}): often memory ran out; finished "
                "chunks are kept, run again with fewer actors or without Ray"
            ) from error
        for ok, value in found:
            if not ok:
                raise value
        return [value for _, value in found]

    def close(self) -> None:
        """End the actors."""
        for hand in self._hands:
            self._ray.kill(hand)
        self._hands, self._known, self.count = [], [], 0


class Player:
    """An actor: a copy of the policy, and what it keeps."""

    def __init__(self, start: bytes) -> None:
        torch.set_num_threads(1)
        self.policy, exact = pickle.loads(start)
        torch.use_deterministic_algorithms(exact)
        self.kept: dict[int, Any] = {}

    def play(self, weights: Any, body: bytes, kept: int, place: list[Any]) -> bytes:
        """(True, value) or (False, exception) of a part, as bytes."""
        import ray

        if kept >= 0 and kept not in self.kept:
            self.kept[kept] = pickle.loads(ray.get(place[0]))
        flat = torch.from_numpy(weights.copy())
        at = 0
        with torch.no_grad():
            for p in self.policy.model.parameters():
                p.copy_(flat[at : at + p.numel()].view_as(p))
                at += p.numel()
        work, part = pickle.loads(body)
        extra = [self.kept[kept]] if kept >= 0 else []
        try:
            return pickle.dumps((True, work(self.policy, *extra, *part)))
        except Exception as error:  # noqa: BLE001 - whatever it is, the process that asked raises it
            return pickle.dumps((False, error))
