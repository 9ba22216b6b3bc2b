"""The rule-based stand-in for the author, kinds `comparison` and `difference`: two things and their years.

02_synthesize. In: the facts told on the pages of a prompt. Out: candidates for a question, and the reply for one. Two
chains of facts lead to two things of one type whose years are told and differ. The forms of a question that go with
novel pages are used where a page of the prompt speaks that way, and nowhere else. Departure from the paper: the paper
has no such kinds; the released sample has a few such questions.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pocketweb.grammar_pairs import APART, COMPARED, PICKS, WHICH, worded
from pocketweb.oracle_paths import USUAL, Path, Reply, Told, Voice, described, paths, written
from pocketweb.reading import BY_LABEL, Chain, Plan, is_novel

_YEARS = frozenset(r.label for r in COMPARED)


@dataclass(frozen=True)
class Side:
    """A chain of facts to a thing, and the fact that tells its year."""

    path: Path
    year: Told

    @property
    def number(self) -> int:
        """The year."""
        return int(self.year.fact.objects[0])

    @property
    def chain(self) -> Chain:
        """What has to be looked up for the year."""
        return Chain(self.path.start, (*self.path.labels, self.year.fact.label))


@dataclass(frozen=True)
class Pair:
    """Two sides, whether pages speak in novel wordings, and for a comparison which side is wanted and what is asked of
    it (None: which of the two it is)."""

    sides: tuple[Side, Side]
    novel: bool
    wanted: str = ""
    asked: Told | None = None

    @property
    def winner(self) -> Side:
        """The side with the lower or higher year, as wanted."""
        return (min if self.wanted == "lower" else max)(self.sides, key=lambda side: side.number)


def differences(told: list[Told], hops: int) -> Iterator[Pair]:
    """Two chains, `hops` facts in all, to two years."""
    for sides in _two(told, hops, 0):
        yield Pair(sides, _novel(told))


def comparisons(told: list[Told], hops: int) -> Iterator[Pair]:
    """Two chains to two years and a fact asked of one thing; or two chains to hidden things, either of them asked for.

    The fact asked for is one that the other thing does not share.
    """
    novel = _novel(told)
    for sides in _two(told, hops - 1, 0):
        for pair in (Pair(sides, novel, wanted) for wanted in ("lower", "higher")):
            (loser,) = (side for side in sides if side is not pair.winner)
            passed = sides[0].path.names() | sides[1].path.names()
            shared = {o for t in told if t.fact.subject == loser.path.end for o in t.fact.objects}
            for t in told:
                relation = BY_LABEL[t.fact.label]
                own = t.fact.subject == pair.winner.path.end and not relation.many and relation not in COMPARED
                if own and t.fact.objects[0] not in passed | shared:
                    yield Pair(sides, novel, pair.wanted, t)
    for sides in _two(told, hops, 1):
        yield from (Pair(sides, novel, wanted) for wanted in ("lower", "higher"))


def word_difference(pair: Pair, rng: random.Random, voice: Voice = USUAL) -> Reply | None:
    """The reply for a candidate of `differences`."""
    years = [described(side.chain.entity, side.chain.labels, rng, voice) for side in pair.sides]
    question = _form(APART, pair, rng, voice).format(a=years[0], b=years[1])
    apart = abs(pair.sides[0].number - pair.sides[1].number)
    return written(question, _plan("difference", pair), str(apart), _links(pair))


def word_comparison(pair: Pair, rng: random.Random, voice: Voice = USUAL) -> Reply | None:
    """The reply for a candidate of `comparisons`."""
    things = [described(side.path.start, side.path.labels, rng, voice) for side in pair.sides]
    relation = BY_LABEL[pair.sides[0].year.fact.label]
    form = worded(_form(PICKS if pair.asked else WHICH, pair, rng, voice), relation, pair.wanted)
    question, answer = form.format(a=things[0], b=things[1]), pair.winner.path.end
    if pair.asked:
        question = rng.choice(voice.relations[pair.asked.fact.label].asks).replace("{x}", question)
        answer = pair.asked.fact.objects[0]
    return written(question, _plan(pair.wanted, pair), answer, _links(pair))


def _two(told: list[Told], facts: int, least: int) -> Iterator[tuple[Side, Side]]:
    """Two sides of `facts` facts in all, at least `least` before each year, to two things of a type; none meets what
    the other meets, and the years differ."""
    years = {t.fact.subject: t for t in told if t.fact.label in _YEARS}
    links = facts - 2
    ends = {n: [Side(p, years[p.end]) for p in paths(told, n) if p.end in years] for n in range(least, links + 1)}
    for n in range(least, links - least + 1):
        for one in ends[n]:
            for other in ends[links - n]:
                alike = one.year.fact.label == other.year.fact.label and one.number != other.number
                if alike and not one.path.names() & other.path.names():
                    yield one, other


def _novel(told: list[Told]) -> bool:
    return any(is_novel(t.fact) for t in told)


def _form(forms: Sequence[str], pair: Pair, rng: random.Random, voice: Voice) -> str:
    return rng.choice(forms[voice.novel_pairs if pair.novel else voice.pairs])


def _plan(kind: str, pair: Pair) -> Plan:
    chains = tuple(side.chain for side in pair.sides)
    return Plan(kind, chains, pair.asked.fact.label if pair.asked else "")


def _links(pair: Pair) -> list[Told]:
    """The facts in the order in which the reply has to give them: chain, year, chain, year, what is asked."""
    first, second = pair.sides
    links = [*first.path.links, first.year, *second.path.links, second.year]
    return [*links, pair.asked] if pair.asked else links
