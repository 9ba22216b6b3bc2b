"""Stage 06, the batch: settings, scored rollouts, dynamic sampling, mini-batches. Nothing here has a gradient.

In: a policy, questions, tools, an engine that rolls out episodes. Out: groups of scored rollouts, ready for the loss.
Shown in notebooks/06_dapo.ipynb; what departs from the papers is listed in `dapo.py`.
"""

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from webdancer import dapo_loss
from webdancer.agent import judge
from webdancer.core.schema import Question

TRUNCATED = ("turn_cap", "context_cap", "cut")
OLD_LOGP = ("rollout", "trainer")
REFILLS = ("fresh", "duplicate")
Engine = Callable[..., list[Any]]  # the signature of rollout.run
Match = Callable[[str, str], bool]


@dataclass(frozen=True)
class Settings:
    """Everything that shapes a run. Defaults are those of `quick`.

    steps, groups, samples: rollout batches, live groups wanted in each, rollouts a group (G).
    minibatches: updates on one rollout batch, at least 2 or the clip never acts. micro_tokens: padded tokens a forward.
    max_turns, max_tokens, max_turn_tokens: limits of an episode, all its tokens, one turn. slots: episodes at once.
    old_logp: "rollout" takes what the engine stored, "trainer" recomputes it before the first update.
    dev_every: steps between dev measurements (0 = never). max_rounds: rollout rounds a step, the first one counted.
    refill: of dead groups' places: "fresh" samples other questions, "duplicate" takes live groups of the same batch
    twice (DUPO). advantage: "group" or "leave_one_out". overlong_filter: truncated rollouts stay out of the loss.
    overlong_buffer, overlong_weight: soft overlong punishment over the last tokens before `max_tokens` (0: none), and
    what it takes off the reward at most. checkpoint_every: steps between checkpoints, where there is a file for them.
    average: decay of the running mean of the weights that dev measures and the folder keeps (`dapo_average`), 0: none.
    """

    steps: int = 12
    groups: int = 6
    samples: int = 8
    max_rounds: int = 3
    temperature: float = 1.0
    top_p: float = 1.0
    max_turns: int = 12
    max_tokens: int = 1024
    max_turn_tokens: int = 160
    slots: int = 96
    prompt_style: str = "brief"
    date: str = ""
    eps_low: float = 0.2
    eps_high: float = 0.28
    ddof: int = 1
    aggregation: str = "token_mean"
    old_logp: str = "rollout"
    minibatches: int = 2
    micro_tokens: int = 2048
    lr: float = 2.0e-4
    betas: tuple[float, float] = (0.9, 0.98)
    average: float = 0.0
    warmup: int = 5
    grad_clip: float = 1.0
    dev_every: int = 0
    dev_samples: int = 2
    refill: str = "fresh"
    advantage: str = "group"
    overlong_filter: bool = True
    overlong_buffer: int = 0
    overlong_weight: float = 1.0
    checkpoint_every: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot train, with the field, the value and what to write."""
        for name, least in (("steps", 1), ("groups", 1), ("samples", 2), ("max_rounds", 1), ("minibatches", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"got {name}={getattr(self, name)}, wanted at least {least}")
        choices = {"aggregation": dapo_loss.AGGREGATIONS, "old_logp": OLD_LOGP, "refill": REFILLS}
        for name, allowed in {**choices, "advantage": dapo_loss.ADVANTAGES}.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"got {name}={getattr(self, name)!r}, wanted one of {', '.join(allowed)}")
        if not 0 <= self.overlong_buffer < self.max_tokens:
            raise ValueError(
                f"got overlong_buffer={self.overlong_buffer}, wanted 0 (none) or less than max_tokens={self.max_tokens}"
            )


FIELDS = frozenset(f.name for f in fields(Settings))  # a notebook's parameters of these names make its settings


@dataclass(frozen=True)
class Rollout:
    """An episode with what the loss needs: its group, whether the answer is right, reward and advantage.

    `overlong` is the part of the reward that punishes length, 0 or less; `trained` counts the tokens that enter the
    loss: those that the model wrote, none if the rollout was truncated and the filter is on.
    """

    episode: Any
    group: int
    correct: bool
    reward: float
    advantage: float
    overlong: float = 0.0
    trained: int = 0


@dataclass
class Batch:
    """What dynamic sampling brought: the live groups (`reused` of them twice or more), and every rollout sampled."""

    live: list[list[Rollout]] = field(default_factory=list)
    sampled: list[Rollout] = field(default_factory=list)
    right: list[int] = field(default_factory=list)  # right answers of each group sampled
    rounds: int = 0
    reused: int = 0

    @property
    def thrown_away(self) -> int:
        """Rollouts that were sampled and paid for, and entered no loss: of dead groups, and truncated."""
        kept = {id(r.episode) for group in self.live for r in group if r.trained}
        return len(self.sampled) - len(kept)

    @property
    def groups(self) -> int:
        """Groups sampled, live and dead."""
        return len(self.right)


class TrainingError(RuntimeError):
    """Training cannot go on; the message says at which step and why. The policy still holds the last good weights."""


def exact(prediction: str, gold: str) -> bool:
    """The rule of the reward: equal after normalisation. Paying for containment would teach listing every name read."""
    return judge.match(prediction, gold, exact=True)


def make_group(
    episodes: Sequence[Any], answer: str, group: int, s: "Settings | None" = None, match: Match = exact
) -> list[Rollout]:
    """Score the rollouts of one question and compare them with one another.

    >>> from types import SimpleNamespace as E
    >>> pair = [E(prediction=p, format_ok=True, stop="answer", mask=[False, True], ids=[1, 2]) for p in ("Tal", "Oslo")]
    >>> [(r.reward, round(r.advantage, 3)) for r in make_group(pair, "Tal", 0)]
    [(1.0, 0.707), (0.1, -0.707)]
    """
    s = s or Settings()
    right = [e.stop not in TRUNCATED and match(e.prediction, answer) for e in episodes]
    punished = [
        s.overlong_weight * dapo_loss.soft_overlong(len(e.ids), s.max_tokens, s.overlong_buffer) for e in episodes
    ]
    rewards = [judge.reward(e.format_ok, c) + o for e, c, o in zip(episodes, right, punished, strict=True)]
    if s.advantage == "group":
        advantages = dapo_loss.group_advantage(rewards, s.ddof).tolist()
    else:
        advantages = dapo_loss.leave_one_out(rewards).tolist()
    trained = [0 if s.overlong_filter and e.stop in TRUNCATED else sum(e.mask[1:]) for e in episodes]
    rows = zip(episodes, right, rewards, advantages, punished, trained, strict=True)
    return [Rollout(e, group, c, r, a, o, n) for e, c, r, a, o, n in rows]


def seed_of(*parts: object) -> int:
    """A 31-bit seed from any parts, the same on every machine."""
    return int(hashlib.sha256("-".join(map(str, parts)).encode()).hexdigest()[:8], 16) & 0x7FFFFFFF


def divide(questions: Iterable[Question], dev: int, seed: int) -> tuple[list[Question], list[Question]]:
    """The questions of split `rl` in two: those to practise on, and at most `dev` (never over a quarter) set aside.

    Raises:
        ValueError: there is none.
    """
    found = [q for q in questions if q.split == "rl"]
    if not found:
        raise ValueError(
            "got no question of split 'rl', wanted some: look at what 02_synthesize and 04_filter left over"
        )
    aside = set(random.Random(f"{seed}-dev").sample(range(len(found)), min(dev, len(found) // 4)))
    return [q for i, q in enumerate(found) if i not in aside], [found[i] for i in sorted(aside)]


def shuffled(questions: Sequence[Question], seed: int) -> Iterator[Question]:
    """The questions for ever, in a new order each time round."""
    chance = random.Random(f"{seed}-dapo-questions")
    while True:
        yield from chance.sample(list(questions), len(questions))


def collect(
    policy: Any,
    source: Iterator[Question],
    tools: Any,
    settings: Settings,
    step: int,
    *,
    engine: Engine,
    match: Match = exact,
) -> Batch:
    """Dynamic sampling: rollouts of fresh questions until `groups` groups are live, or `max_rounds` rounds are over.

    With `refill="duplicate"` there is one round, and live groups fill the places of dead ones.

    Args:
        policy, tools: handed to the engine. source: questions, drawn as needed.
        engine: `rollout.run` or anything with its signature.

    Returns:
        A `Batch`; it may hold fewer live groups than asked for, even none.

    Raises:
        TrainingError: the engine returned another number of episodes than asked for.
    """
    batch = Batch()
    while len(batch.live) < settings.groups and batch.rounds < settings.max_rounds:
        asked = [next(source) for _ in range(settings.groups - len(batch.live))]
        seed = seed_of(settings.seed, "rollout", step, batch.rounds)
        episodes = roll(engine, policy, asked, tools, settings, settings.samples, seed)
        for i, question in enumerate(asked):
            rows = episodes[i * settings.samples : (i + 1) * settings.samples]
            group = make_group(rows, question.answer, batch.groups, settings, match)
            batch.sampled += group
            batch.right.append(sum(r.correct for r in group))
            if dapo_loss.is_live([r.correct for r in group]):
                batch.live.append(group)
        batch.rounds += 1
        if settings.refill == "duplicate":
            break
    if settings.refill == "duplicate":
        _duplicate(batch, settings.groups, seed_of(settings.seed, "duplicate", step))
    return batch


def _duplicate(batch: Batch, wanted: int, seed: int) -> None:
    """Fill the places of dead groups with copies of live ones, drawn without repeating any before all had their turn.

    DUPO (WebSailor, arXiv 2507.02592). A copy is a group of its own: its tokens count again. It costs no rollout, and
    brings nothing new either: the gradient of the live groups grows in weight, and with it what is learned from noise.
    """
    live, chance = list(batch.live), random.Random(f"{seed}-duplicate")
    while live and len(batch.live) < wanted:
        for group in chance.sample(live, len(live))[: wanted - len(batch.live)]:
            number = batch.groups + batch.reused
            batch.live.append([replace(r, group=number) for r in group])
            batch.reused += 1


def roll(
    engine: Engine, policy: Any, questions: list[Question], tools: Any, s: Settings, samples: int, seed: int
) -> list[Any]:
    """Call the engine and check that it brought what was asked for."""
    names = ("temperature", "top_p", "max_turns", "max_tokens", "max_turn_tokens", "slots", "prompt_style", "date")
    episodes = engine(policy, questions, tools, samples=samples, seed=seed, **{n: getattr(s, n) for n in names})
    wanted = [q.id for q in questions for _ in range(samples)]
    if [e.question_id for e in episodes] != wanted:
        raise TrainingError(
            f"got {len(episodes)} episodes, wanted {samples} in a row for each of {len(questions)} questions"
        )
    return episodes


def minibatches(live: Sequence[list[Rollout]], count: int, seed: int) -> list[list[Rollout]]:
    """Whole groups, shuffled and dealt into at most `count` parts; rollouts without trained tokens are left out."""
    order = random.Random(f"{seed}-minibatches").sample(list(live), len(live))
    parts = [[r for group in order[i::count] for r in group if r.trained] for i in range(count)]
    return [part for part in parts if part]
