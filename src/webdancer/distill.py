"""Stage 3: teachers answer the questions and their episodes become training data. Shown in 03_distill.

In: questions of split `sft`, pages (through the tools), teachers behind an OpenAI-compatible endpoint. Out:
`trajectories.jsonl`, one row an episode, in the released WebDancer form. As in the paper a question gets up to
N samples, from an instruct model (short thoughts) and from a reasoning model (long thoughts, see
`agent.react`). Departures: the paper samples up to N = 5 until one is right; here every sample is run and kept,
and the funnel decides, so that its counts mean something. On the pocket web the teachers are rule-based stand-
ins.
"""

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean

import pandas as pd

from webdancer.agent.llm import LLM
from webdancer.agent.react import Calls, Settings, many, partial_path
from webdancer.core import splits
from webdancer.core.protocol import ProtocolError, parse_turn, turns_of
from webdancer.core.schema import Question, Trajectory, write_jsonl


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


def run(
    jobs: Sequence[tuple[LLM, Settings, int, Sequence[Question]]], tools: Calls, out: Path, *, progress: bool = True
) -> list[Trajectory]:
    """Let every teacher answer its questions and write all episodes to `out`.

    Finished episodes are kept in files beside `out` as they come, so that an interrupted run goes on where it
    was; the files are removed when `out` is complete.

    Args:
        jobs: (teacher, settings, samples a question, questions), one for each style; with 0 samples a job is skipped.
        tools: `search` and `visit`.
        out: the JSONL file to write.
        progress: draw a bar for each teacher.

    Returns:
        The trajectories, in the order of jobs, questions, samples, whatever the order in which they ended.

    Raises:
        ValueError: no job has samples.
        EndpointError: a teacher cannot be asked; what is finished stays in the files.
    """
    jobs = [job for job in jobs if job[2]]
    if not jobs:
        raise ValueError("got no teacher with at least one sample a question: raise short_samples or long_samples")
    out.parent.mkdir(parents=True, exist_ok=True)
    done, partials = [], []
    for llm, settings, samples, questions in jobs:
        partials.append(partial_path(out, llm, settings, questions))
        done += many(llm, questions, tools, settings, samples=samples, partial=partials[-1], progress=progress)
    write_jsonl(out, done)
    for partial in partials:
        partial.unlink(missing_ok=True)
    return done


def thoughts(trajectory: Trajectory) -> list[str]:
    """The thoughts of an episode, turns that do not parse left out."""
    found = []
    for text in turns_of(trajectory.messages):
        try:
            found.append(parse_turn(text).thought)
        except ProtocolError:
            continue
    return found


def summary(trajectories: Sequence[Trajectory]) -> pd.DataFrame:
    """One row a style: episodes, share answered, and means of tool calls, words of thought in an episode,
    tokens billed.
    """
    rows = []
    for style in dict.fromkeys(t.style for t in trajectories):
        ours = [t for t in trajectories if t.style == style]
        words = [sum(len(text.split()) for text in thoughts(t)) for t in ours]
        rows.append(
            {
                "style": style,
                "episodes": len(ours),
                "answered": mean(t.stop == "answer" for t in ours),
                "tool_calls": mean(t.n_calls for t in ours),
                "thought_words": mean(words),
                "tokens": mean(t.tokens for t in ours),
                "cost_usd": sum(t.cost for t in ours),
            }
        )
    return pd.DataFrame(rows)


def stops(trajectories: Sequence[Trajectory]) -> pd.DataFrame:
    """How many episodes of each style ended for which reason: columns `style`, `stop`, `episodes`."""
    data = pd.DataFrame([{"style": t.style, "stop": t.stop} for t in trajectories], columns=["style", "stop"])
    return data.value_counts(sort=False).rename("episodes").reset_index()


def calls_by_hops(trajectories: Sequence[Trajectory]) -> pd.DataFrame:
    """Mean tool calls of answered episodes by style and hops: columns `style`, `hops`, `tool_calls`, `episodes`."""
    answered = [t for t in trajectories if t.stop == "answer"]
    data = pd.DataFrame([(t.style, t.hops, t.n_calls) for t in answered], columns=["style", "hops", "tool_calls"])
    return (
        data.groupby(["style", "hops"])["tool_calls"]
        .agg(["mean", "size"])
        .set_axis(["tool_calls", "episodes"], axis=1)
        .reset_index()
    )
