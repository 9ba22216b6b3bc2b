"""Read the pocket web's English: facts out of sentences, plans out of questions.

The counterpart of `grammar`, used by the rule-based stand-ins (`oracle*`), so indirectly in 02_synthesize (author),
03_distill (teachers), 04_filter and 07_evaluate (judge). In: any text, a page, a search result or a question. Out:
`Fact` and `Plan` records. It knows sentences, never a world: a fact is what some text says. Nothing of this is in
the paper, whose models read by themselves.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from pocketweb import grammar, grammar_other
from pocketweb.grammar import RELATIONS, Relation
from pocketweb.grammar_pairs import APART, COMPARED, PICKS, WHICH, WORDS, worded

_NAME = r"(?:[A-Z][\w'-]*(?: [A-Z][\w'-]*)*|[a-z][a-z0-9]*(?:-[a-z0-9]+)+)(?: \([a-z][^()]*\))?"
_NAMES = rf"{_NAME}(?:, {_NAME})*(?: and {_NAME})?"
_LITERAL = {"year": r"\d{4}", "number": r"\d+", "word": r"[\w-]+"}
_FULL_NAME = re.compile(_NAME)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\s*\n\s*")
_MARKDOWN_LINK = re.compile(r"!?\[([^\]\n]*)\]\((?:[^()\s]|\([^()\s]*\))*\)")
_BULLET = re.compile(r"^(?:[-*#>]+|\d+\.) ")
_RESULT = re.compile(r"^\d+\. \[(?P<title>.*)\]\((?P<url>\S+)\)$", re.MULTILINE)

BY_LABEL: dict[str, Relation] = {r.label: r for r in reversed(RELATIONS)}
SUBJECTS = {label: frozenset(r.subject for r in RELATIONS if r.label == label) for label in BY_LABEL}


@dataclass(frozen=True)
class Fact:
    """What one sentence tells: the `label` of `subject` is `objects` (one, or all members of a list relation)."""

    label: str
    subject: str
    objects: tuple[str, ...]
    sentence: str


@dataclass(frozen=True)
class Chain:
    """A named entity and the labels to follow from it, in the order in which they have to be looked up."""

    entity: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """How to answer a question.

    `kind` is "value" (end of one chain), "count" (size of the list at its end), "both" (the member that the lists at
    the ends of two chains share), "difference" (of the numbers at the ends of two chains), "lower" or "higher" (the
    thing whose number, at the end of its chain, is the lower or higher one of two; with `asked`, a label, what that
    label leads to from the thing).
    """

    kind: str
    chains: tuple[Chain, ...]
    asked: str = ""


@dataclass(frozen=True)
class Result:
    """One numbered entry of a search observation."""

    title: str
    url: str
    text: str


def is_name(text: str) -> bool:
    """Whether `text` has the form of an entity's name or title.

    >>> is_name("Tal Veron (chemist)"), is_name("velmar-parser"), is_name("the mayor of Kestin")
    (True, True, False)
    """
    return _FULL_NAME.fullmatch(text) is not None


def sentences(text: str) -> list[str]:
    """The sentences and lines of a text in order, without markdown links and bullets.

    >>> sentences("Tal Veron is old. It rains.\\n- [Kestin Ford](http://a.test/K) was founded in 1901.")
    ['Tal Veron is old.', 'It rains.', 'Kestin Ford was founded in 1901.']
    """
    if "](" in text:
        text = _MARKDOWN_LINK.sub(r"\1", text)
    return [_BULLET.sub("", s) for s in _SENTENCE_END.split(text.strip()) if s]


def without_lead_in(sentence: str) -> str:
    """The sentence behind one of `grammar.LEAD_INS`, unchanged if there is none."""
    for lead_in in grammar.LEAD_INS:
        if sentence.startswith(lead_in):
            return sentence[len(lead_in) :]
    return sentence


def _tell_pattern(relation: Relation, template: str) -> re.Pattern[str]:
    """A pattern for one sentence of a relation; the first letter may be lower case behind a lead-in."""
    objects = _NAMES if relation.many else _LITERAL.get(relation.object, _NAME)
    text = re.escape(template).replace(r"\{s\}", f"(?P<s>{_NAME})").replace(r"\{o\}", f"(?P<o>{objects})")
    if template[0].isalpha():
        text = f"[{template[0].lower()}{template[0]}]{text[1:]}"
    return re.compile(text)


_NOVEL = {r.label: _tell_pattern(r, r.tells[grammar.NOVEL]) for r in RELATIONS}


def is_novel(fact: Fact) -> bool:
    """Whether a fact is told in the wording that only held-out worlds use."""
    return _NOVEL[fact.label].fullmatch(without_lead_in(fact.sentence)) is not None


def _tell_index() -> dict[str, list[tuple[Relation, re.Pattern[str]]]]:
    """Patterns by the search word that every sentence of the relation contains; equal wordings once."""
    index: dict[str, list[tuple[Relation, re.Pattern[str]]]] = {}
    seen: set[tuple[str, str]] = set()
    for relation in RELATIONS:
        for template in relation.tells:
            if (relation.label, template) not in seen:
                seen.add((relation.label, template))
                index.setdefault(relation.query, []).append((relation, _tell_pattern(relation, template)))
    return index


_TELLS = _tell_index()
_QUERY_WORD = re.compile(rf"\b(?:{'|'.join(sorted(_TELLS))})\b")


def fact_of(sentence: str) -> Fact | None:
    """The fact that one whole sentence tells, or None. A sentence cut by a search engine (`...`) tells nothing."""
    if sentence.endswith("..."):
        return None
    body = without_lead_in(sentence)
    for word in dict.fromkeys(_QUERY_WORD.findall(body)):
        for relation, pattern in _TELLS[word]:
            match = pattern.fullmatch(body)
            if match:
                objects = tuple(grammar.split_names(match["o"])) if relation.many else (match["o"],)
                return Fact(relation.label, match["s"], objects, sentence)
    return None


@lru_cache(maxsize=8192)
def _facts(text: str) -> tuple[Fact, ...]:
    return tuple(fact for fact in map(fact_of, sentences(text)) if fact)


def facts_in(text: str) -> list[Fact]:
    """All facts told in a text, in order: a page, a snippet, an observation.

    >>> [(f.label, f.subject, f.objects) for f in facts_in("Known natives of Orlen Ford are Tal Veron and Ada Quist.")]
    [('natives', 'Orlen Ford', ('Tal Veron', 'Ada Quist'))]
    """
    return list(_facts(text))


def results_in(observation: str) -> list[Result]:
    """The numbered results `1. [title](url)` of a search observation, each with the text below it."""
    heads = list(_RESULT.finditer(observation))
    ends = [*(h.start() for h in heads), len(observation)][1:]
    return [Result(h["title"], h["url"], observation[h.end() : end]) for h, end in zip(heads, ends, strict=True)]


def _parts(template: str) -> tuple[str, str]:
    """What stands before and behind `{x}`."""
    before, _, behind = template.partition("{x}")
    return before, behind


_SAID = (*RELATIONS, *grammar_other.OTHER)
_PHRASES = [(*_parts(t), r) for r in _SAID if not r.many for t in (r.phrase, r.clause)]
_ASKS = [(*_parts(t), r) for r in _SAID for t in r.asks]
_CONDITIONS = [(*_parts(r.clause), r) for r in _SAID if r.many]


def _descend(text: str, templates: list[tuple[str, str, Relation]], end: str = "") -> Chain | None:
    """The chain of the first template that fits `text` and whose `{x}` can be read in turn."""
    for before, behind, relation in templates:
        if text.startswith(before) and text.endswith(behind) and len(text) > len(before) + len(behind):
            inner = parse_phrase(text[len(before) : len(text) - len(behind)])
            if inner is None or (inner.labels and BY_LABEL[inner.labels[-1]].object != relation.subject):
                continue
            return Chain(inner.entity, (*inner.labels, relation.label))
    return None


def parse_phrase(text: str) -> Chain | None:
    """Read a name or a description that nests phrases and clauses to any depth; None if it is neither.

    >>> parse_phrase("the mayor of the city where Tal Veron was born")
    Chain(entity='Tal Veron', labels=('birthplace', 'mayor'))
    """
    return Chain(text, ()) if is_name(text) else _descend(text, _PHRASES)


def parse_condition(text: str) -> Chain | None:
    """Read a condition on a member of a list, such as "is a native of {x}".

    >>> parse_condition("is a graduate of the university where Tal Veron studied")
    Chain(entity='Tal Veron', labels=('university', 'graduates'))
    """
    return _descend(text, _CONDITIONS)


def _parse_both(question: str) -> Plan | None:
    """The plan of a question in one of the forms of `INTERSECTION_ASKS`."""
    for template in (*grammar.INTERSECTION_ASKS, *grammar_other.INTERSECTION_ASKS):
        pattern = re.escape(template)
        for slot, inner in (("t", "[a-z]+"), ("a", ".+"), ("b", ".+")):
            pattern = pattern.replace(rf"\{{{slot}\}}", f"(?P<{slot}>{inner})")
        match = re.fullmatch(pattern, question)
        chains = [parse_condition(match[slot]) for slot in "ab"] if match else [None]
        if all(c and BY_LABEL[c.labels[-1]].object == match["t"] for c in chains):
            return Plan("both", tuple(c for c in chains if c))
    return None


def _halves(form: str) -> re.Pattern[str]:
    """A pattern for a form with the slots {a} and {b}."""
    return re.compile(re.escape(form).replace(r"\{a\}", "(?P<a>.+)").replace(r"\{b\}", "(?P<b>.+)"))


_PICKS = [(_halves(worded(form, r, w)), r, w) for form in PICKS for r in COMPARED for w in WORDS]
_WHICH = [(_halves(worded(form, r, w)), r, w) for form in WHICH for r in COMPARED for w in WORDS]
_APART = [_halves(form) for form in APART]


def _compared(text: str, forms: list[tuple[re.Pattern[str], Relation, str]], kind: str) -> Plan | None:
    """The plan of the first form that fits and whose {a} and {b} both describe a thing of type `kind` ("" for any)."""
    for pattern, relation, wanted in forms:
        match = pattern.fullmatch(text) if relation.subject == (kind or relation.subject) else None
        sides = [parse_phrase(match[slot]) for slot in "ab"] if match else [None]
        if all(c and (not c.labels or BY_LABEL[c.labels[-1]].object == relation.subject) for c in sides):
            return Plan(wanted, tuple(Chain(c.entity, (*c.labels, relation.label)) for c in sides if c))
    return None


def _parse_pair(question: str) -> Plan | None:
    """The plan of a question about two things, in one of the forms of `grammar_pairs`."""
    for pattern in _APART:
        match = pattern.fullmatch(question)
        chains = [parse_phrase(match[slot]) for slot in "ab"] if match else [None]
        if all(c and c.labels and BY_LABEL[c.labels[-1]] in COMPARED for c in chains):
            return Plan("difference", tuple(c for c in chains if c))
    for before, behind, relation in _ASKS:
        if question.startswith(before) and question.endswith(behind) and not relation.many:
            inner = question[len(before) : len(question) - len(behind)]
            plan = _compared(inner, _PICKS, relation.subject)
            if plan:
                return Plan(plan.kind, plan.chains, relation.label)
    return _compared(question, _WHICH, "")


@lru_cache(maxsize=8192)
def parse_question(question: str) -> Plan | None:
    """Read a question of the grammar, descriptions nested to any depth; None if it is not one.

    Returns:
        The plan: its last labels are list labels for the kinds "count" and "both", those of numbers for "lower",
        "higher" and "difference".

    >>> parse_question("How many companies of the birthplace of Tal Veron are listed?")
    Plan(kind='count', chains=(Chain(entity='Tal Veron', labels=('birthplace', 'companies')),), asked='')
    """
    question = " ".join(question.split())
    chain = _descend(question, _ASKS)
    if chain is None:
        return _parse_both(question) or _parse_pair(question)
    return Plan("count" if BY_LABEL[chain.labels[-1]].many else "value", (chain,))
