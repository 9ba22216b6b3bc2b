"""An endpoint as agent: the episodes of many questions, many at once.

Used by 03_distill (teachers) and 07_evaluate (the teacher's row). In: questions, a model, tools. Out: trajectories,
always in the same order and with the same content, whatever ran beside what. One episode is in `turns`. Departure from
the paper: it samples a question up to N times until one answer is right; here that is an option (`enough`), because
the samples behind the first right one are training data too.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tqdm import tqdm

from webdancer.agent.judge import match
from webdancer.agent.llm import LLM, EndpointError, wait
from webdancer.agent.partial import Key, PartFile
from webdancer.agent.sealed import parts
from webdancer.agent.settle import settle as settle
from webdancer.agent.turns import Calls, Settings, play
from webdancer.agent.turns import episode as episode
from webdancer.agent.turns import failed as failed
from webdancer.agent.turns import shown as shown
from webdancer.core import spread
from webdancer.core.schema import Question, Trajectory
from webdancer.core.vault import Vault

GIVE_UP = 20  # failed episodes in a row after which a run is called off
Right = Callable[[Question, Trajectory], Awaitable[bool]]


async def by_rule(question: Question, trajectory: Trajectory) -> bool:
    """Whether an answer is right, by `judge.match`."""
    return match(trajectory.prediction, question.answer)


def many(
    llm: LLM,
    questions: Sequence[Question],
    tools: Calls,
    settings: Settings | None = None,
    *,
    samples: int = 1,
    partial: Path | None = None,
    progress: bool = True,
    vault: Vault | None = None,
) -> list[Trajectory]:
    """Run `samples` episodes of every question, `llm.concurrency` at once, and hold them all in memory.

    Args:
        llm, questions, tools, settings: as for `episode`.
        samples, progress: as for `fill`.
        partial: a file for what is finished (`partial.path_for` names one); the caller removes it in the end.
        vault: of a secret benchmark: the part file is sealed, and no error quotes a question.

    Returns:
        The trajectories, samples of a question side by side, in the order of the questions.

    Raises:
        ValueError, EndpointError: as `fill` does. VaultError: in the place of an error that quotes a question.
    """
    with vault.guard() if vault else contextlib.nullcontext(), parts(partial, vault) as part:
        keys = fill(llm, questions, tools, settings or Settings(), part, samples=samples, progress=progress)
        return [part.get(key).trajectory for key in keys]


def fill(
    llm: LLM,
    questions: Sequence[Question],
    tools: Calls,
    settings: Settings,
    part: PartFile,
    *,
    samples: int = 1,
    enough: int = 0,
    right: Right = by_rule,
    progress: bool = True,
) -> list[Key]:
    """Run the episodes of every question that `part` does not hold yet, `llm.concurrency` at once, into `part`.

    Args:
        llm, questions, tools, settings: as for `episode`.
        part: gets every episode as it ends; those that it holds are not run again.
        samples: most episodes a question.
        enough: with a number above 0 the samples of a question run one after the other, and no more once so many are
            right, whatever runs beside them (the paper: up to N = 5 until one is right); 0 runs all.
        right: says whether an answer is right; asked only if `enough` is above 0. A verdict that the judge's endpoint
            fails to give counts as a no.
        progress: draw a tqdm bar.

    Returns:
        The episodes that make up the result, samples of a question side by side, in the order of the questions.

    Raises:
        ValueError: two questions share an id, or there are none.
        EndpointError: the endpoint refuses every request, the budget is spent, or `GIVE_UP` episodes in a row failed.
            What is finished stays in `part`.
    """
    if not questions or len({q.id for q in questions}) < len(questions) or samples < 1 or enough < 0:
        raise ValueError(
            f"got {len(questions)} questions, {samples} samples, enough={enough}: wanted at least one question and "
            "sample, every id once, and enough not below 0"
        )
    bar = tqdm(total=samples * len(questions), desc=settings.style, mininterval=5, disable=not progress)
    with bar:
        crowd = _Crowd(llm, tools, settings, part, samples, enough, right, bar)
        wait(crowd.run(questions))
    return [(q.id, s) for q in questions for s in range(crowd.needed.get(q.id, samples))]


@dataclass
class _Crowd:
    """The workers of `fill` and what they share; `needed` is the number of samples of a question stopped early."""

    llm: LLM
    tools: Calls
    settings: Settings
    part: PartFile
    samples: int
    enough: int
    right: Right
    bar: tqdm
    needed: dict[str, int] = field(default_factory=dict)
    failures: int = 0  # in a row

    async def run(self, questions: Sequence[Question]) -> None:
        """`llm.concurrency` workers take from one iterator; the first error ends them all."""
        apart = [range(self.samples)] if self.enough else [range(s, s + 1) for s in range(self.samples)]
        todo = ((question, numbers) for question in questions for numbers in apart)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.llm.concurrency):
                    group.create_task(self._work(todo))
        except ExceptionGroup as errors:
            first = errors.exceptions[0]
            if self.part.path:
                first.add_note(f"{len(self.part)} finished episodes are kept. Run again to go on from them.")
            raise first from None

    async def _work(self, todo: Iterator[tuple[Question, range]]) -> None:
        for question, numbers in todo:
            await self._samples(question, numbers)

    async def _samples(self, question: Question, numbers: range) -> None:
        """Samples of a question one after the other, until enough are right."""
        good = 0
        for sample in numbers:
            if self.enough and good >= self.enough:
                self.needed[question.id] = sample
                self.bar.update(len(numbers) - sample)
                return
            good += await self._one(question, sample)
            self.bar.update()

    async def _one(self, question: Question, sample: int) -> bool:
        """Whether an episode is right (False if that does not matter); it is run unless the part file holds it."""
        key = question.id, sample
        known = key in self.part
        if known and not self.enough:
            return False
        piece = (self.llm, question, self.tools, self.settings, sample)
        done = self.part.get(key) if known else await spread.do(play, *piece)
        if not known:
            self.part.add(done)
        lost, right = done.trajectory.stop == "error", done.right
        if self.enough and right is None and not lost:
            right = await self._verdict(question, done.trajectory)
            lost = right is None
            if not lost:
                self.part.add(replace(done, right=right))
        self._watch(lost)
        return bool(right)

    async def _verdict(self, question: Question, trajectory: Trajectory) -> bool | None:
        """Whether the answer is right; None if the judge could not be asked this time."""
        try:
            return await self.right(question, trajectory)
        except EndpointError as error:
            if error.fatal:
                raise
            return None

    def _watch(self, lost: bool) -> None:
        """Call the run off when episode after episode is lost to an endpoint."""
        self.failures = self.failures + 1 if lost else 0
        if self.failures >= GIVE_UP:
            why = getattr(self.llm, "last_error", "")
            raise EndpointError(f"{GIVE_UP} episodes in a row ended in an endpoint error, the last one: {why}")
