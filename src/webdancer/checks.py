"""What a question must stand before anyone is asked it: the checks of 02_synthesize.

In: questions as the author wrote them, and the pages they came from. Out: for each the first check it fails, or none.
The paper publishes no check for leaked or ambiguous questions. In its released sample 6 of 100 E2HQA questions
contain their answer, 24 of 100 CRAWLQA questions have yes or no for an answer, and 15 were written from error or
bot-check pages (our count). All of that is dropped here, and counted. Checks with lists or indexes of their own are in
`checks_page`, `checks_time`, `checks_pairs`, `near`, `contamination`; those that ask a model are in `solver`.
"""

import re
from collections.abc import Iterable

from webdancer import checks_pairs
from webdancer.agent.judge import normalise
from webdancer.checks_page import about_page
from webdancer.checks_time import undated
from webdancer.core.schema import Question
from webdancer.linkgraph import LinkGraph, names, offset

# Every reason for a drop, in the order in which the checks run, with what a reader should know about it.
REASONS = {
    "no_path": "the random walks found no (further) pages that hang together in the shape asked for",
    "no_seed": "no (further) seed question, or no page that holds its answer",
    "no_reply": "the endpoint failed, whatever was tried",
    "refused": "the author found no question of the wanted kind in the pages",
    "malformed": "the author's reply was not the JSON asked for",
    "rewrite_keeps_entity": "a rewrite still names the entity that it was to replace",
    "rewrite_leaks": "a rewrite contains the answer",
    "rewrite_changes_answer": "a rewrite asks for something else than the question before it",
    "rewrite_ambiguous": "the description in a rewrite fits something else too, or not the entity",
    "wrong_hops": "the author used another number of facts than asked for",
    "yes_no": "it asks for yes or no, which guessing gets half right, and the share allowed is used up",
    "letter": "the answer is the letter of an option",
    "leaked": "the question contains its answer",
    "block_page": "it asks about an error page or a bot check",
    "furniture": "it asks about menus, counters or other parts of a page that are not its content",
    "undated": "the answer depends on the day, and the question names no date",
    "unanswerable": "the quoted sentences are not on the pages, do not link up, or do not hold the answer",
    "namesake": "the question names somebody who shares the name with another page",
    "not_unique": "more than one answer fits",
    "duplicate": "the same question, or the same facts asked in other words, were there before",
    "near_duplicate": "nearly the same words with the same answer were there before",
    "contaminated": "it shares a run of words with a benchmark",
    "unsolved": "the solver found the answer in none of its searches",
    "known": "the solver gave the answer without looking anything up",
}
# The names of the checks passed, as they stand in a question's `checks`; further ones only where they were made.
PASSED = (
    "author", "hops", "yes_no", "letter", "leaked", "page", "time", "answerable", "namesake", "unique", "duplicate",
    "near_duplicate",
)  # fmt: skip
COMPARED, SOLVED = ("contamination",), ("answered_by_search", "not_from_memory")

_PAIRS = ("comparison", "difference")
_YES_NO = ("yes", "no", "true", "false", "是", "否", "不是", "是的", "对", "不对", "有", "没有")
_ASKS_YES_NO = re.compile(r"(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should)\b", re.IGNORECASE)
_LETTER = re.compile(r"\(?[A-Ea-e]\)?\.?")
# "one" and "two" are left out: they are said of everything ("which one of the two ...").
_NUMBERS = {
    word: str(n) for n, word in enumerate("three four five six seven eight nine ten eleven twelve".split(), 3)
}  # fmt: skip
ENOUGH_WORDS = 3  # of an answer; names of two words may meet by chance in the names of two others


def fault(question: Question, graph: LinkGraph, yes_no_allowed: bool = False) -> str:
    """The first check that a question fails, "" if it stands them all (repetitions are the work of `Seen` and `near`).

    Args:
        question: with evidence and support in the order of the hops.
        graph: the web it was written from.
        yes_no_allowed: whether a question that asks for yes or no may pass.

    Returns:
        A key of `REASONS`.
    """
    if len(question.support) != question.hops or len(question.evidence) != question.hops:
        return "wrong_hops"
    if found := text_fault(question.question, question.answer, yes_no_allowed):
        return found
    if not answerable(question, graph):
        return "unanswerable"
    if any(names(question.question, name) for name in graph.ambiguous_names):
        return "namesake"
    return "" if unique(question, graph) else "not_unique"


def text_fault(question: str, answer: str, yes_no_allowed: bool = False) -> str:
    """The first check that needs nothing but the words and that a question fails; a key of `REASONS`, or ""."""
    if not normalise(answer) or (not yes_no_allowed and yes_no(question, answer)):
        return "yes_no"
    if _LETTER.fullmatch(answer.strip()):
        return "letter"
    if leaks(question, answer) and not yes_no(question, answer):
        return "leaked"
    return about_page(question) or ("undated" if undated(question) else "")


