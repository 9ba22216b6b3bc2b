"""What a question asks, by the books of the pocket worlds: every reading of it, every thing and value that answers it.

For the tests alone. Nothing here is shared with `pocketweb.reading`, which reads a question from the outside in and
takes the first reading that fits. This reads from the inside out: names are put in for all things that bear them, and
then whatever description fits is put in for all it describes, in every order, until a whole question is left. So a
second meaning, a second bearer of a name and a tie all show as a second answer.
"""

import re
from dataclasses import dataclass
from functools import cache

from pocketweb import grammar, grammar_other
from pocketweb.grammar import TYPES, Relation
from pocketweb.grammar_pairs import APART, COMPARED, PICKS, WHICH, WORDS, worded
from pocketweb.world import World

SAID = (*grammar.RELATIONS, *grammar_other.OTHER)  # a question may be in the forms of either author
FUNCTIONAL, LISTS = tuple(r for r in SAID if not r.many), tuple(r for r in SAID if r.many)
INTERSECTION_ASKS = (*grammar.INTERSECTION_ASKS, *grammar_other.INTERSECTION_ASKS)
Thing = tuple[int, int]  # index of the world, id of the entity
MEANING, CONDITION = "\u27e6{}\u27e7", "\u27ea{}\u27eb"  # stand in a question for what was understood
_ANY = MEANING.format(r"(\d+)"), CONDITION.format(r"(\d+)")


@dataclass(frozen=True)
class Meaning:
    """What a stretch of a question stands for: things or values, after so many facts; `form` tells two things apart
    ("comparison"), a number ("year") and the rest ("")."""

    answers: frozenset[Thing | str]
    facts: int
    form: str = ""


@dataclass(frozen=True)
class Reading:
    """One reading of a whole question."""

    kind: str
    hops: int
    answers: frozenset[str]


