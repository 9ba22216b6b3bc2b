"""Stage 3: teachers answer the questions and their episodes become training data. Shown in 03_distill.

In: questions of split `sft`, pages (through the tools), teachers behind an OpenAI-compatible endpoint. Out:
`trajectories.jsonl`, one row an episode, in the released WebDancer form. As in the paper a question gets up to
N samples, from an instruct model (short thoughts) and from a reasoning model (long thoughts, see
`agent.turns`). Departures: the paper samples up to N = 5 until one is right; that is the parameter `enough`, and by
default every sample is run and kept, and the funnel decides, so that its counts mean something. A question of E2HQA
can be asked in all its versions, which the paper does not report. On the pocket web the teachers are rule-based
stand-ins. Tables of what came out are in `distill_tables`.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from webdancer.agent import partial, react
from webdancer.agent.llm import LLM
from webdancer.agent.partial import Key, PartFile
from webdancer.agent.react import Calls, Settings
from webdancer.core import splits
from webdancer.core.record import describe
from webdancer.core.schema import Question, Trajectory, write_jsonl

# The parameters that decide what the tools show, and so what the episodes are.
TOOL_PARAMETERS = (
    "search_results",
    "snippet_words",
    "max_observation_chars",
    "search_engine",
    "live_visits",
)


class Judges(Protocol):
    """What `run` needs of a judge: `agent.judge.LLMJudge`, or a fake in a test."""

    async def ask(self, question: str, prediction: str, gold: str) -> bool: ...


@dataclass
class Outcome:
    """What a run did: episodes written; by style, the samples that were not needed because enough were right; and how
    often which change (`settle.CHANGES`) had to be made to a reply.
    """

    episodes: int = 0
    spared: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)


def choose(questions: Iterable[Question], count: int = 0, seed: int = 0) -> list[Question]:
    """The questions to ask the teachers: those of split `sft` (`splits.for_teachers`), in their order.

    Args:
        questions: all questions.
        count: a seeded draw of so many; 0 takes all.
        seed: of the draw.

    Raises:
        ValueError: there is none.
    """
    found = splits.for_teachers(questions)
    if not found:
        raise ValueError(
            "got no question of split 'sft', wanted at least one: check the splits and the drops of 02_synthesize"
        )
    if not 0 < count < len(found):
        return found
    drawn = set(random.Random(f"{seed}-choose").sample(range(len(found)), count))
    return [q for i, q in enumerate(found) if i in drawn]


def versions(question: Question) -> list[Question]:
    """The question after 0, 1, ..., n rewrites (E2HQA: Q_1 to Q_{n+1}); a question without rewrites alone.

    The answer is the same in all. A rewrite adds one hop, with its evidence, in front. Ids end in `.n0`, `.n1`, ...;
    `rewrites` holds the versions before.

    >>> q = Question("q", "Who leads the city of Tal?", "Ada", "e2hqa", 2, rewrites=("Who leads Orlen?",))
    >>> [(v.id, v.question, v.hops) for v in versions(q)]
    [('q.n0', 'Who leads Orlen?', 1), ('q.n1', 'Who leads the city of Tal?', 2)]
    """
    texts = (*question.rewrites, question.question)
    last = len(question.rewrites)
    return [
        replace(
            question,
            id=f"{question.id}.n{n}",
            question=text,
            hops=question.hops - (last - n),
            evidence=question.evidence[last - n :],
            support=question.support[last - n :],
            offsets=question.offsets[last - n :],
            rewrites=question.rewrites[:n],
        )
        for n, text in enumerate(texts)
    ]


def rewritten(questions: Iterable[Question], count: int = 0, seed: int = 0) -> list[Question]:
    """All versions of the E2HQA questions among those for the teachers, the ones with most rewrites first.

    Args:
        questions: all questions.
        count: so many questions, drawn by `seed` among equals; 0 takes all.
        seed: of the draw.

    Returns:
        Their versions side by side; none if there is no such question.
    """
    found = [q for q in splits.for_teachers(questions) if q.rewrites]
    random.Random(f"{seed}-rewritten").shuffle(found)
    found.sort(key=lambda q: -len(q.rewrites))
    return [v for q in found[: count or None] for v in versions(q)]


def run(
    jobs: Sequence[tuple[LLM, Settings, int, Sequence[Question]]],
    tools: Calls,
    out: Path,
    *,
    enough: int = 0,
    judge: Judges | None = None,
    about: Any = (),
    progress: bool = True,
) -> Outcome:
    """Let every teacher answer its questions and write all episodes to `out`.

    Finished episodes are kept in files beside `out` as they come, so that an interrupted run goes on where it
    was and memory stays flat; the files are removed when `out` is complete. A run that was killed, however often,
    writes the same file as an unbroken one.

    Args:
        jobs: (teacher, settings, most samples a question, questions), one for each style; with 0 samples a job is
            skipped.
        tools: `search` and `visit`.
        out: the JSONL file to write: jobs, questions, samples in order, whatever the order in which they ended.
        enough: ask a question no more once so many of its samples are right; 0 runs all samples.
        judge: says what is right for `enough`; None is the rule `judge.match`.
        about: what else the episodes depend on (`depends`), plain JSON data: with another value an interrupted run
            starts anew.
        progress: draw a bar for each teacher.

    Raises:
        ValueError: no job has samples.
        EndpointError: a teacher cannot be asked, or the budget is spent; what is finished stays in the files.
    """
    jobs = [job for job in jobs if job[2]]
    if not jobs:
        raise ValueError("got no teacher with at least one sample a question: raise short_samples or long_samples")
    out.parent.mkdir(parents=True, exist_ok=True)
    outcome, right = Outcome(), by(judge) if judge else react.by_rule
    about = [about, "judged"] if judge and enough else about  # another judge's verdicts are kept apart
    with ExitStack() as open_files:
        parts, keys = [], []
        for llm, settings, samples, questions in jobs:
            who = [llm.model, llm.max_tokens, getattr(llm, "top_p", None), getattr(llm, "extra", None)]
            path = partial.path_for(out, who, settings, questions, about)
            parts.append(open_files.enter_context(PartFile(path)))
            dials = {"samples": samples, "enough": enough, "right": right, "progress": progress}
            keys.append(react.fill(llm, questions, tools, settings, parts[-1], **dials))
            outcome.spared[settings.style] += samples * len(questions) - len(keys[-1])
        outcome.episodes = write_jsonl(out, _in_order(parts, keys, outcome.changes))
    for part in parts:
        part.path.unlink(missing_ok=True)
    return outcome


def depends(parameters: Mapping[str, Any], pages: Path, reader: LLM | None) -> list[Any]:
    """What episodes depend on beside teachers and questions, for `about` of `run`: what the tools show.

    Args:
        parameters: a notebook's; those named in `TOOL_PARAMETERS` count.
        pages: the file with the pages that can be searched.
        reader: the summariser, if there is one.
    """
    summariser = [reader.model, reader.max_tokens] if reader else []
    return [[parameters[name] for name in TOOL_PARAMETERS], describe(pages)["sha256"], summariser]


def by(judge: Judges) -> react.Right:
    """The verdict of a judge, in the form that `react.fill` asks for."""

    async def right(question: Question, trajectory: Trajectory) -> bool:
        return await judge.ask(question.question, trajectory.prediction, question.answer)

    return right


def _in_order(parts: Sequence[PartFile], keys: Sequence[Sequence[Key]], changes: Counter[str]) -> Iterator[Trajectory]:
    """The episodes one by one; counts the changes on the way."""
    for part, wanted in zip(parts, keys, strict=True):
        for key in wanted:
            finished = part.get(key)
            changes.update(finished.changes)
            yield finished.trajectory