def yes_no(question: str, answer: str) -> bool:
    """Whether a question asks for yes or no: by its answer, or by its form and without a choice.

    >>> yes_no("Is Kestin a city?", "?"), yes_no("Is Kestin or Tarn older?", "Tarn"), yes_no("克斯廷是城市吗？", "是")
    (True, False, True)
    """
    if normalise(answer) in _YES_NO:
        return True
    asks = bool(_ASKS_YES_NO.match(question.strip())) and not re.search(r"\bor\b", question)
    return asks or question.rstrip("？? ").endswith("吗") or "是否" in question


def leaks(question: str, answer: str) -> bool:
    """Whether a question contains its answer: as a run of whole words, or all its words if there are at least three.

    A question that offers its answer among others ("Which is older, Kestin or Tarn?") leaks it too: one guess in two.

    >>> leaks("Who is the mayor of Kestin, Ada Marr?", "ada marr"), leaks("Who is the mayor of Adasted?", "Ada")
    (True, False)
    >>> leaks("Which rock band is named like Bon Jovi?", "Rock band Bon Jovi"), leaks("Which five are listed?", "5")
    (True, True)
    """
    told, wanted = ([_NUMBERS.get(word, word) for word in normalise(text).split()] for text in (question, answer))
    if f" {' '.join(wanted)} " in f" {' '.join(told)} ":
        return True
    return len(wanted) >= ENOUGH_WORDS and set(wanted) <= set(told)


def answerable(question: Question, graph: LinkGraph) -> bool:
    """Whether the evidence carries the answer.

    Each support sentence must stand on its evidence page and, inside a chain, name the page of the next one. The
    sentence at the end must hold the answer: by name, for `count` by naming as many pages as the answer says. What
    the chain only passes through is no answer, although the sentence at the end names it too. Of a question for yes or
    no the rule sees only that its facts hang together. `comparison` and `difference` are `checks_pairs`' work.
    """
    if question.kind in _PAIRS:
        return checks_pairs.answerable_pair(question, graph)
    pages = [graph.pages.get(url) for url in question.evidence]
    if any(page is None or offset(page.text, said) < 0 for page, said in zip(pages, question.support, strict=True)):
        return False
    ends = chain_ends(question, graph)
    if normalise(question.answer) in _YES_NO:
        return bool(ends)
    if question.kind != "count":
        new = all(question.answer != page.title for page in pages)
        return bool(ends) and new and all(names(question.support[end], question.answer) for end in ends)
    listed = graph.named(question.evidence[-1], question.support[-1])
    return bool(ends) and question.answer.isdecimal() and len(listed) == int(question.answer)


def unique(question: Question, graph: LinkGraph) -> bool:
    """Whether the quoted facts of an answerable question allow one answer only."""
    if question.kind in _PAIRS:
        return checks_pairs.unique_pair(question, graph)
    return question.kind != "intersection" or len(shared(question, graph)) == 1


def chain_ends(question: Question, graph: LinkGraph) -> tuple[int, ...]:
    """Where the chains of facts end: at the last, and for an intersection, which is two chains, at one before too.

    Returns:
        Positions in `support`; () if the facts do not link up: in a chain each names the title of the next one's page.
    """
    titles = [graph.pages[url].title for url in question.evidence]
    last = len(titles) - 1
    linked = [names(question.support[i], titles[i + 1]) for i in range(last)]
    if question.kind != "intersection":
        return (last,) if all(linked) else ()
    for i in range(last):  # the last of the first chain: the only place where nothing has to link
        if all(linked[:i] + linked[i + 1 :]) and names(question.support[i], question.answer):
            return (i, last)
    return ()


def shared(question: Question, graph: LinkGraph) -> frozenset[str]:
    """The pages (urls) that both lists of an answerable intersection name."""
    one, other = (graph.named(question.evidence[i], question.support[i]) for i in chain_ends(question, graph))
    return one & other


class Seen:
    """What was asked already, in every split: texts, and the facts behind them."""

    def __init__(self) -> None:
        self._known: set[str | frozenset[str]] = set()

    def again(self, question: Question) -> bool:
        """Whether the question, or another with the same start and the same plan, was met before; remembers it.

        The support sentences stand for start and plan: who asks for the same facts of the same pages asks the same.
        """
        keys = {normalise(question.question), frozenset(question.support)}
        if self._known & keys:
            return True
        self._known |= keys
        return False


def overlap(questions: Iterable[Question]) -> int:
    """How many questions share their text or their facts with one of another split (0 in a sound set)."""
    splits: dict[str | frozenset[str], set[str]] = {}
    keys = [(q.split, (normalise(q.question), frozenset(q.support))) for q in questions]
    for split, both in keys:
        for key in both:
            splits.setdefault(key, set()).add(split)
    return sum(any(len(splits[key]) > 1 for key in both) for _, both in keys)