class Books:
    """All facts of some worlds, and the readings of questions about them."""

    def __init__(self, *worlds: World) -> None:
        self.worlds = worlds
        self.bearers: dict[str, set[Thing]] = {}
        for w, world in enumerate(worlds):
            for entity in world.entities:
                for name in (entity.title, entity.name, *entity.aliases):
                    self.bearers.setdefault(name, set()).add((w, entity.id))
        every = "|".join(map(re.escape, sorted(self.bearers, key=len, reverse=True)))
        self._name = re.compile(rf"(?<![\w-])(?:{every})(?![\w-])")
        self._known: list[Meaning] = []
        self._place: dict[Meaning, int] = {}

    def title(self, answer: Thing | str) -> str:
        """An answer as text."""
        return answer if isinstance(answer, str) else self.worlds[answer[0]].entities[answer[1]].title

    def image(self, things: frozenset[Thing | str], relation: Relation) -> set[Thing | str] | list[set[Thing]]:
        """What a relation leads to from some things; for a list relation one set for each of them."""
        subjects = [t for t in things if not isinstance(t, str)]
        subjects = [t for t in subjects if self.worlds[t[0]].entities[t[1]].type == relation.subject]
        found = [(w, self.worlds[w].facts[i, relation.key]) for w, i in subjects]
        if relation.many:
            return [{(w, member) for member in members} for w, members in found]
        return {(w, value) if relation.object in TYPES else str(value) for w, value in found}

    def readings(self, question: str) -> set[Reading]:
        """All readings; none for text that is no question of the worlds' grammar."""

        def put(match: re.Match[str]) -> str:
            return self._token(MEANING, Meaning(frozenset(self.bearers[match[0]]), 0))

        found: set[Reading] = set()
        seen, todo = set(), [self._name.sub(put, question)]
        while todo:
            text = todo.pop()
            if text not in seen:
                seen.add(text)
                found |= self._whole(text)
                todo += self._steps(text)
        return found

    def _token(self, form: str, meaning: Meaning) -> str:
        if meaning not in self._place:
            self._place[meaning] = len(self._known)
            self._known.append(meaning)
        return form.format(self._place[meaning])

    def _steps(self, text: str) -> list[str]:
        """The text with one more description understood, in every way."""
        steps = []
        for pattern, relation in _descriptions():
            for match in pattern.finditer(text):
                inner = self._known[int(match[1])]
                things = self.image(inner.answers, relation)
                form = inner.form or ("" if relation.object in TYPES else "year")
                if things:
                    token = self._token(MEANING, Meaning(frozenset(things), inner.facts + 1, form))
                    steps.append(text[: match.start()] + token + text[match.end() :])
        for pattern, relation in _conditions():
            for match in pattern.finditer(text):
                inner = self._known[int(match[1])]
                members = self.image(inner.answers, relation)
                if members:
                    token = self._token(CONDITION, Meaning(frozenset().union(*members), inner.facts + 1))
                    steps.append(text[: match.start()] + token + text[match.end() :])
        for pattern, relation, wanted in _picks():
            for match in pattern.finditer(text):
                picked = self._picked(int(match[1]), int(match[2]), relation, wanted)
                if picked.answers:
                    steps.append(text[: match.start()] + self._token(MEANING, picked) + text[match.end() :])
        return steps

    def _picked(self, a: int, b: int, relation: Relation, wanted: str) -> Meaning:
        """The one of two things with the lower or higher number; both where the numbers are equal."""
        sides, winners = (self._known[a], self._known[b]), set()
        one, other = ({(int(v), t) for t in s.answers for v in self.image(frozenset([t]), relation)} for s in sides)
        for x in one:
            for y in other:
                best = min(x[0], y[0]) if wanted == "lower" else max(x[0], y[0])
                winners |= {thing for value, thing in (x, y) if value == best}
        return Meaning(frozenset(winners), sum(s.facts for s in sides) + 2, "comparison")

    def _whole(self, text: str) -> set[Reading]:
        """The readings of a text in which only the question itself is left to understand."""
        found = set()
        for pattern, relation in _asks():
            if match := pattern.fullmatch(text):
                inner = self._known[int(match[1])]
                told = self.image(inner.answers, relation)
                answers = {str(len(members)) for members in told} if relation.many else set(map(self.title, told))
                kind = "count" if relation.many else inner.form or "multihop"
                found.add(Reading(kind, inner.facts + 1, frozenset(answers)))
        for pattern, kind in _boths():
            if match := pattern.fullmatch(text):
                one, other = (self._known[int(match[i])] for i in (1, 2))
                things = {t for t in one.answers & other.answers if self.worlds[t[0]].entities[t[1]].type == kind}
                found.add(Reading("intersection", one.facts + other.facts, frozenset(map(self.title, things))))
        for pattern, relation, wanted in _whichs():
            if match := pattern.fullmatch(text):
                picked = self._picked(int(match[1]), int(match[2]), relation, wanted)
                found.add(Reading("comparison", picked.facts, frozenset(map(self.title, picked.answers))))
        for pattern in _aparts():
            if match := pattern.fullmatch(text):
                one, other = (self._known[int(match[i])] for i in (1, 2))
                if one.form == other.form == "year":
                    apart = {str(abs(int(x) - int(y))) for x in one.answers for y in other.answers}
                    found.add(Reading("difference", one.facts + other.facts, frozenset(apart)))
        return {reading for reading in found if reading.answers}


def _pattern(form: str, *slots: str, by: str = _ANY[0]) -> re.Pattern[str]:
    text = re.escape(form)
    for slot in slots:
        text = text.replace(rf"\{{{slot}\}}", by)
    return re.compile(text)


@cache
def _descriptions() -> list[tuple[re.Pattern[str], Relation]]:
    return [(_pattern(form, "x"), r) for r in FUNCTIONAL for form in (r.phrase, r.clause)]


@cache
def _conditions() -> list[tuple[re.Pattern[str], Relation]]:
    return [(_pattern(r.clause, "x"), r) for r in LISTS]


@cache
def _asks() -> list[tuple[re.Pattern[str], Relation]]:
    return [(_pattern(ask, "x"), r) for r in (*FUNCTIONAL, *LISTS) for ask in r.asks]


@cache
def _boths() -> list[tuple[re.Pattern[str], str]]:
    forms = [(form.replace("{t}", kind), kind) for form in INTERSECTION_ASKS for kind in TYPES]
    return [(_pattern(form, "a", "b", by=_ANY[1]), kind) for form, kind in forms]


@cache
def _picks() -> list[tuple[re.Pattern[str], Relation, str]]:
    return [(_pattern(worded(form, r, w), "a", "b"), r, w) for form in PICKS for r in COMPARED for w in WORDS]


@cache
def _whichs() -> list[tuple[re.Pattern[str], Relation, str]]:
    return [(_pattern(worded(form, r, w), "a", "b"), r, w) for form in WHICH for r in COMPARED for w in WORDS]


@cache
def _aparts() -> list[re.Pattern[str]]:
    return [_pattern(form, "a", "b") for form in APART]
