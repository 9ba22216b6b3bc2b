"""The study of notebook 08: which policies are trained from what, so that the paper's analyses can be asked again.

An **arm** is one policy, trained one way with one seed, and one measurement of it. This module says which arms there
are, what each depends on, and which comparison (`cells`) takes which. Arms share what they can: one reading policy a
width and seed, one SFT a set of trajectories, measured at several temperatures and practised from. The parts:
`study_data` what is learned, `study_train` the training, `study_run` arm after arm with what is finished kept,
`study_measure` their numbers, `study_claims` the paper's findings and the rule that compares, `study_time` how long.
Like `run`, all of it stands above the stages: it calls `sft`, `dapo` and `evaluate` and trains nothing by itself.

Departures from the paper (arXiv 2505.22648, section 5): (1) its bases are instruct and reasoning models of 7 and 32
billion parameters; here one tiny policy a width has read observations and nothing that an assistant wrote, and
"reasoning" is a style of the thoughts it is then taught; (2) every SFT takes as many tokens as every other; (3) at
least three seeds, where the paper has one run each; (4) the questions are those of a fictional web.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

STAGES = ("base", "sft", "dapo")
DATA = ("both", "crawlqa", "e2hqa", "unfiltered")
STYLES = ("short", "long")


@dataclass(frozen=True)
class Arm:
    """One policy and one measurement of it.

    seed: of weights, batches, draws, rollouts and sampling. width: of the model. style: thoughts it is taught. data:
    which trajectories: "both" kinds that the funnel of 04 kept, only "crawlqa" or "e2hqa" of them, or all,
    "unfiltered". count: a draw of so many, 0 for all. taught: with SFT. practised: with DAPO. temperature: of the
    measurement.
    """

    seed: int = 0
    width: int = 96
    style: str = "short"
    data: str = "both"
    count: int = 0
    taught: bool = True
    practised: bool = False
    temperature: float = 0.6

    def __post_init__(self) -> None:
        """Refuse a style or data that there is not."""
        for name, allowed in (("style", STYLES), ("data", DATA)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"got {name}={getattr(self, name)!r}, wanted one of {', '.join(allowed)}")

    @property
    def stages(self) -> tuple[str, ...]:
        """What is done to the weights, in order.

        >>> Arm(practised=True).stages, Arm(taught=False).stages
        (('base', 'sft', 'dapo'), ('base',))
        """
        return ("base", *(["sft"] if self.taught else []), *(["dapo"] if self.practised else []))

    def model(self, stage: str = "") -> str:
        """Name of the model after `stage`, the last one by default: what other arms share has the same name.

        >>> Arm(practised=True).model(), Arm(practised=True).model("base"), Arm(practised=True, taught=False).model()
        ('short-96-both-rl-s0', 'base-96-s0', 'base-96-rl-s0')
        """
        stage = stage or self.stages[-1]
        taught = self.taught and stage != "base"
        what = f"{self.style}-{self.width}-{self.data}" if taught else f"base-{self.width}"
        number = f"-{self.count}" if taught and self.count else ""
        return f"{what}{number}{'-rl' if stage == 'dapo' else ''}-s{self.seed}"

    @property
    def name(self) -> str:
        """Name of the arm, and of its file.

        >>> Arm(temperature=1.0, seed=2).name
        'short-96-both-s2-t1.0'
        """
        return f"{self.model()}-t{self.temperature}"


@dataclass(frozen=True)
class Setup:
    """The numbers that all arms have in common; each is a parameter of 08_analyze with the same name.

    widths: of the models, small to large; the middle one is used wherever width is not the question. reading_steps,
    reading_flat, steps: of SFT and of the reading before it, `batch_tokens` each. few: trajectories in the comparisons
    at equal number. ladder: further numbers of trajectories. practice_steps, groups, rollouts, average,
    overlong_filter: of DAPO.
    questions, samples: of a measurement; temperature: its usual one, temperatures: the others that are tried.
    """

    widths: tuple[int, ...]
    layers: int
    vocabulary: int
    max_length: int
    prompt_style: str
    date: str
    batch_tokens: int
    reading_steps: int
    reading_flat: float
    steps: int
    few: int
    ladder: tuple[int, ...]
    practice_steps: int
    groups: int
    rollouts: int
    average: float
    overlong_filter: bool
    questions: int
    samples: int
    temperature: float
    temperatures: tuple[float, ...]
    top_p: float
    max_turns: int
    max_turn_tokens: int
    slots: int
    search_results: int
    snippet_words: int
    max_observation_chars: int
    threads: int

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> "Setup":
        """The setup in a notebook's parameters.

        Raises:
            ValueError: fewer than three samples, or no width or one that heads of 32 do not fill.
        """
        values = {f.name: parameters[f.name] for f in fields(cls)}
        setup = cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})
        if setup.samples < 3 or not setup.widths or any(w < 32 or w % 32 for w in setup.widths):
            raise ValueError(
                f"got samples={setup.samples} and widths={list(setup.widths)}, wanted at least 3 samples (Pass@3) and "
                "widths that are multiples of 32, the width of a head"
            )
        return setup

    @property
    def middle(self) -> int:
        """The width that is used wherever width is not the question."""
        return sorted(self.widths)[len(self.widths) // 2]


# What each stage depends on, besides what the stage before it does.
_USES = {
    "base": (
        *("layers", "vocabulary", "max_length", "prompt_style", "date", "batch_tokens"),
        *("reading_steps", "reading_flat", "threads"),
    ),
    "sft": ("steps",),
    "dapo": (
        *("practice_steps", "groups", "rollouts", "average", "overlong_filter", "max_turns", "max_turn_tokens"),
        *("search_results", "snippet_words", "max_observation_chars"),
    ),
    "measure": (
        *("questions", "samples", "top_p", "max_turns", "max_turn_tokens"),
        *("search_results", "snippet_words", "max_observation_chars"),
    ),
}


def fingerprint(arm: Arm, setup: Setup, data: Mapping[str, str], stage: str = "measure") -> str:
    """What a model after `stage`, or with "measure" the arm's numbers, depend on: another value, another hash.

    Parameters that come later do not count: with other practice the SFT stays. Code does not count either, so that a
    changed word does not cost hours; `study_run` writes down which code it was.

    Args:
        data: name to sha256 of the files that are read.
    """
    stages = [*arm.stages, "measure"]
    stages = stages[: stages.index(stage) + 1]
    parts = {name: getattr(setup, name) for s in stages for name in _USES[s]}
    what = {"model": arm.model(stage if stage in STAGES else "")}
    what |= {"temperature": arm.temperature} if stage == "measure" else {}
    text = json.dumps({**what, **parts, "data": dict(data)}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def cells(setup: Setup) -> dict[str, dict[str, Arm]]:
    """The comparisons: analysis to label to the arm of seed 0. A label means one arm wherever it stands."""
    arm = Arm(width=setup.middle, temperature=setup.temperature)
    long = replace(arm, style="long")
    before = {"untrained": replace(arm, taught=False), "short": arm, "long": long}
    after = {"short, RL": replace(arm, practised=True), "long, RL": replace(long, practised=True)}
    alone = {"RL alone": replace(arm, taught=False, practised=True)}
    few = {data: replace(arm, data=data, count=setup.few) for data in ("crawlqa", "e2hqa", "both")}
    raw = {"unfiltered": replace(arm, data="unfiltered")}
    raw["few, unfiltered"] = replace(arm, data="unfiltered", count=setup.few)
    rungs = {f"{n} trajectories": replace(arm, count=n) for n in setup.ladder}
    sizes = {
        f"{style}, width {width}": replace(arm, style=style, width=width) for style in STYLES for width in setup.widths
    }
    heat = {f"short at {t}": replace(arm, temperature=t) for t in setup.temperatures}
    heat |= {f"short, RL at {t}": replace(after["short, RL"], temperature=t) for t in setup.temperatures}
    return {
        "practice": before | after | alone,
        "data": few | {"short": arm} | raw | rungs,
        "thoughts": sizes,
        "temperature": heat,
        "patterns": before | after,
    }


def labels(setup: Setup) -> dict[str, Arm]:
    """All labels of `cells` in one dictionary."""
    return {label: arm for found in cells(setup).values() for label, arm in found.items()}


def arms(setup: Setup, seeds: range) -> Iterator[Arm]:
    """Every arm once, seed after seed; within a seed by width, and what is trained from something after it."""
    wanted = sorted(set(labels(setup).values()), key=lambda a: (a.width, a.practised, a.model(), a.temperature))
    for seed in seeds:
        yield from (replace(arm, seed=seed) for arm in wanted)


def described(arm: Arm) -> dict[str, Any]:
    """The arm as plain data, with its name."""
    return {"name": arm.name, "model": arm.model(), **asdict(arm)}
