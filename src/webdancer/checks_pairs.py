"""Checks on questions about two things, kinds `comparison` and `difference` (part of the checks of 02_synthesize).

In: a question whose support stands in the order that `crawlqa` describes, and the link graph it was written from.
Out: whether the quoted facts carry the answer, and whether they carry no other. The rules read links, titles and
numbers, and of the language nothing but the words that say which of two things is meant (earlier, larger, ...). The
paper has no such kinds and publishes no checks.
"""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from webdancer.core.schema import Page, Question
from webdancer.linkgraph import LinkGraph, bare, names, offset

# Words by which a question asks for the thing with the lower or the higher number; the weak ones count only where no
# other stands, for they are common ("the first novel of ..."). In small letters only: "Lower Kestin" is a name.
_LOWER = re.compile(r"\b(?:earlier|earliest|older|oldest|sooner|fewer|fewest|less|least|smaller|smallest|lower)\b")
_HIGHER = re.compile(r"\b(?:later|latest|younger|youngest|newer|newest|more|most|larger|largest|greater|higher)\b")
_WEAK_LOWER, _WEAK_HIGHER = re.compile(r"\b(?:first|before)\b"), re.compile(r"\b(?:last|after)\b")
_NUMBER = re.compile(r"(?<![\w.,])\d+(?:,\d{3})*(?:\.\d+)?(?!\w)")
_YEAR = re.compile(r"[12]\d{3}")


@dataclass(frozen=True)
class Pair:
    """The two facts compared: their places in `support`, the numbers they tell, the pages they are told of."""

    places: tuple[int, int]
    values: tuple[Decimal, Decimal]
    pages: tuple[Page, Page]


def value(sentence: str, title: str) -> Decimal | None:
    """The number that a sentence tells of the page called `title`: its only year, else its only number.

    >>> value("Orlen Ford was founded on 3 May 1871.", "Orlen Ford"), value("Route 66 has 2,448 miles.", "Route 66")
    (Decimal('1871'), Decimal('2448'))
    """
    for name in (title, bare(title)):
        sentence = sentence.replace(name, " ")
    found = set(_NUMBER.findall(sentence))
    years = {number for number in found if _YEAR.fullmatch(number)}
    few = years if len(years) == 1 else found
    return Decimal(few.pop().replace(",", "")) if len(few) == 1 else None


def direction(question: str) -> int:
    """-1 if a question wants the thing with the lower number, 1 for the higher, 0 if it says neither or both.

    >>> direction("Who is the mayor of the older one of Kestin and Tarn?"), direction("Which one opened last?")
    (-1, 1)
    """
    low, high = bool(_LOWER.search(question)), bool(_HIGHER.search(question))
    if not low and not high:
        low, high = bool(_WEAK_LOWER.search(question)), bool(_WEAK_HIGHER.search(question))
    return high - low


def pair(question: Question, graph: LinkGraph) -> Pair | None:
    """The two facts that a question compares.

    Returns:
        The first way to cut the support into two chains, each linked and ended by a number, and for a comparison the
        fact asked of one of the two; None if there is no such way: the facts do not hang together.
    """
    pages = [graph.pages.get(url) for url in question.evidence]
    if None in pages or len(pages) != len(question.support):
        return None
    last = len(pages) - 1
    linked = [pages[i] != pages[i + 1] and names(question.support[i], pages[i + 1].title) for i in range(last)]
    for second in (last, last - 1) if question.kind == "comparison" else (last,):
        for first in range(second):
            places, ends = (first, second), (pages[first], pages[second])
            values = tuple(value(question.support[i], pages[i].title) for i in places)
            hidden = first > 0 and second - first > 1
            asked = second < last and pages[last] in ends and question.support[last] not in question.support[:last]
            fits = question.kind == "difference" or asked or (second == last and hidden)
            if fits and ends[0] != ends[1] and None not in values and all(linked[:first] + linked[first + 1 : second]):
                return Pair(places, values, ends)
    return None


def answerable_pair(question: Question, graph: LinkGraph) -> bool:
    """Whether the evidence of a `comparison` or `difference` carries its answer.

    Every support sentence stands on its page, the facts form two chains (see `pair`) and the answer follows from the
    two numbers: their distance, or the thing that the question's own words pick (or what the last sentence tells of
    it). Of two equal numbers either thing will do: `unique_pair` turns such questions down. A question that names its
    answer, be it as one of two to choose from, asks for nothing; nor may it name the other thing where the thing
    itself is the answer.
    """
    found = pair(question, graph)
    if found is None or names(question.question, question.answer):
        return False
    if any(
        offset(graph.pages[url].text, said) < 0 for url, said in zip(question.evidence, question.support, strict=True)
    ):
        return False
    if question.kind == "difference":
        return _number(question.answer) == abs(found.values[0] - found.values[1])
    picked = [page for page, _ in _picked(question, found)]
    if found.places[1] == len(question.support) - 1:
        hidden = not any(names(question.question, page.title) for page in found.pages)
        return hidden and any(question.answer in (page.title, bare(page.title)) for page in picked)
    passed = any(question.answer == graph.pages[url].title for url in question.evidence)
    asked = graph.pages[question.evidence[-1]]
    return asked in picked and not passed and names(question.support[-1], question.answer)


def unique_pair(question: Question, graph: LinkGraph) -> bool:
    """Whether an answerable question about two things has one answer that needs both of them.

    False if the two numbers are equal, and where a fact of the thing picked is asked for if the other thing's page
    names the answer too.
    """
    found = pair(question, graph)
    if found is None or found.values[0] == found.values[1]:
        return False
    if question.kind == "difference" or found.places[1] == len(question.support) - 1:
        return True
    return not any(names(other.text, question.answer) for _, other in _picked(question, found))


def _picked(question: Question, found: Pair) -> list[tuple[Page, Page]]:
    """The page that a comparison's words pick and the other one; both ways round if the numbers are equal."""
    sign = direction(question.question)
    ahead = (found.values[0] - found.values[1]) * sign
    first, second = found.pages
    ways = [(first, second)] if sign and ahead >= 0 else []
    return ways + ([(second, first)] if sign and ahead <= 0 else [])


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text.replace(",", ""))
    except InvalidOperation:
        return None
