"""Seeds for E2HQA from a file of questions that others wrote (part of the stage of 02_synthesize).

In: SimpleQA, HotpotQA or any other file that `core.qa_files` opens, and the pages of a web. Out: seed questions with
the page and the sentence that hold their answer. WebDancer (arXiv 2505.22648) starts from such short fact questions.
Ours: a seed whose answer no stored page tells is not used, because nothing could check what is built on it; the page
must be the one of a thing that the question names, letter for letter, since a rewrite replaces such a thing. So of
questions that need several facts, as HotpotQA has, few pass: of 500 of 2WikiMultihopQA over their own pages none.
"""

from collections.abc import Sequence
from random import Random

from webdancer.checks import text_fault
from webdancer.core.qa_files import QA
from webdancer.core.schema import Question
from webdancer.e2hqa import SHOWN, Search
from webdancer.linkgraph import LinkGraph, bare, names, sentences


def deal(seeds: Sequence[QA], counts: dict[str, int], seed: int) -> dict[str, tuple[QA, ...]]:
    """Part the seeds among the splits, in proportion to the questions wanted, so that no two splits share one.

    Args:
        seeds: from `core.qa_files.read`; of a question that occurs twice the first is taken.
        counts: questions wanted by split.
        seed: of the draw.

    >>> {k: len(v) for k, v in deal([QA(str(i), "x") for i in range(10)], {"sft": 30, "eval": 20}, 0).items()}
    {'sft': 6, 'eval': 4}
    """
    different = list({qa.question: qa for qa in reversed(seeds) if qa.answer}.values())[::-1]
    Random(f"{seed}-seeds").shuffle(different)
    total, done, parts = sum(counts.values()), 0, {}
    for split, wanted in counts.items():
        start = len(different) * done // max(total, 1)
        done += wanted
        parts[split] = tuple(different[start : len(different) * done // max(total, 1)])
    return parts


def ground(seed: QA, graph: LinkGraph, search: Search) -> Question | str:
    """A seed as Q_1 with its evidence.

    Args:
        seed: question and answer.
        graph: the web whose pages may be evidence.
        search: its search engine.

    Returns:
        A question of one hop, or a key of `checks.REASONS`: "no_seed" if no page found for the question tells the
        answer in a sentence and stands for a thing that the question names.
    """
    if reason := text_fault(seed.question, seed.answer):
        return reason
    for hit in search(seed.question, SHOWN):
        page = graph.pages.get(hit.url)
        if page is None or not names(seed.question, bare(page.title)):
            continue
        for sentence in sentences(page.text):
            if names(sentence.casefold(), seed.answer.casefold()):
                return Question("", seed.question, seed.answer, "e2hqa", 1, (page.url,), (sentence,))
    return "no_seed"
