"""Episodes of a local policy: many at once, each in a slot of one key-value cache, with real tools between the turns.

Stages 06 and 07 call `run`; shown in 06_dapo. A slot whose episode ended takes the next one at once. A sampled token
is kept as an id from here to the loss, and never re-tokenised. Turns that end wait until a few of them can be served
together: their tools run concurrently, and the observations enter by one prefill.

Departures from the paper, which used an inference server: (1) one process; (2) each episode draws from its own random
stream, so a sample depends on its seed and not on its neighbours; (3) a malformed call is answered by an error
message and the episode goes on, but a turn with neither call nor answer ends it.
"""

import random
from collections import deque
from collections.abc import Sequence
from typing import Any

import torch
from tqdm import tqdm

from webdancer.agent import judge, tokens
from webdancer.agent.cache import SlotCache, attending
from webdancer.agent.episode import Episode, Limits, Slot
from webdancer.agent.policy import Policy
from webdancer.core import prompts, protocol


def run(
    policy: Policy,
    questions: Sequence[Any],
    tools: Any,
    *,
    samples: int = 1,
    temperature: float = 1.0,
    top_p: float = 1.0,
    max_turns: int = 12,
    max_tokens: int = 1024,
    max_turn_tokens: int = 160,
    slots: int = 64,
    seed: int = 0,
    date: str = "",
    prompt_style: str = "brief",
    progress: str = "",
) -> list[Episode]:
    """Sample `samples` episodes for each question.

    Args:
        policy: model and tokenizer. questions: `schema.Question` records. tools: `web.tools.Tools`.
        temperature, top_p: of the sampler; temperature 0 takes the most likely token.
        max_turns, max_tokens, max_turn_tokens: limits of an episode in assistant turns, of all its tokens, of one
            turn's tokens.
        slots: episodes that run at once. seed: with question id and sample number it fixes an episode's random
            stream.
        date, prompt_style: as in `prompts.head`. progress: label of a progress bar, empty for none.

    Returns:
        Episodes ordered by question, then by sample.
    """
    limits = Limits(temperature, top_p, max_turns, max_tokens, max_turn_tokens)
    heads = {q.id: prompts.head(q.question, date, prompt_style) for q in questions}
    episodes = [Episode(q.id, s, list(heads[q.id]), [], [], []) for q in questions for s in range(samples)]
    _loop(policy, tools, episodes, max(1, min(slots, len(episodes))), limits, seed, progress)
    return episodes


