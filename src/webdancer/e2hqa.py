"""E2HQA: a simple question made harder rewrite by rewrite (part of the stage of 02_synthesize).

In: a page or a seed question of one fact, a search engine S, an author. Out: a question with all its versions, or the
reason why there is none. As in WebDancer (arXiv 2505.22648): a seed question Q_1 asks for one fact; at step n an
entity E_n of Q_n is chosen and searched for, C_n = S(E_n), and what was found is rewritten into a description
R_n = pi(C_n) that takes the entity's place in Q_{n+1}. The answer never changes. The paper names no check of a rewrite.
Ours rejects one that still names E_n, contains the answer, asks for something else than Q_n, or whose description does
not single E_n out: the author quotes the sentence behind each description, and a second question to it (`identify`)
must name E_n and nothing else as what the description fits. The number of rewrites, not published, is a parameter.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from webdancer.agent.judge import normalise
from webdancer.author_forms import Author, Draft, Entities, Entity, Refused, Rewritten, ask
from webdancer.checks import leaks
from webdancer.core import prompts
from webdancer.core.schema import Page, Question
from webdancer.linkgraph import names
from webdancer.web.layout import render_hits
from webdancer.web.search import Hit

Search = Callable[[str, int], Sequence[Hit]]
LOOKED_AT = 30  # results that are looked through for a sentence with the entity
SHOWN = 10  # results shown to the author, as many as an agent sees
# Words that a rewrite may drop without asking for something else.
SMALL = frozenset("of in at on by to for from with and or that is was are were be it its s this there".split())


@dataclass(frozen=True)
class Rewrite:
    """One step: the question after it, what was replaced, by which words, and the sentence these words come from."""

    question: str
    entity: str
    description: str
    evidence: str
    support: str


async def seed_question(author: Author, page: Page, seed: int) -> Question:
    """Q_1: one fact of a page.

    Raises:
        Refused: "leaked" if it contains its answer, which no rewrite mends; else as `author_forms.ask`.
    """
    draft = await ask(author, prompts.seed(page), seed, Draft)
    question, answer = draft.question.strip(), str(draft.answer).strip()
    if leaks(question, answer):
        raise Refused("leaked")
    return Question("", question, answer, "e2hqa", 1, tuple(draft.evidence), tuple(draft.support))


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
        Refused: "refused" if nothing is found to describe the entity with, "malformed" for a reply of another form,
            a reason of `rejected`, or "rewrite_ambiguous" if the description fits something else too.
    """
    entity = (await ask(author, prompts.entity(question.question), seed, Entity)).entity.strip()
    found = find(search, entity, question.evidence) if entity else []
    if not found:
        raise Refused("refused")
    task = prompts.rewrite(question.question, question.answer, entity, render_hits(entity, found))
    reply = await ask(author, task, seed, Rewritten)
    words = (reply.question, entity, reply.description, reply.evidence, reply.support)
    step = Rewrite(*(text.strip() for text in words))
    if reason := rejected(question, step):
        raise Refused(reason)
    fits = await fitting(author, search, step, seed)
    if {normalise(name) for name in fits} != {normalise(entity)}:
        raise Refused("rewrite_ambiguous")
    return step


def rejected(question: Question, step: Rewrite) -> str:
    """Why a rewrite is rejected on its words alone, "" if it is not.

    Args:
        question: Q_n, which does not contain its answer.
        step: with Q_{n+1}.

    Returns:
        "rewrite_keeps_entity", "rewrite_leaks", "rewrite_changes_answer" (a word of Q_n beside the entity is gone, so
        something else may be asked for), "malformed" (the description is not in the question), or "".
    """
    if names(step.question.casefold(), step.entity.casefold()):
        return "rewrite_keeps_entity"
    if leaks(step.question, question.answer):
        return "rewrite_leaks"
    if not step.description or step.description not in step.question:
        return "malformed"
    kept = normalise(step.question.replace(step.description, " ")).split()
    frame = normalise(question.question.replace(step.entity, " ")).split()
    return "rewrite_changes_answer" if set(frame) - set(kept) - SMALL else ""


async def fitting(author: Author, search: Search, step: Rewrite, seed: int) -> set[str]:
    """What a description fits, says the author, in the sentence it comes from and in what a search for it finds."""
    others = [h for h in search(step.description, SHOWN) if h.url != step.evidence]
    results = render_hits(step.description, [Hit(step.evidence, step.evidence, step.support), *others][:SHOWN])
    return set((await ask(author, prompts.identify(step.description, results), seed, Entities)).entities)


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


async def write(author: Author, search: Search, start: Page | Question, rewrites: int, seed: int) -> Question | str:
    """Have one E2HQA question written.

    Args:
        author: the model.
        search: the search engine S.
        start: the page that the seed question is to be about, or a seed question with its evidence
            (`seed_questions.ground`).
        rewrites: steps; the question ends with one hop more than that.
        seed: sent with the requests.

    Returns:
        The question with `rewrites` holding Q_1 to Q_n, unchecked and without id and split, or a key of
        `checks.REASONS`.
    """
    try:
        question = await seed_question(author, start, seed) if isinstance(start, Page) else start
        for _ in range(rewrites):
            question = extended(question, await rewrite(author, search, question, seed))
    except Refused as refusal:
        return str(refusal)
    return question
