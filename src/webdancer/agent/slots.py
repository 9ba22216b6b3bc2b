"""What happens to one episode of a local policy between two forward passes: a token, the end of a turn, an observation.

Part of `rollout` (stages 06 and 07), and of `engine_api`, which shares the reading of turns. Departure from the paper:
a malformed call is answered by an error message and the episode goes on; a turn with neither call nor answer ends it.
"""

from collections.abc import Callable, Sequence
from typing import Any

from webdancer.agent.episode import Episode, Limits, Slot
from webdancer.core import protocol

Call = tuple[str, dict[str, Any]] | str  # a tool's name and arguments, or the text of an error


def append(episode: Episode, ids: Sequence[int], written: bool, logp: Sequence[float] = ()) -> None:
    """Add tokens to an episode, with their log-probabilities if the policy wrote them."""
    episode.ids.extend(ids)
    episode.mask.extend([written] * len(ids))
    episode.logp.extend(logp or [0.0] * len(ids))


def take(slot: Slot, token: int, logp: float, end: int, decode: Callable[[list[int]], str], limits: Limits) -> None:
    """Add a sampled token; `end`, the token that ends a turn, or a limit ends the turn or the episode."""
    episode = slot.episode
    episode.ids.append(token)
    episode.mask.append(True)
    episode.logp.append(logp)
    slot.pending = [token]
    if token == end:
        said, slot.turn = decode(slot.turn), []
        slot.call = end_turn(episode, said, limits)
        return
    slot.turn.append(token)
    if len(slot.turn) >= limits.max_turn_tokens or len(episode.ids) >= limits.max_tokens:
        cut(episode, decode(slot.turn), len(slot.turn) >= limits.max_turn_tokens)


def cut(episode: Episode, said: str, turn: bool) -> None:
    """End an episode inside a turn, at the limit of the `turn` or else of the episode: what was said stays."""
    episode.messages.append({"role": "assistant", "content": said})
    episode.stop = "cut" if turn else "context_cap"


def end_turn(episode: Episode, said: str, limits: Limits) -> Call | None:
    """Read a finished turn: an answer ends the episode; a call is returned, a broken one as the text of its error."""
    episode.messages.append({"role": "assistant", "content": said})
    episode.turns += 1
    call: Call | None = None
    try:
        turn = protocol.parse_turn(said)
    except protocol.ProtocolError as error:
        if "<tool_call>" in said:
            call = f"Error: {error}"
        else:
            episode.stop = "malformed"
    else:
        if turn.answer is not None:
            episode.prediction, episode.stop = turn.answer, "answer"
        else:
            call = (turn.name, turn.arguments)
    if call is not None:
        episode.n_calls += 1
        if episode.turns >= limits.max_turns:
            episode.stop, call = "turn_cap", None
    return call


def observe(tools: Any, calls: Sequence[Call]) -> list[str]:
    """The user messages that answer the calls: those for the tools are carried out together."""
    real = [call for call in calls if not isinstance(call, str)]
    texts = iter(tools.call_many(real) if real else [])
    return [protocol.render_response(call if isinstance(call, str) else next(texts)) for call in calls]


def hear(episode: Episode, text: str, ids: Sequence[int], limits: Limits) -> bool:
    """Add an observation to an episode, unless it would fill the context, which ends it; says whether it is in."""
    episode.messages.append({"role": "user", "content": text})
    if len(episode.ids) + len(ids) >= limits.max_tokens:
        episode.stop = "context_cap"
        return False
    append(episode, ids, written=False)
    return True


def answer(slot: Slot, text: str, ids: Sequence[int], limits: Limits) -> None:
    """Give an observation to the slot that waits for it."""
    if hear(slot.episode, text, ids, limits):
        slot.pending = [*slot.pending, *ids]
