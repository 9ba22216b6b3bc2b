"""Episodes of a local policy: many at once, each in a slot of a key-value cache, with real tools between the turns.

Stages 06 and 07 call `run`; shown in 06_dapo. A sampled token is kept as an id from here to the loss, and never
re-tokenised. How the slots are kept busy, and how samples of a question share what they have in common, stands in
`table`, the forward pass in `forward`. Where the policy has `workers` (`workers.Workers`), the episodes are dealt to
them and this process: the operations of a small model are too small to share among threads. Without them, or with tools
that cannot be copied, there are as many tables as threads.

Departures from the paper, which used an inference server: (1) one process and its workers; (2) each episode draws from
its own random stream, so a sample depends on its seed and not on its neighbours (what other rows share its pass can
change the last digit of a logit, and so a token, where a draw falls within that digit of the border between two
tokens); (3) a malformed call is answered by an error message and the episode goes on, but a turn with neither call nor
answer ends it.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import torch
from tqdm import tqdm

from webdancer.agent.episode import Episode, Limits
from webdancer.agent.policy import Policy
from webdancer.agent.table import Shared, Table
from webdancer.agent.workers import one_thread
from webdancer.core import prompts


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
    prefill_tokens: int = 4096,
    patience: int = 1,
    tables: int = 0,
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
        prefill_tokens: tokens of prompts and observations that enter in one pass at most, padding counted.
        patience: passes that go on while tools are at work, before the table waits for them; always the same number,
            so that a run comes out the same to the last digit. -1: never wait while a slot can go on, for slow tools.
        tables: tables of slots in this process, each with a share of the questions and slots; 0: the workers' if the
            policy has any and the tools can be copied, else torch's threads on a CPU.

    Returns:
        Episodes ordered by question, then by sample.
    """
    options = {"temperature": temperature, "top_p": top_p, "max_turns": max_turns, "max_tokens": max_tokens}
    options |= {"max_turn_tokens": max_turn_tokens, "prefill_tokens": prefill_tokens, "patience": patience}
    heads = [prompts.head(q.question, date, prompt_style) for q in questions]
    blank = [
        Episode(q.id, s, list(head), [], [], [])
        for q, head in zip(questions, heads, strict=True)
        for s in range(samples)
    ]
    with tqdm(total=len(blank), desc=progress, disable=not progress, mininterval=10) as bar:
        workers = None if tables else policy.workers
        if workers is not None and workers.count and (key := workers.keep(tools)) >= 0:
            count = workers.parts
            shares = _deal(blank, count)
            parts = [(share, -(-slots // count), seed, Limits(**options)) for share in shares]
            found = {(e.question_id, e.sample): e for part in workers.run(policy, _part, parts, kept=key) for e in part}
            bar.update(len(blank))
            return [found[e.question_id, e.sample] for e in blank]
        if not tables:
            tables = torch.get_num_threads() if next(policy.model.parameters()).device.type == "cpu" else 1
        return _here(policy, tools, blank, slots, seed, Limits(**options), tables, bar)


def _deal(episodes: list[Episode], count: int) -> list[list[Episode]]:
    """`count` shares of the episodes: whole questions, whose samples share work, if there are some for everyone."""
    numbers = {name: n for n, name in enumerate(dict.fromkeys(e.question_id for e in episodes))}
    if len(numbers) < 4 * count:
        return [episodes[n::count] for n in range(count)]
    return [[e for e in episodes if numbers[e.question_id] % count == n] for n in range(count)]


def _part(policy: Policy, tools: Any, episodes: list[Episode], slots: int, seed: int, limits: Limits) -> list[Episode]:
    """Some episodes, played by one process at one table."""
    with tqdm(disable=True) as bar:
        return _here(policy, tools, episodes, slots, seed, limits, 1, bar)


def _here(
    policy: Policy, tools: Any, episodes: list[Episode], slots: int, seed: int, limits: Limits, tables: int, bar: Any
) -> list[Episode]:
    """The episodes, played in this process by so many tables."""
    policy.model.eval()
    numbers = {name: n for n, name in enumerate(dict.fromkeys(e.question_id for e in episodes))}
    parts = [part for n in range(tables) if (part := [e for e in episodes if numbers[e.question_id] % tables == n])]
    with (
        ThreadPoolExecutor(1, "observations") as thread,
        one_thread(len(parts) > 1),
        ThreadPoolExecutor(max(1, len(parts)), "tables") as pool,
    ):
        shared = Shared(policy, tools, limits, seed, thread, Lock())
        each = -(-slots // max(1, len(parts)))
        for done in [pool.submit(_play, shared, part, each, bar) for part in parts]:
            done.result()
    return episodes


def _play(shared: Shared, episodes: list[Episode], slots: int, bar: Any) -> None:
    """Run the episodes of one table to their ends."""
    with torch.inference_mode():
        table = Table(shared, episodes, max(1, min(slots, len(episodes))))
        while table.fill():
            table.collect()
            table.advance()
            table.ask()
            bar.update(table.release())
            table.sort()
