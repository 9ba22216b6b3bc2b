"""CRAWLQA: one question from several pages that hang together by links (part of the stage of 02_synthesize).

In: a link graph and an author. Out: a question, or the reason why there is none. WebDancer crawls down from a root
URL and has GPT-4o write typed questions (count, multi-hop, intersection) from its sub-pages. Ours differs in three
ways: pages come from a random walk of exactly the length that the hops need, so that the prompt stays short; the
author has to quote the sentence behind each hop, so that rules can check the question; the author may say that the
pages hold no such question.
"""

import json
import re
from random import Random
from typing import Any, Protocol

from webdancer.core import prompts
from webdancer.core.schema import Page, Question
from webdancer.linkgraph import LinkGraph

_OBJECT = re.compile(r"\{.*\}", re.DOTALL)


class Author(Protocol):
    """What the synthesis needs of a model: `agent.llm.LLM`, or a fake in a test."""

    async def chat(self, messages: list[dict[str, str]], *, seed: int = 0) -> Any: ...


class Refused(Exception):
    """No question came of a draft; the message is a key of `checks.REASONS`."""


def pick(graph: LinkGraph, kind: str, hops: int, rng: Random, tries: int = 50) -> tuple[Page, ...]:
    """Pages for one question.

    Args:
        graph: the web.
        kind: "intersection" takes two pages whose lists share one member, the first reached by a walk of `hops` - 2
            links; all others take a walk of `hops` pages, which for "count" ends at a page with a list. ("e2hqa"
            starts from its last page: a page that others lead to can be described by them.)
        hops: facts that the question should need.
        rng: the only source of chance.
        tries: draws before giving up.

    Returns:
        The pages in the order of the hops; () if no draw found any.
    """
    for _ in range(tries):
        both = kind == "intersection"
        pages = graph.meeting(rng, hops - 2) if both else graph.chain(rng, hops, to_list=kind == "count")
        if pages:
            return pages
    return ()


async def ask(author: Author, messages: list[dict[str, str]], seed: int) -> dict[str, Any]:
    """The JSON object of the author's reply, with or without a fence or words around it.

    Raises:
        Refused: "malformed" if there is no JSON object, "refused" if the author left the question empty.
    """
    reply = await author.chat(messages, seed=seed)
    found = _OBJECT.search(reply.content)
    try:
        row = json.loads(found[0]) if found else None
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise Refused("malformed")
    if not row.get("question", "-"):
        raise Refused("refused")
    return row


def texts(row: dict[str, Any], *keys: str) -> list[str]:
    """The values of some keys as text.

    Raises:
        Refused: "malformed" if a key is missing or holds neither text nor a number.
    """
    values = [row.get(key) for key in keys]
    if any(not isinstance(v, str | int | float) or isinstance(v, bool) for v in values):
        raise Refused("malformed")
    return [str(v).strip() for v in values]


def strings(row: dict[str, Any], key: str) -> tuple[str, ...]:
    """A list of strings; raises `Refused("malformed")` for anything else."""
    value = row.get(key)
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise Refused("malformed")
    return tuple(value)


async def write(author: Author, kind: str, hops: int, pages: tuple[Page, ...], seed: int) -> Question | str:
    """Have one CRAWLQA question written.

    Args:
        author: the model.
        kind: "count", "multihop" or "intersection".
        hops: facts that the question should need.
        pages: from `pick`.
        seed: sent with the request.

    Returns:
        The question, unchecked and without id and split, or a key of `checks.REASONS`.
    """
    try:
        row = await ask(author, prompts.crawlqa(kind, hops, pages), seed)
        question, answer = texts(row, "question", "answer")
        evidence, support = strings(row, "evidence"), strings(row, "support")
    except Refused as refusal:
        return str(refusal)
    if row.get("hops") != hops:
        return "wrong_hops"
    return Question("", question, answer, kind, hops, evidence, support)
