"""What the funnel asks of models: is the answer right, and how good is the episode? Shown in 04_filter.

Part of stage 4 (`filters`). In: trajectories and a client. Out: verdicts (True or False), or three scores from 1 to 5.
As in the paper a judge compares with the gold answer, and a model looks at redundancy, alignment with the goal, logic
and accuracy. Departures: an answer equal to the gold one is right without a call; the second model gives scores, of
which a threshold is a parameter, where the paper's keeps or drops. On the pocket web both are rule-based stand-ins.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, Field

from webdancer.agent.judge import Asks, LLMJudge, match, together
from webdancer.agent.llm import Unusable, wait
from webdancer.core import prompts
from webdancer.core.protocol import question_of
from webdancer.core.schema import Trajectory
from webdancer.filters_rules import CRITERIA, prediction

Verdicts = Callable[[Sequence[Trajectory]], list[bool]]
Ratings = Callable[[Sequence[Trajectory]], list[tuple[int, ...]]]
Score = Annotated[int, Field(ge=1, le=5)]


class Rating(BaseModel):
    """What a rater replies; the fields are `filters_rules.CRITERIA` and a reason."""

    non_redundant: Score
    goal_aligned: Score
    logical: Score
    reason: str = ""


class Rates(Protocol):
    """What rating needs of a model: `agent.llm.LLM`, or a fake in a test."""

    async def ask(self, messages: list[dict[str, str]], schema: type[Any], *, seed: int = 0) -> Any: ...


class Judged:
    """Verdicts of a judge; after a call `asked` says how often it was asked, `unread` how many replies held no verdict.

    Such a reply counts as wrong.
    """

    def __init__(self, llm: Asks) -> None:
        self.judge = LLMJudge(llm)
        self.asked = 0

    @property
    def unread(self) -> int:
        """Replies without a verdict so far."""
        return self.judge.unread

    def __call__(self, rows: Sequence[Trajectory]) -> list[bool]:
        """A verdict a trajectory. EndpointError: the model could not be asked; replies that came are in its cache."""
        right = by_equality(rows)
        doubtful = [t for t, equal in zip(rows, right, strict=True) if not equal]
        self.asked += len(doubtful)
        found = iter(self.judge.judge_many((question_of(t.messages), prediction(t), golds(t)) for t in doubtful))
        return [equal or next(found) for equal in right]


def golds(trajectory: Trajectory) -> tuple[str, ...]:
    """All gold answers of a trajectory, aliases too."""
    return tuple(gold for group in trajectory.answer for gold in ((group,) if isinstance(group, str) else group))


def by_equality(trajectories: Sequence[Trajectory]) -> list[bool]:
    """Correctness by equality after normalising: the first pass that costs nothing."""
    return [match(prediction(t), golds(t), exact=True) for t in trajectories]


def by_match(trajectories: Sequence[Trajectory]) -> list[bool]:
    """Correctness by rule (`normalise.match`) against the gold and its aliases; no model is asked."""
    return [match(prediction(t), golds(t)) for t in trajectories]


def by_judge(llm: Asks) -> Judged:
    """Correctness by an LLM judge that sees question, prediction and gold, where `by_equality` does not say right."""
    return Judged(llm)


def by_quality(llm: Rates) -> Ratings:
    """Scores by a model that reads question and episode; () where no usable reply came, repairs included.

    EndpointError: the model could not be asked; replies that came are in its cache.
    """

    async def ask(trajectory: Trajectory) -> tuple[int, ...]:
        messages = prompts.quality(question_of(trajectory.messages), trajectory.messages)
        try:
            rating = await llm.ask(messages, Rating, seed=0)
        except Unusable:
            return ()
        return tuple(getattr(rating, name) for name in CRITERIA)

    return lambda rows: wait(together(map(ask, rows)))
