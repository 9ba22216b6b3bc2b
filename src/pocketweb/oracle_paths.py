"""Facts, chains of facts and questions about them, as the rule-based stand-in for the author puts them together.

The ground under `oracle_author` and `oracle_pairs` (02_synthesize). In: the pages or search results of a prompt. Out:
the facts told there, the chains that they form, and the JSON reply for a question about one of them. Departure from
the paper: rules in the place of GPT-4o.
"""

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pocketweb import grammar, grammar_other, grammar_pairs
from pocketweb.grammar import Relation
from pocketweb.reading import BY_LABEL, Fact, Plan, facts_in, parse_question

_SOURCE = re.compile(
    r"^\d+\. \[.*\]\((?P<result>\S+)\)$|^The useful information in (?P<visit>\S+) for user goal"
    r"|^Page \d+\nTitle: .*\nURL: (?P<page>\S+)$",
    re.MULTILINE,
)

Reply = dict[str, Any]


@dataclass(frozen=True)
class Voice:
    """How an author words questions: relations by label, forms of intersections, and which forms of pairs it uses
    where the pages are told as usual and where they are told in novel wordings."""

    relations: Mapping[str, Relation]
    both: tuple[str, ...]
    pairs: slice
    novel_pairs: slice


USUAL = Voice(BY_LABEL, grammar.INTERSECTION_ASKS, slice(grammar_pairs.NOVEL), slice(None))
OTHER = Voice(
    {r.label: r for r in reversed(grammar_other.OTHER)},
    grammar_other.INTERSECTION_ASKS,
    slice(grammar_pairs.NOVEL, None),
    slice(grammar_pairs.NOVEL, None),
)


@dataclass(frozen=True)
class Told:
    """A fact and the address of the page that tells it."""

    fact: Fact
    url: str


@dataclass(frozen=True)
class Path:
    """Functional facts of which each object is the next subject."""

    start: str
    links: tuple[Told, ...] = ()

    @property
    def end(self) -> str:
        """The entity or literal that the path leads to."""
        return self.links[-1].fact.objects[0] if self.links else self.start

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order in which they are followed."""
        return tuple(t.fact.label for t in self.links)

    def names(self) -> set[str]:
        """Every entity on the path."""
        return {self.start, *(t.fact.objects[0] for t in self.links)}


def told_in(text: str) -> list[Told]:
    """All facts of the pages or search results in a prompt, each with its address; repeated ones once."""
    heads = list(_SOURCE.finditer(text))
    ends = [*(h.start() for h in heads), len(text)][1:]
    seen: dict[tuple[str, str], Told] = {}
    for head, end in zip(heads, ends, strict=True):
        url = head["result"] or head["visit"] or head["page"]
        for fact in facts_in(text[head.end() : end]):
            seen.setdefault((fact.label, fact.subject), Told(fact, url))
    if not heads:
        for fact in facts_in(text):
            seen.setdefault((fact.label, fact.subject), Told(fact, ""))
    return list(seen.values())


def paths(told: list[Told], length: int) -> Iterator[Path]:
    """All paths of `length` facts that meet no entity twice."""
    by_subject: dict[str, list[Told]] = {}
    for t in told:
        if not BY_LABEL[t.fact.label].many:
            by_subject.setdefault(t.fact.subject, []).append(t)
    todo = [Path(name) for name in dict.fromkeys(t.fact.subject for t in told)][::-1]
    while todo:
        path = todo.pop()
        if len(path.links) == length:
            yield path
            continue
        names = path.names()
        steps = [t for t in by_subject.get(path.end, []) if t.fact.objects[0] not in names]
        todo.extend(Path(path.start, (*path.links, t)) for t in reversed(steps))


def described(name: str, labels: tuple[str, ...], rng: random.Random, voice: Voice = USUAL) -> str:
    """A name with phrases and clauses of `voice` nested around it, drawn with `rng`."""
    for label in labels:
        relation = voice.relations[label]
        name = rng.choice((relation.phrase, relation.clause)).replace("{x}", name)
    return name


def written(question: str, plan: Plan, answer: str, links: list[Told]) -> Reply | None:
    """The reply, unless the question holds the answer or reads differently from what was meant."""
    if answer.casefold() in question.casefold() or parse_question(question) != plan:
        return None
    urls, support = [t.url for t in links], [t.fact.sentence for t in links]
    return {"question": question, "answer": answer, "hops": len(links), "evidence": urls, "support": support}
