"""Which question goes where: to the teachers (`sft`), to reinforcement learning (`rl`), or to the evaluation (`eval`).

02_synthesize splits; 04_filter moves the questions that no teacher's trajectory survived on to `rl`, as the
paper does. A moved question is marked, so that running 03_distill or 04_filter a second time starts from the
same questions and not from what the last run left.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace

from webdancer.core.schema import Question

LEFT_OVER = "left over"  # stands in `checks` of a question that 04_filter moved


def for_teachers(questions: Iterable[Question]) -> list[Question]:
    """The questions of split `sft`, with those that an earlier run of 04_filter moved to `rl`."""
    return [q for q in questions if q.split == "sft" or LEFT_OVER in q.checks]


def move_left_over(questions: Iterable[Question], tried: Collection[str], survived: Collection[str]) -> list[Question]:
    """The questions with the splits that a funnel gives them; all other fields and the order stay.

    Args:
        questions: all questions.
        tried: ids of those that teachers were asked.
        survived: ids of those with at least one kept trajectory.

    Returns:
        Of the tried questions for teachers, those with a survivor are `sft` and those without are `rl`, marked
        `LEFT_OVER`. Questions never tried, and those that 02_synthesize gave to `rl` or `eval`, are as they
        were. Doing it twice changes nothing.
    """
    questions = list(questions)
    ours = {q.id for q in for_teachers(questions)}
    ours &= set(tried)
    return [_moved(q, q.id in survived) if q.id in ours else q for q in questions]


def _moved(question: Question, survives: bool) -> Question:
    checks = tuple(c for c in question.checks if c != LEFT_OVER)
    return replace(question, split="sft" if survives else "rl", checks=checks if survives else (*checks, LEFT_OVER))
