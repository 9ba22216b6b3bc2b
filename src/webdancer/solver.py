"""Is a question worth searching for? A solver tries it with tools and without (a check of 02_synthesize).

In: a question, a model, `search` and `visit`. Out: a verdict: found by search in some of k tries, and known without
looking anything up. A question that nobody finds may have no answer to find; one that is known from memory teaches no
search. The paper publishes no such check. A limit: what one model cannot find another may, so these are questions that
*this* solver can find, and no share of them solved by the same model is a fair score.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from webdancer.agent.judge import match, normalise
from webdancer.agent.llm import LLM, EndpointError
from webdancer.agent.react import Settings, episode
from webdancer.agent.turns import Calls
from webdancer.core import prompts
from webdancer.core.schema import Question
from webdancer.linkgraph import LinkGraph
from webdancer.web.search import SearchIndex
from webdancer.web.tools import Tools

GUESSED = 12  # a number up to this may be a guess: it says little about memory


class Judges(Protocol):
    """Says whether an answer is right where the rule says no: `agent.judge.LLMJudge`."""

    async def ask(self, question: str, prediction: str, gold: str) -> bool: ...


@dataclass(frozen=True)
class Verdict:
    """What became of one question.

    `found`: whether a try with tools gave the answer; `tries` how many were made, `calls` the tool calls of the one
    that found it (0 if none did); `known`: whether the answer came without tools.
    """

    found: bool
    tries: int
    calls: int
    known: bool


@dataclass
class Solver:
    """A model with tools.

    Args:
        llm: the model.
        tools: `search` and `visit` over the web of each split.
        settings: how an episode runs.
        tries: episodes a question at most; the first right one is enough.
        judge: asked about answers that the rule (`judge.match`) turns down; None: the rule has the last word.
        drop_guesses: drop a question as known also if its answer is yes, no or a number up to `GUESSED`, which can be
            guessed. False keeps them: dropping would leave only the numbers that are guessed less often.

    Raises:
        ValueError: fewer than 1 try.
    """

    llm: LLM
    tools: Mapping[str, Calls]
    settings: Settings
    tries: int = 2
    judge: Judges | None = None
    drop_guesses: bool = False

    def __post_init__(self) -> None:
        if self.tries < 1:
            raise ValueError(f"got {self.tries} tries of the solver, wanted at least 1 (no split to solve: no solver)")

    async def check(self, question: Question) -> Verdict:
        """Try a question of a split that has tools.

        The verdict depends on the question's text and the seed, not on what runs beside it.

        Raises:
            EndpointError: the model could not be asked, so that there is no verdict.
        """
        digest = hashlib.sha256(question.question.encode("utf-8", "surrogatepass")).hexdigest()
        asked = replace(question, id=digest[:12])
        seed = int(digest[:7], 16) ^ self.settings.seed
        reply = await self.llm.chat(
            prompts.closed_book(question.question), seed=seed, temperature=self.settings.temperature
        )
        known, lost = await self._right(question, reply.content), 0
        for n in range(1, self.tries + 1):
            run = await episode(self.llm, asked, self.tools[question.split], self.settings, n - 1)
            lost += run.stop == "error"
            if await self._right(question, run.prediction):
                return Verdict(True, n, run.n_calls, known)
        if lost:  # not found, but not all tries were made either: no verdict
            why = getattr(self.llm, "last_error", "")
            raise EndpointError(f"the solver lost {lost} of {self.tries} tries of a question: {why}")
        return Verdict(False, self.tries, 0, known)

    async def _right(self, question: Question, said: str) -> bool:
        if match(said, question.answer):
            return True
        return bool(self.judge and said.strip() and await self.judge.ask(question.question, said, question.answer))

    def reason(self, question: Question, verdict: Verdict) -> str:
        """Why a question is dropped after its verdict: "unsolved", "known", or "" if it stays."""
        if not verdict.found:
            return "unsolved"
        return "known" if verdict.known and (self.drop_guesses or not guessable(question.answer)) else ""


class Searchable(Protocol):
    """A web with its pages and their index: `synthesize.Web`."""

    @property
    def graph(self) -> LinkGraph: ...

    @property
    def index(self) -> SearchIndex: ...


def over(
    llm: LLM | None,
    webs: Mapping[str, Searchable],
    splits: Sequence[str],
    settings: Settings,
    results: int,
    **more: Any,
) -> Solver | None:
    """A solver with tools over the webs of some splits; None without a model or without splits.

    Args:
        llm: the model.
        webs: the web of each split.
        splits: whose questions it tries.
        settings: how an episode runs.
        results: search results a query.
        **more: `tries`, `judge`, `drop_guesses` of `Solver`.

    Raises:
        ValueError: a split without a web.
    """
    unknown = [split for split in splits if split not in webs]
    if unknown:
        raise ValueError(f"got solver_splits {list(splits)}, wanted some of {', '.join(webs)}")
    if llm is None or not splits:
        return None
    tools = {s: Tools(webs[s].index, list(webs[s].graph.pages.values()), results=results) for s in splits}
    return Solver(llm, tools, settings, **more)


def guessable(answer: str) -> bool:
    """Whether a right answer says little about knowledge, because there are few to choose from.

    >>> guessable("2"), guessable("1871"), guessable("Yes."), guessable("Ada Moor")
    (True, False, True, False)
    """
    plain = normalise(answer)
    return plain in ("yes", "no", "true", "false") or bool(re.fullmatch(r"\d+", plain) and int(plain) <= GUESSED)
