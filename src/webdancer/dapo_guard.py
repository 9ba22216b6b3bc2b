"""Stage 06, the guards: what a log says when reinforcement learning goes wrong, and whether to stop.

In: the rows of the log so far. Out: alarms, one sentence each with the numbers. Shown in notebooks/06_dapo.ipynb.
`dapo.train` checks after every step, says each alarm once, and stops where the alarm's name is in `Guards.stop_on`. A
loss that is not finite is no matter of taste: it always stops (`TrainingError`).

The papers name these failures and give no bounds; the bounds here are ours. Each compares means over `window` steps, so
that one odd batch raises nothing, and none fires on the committed runs.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Row = dict[str, float]
NAMES = ("entropy_collapse", "shortcut", "form_only", "few_live_groups")


@dataclass(frozen=True)
class Guards:
    """When to raise an alarm.

    window: steps that a mean is taken over; nothing is said before two windows are over.
    entropy_share: entropy (nats a token) under this share of that of the first window has collapsed: the policy says
    the same thing every time, groups agree, and nothing is left to learn from.
    reward_rise, length_share: reward up by this much while tokens written, or tool calls, fell under this share of
    the first window's: the reward grows without the work. Long answers found by searching should cost some length.
    form_rise, answer_fall: format rate up by the one while the pass rate fell by the other: the form is being learned.
    live_share: a smaller share of live groups makes a step cost many times what it teaches.
    stop_on: names of alarms that end the run; the best weights so far are kept.
    """

    window: int = 5
    entropy_share: float = 0.2
    reward_rise: float = 0.1
    length_share: float = 0.7
    form_rise: float = 0.05
    answer_fall: float = 0.05
    live_share: float = 0.1
    stop_on: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a name that is none and a window without steps."""
        unknown = [name for name in self.stop_on if name not in NAMES]
        if unknown or self.window < 1:
            wanted = f"names among {', '.join(NAMES)} and a window of at least 1 step"
            raise ValueError(f"got stop_on={list(self.stop_on)}, window={self.window}; wanted {wanted}")


@dataclass(frozen=True)
class Alarm:
    """Something went wrong at `step`: its `name`, one of `NAMES`, and a sentence with the numbers and what to do."""

    step: int
    name: str
    message: str


def check(rows: Sequence[Row], guards: Guards) -> list[Alarm]:
    """What is wrong after the last of `rows`; empty before two windows are over.

    >>> dull = {"entropy": 1.0, "reward": 0.5, "tokens_written": 9.0, "tool_calls": 2.0, "format_rate": 1.0}
    >>> rows = [dull | {"step": n, "pass_rate": 0.4, "live_share": 0.02} for n in range(1, 11)]
    >>> [alarm.name for alarm in check(rows, Guards())]
    ['few_live_groups']
    """
    size = guards.window
    if len(rows) < 2 * size:
        return []
    names = ("entropy", "reward", "tokens_written", "tool_calls", "format_rate", "pass_rate", "live_share")
    first = {name: _mean(row[name] for row in rows[:size]) for name in names}
    last = {name: _mean(row[name] for row in rows[-size:]) for name in names}
    found = {
        "entropy_collapse": _entropy(first, last, guards),
        "shortcut": _shortcut(first, last, guards),
        "form_only": _form(first, last, guards),
        "few_live_groups": _live(last, guards),
    }
    return [Alarm(int(rows[-1]["step"]), name, message) for name, message in found.items() if message]


def _entropy(first: Row, last: Row, guards: Guards) -> str:
    if not last["entropy"] < guards.entropy_share * first["entropy"]:
        return ""
    return (
        f"entropy fell from {first['entropy']:.3g} to {last['entropy']:.3g} nats a token: lower lr, or raise eps_high"
    )


def _shortcut(first: Row, last: Row, guards: Guards) -> str:
    shorter = [n for n in ("tokens_written", "tool_calls") if last[n] < guards.length_share * first[n]]
    if not shorter or last["reward"] - first["reward"] < guards.reward_rise:
        return ""
    name = shorter[0]
    return (
        f"reward rose from {first['reward']:.2f} to {last['reward']:.2f} while {name.replace('_', ' ')} fell from "
        f"{first[name]:.3g} to {last[name]:.3g}: read some episodes; are the questions known by heart?"
    )


def _form(first: Row, last: Row, guards: Guards) -> str:
    risen = last["format_rate"] - first["format_rate"] >= guards.form_rise
    fallen = first["pass_rate"] - last["pass_rate"] >= guards.answer_fall
    if not (risen and fallen):
        return ""
    return (
        f"format rate rose from {first['format_rate']:.2f} to {last['format_rate']:.2f} while the pass rate fell from "
        f"{first['pass_rate']:.2f} to {last['pass_rate']:.2f}: more SFT first, so that form is no longer to be learned"
    )


def _live(last: Row, guards: Guards) -> str:
    if not last["live_share"] < guards.live_share:
        return ""
    return (
        f"live groups are {last['live_share']:.0%} of those sampled (bound {guards.live_share:.0%}), pass rate "
        f"{last['pass_rate']:.2f}: take harder questions if it is near 1, easier ones or more SFT if it is near 0"
    )


def _mean(values: Iterable[float]) -> float:
    """The mean of what is not NaN (a step without live groups has no entropy); NaN, which raises nothing, if none."""
    known = [v for v in values if not math.isnan(v)]
    return sum(known) / len(known) if known else math.nan
