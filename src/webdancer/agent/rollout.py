"""Episodes of a local policy: many at once, each in a slot of a key-value cache, with real tools between the turns.

Stages 06 and 07 call `run`; shown in 06_dapo. A sampled token is kept as an id from here to the loss, and never
re-tokenised. How the slots are kept busy stands in `table`, the forward pass in `forward`. On a CPU the questions are
dealt to as many tables as torch has threads: two tables of one thread each do more than one table of two threads,
because the operations of a small model are too small to share.

Departures from the paper, which used an inference server: (1) one process; (2) each episode draws from its own random
stream, so a sample depends on its seed and not on its neighbours (what other rows share its pass can change the last
digit of a logit, and so a token, where a draw falls within that digit of the border between two tokens); (3) a
malformed call is answered by an error message and the episode goes on, but a turn with neither call nor answer ends it.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import Any

import torch
from tqdm import tqdm

from webdancer.agent.episode import Episode, Limits
from webdancer.agent.policy import Policy
from webdancer.agent.table import Shared, Table
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
        tables: parts that run side by side with a share of the questions and slots; 0: torch's threads on a CPU.

    Returns:
        Episodes ordered by question, then by sample.
    """
    limits = Limits(temperature, top_p, max_turns, max_tokens, max_turn_tokens, prefill_tokens, patience)
    heads = {q.id: prompts.head(q.question, date, prompt_style) for q in questions}
    episodes = [Episode(q.id, s, list(heads[q.id]), [], [], []) for q in questions for s in range(samples)]
    policy.model.eval()
    if not tables:
        tables = torch.get_num_threads() if next(policy.model.parameters()).device.type == "cpu" else 1
    of = {q.id: n % tables for n, q in enumerate(questions)}
    parts = [part for n in range(tables) if (part := [e for e in episodes if of[e.question_id] == n])]
    with (
        tqdm(total=len(episodes), desc=progress, disable=not progress, mininterval=10) as bar,
        ThreadPoolExecutor(1, "observations") as thread,
        _one_thread_each(len(parts)),
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


@contextmanager
def _one_thread_each(tables: int) -> Iterator[None]:
    """While several tables run, torch works with one thread for each of them."""
    before = torch.get_num_threads()
    if tables > 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
