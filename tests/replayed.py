"""Recorded episodes played again: a sampler that says what was said, for tests of loops that other engines drive."""

import functools

import by_heart

from webdancer.agent import rollout, tokens
from webdancer.core import protocol
from webdancer.core.schema import Trajectory

LIMITS = {"max_turns": 3, "max_tokens": 150, "max_turn_tokens": 34}


@functools.cache
def sampled(samples: int = 16, max_turns: int = 3):
    """Episodes of a tiny policy at a temperature at which they end in every way there is, good and bad."""
    dials = {"samples": samples, "temperature": 1.4, "seed": 11, **LIMITS, "max_turns": max_turns}
    return rollout.run(by_heart.trained(), by_heart.QUESTIONS, by_heart.EchoTools(), **dials)


class Replay:
    """A sampler with a memory of one episode: it says again what the policy said, and counts how often it is asked."""

    def __init__(self, episode):
        self.episode, self.asked = episode, 0

    async def __call__(self, ids, most):
        assert ids == self.episode.ids[: len(ids)], "the loop built other tokens than the recorded episode has"
        self.asked += 1
        start = end = len(ids)
        while end < len(self.episode.ids) and self.episode.mask[end]:
            end += 1
        assert start < end <= start + most
        return self.episode.ids[start:end], self.episode.logp[start:end]


def of_trajectory(tokenizer, trajectory: Trajectory):
    """A kept trajectory as the episode of tokens that 05_sft trains on, up to its last turn's end."""
    from webdancer.agent.episode import Episode

    messages = [dict(m) for m in trajectory.messages]
    done = tokens.render(tokenizer, messages)
    end = done.spans[-1][1]
    return Episode("", 0, messages, done.ids[:end], done.mask[:end], [-1.0 * m for m in done.mask[:end]])


def distinct(trajectories, most):
    """At most `most` of the trajectories, one a question, no two of which got different replies to the same call."""
    known, questions, kept = {}, set(), []
    for trajectory in trajectories:
        new = Observed([trajectory]).known
        if trajectory.messages[1]["content"] in questions or any(known.get(c, text) != text for c, text in new.items()):
            continue
        known |= new
        questions.add(trajectory.messages[1]["content"])
        kept.append(trajectory)
    return kept[:most]


class Observed:
    """Tools that give the observations of recorded trajectories: the same call, the same text."""

    def __init__(self, trajectories):
        self.known = {}
        for trajectory in trajectories:
            turns = trajectory.messages
            for said, heard in zip(turns, turns[1:], strict=False):
                if said["role"] == "assistant":
                    turn = protocol.parse_turn(said["content"])
                    self.known[turn.name, str(turn.arguments)] = protocol.parse_response(heard["content"])

    def call_many(self, calls):
        return [self.known[name, str(arguments)] for name, arguments in calls]
