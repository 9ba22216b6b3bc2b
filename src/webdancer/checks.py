"""What a question must stand before anyone is asked it: the checks of 02_synthesize.

In: questions as the author wrote them, and the pages they came from. Out: for each the first check it fails, or none.
The paper publishes no check for leaked or ambiguous questions. In its released sample 6 of 100 E2HQA questions
contain their answer, 20 CRAWLQA questions ask for yes or no, and several were written from error pages. All of that
is dropped here, and counted.
"""

from collections.abc import Iterable

from webdancer.agent.judge import normalise
from webdancer.core.schema import Question
from webdancer.linkgraph import LinkGraph, names

# Every reason for a drop, in the order in which the checks run, with what a reader should know about it.
REASONS = {
    "no_path": "the random walks found no (further) pages that hang together in the shape asked for",
    "no_reply": "the endpoint failed, whatever was tried",
    "refused": "the author found no question of the wanted kind in the pages",
    "malformed": "the author's reply was not the JSON asked for",
    "wrong_hops": "the author used another number of facts than asked for",
    "yes_no": "the answer is yes or no, which guessing gets half right",
    "leaked": "the question contains its answer",
    "unanswerable": "the quoted sentences are not on the pages, do not link up, or do not hold the answer",
    "namesake": "the question names somebody who shares the name with another page",
    "not_unique": "more than one answer fits",
    "duplicate": "the same question, or the same facts asked in other words, were there before",
}


def fault(question: Question, graph: LinkGraph) -> str:
    """The first check that a question fails, "" if it stands them all (duplicates are `Seen`'s work).

    Args:
        question: with evidence and support in the order of the hops.
        graph: the web it was written from.

    Returns:
        A key of `REASONS`.
    """
    if len(question.support) != question.hops or len(question.evidence) != question.hops:
        return "wrong_hops"
    if normalise(question.answer) in ("", "yes", "no", "true", "false"):
        return "yes_no"
    if leaks(question.question, question.answer):
        return "leaked"
    if not answerable(question, graph):
        return "unanswerable"
    if any(names(question.question, name) for name in graph.ambiguous_names):
        return "namesake"
    if question.kind == "intersection" and len(shared(question, graph)) != 1:
        return "not_unique"
    return ""


def leaks(question: str, answer: str) -> bool:
    """Whether a question contains its answer: the normalised answer as a run of whole words.

    >>> leaks("Who is the mayor of Kestin, Ada Marr?", "ada marr"), leaks("Who is the mayor of Adasted?", "Ada")
    (True, False)
    """
    return f" {normalise(answer)} " in f" {normalise(question)} "


def answerable(question: Question, graph: LinkGraph) -> bool:
    """Whether the evidence carries the answer.

    Each support sentence must stand on its evidence page and, inside a chain, name the page of the next one. The
    sentence at the end must hold the answer: by name, for `count` by naming as many pages as the answer says. What
    the chain only passes through is no answer, although the sentence at the end names it too.
    """
    pages = [graph.pages.get(url) for url in question.evidence]
    if any(page is None or not _quotes(said, page.text) for page, said in zip(pages, question.support, strict=True)):
        return False
    ends = chain_ends(question, graph)
    if question.kind != "count":
        new = all(question.answer != page.title for page in pages)
        return bool(ends) and new and all(names(question.support[end], question.answer) for end in ends)
    listed = graph.named(question.evidence[-1], question.support[-1])
    return bool(ends) and question.answer.isdecimal() and len(listed) == int(question.answer)


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


def _quotes(sentence: str, text: str) -> bool:
    """Whether a sentence stands in a text, whatever the line breaks."""
    return bool(sentence.strip()) and " ".join(sentence.split()) in " ".join(text.split())


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
