"""E2HQA: a simple question made harder rewrite by rewrite (part of the stage of 02_synthesize).

In: a page, a search engine S, an author. Out: a question with all its versions, or the reason why there is none. As
in WebDancer (arXiv 2505.22648): a seed question Q_1 asks for one fact; at step n an entity E_n of Q_n is chosen and
searched for, C_n = S(E_n), and what was found is rewritten into a description R_n = pi(C_n) that takes the entity's
place in Q_{n+1}. The answer never changes. Ours alone: the author quotes the sentence behind each description, and a
second question to it (`identify`) must name E_n and nothing else as what the description fits. The number of
rewrites, not published, is a parameter.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from webdancer.core import prompts
from webdancer.core.schema import Page, Question
from webdancer.crawlqa import Author, Refused, ask, strings, texts
from webdancer.linkgraph import names
from webdancer.web.search import Hit
from webdancer.web.tools import render_hits

Search = Callable[[str, int], Sequence[Hit]]
LOOKED_AT = 30  # results that are looked through for a sentence with the entity
SHOWN = 10  # results shown to the author, as many as an agent sees


@dataclass(frozen=True)
class Rewrite:
    """One step: the question after it, what was replaced, by which words, and the sentence these words come from."""

    question: str
    entity: str
    description: str
    evidence: str
    support: str


async def seed_question(author: Author, page: Page, seed: int) -> Question:
    """Q_1: one fact of a page. Raises `Refused` as `crawlqa.ask` does."""
    row = await ask(author, prompts.seed(page), seed)
    question, answer = texts(row, "question", "answer")
    return Question("", question, answer, "e2hqa", 1, strings(row, "evidence"), strings(row, "support"))


def find(search: Search, entity: str, used: Sequence[str]) -> list[Hit]:
    """C_n: what the search engine says about an entity; results that name it, from pages not used before."""
    hits = [h for h in search(entity, LOOKED_AT) if h.url not in used and names(h.snippet, entity)]
    return hits[:SHOWN]


async def rewrite(author: Author, search: Search, question: Question, seed: int) -> Rewrite:
    """One step from Q_n to Q_{n+1}.

    Args:
        author: chooses the entity and writes the description.
        search: function of a query and a number of results.
        question: Q_n; its evidence is not used again.
        seed: sent with the requests.

    Raises:
        Refused: "refused" if nothing is found to describe the entity with, "malformed" for a reply of another form
            or one that kept the entity, "not_unique" if the description fits something else too.
    """
    (entity,) = texts(await ask(author, prompts.entity(question.question), seed), "entity")
    found = find(search, entity, question.evidence) if entity else []
    if not found:
        raise Refused("refused")
    row = await ask(
        author, prompts.rewrite(question.question, question.answer, entity, render_hits(entity, found)), seed
    )
    text, description, evidence, support = texts(row, "question", "description", "evidence", "support")
    if names(text, entity) or description not in text:
        raise Refused("malformed")
    step = Rewrite(text, entity, description, evidence, support)
    if await fitting(author, search, step, seed) != {entity}:
        raise Refused("not_unique")
    return step


async def fitting(author: Author, search: Search, step: Rewrite, seed: int) -> set[str]:
    """What a description fits, says the author, in the sentence it comes from and in what a search for it finds."""
    others = [h for h in search(step.description, SHOWN) if h.url != step.evidence]
    results = render_hits(step.description, [Hit(step.evidence, step.evidence, step.support), *others][:SHOWN])
    return set(strings(await ask(author, prompts.identify(step.description, results), seed), "entities"))


def extended(question: Question, step: Rewrite) -> Question:
    """Q_{n+1}: one hop more, in front; the answer stays, Q_n joins the earlier versions."""
    return replace(
        question,
        question=step.question,
        hops=question.hops + 1,
        evidence=(step.evidence, *question.evidence),
        support=(step.support, *question.support),
        rewrites=(*question.rewrites, question.question),
    )


async def write(author: Author, search: Search, page: Page, rewrites: int, seed: int) -> Question | str:
    """Have one E2HQA question written.

    Args:
        author: the model.
        search: the search engine S.
        page: what the seed question is about.
        rewrites: steps; the question ends with one hop more than that.
        seed: sent with the requests.

    Returns:
        The question with `rewrites` holding Q_1 to Q_n, unchecked and without id and split, or a key of
        `checks.REASONS`.
    """
    try:
        question = await seed_question(author, page, seed)
        for _ in range(rewrites):
            question = extended(question, await rewrite(author, search, question, seed))
    except Refused as refusal:
        return str(refusal)
    return question
