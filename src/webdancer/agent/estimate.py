"""Calls, tokens and cost of a stage before it runs, a row for each role with what was assumed; and what it was after.

Used by 02_synthesize, 03_distill and 04_filter. In: counts that the notebook knows (questions, samples, turns) and the
clients with their prices. Out: a table. Tokens are estimated from characters, turns and lengths are assumptions: the
paper publishes no cost. What it does publish, tool calls and thought tokens of its trajectories, is taken from there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import pandas as pd

from webdancer.agent.llm import LLM
from webdancer.core import prompts

COLUMNS = ["role", "for", "calls", "tokens_in", "tokens_out", "dollars", "assumed"]
ACTION, OBSERVATION = 90, 2000  # mean tokens in the 200 released trajectories, counted by `tokens`: 88 and 1,995
# WebDancer, statistics of the kept trajectories: actions (the answer counted) and tokens of thought of an episode.
PAPER = {"short": (4.56, 510), "long": (2.31, 1599)}


@dataclass(frozen=True)
class Row:
    """So many calls of a role, with the tokens of all of them together."""

    role: str
    what: str
    calls: float
    tokens_in: float
    tokens_out: float
    dollars: float
    assumed: str


def tokens(text: str | Iterable[Mapping[str, str]]) -> int:
    """About how many tokens a text or a list of chat messages has: a quarter of its characters, and one for each
    character beyond the Latin, Greek and Cyrillic scripts, as tokenizers take Chinese.

    >>> tokens("abcdefgh"), tokens("北京是首都"), tokens([{"role": "user", "content": "abcd"}])
    (2, 5, 5)
    """
    if not isinstance(text, str):
        return sum(tokens(m["content"]) + 4 for m in text)  # about 4 mark a message
    wide = sum(ord(c) > 0x2E7F for c in text)
    return -(-(len(text) - wide) // 4) + wide


def calls(
    role: str, llm: LLM | None, what: str, count: float, given: float, said: float, assumed: str = ""
) -> list[Row]:
    """One row: `count` calls with `given` tokens of prompt and `said` tokens of reply each; none without a model.

    >>> llm = LLM("m", "http://127.0.0.1:1/v1", price_in=2.0, price_out=10.0)
    >>> calls("judge", llm, "verdicts", 1000, 500, 40)[0].dollars
    1.4
    """
    if llm is None or not count:
        return []
    dollars = (count * given * llm.price_in + count * said * llm.price_out) / 1e6
    return [Row(role, what, count, count * given, count * said, dollars, assumed)]


def questions(
    author: LLM, wanted: Iterable[tuple[str, int, int]], *, page_tokens: float, drafts: float = 2.0, results: int = 600
) -> list[Row]:
    """What an author costs.

    Args:
        author: the client.
        wanted: (kind, hops, how many) of every cell, `[(c.kind, c.hops, c.wanted) for c in cells]`.
        page_tokens: mean of the pages, `mean(estimate.tokens(p.text) for p in pages)`.
        drafts: written for one question that passes the checks.
        results: tokens of the search results that a rewrite is shown.
    """
    wanted = list(wanted)
    assumed = f"{drafts:g} drafts a kept question, {page_tokens:,.0f} tokens a page"
    crawl = [(hops, n * drafts) for kind, hops, n in wanted if kind != "e2hqa"]
    grown = [(hops, n * drafts) for kind, hops, n in wanted if kind == "e2hqa"]
    count, rewrites = sum(n for _, n in crawl), sum((hops - 1) * n for hops, n in grown)
    pages = sum(hops * n for hops, n in crawl) / count if count else 0
    shown = tokens(prompts.AUTHOR_CRAWLQA) + pages * page_tokens
    rows = calls("author", author, "CRAWLQA", count, shown, 250, assumed)
    seeds = sum(n for _, n in grown)
    rows += calls("author", author, "E2HQA seeds", seeds, tokens(prompts.AUTHOR_SEED) + page_tokens, 120, assumed)
    steps = (prompts.AUTHOR_ENTITY, prompts.AUTHOR_REWRITE, prompts.AUTHOR_IDENTIFY)
    given = (sum(map(tokens, steps)) + 2 * results) / 3
    return rows + calls("author", author, "E2HQA rewrites", 3 * rewrites, given, 100, f"3 calls each; {assumed}")


def episodes(
    role: str,
    llm: LLM | None,
    count: float,
    *,
    style: str = "short",
    turns: float = 0.0,
    thought: float = 0.0,
    observation: float = OBSERVATION,
    head: float = 0.0,
) -> list[Row]:
    """What ReAct episodes cost: every turn sends all that came before it again.

    Args:
        role, llm: who plays; None: no row.
        count: episodes.
        style: "short", or "long": then past thoughts are not sent again.
        turns: mean assistant turns of an episode; 0: the paper's.
        thought: mean tokens of thought in a turn; 0: the paper's.
        observation: mean tokens of an observation; the default is that of the released trajectories.
        head: tokens of the messages before the first turn; 0: those of the released head.

    >>> llm = LLM("m", "http://127.0.0.1:1/v1", price_in=1.0)
    >>> row = episodes("short", llm, 10, turns=2, thought=10, observation=900, head=1000)[0]
    >>> row.calls, row.tokens_in, row.tokens_out  # the head twice, and one turn of 10 + 90 with its observation
    (20, 30000.0, 2000)
    """
    actions, thoughts = PAPER["long" if style == "long" else "short"]
    source = "the paper's" if not (turns or thought) else "given"
    turns, thought = turns or actions, thought or thoughts / actions
    head = head or tokens(prompts.head("What?" * 20, "2025-01-01"))
    again = observation + ACTION + (0 if style == "long" else thought)
    given = turns * head + again * turns * (turns - 1) / 2
    assumed = f"{turns:g} turns of {thought + ACTION:,.0f} tokens ({source}), {observation:,.0f} an observation"
    return calls(role, llm, "episodes", count * turns, given / turns, thought + ACTION, assumed)


def verdicts(
    trajectories: Sequence[Sequence[Mapping[str, str]]],
    judge: LLM | None,
    quality: LLM | None,
    *,
    asked: float = 1.0,
    passing: float = 0.5,
) -> list[Row]:
    """What judging costs.

    Args:
        trajectories: the messages of each, `[t.messages for t in rows]`; their lengths are measured.
        judge, quality: the clients; None: by rule, no row.
        asked: share that the judge is asked about (less than 1 if exact matches pass free).
        passing: share that comes as far as the quality model.
    """
    count = len(trajectories)
    answer = mean(tokens(list(m)[-1:]) for m in trajectories) if count else 0
    whole = mean(tokens(list(m)[2:]) for m in trajectories) if count else 0
    text = f"{asked:.0%} of {count:,} trajectories"
    rows = calls("judge", judge, "correctness", count * asked, tokens(prompts.JUDGE) + answer + 50, 40, text)
    text = f"{passing:.0%} of them, {whole:,.0f} tokens each (measured)"
    return rows + calls("quality", quality, "criteria", count * passing, tokens(prompts.QUALITY) + whole, 80, text)


def table(rows: Iterable[Row]) -> pd.DataFrame:
    """The rows of all roles as a table, with their sum as its last line.

    Returns:
        Columns `COLUMNS`; calls and tokens rounded to whole numbers, dollars to cents.

    >>> llm = LLM("m", "http://127.0.0.1:1/v1", price_in=2.0)
    >>> print(table(calls("judge", llm, "verdicts", 10, 500, 40, "all")).iloc[:, :6].to_string(index=False))
     role      for  calls  tokens_in  tokens_out  dollars
    judge verdicts     10       5000         400     0.01
      all              10       5000         400     0.01
    """
    found = [(r.role, r.what, r.calls, r.tokens_in, r.tokens_out, r.dollars, r.assumed) for r in rows]
    return _with_sum(pd.DataFrame(found, columns=COLUMNS))


def spent(clients: Mapping[str, LLM | None]) -> pd.DataFrame:
    """What the clients of a run have used, by role: the columns of `table`, and how many calls were cached, tries
    repeated and replies sent back.
    """
    found: list[dict[str, Any]] = []
    for role, llm in clients.items():
        if llm is not None:
            use = llm.usage
            row = {"role": role, "for": llm.model, "calls": use["calls"], "tokens_in": use["prompt_tokens"]}
            row |= {"tokens_out": use["completion_tokens"], "dollars": use["cost"]}
            found.append(row | {name: use[name] for name in ("cached", "retries", "repairs")})
    return _with_sum(pd.DataFrame(found, columns=[*COLUMNS[:-1], "cached", "retries", "repairs"]))


def _with_sum(data: pd.DataFrame) -> pd.DataFrame:
    """The table with rounded numbers and a last line `all`."""
    numbers = [c for c in data.columns if c not in ("role", "for", "assumed")]
    total = {c: data[c].sum() if c in numbers else "" for c in data.columns} | {"role": "all"}
    whole = pd.concat([data.astype(object), pd.DataFrame([total])], ignore_index=True)
    whole[numbers] = whole[numbers].astype(float).round(2)
    return whole.astype({c: "int64" for c in numbers if c != "dollars"})
