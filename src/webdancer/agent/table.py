"""A table of slots: continuous batching of multi-turn episodes on a local policy.

Part of `rollout` (stages 06 and 07). In: episodes that hold a prompt. Out: the same, played to their ends. The table is
kept busy:

1. a slot whose episode ended takes the next one at once;
2. samples of a question that have written the same so far are one row: it is computed once, each draws its own next
   token from the same logits, and those that part from the others get rows of their own, a copy of the common one;
3. an episode's keys and values stay through its turns, so that only what is new is computed;
4. tools run in a thread beside decoding, and an observation enters in pieces of bounded size, in the same passes in
   which other slots decode;
5. the table is sorted by length from time to time, and shrinks when no episode is left to start.

What a pass holds depends on nothing but the episodes: with `patience` of 0 or more a run comes out the same to the last
digit. Departure from the paper: it used an inference server.
"""

import random
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch

from webdancer.agent import forward, judge, tokens
from webdancer.agent import slots as acts
from webdancer.agent.episode import Episode, Limits, Slot
from webdancer.agent.policy import Policy
from webdancer.agent.sampling import sample

SORT_EVERY = 32  # passes between two looks at the order of the table


@dataclass(frozen=True)
class Shared:
    """What the tables of a run share: policy, tools, limits, seed; the `thread` in which tools run, all calls one after
    another; the `lock` of the tokenizer, which two threads must not use at once.
    """

    policy: Policy
    tools: Any
    limits: Limits
    seed: int
    thread: ThreadPoolExecutor
    lock: Any


@dataclass
class Prompt:
    """A question's prompt, computed once: its `ids`, its keys and values, the logits `[V]` after it."""

    ids: list[int]
    kept: Any = None
    logits: torch.Tensor | None = None