def _loop(
    policy: Policy, tools: Any, episodes: list[Episode], slots: int, limits: Limits, seed: int, progress: str
) -> None:
    """Run the episodes to their ends: fill free slots, serve waiting calls a few at a time, advance, release."""
    queue = deque(episodes)
    parameter = next(policy.model.parameters())
    cache = SlotCache(policy.model.config, slots, limits.max_tokens + 1, parameter.dtype, parameter.device)
    table = [Slot() for _ in range(slots)]
    policy.model.eval()
    with (
        torch.inference_mode(),
        attending(policy.model.config),
        tqdm(total=len(episodes), desc=progress, disable=not progress, mininterval=10) as bar,
    ):
        while True:
            _fill(policy, table, queue, limits, seed)
            active = [s for s in table if s.episode is not None]
            if not active:
                break
            waiting = [s for s in active if s.call is not None]
            if waiting and len(waiting) >= max(1, len(active) // 8):
                _serve(policy, tools, waiting, limits)
            _advance(policy, cache, table, limits)
            bar.update(_release(table))


def _fill(policy: Policy, table: list[Slot], queue: deque[Episode], limits: Limits, seed: int) -> None:
    """Give every free slot the next episode; its prompt becomes pending."""
    for slot in table:
        if slot.episode is None and queue:
            episode = queue.popleft()
            prompt = tokens.render(policy.tokenizer, episode.messages, generate=True).ids
            slot.episode, slot.length, slot.turn, slot.call = episode, 0, [], None
            slot.pending = list(prompt)
            slot.stream = random.Random(f"{seed}-{episode.question_id}-{episode.sample}")
            if len(prompt) >= limits.max_tokens:
                episode.stop = "context_cap"
                slot.pending = []
            _append(episode, prompt, written=False)


def _append(episode: Episode, ids: list[int], written: bool, logp: list[float] | None = None) -> None:
    episode.ids.extend(ids)
    episode.mask.extend([written] * len(ids))
    episode.logp.extend(logp or [0.0] * len(ids))


def _advance(policy: Policy, cache: SlotCache, table: list[Slot], limits: Limits) -> None:
    """One forward pass: a prefill of all slots with several pending tokens, else one token for every running slot."""
    running = [i for i, s in enumerate(table) if s.episode is not None and not s.episode.stop and s.call is None]
    long = [i for i in running if len(table[i].pending) > 1]
    wanted = set(long or running)
    if not wanted:
        return
    # A decode pass takes the whole table, so that the cache is used in place; idle slots compute what nobody reads.
    rows = long or list(range(len(table)))
    logits = _forward(policy, cache, table, rows, wanted)
    draws = torch.tensor([table[i].stream.random() if i in wanted else 0.0 for i in rows], dtype=torch.float64)
    picked, logps = sample(logits, draws.to(logits.device), limits.temperature, limits.top_p)
    for row, i in enumerate(rows):
        if i in wanted:
            slot = table[i]
            slot.length += len(slot.pending)
            slot.pending = []
            _take(policy, slot, picked[row], logps[row], limits)


def _forward(policy: Policy, cache: SlotCache, table: list[Slot], rows: list[int], wanted: set[int]) -> torch.Tensor:
    """Feed the pending tokens of `wanted` slots and return the logits `[rows, V]` after the last of each."""
    width = max(len(table[i].pending) for i in wanted)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    last = torch.zeros(len(rows), dtype=torch.long)
    for row, i in enumerate(rows):
        if i in wanted:
            pending = table[i].pending
            ids[row, : len(pending)] = torch.tensor(pending)
            last[row] = len(pending) - 1
    lengths = [table[i].length if table[i].episode is not None else 0 for i in rows]
    positions, mask = cache.aim(rows, lengths, width)
    hidden = policy.model.base_model(
        input_ids=ids.to(cache.device),
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state
    ends = hidden[torch.arange(len(rows), device=cache.device), last.to(cache.device)]
    return policy.model.get_output_embeddings()(ends).float()


def sample(
    logits: torch.Tensor, draws: torch.Tensor, temperature: float, top_p: float
) -> tuple[list[int], list[float]]:
    """Draw one token a row by inverting the cumulative distribution at `draws`.

    Args:
        logits: `[R, V]`. draws: `[R]` uniform in [0, 1), float64. temperature: 0 takes the largest logit.
        top_p: keep the smallest set of tokens whose probability reaches it.

    Returns:
        ids and untempered natural log-probabilities, one a row.
    """
    logp = torch.log_softmax(logits, dim=-1)
    if temperature == 0:
        picked = logits.argmax(dim=-1)
    else:
        probabilities = torch.softmax(logits.double() / temperature, dim=-1)
        if top_p < 1:
            ordered, _ = probabilities.sort(dim=-1, descending=True)
            inside = ordered.cumsum(-1) - ordered < top_p
            least = ordered.masked_fill(~inside, 2.0).amin(dim=-1, keepdim=True)
            probabilities = probabilities.masked_fill(probabilities < least, 0.0)
        cumulative = probabilities.cumsum(-1)
        aim = draws[:, None] * cumulative[:, -1:]
        picked = torch.searchsorted(cumulative, aim, right=True).squeeze(-1).clamp_(max=logits.shape[-1] - 1)
    return picked.tolist(), logp.gather(-1, picked[:, None]).squeeze(-1).tolist()


def _take(policy: Policy, slot: Slot, token: int, logp: float, limits: Limits) -> None:
    """Add a sampled token to the episode; end the turn or the episode when it is time."""
    episode = slot.episode
    _append(episode, [token], written=True, logp=[logp])
    if token == policy.end:
        _end_turn(policy, slot, limits)
        return
    slot.turn.append(token)
    slot.pending = [token]
    if len(slot.turn) >= limits.max_turn_tokens or len(episode.ids) >= limits.max_tokens:
        _stop(policy, slot, "cut" if len(slot.turn) >= limits.max_turn_tokens else "context_cap")


def _stop(policy: Policy, slot: Slot, reason: str) -> None:
    """End an episode inside a turn: the unfinished text becomes the last message."""
    slot.episode.messages.append({"role": "assistant", "content": policy.tokenizer.decode(slot.turn)})
    slot.episode.stop = reason


def _end_turn(policy: Policy, slot: Slot, limits: Limits) -> None:
    """Read the finished turn: an answer ends the episode; a call waits to be served, a broken one as an error."""
    episode = slot.episode
    text = policy.tokenizer.decode(slot.turn)
    episode.messages.append({"role": "assistant", "content": text})
    episode.turns += 1
    slot.pending, slot.turn = [policy.end], []
    try:
        turn = protocol.parse_turn(text)
    except protocol.ProtocolError as error:
        if "<tool_call>" in text:
            slot.call = f"Error: {error}"
        else:
            episode.stop = "malformed"
    else:
        if turn.answer is not None:
            episode.prediction, episode.stop = turn.answer, "answer"
        else:
            slot.call = (turn.name, turn.arguments)
    if slot.call is not None:
        episode.n_calls += 1
        if episode.turns >= limits.max_turns:
            episode.stop, slot.call = "turn_cap", None


def _serve(policy: Policy, tools: Any, waiting: list[Slot], limits: Limits) -> None:
    """Run the waiting calls together; each observation, wrapped by the chat template, becomes pending."""
    calls = [s.call for s in waiting if not isinstance(s.call, str)]
    results = iter(tools.call_many(calls))
    for slot in waiting:
        text = slot.call if isinstance(slot.call, str) else next(results)
        slot.call = None
        content = protocol.render_response(text)
        ids = tokens.bridge(policy.tokenizer, content)
        episode = slot.episode
        episode.messages.append({"role": "user", "content": content})
        if len(episode.ids) + len(ids) >= limits.max_tokens:
            episode.stop = "context_cap"
        else:
            _append(episode, ids, written=False)
            slot.pending = slot.pending + ids


def _release(table: list[Slot]) -> int:
    """Free the slots whose episode has stopped; returns how many."""
    done = [s for s in table if s.episode is not None and s.episode.stop]
    for slot in done:
        slot.episode.format_ok = slot.episode.stop == "answer" and judge.format_ok(slot.episode.messages)
        slot.episode, slot.pending = None, []
    return len(done)
