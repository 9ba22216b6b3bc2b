"""An episode of a local policy while it runs and when it is over: tokens, messages and limits.

Part of `rollout` (stages 06 and 07).
"""

import random
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Episode:
    """One episode as tokens and as messages.

    `ids`, `mask`, `logp` have equal length: `mask` True where the policy wrote, `logp` the natural log-probability of
    that token under the untempered policy (0.0 elsewhere). `stop` is one of `protocol.STOPS`.
    """

    question_id: str
    sample: int
    messages: list[dict[str, str]]
    ids: list[int]
    mask: list[bool]
    logp: list[float]
    prediction: str = ""
    stop: str = ""
    n_calls: int = 0
    turns: int = 0
    format_ok: bool = False

    @property
    def truncated(self) -> bool:
        """Ended by a limit and not by the policy: left out of the loss, counted in the group."""
        return self.stop in ("turn_cap", "context_cap", "cut")


@dataclass(eq=False)
class Slot:
    """Where an episode lives while it runs: its random stream, tokens not yet fed, length in the cache, the turn so
    far, and the call it waits for (`away` once the tools have it).

    Samples of a question are the same up to where they part. Until then one slot holds the keys and values for all:
    those in its `followers`, each of which `follows` and holds nothing.
    """

    episode: Episode | None = None
    pending: list[int] = field(default_factory=list)
    length: int = 0
    turn: list[int] = field(default_factory=list)
    stream: random.Random = field(default_factory=random.Random)
    call: tuple[str, dict[str, Any]] | str | None = None  # a tool call, or the text of an error, waiting to be served
    away: bool = False
    follows: bool = False
    followers: list["Slot"] = field(default_factory=list)

    @property
    def running(self) -> bool:
        """Whether a forward pass over this slot can bring its episode on, and those of its followers."""
        ready = bool(self.pending) and self.call is None and not self.follows
        return ready and self.episode is not None and not self.episode.stop


@dataclass(frozen=True)
class Limits:
    """When an episode ends or a token is cut off; temperature and top-p of the sampler; see `rollout.run`."""

    temperature: float = 1.0
    top_p: float = 1.0
    max_turns: int = 12
    max_tokens: int = 1024  # of the whole episode, observations included
    max_turn_tokens: int = 160
    prefill_tokens: int = 4096
    patience: int = 1
