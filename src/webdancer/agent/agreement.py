"""How far a judge can be trusted: its verdicts against labels, with intervals.

Used by 04_filter, by `tests/benchmarks/bench_judge.py` and by whoever wants to try a judge of their own on the labelled
pairs of `tests/data/judge`. In: labels and verdicts. Out: agreement, false accepts and false rejects as shares with
Wilson's 95 % intervals. Not in the paper, which publishes no figure on its judge.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from webdancer.agent.judge import Asks, match, read_verdict
from webdancer.core import prompts
from webdancer.web.blocked import interval

Pair = dict[str, Any]  # question, golds, prediction, label ("right" or "wrong"), part, category, language


def score(labels: Sequence[bool], verdicts: Sequence[bool | None]) -> dict[str, Any]:
    """Agreement of verdicts with labels; a verdict of None counts as "wrong", as it does in a stage.

    Returns:
        `agreement`, `false_accept` (share of the wrong answers that pass) and `false_reject` (share of the right
        answers that do not), each as {"value", "count", "of", "ci95"}, and `unread`, the verdicts of None.

    Raises:
        ValueError: different lengths, or nothing to compare.

    >>> found = score([True, True, False, False], [True, None, True, False])
    >>> found["agreement"]["value"], found["false_accept"]["count"], found["false_reject"]["count"], found["unread"]
    (0.5, 1, 1, 1)
    """
    if len(labels) != len(verdicts) or not labels:
        raise ValueError(f"got {len(labels)} labels and {len(verdicts)} verdicts, wanted one verdict for each label")
    pairs = [(label, bool(verdict)) for label, verdict in zip(labels, verdicts, strict=True)]
    right, wrong = ([said for label, said in pairs if label is side] for side in (True, False))
    return {
        "agreement": share(sum(label == said for label, said in pairs), len(pairs)),
        "false_accept": share(sum(wrong), len(wrong)),
        "false_reject": share(len(right) - sum(right), len(right)),
        "unread": sum(verdict is None for verdict in verdicts),
    }


def share(count: int, of: int) -> dict[str, Any]:
    """A share with Wilson's 95 % interval; `value` is None if there is nothing to count."""
    low, high = interval(count, of)
    value = round(count / of, 4) if of else None
    return {"value": value, "count": count, "of": of, "ci95": [round(low, 4), round(high, 4)]}


def labels(pairs: Iterable[Pair]) -> list[bool]:
    """The labels of pairs, True for right."""
    return [pair["label"] == "right" for pair in pairs]


def by_rule(pairs: Iterable[Pair], *, exact: bool) -> list[bool | None]:
    """Verdicts by `normalise.match`."""
    return [match(pair["prediction"], pair["golds"], exact=exact) for pair in pairs]


async def by_model(llm: Asks, pairs: Iterable[Pair]) -> list[bool | None]:
    """Verdicts by a judge alone, without the free first pass; an empty prediction is asked about as well."""

    async def ask(pair: Pair) -> bool | None:
        reply = await llm.chat(prompts.judge(pair["question"], pair["prediction"], pair["golds"]), seed=0)
        return read_verdict(reply.content)

    return list(await asyncio.gather(*map(ask, pairs)))