class Table:
    """The slots of a run and what they wait for: the episodes still to start, and calls that are being carried out."""

    def __init__(self, shared: Shared, episodes: Sequence[Episode], slots: int) -> None:
        self.shared, self.limits = shared, shared.limits
        self.queue, self.end = deque(episodes), shared.policy.end
        self.slots = [Slot() for _ in range(slots)]
        self.passes = forward.of(shared.policy.model, slots, shared.limits.max_tokens + 1)
        self.prompts: dict[str, Prompt] = {}  # of the question whose samples have not all started
        self.asked: deque[tuple[int, list[Slot], Future[list[str]]]] = deque()  # when due, who asked, the observations
        self.read: dict[str, list[int]] = {}  # ids of observations: samples of a question repeat each other's calls
        self.number = 0

    def fill(self) -> bool:
        """Start the next episodes in the free slots and sample their first tokens; False when nothing runs any more."""
        started: dict[str, list[int]] = {}
        for row, slot in enumerate(self.slots):
            if slot.episode is None and self.queue:
                episode = self.queue.popleft()
                stream = random.Random(f"{self.shared.seed}-{episode.question_id}-{episode.sample}")
                self.slots[row] = Slot(episode, stream=stream)
                started.setdefault(episode.question_id, []).append(row)
        if started:
            self._compute({name: rows[0] for name, rows in started.items() if name not in self.prompts})
            self._begin(started)
            awaited = self.queue[0].question_id if self.queue else None
            self.prompts = {name: prompt for name, prompt in self.prompts.items() if name == awaited}
        return any(slot.episode is not None for slot in self.slots)

    def _compute(self, leaders: dict[str, int]) -> None:
        """Compute the prompts of new questions in the slot of one sample each, and keep them for the others."""
        for name, row in leaders.items():
            slot = self.slots[row]
            with self.shared.lock:
                ids = tokens.render(self.shared.policy.tokenizer, slot.episode.messages, generate=True).ids
            self.prompts[name] = Prompt(ids)
            slot.pending = list(ids) if len(ids) < self.limits.max_tokens else []
        names = {row: name for name, row in leaders.items()}
        while waiting := [row for row in names if self.slots[row].pending]:
            done, logits = self._pass(waiting)
            for row, last in zip(done, logits, strict=True):
                prompt = self.prompts[names[row]]
                prompt.kept, prompt.logits = self.passes.keep(row, len(prompt.ids)), last

    def _begin(self, started: dict[str, list[int]]) -> None:
        """Give the started slots their prompts and first tokens; samples of a question start in one row."""
        begun: list[int] = []
        for name, rows in started.items():
            prompt = self.prompts[name]
            leader, *followers = (self.slots[row] for row in rows)
            leader.length, leader.followers = len(prompt.ids), followers
            for slot in (leader, *followers):
                slot.follows = slot is not leader
                acts.append(slot.episode, prompt.ids, written=False)
                slot.episode.stop = "context_cap" if prompt.kept is None else ""
            if prompt.kept is not None:
                self.passes.put(rows[:1], prompt.kept)
                begun.append(rows[0])
        if begun:
            self._take(begun, torch.stack([self.prompts[self.slots[row].episode.question_id].logits for row in begun]))

    def _pass(self, rows: list[int]) -> tuple[list[int], torch.Tensor]:
        """One forward pass over the pending tokens of `rows`, bounded; the rows that have none left, and their logits.

        One token a row always fits. Several (a prompt, an observation) enter while padded they stay within the bound; a
        row that alone is beyond it enters in pieces.
        """
        chosen, several, widest = [], 0, 0
        for row in rows:
            count = min(len(self.slots[row].pending), self.limits.prefill_tokens)
            if count > 1:
                if several and max(widest, count) * (several + 1) > self.limits.prefill_tokens:
                    continue
                several, widest = several + 1, max(widest, count)
            chosen.append((row, count))
        taken = [self.slots[row] for row, _ in chosen]
        new = [slot.pending[:count] for slot, (_, count) in zip(taken, chosen, strict=True)]
        logits = self.passes.feed([row for row, _ in chosen], [slot.length for slot in taken], new)
        for slot, (_, count) in zip(taken, chosen, strict=True):
            slot.length += count
            slot.pending = slot.pending[count:]
        done = [i for i, slot in enumerate(taken) if not slot.pending]
        return [chosen[i][0] for i in done], logits if len(done) == len(chosen) else logits[done]

    def _take(self, rows: list[int], logits: torch.Tensor) -> None:
        """Sample the next token of every episode in `rows`, each from the logits of its row."""
        leaders = [self.slots[row] for row in rows]
        crowds = [[leader, *leader.followers] for leader in leaders]
        of = [n for n, crowd in enumerate(crowds) for _ in crowd]
        members = [slot for crowd in crowds for slot in crowd]
        draws = torch.tensor([slot.stream.random() for slot in members], dtype=torch.float64)
        picked, logps = sample(logits, draws.to(logits.device), self.limits.temperature, self.limits.top_p, of)
        for slot, token, logp in zip(members, picked, logps, strict=True):
            acts.take(slot, token, logp, self.end, self._said, self.limits)
        for leader, row in zip(leaders, rows, strict=True):
            if leader.followers:
                self._part(leader, row)

    def _part(self, leader: Slot, row: int) -> None:
        """Give the followers that took another token than `leader` rows of their own, one for each such token."""
        ways: dict[int, list[Slot]] = {}
        for slot in (leader, *leader.followers):
            ways.setdefault(slot.episode.ids[-1], []).append(slot)
        stay, *others = ways.values()
        leader.followers = stay[1:]
        for head, *rest in others:
            head.follows, head.followers, head.length = False, rest, leader.length
        going = [head for head, *_ in others if not head.episode.stop]
        if going:
            self.passes.put([self.slots.index(slot) for slot in going], self.passes.keep(row, leader.length))

    def _said(self, ids: list[int]) -> str:
        """The text of a turn."""
        with self.shared.lock:
            return self.shared.policy.tokenizer.decode(ids)

    def advance(self) -> None:
        """Decode a token in every running slot, and let waiting observations in, in one pass."""
        self.number += 1
        running = [row for row, slot in enumerate(self.slots) if slot.running]
        if running:
            done, logits = self._pass(running)
            if done:
                self._take(done, logits)

    def sort(self) -> None:
        """Put rows of like length beside each other; with no episode left to start, give up the rows that are free."""
        if self.number % SORT_EVERY:
            return
        order = sorted(range(len(self.slots)), key=lambda row: self.slots[row].length)
        if not self.queue:
            order = [row for row in order if self.slots[row].episode is not None]
        if order and (self.passes.sorts or 2 * len(order) <= len(self.slots)):
            self.passes.arrange(order, [self.slots[row].length for row in order])
            self.slots = [self.slots[row] for row in order]

    def ask(self) -> None:
        """Hand the calls that the last pass made to the tools, together, in the thread beside; one call a row."""
        asking = [slot for slot in self.slots if slot.call is not None and not slot.away and not slot.follows]
        if asking:
            for slot in asking:
                slot.away = True
            future = self.shared.thread.submit(acts.observe, self.shared.tools, [slot.call for slot in asking])
            self.asked.append((self.number + 1 + self.limits.patience, asking, future))

    def collect(self) -> None:
        """Make the observations pending that have come, or are due, or without which nothing goes on."""
        while self.asked:
            due, asking, future = self.asked[0]
            ready = future.done() if self.limits.patience < 0 else due <= self.number + 1
            if not ready and any(slot.running for slot in self.slots):
                break
            self.asked.popleft()
            for leader, text in zip(asking, future.result(), strict=True):
                if text not in self.read:
                    with self.shared.lock:
                        self.read[text] = tokens.bridge(self.shared.policy.tokenizer, text)
                for slot in (leader, *leader.followers):
                    slot.call, slot.away = None, False
                    acts.answer(slot, text, self.read[text], self.limits)

    def release(self) -> int:
        """Free the slots whose episode has stopped; returns how many."""
        done = [slot for slot in self.slots if slot.episode is not None and slot.episode.stop]
        for slot in done:
            slot.episode.format_ok = slot.episode.stop == "answer" and judge.format_ok(slot.episode.messages)
            slot.episode, slot.pending, slot.length, slot.follows, slot.followers = None, [], 0, False, []
        return len(done)
