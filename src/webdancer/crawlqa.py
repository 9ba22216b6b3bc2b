"""CRAWLQA: one question from several pages that hang together by links (part of the stage of 02_synthesize).

In: a link graph and an author. Out: a question, or the reason why there is none. WebDancer crawls down from a root
URL and has GPT-4o write typed questions (count, multi-hop, intersection) from its sub-pages. Ours differs in four
ways: pages come from a random walk of about the length that the hops need, so that the prompt stays short; the
author has to quote the sentence behind each hop, so that rules can check the question, and where it stands is kept;
the author may say that the pages hold no such question; two kinds more, of which the released sample has a few.
`comparison` puts the same number (a year, say) of two things side by side and asks for one fact of the earlier, later,
smaller or larger one, or for that thing itself if both stand behind descriptions. `difference` asks how far the two
numbers lie apart.

`evidence`, `support` and `offsets` stand in one order, fact by fact. `multihop` and `count`: along the chain.
`intersection`: the first chain, then the second one; each ends in its list. `comparison` and `difference`: the first
chain, whose last fact is the first thing's number; the second chain, whose last fact is the second thing's number;
then, in a comparison only, the fact asked of the thing that wins, which stands on that thing's page. `hops` is their
number.
"""

from collections.abc import Mapping
from dataclasses import replace
from random import Random

from webdancer.author_forms import Author, Draft, Refused, ask
from webdancer.core import prompts
from webdancer.core.schema import Page, Question
from webdancer.linkgraph import LinkGraph, offset

# Facts that a question of each kind can need; two chains of at least one fact each, and so on (see above).
FEWEST_HOPS = {"count": 1, "multihop": 1, "intersection": 2, "comparison": 3, "difference": 2, "e2hqa": 2}
MOST_HOPS = {"count": 4, "multihop": 4, "intersection": 4, "comparison": 4, "difference": 4, "e2hqa": 5}
PAIRS = ("comparison", "difference")


def pick(graph: LinkGraph, kind: str, hops: int, rng: Random, tries: int = 50) -> tuple[Page, ...]:
    """Pages for one question.

    Args:
        graph: the web.
        kind: "intersection" takes two pages whose lists share one member, the first reached by a walk of `hops` - 2
            links; "comparison" and "difference" take two walks that end at two pages alike with a number each; all
            others take a walk of `hops` pages, which for "count" ends at a page with a list. ("e2hqa" starts from its
            last page: a page that others lead to can be described by them.)
        hops: facts that the question should need.
        rng: the only source of chance.
        tries: draws before giving up.

    Returns:
        The pages in the order of the hops; () if no draw found any.
    """
    for _ in range(tries):
        if kind == "intersection":
            pages = graph.meeting(rng, hops - 2)
        elif kind in PAIRS:
            pages = graph.two(rng, _leads(kind, hops, rng))
        else:
            pages = graph.chain(rng, hops, to_list=kind == "count")
        if pages:
            return pages
    return ()


def _leads(kind: str, hops: int, rng: Random) -> tuple[int, int]:
    """How many links lead to each of the two things of a question of one of `PAIRS`.

    Two facts are the two numbers. A comparison spends one more on what it asks of the thing that wins, or hides both
    things behind a link at least and asks for the thing.
    """
    if kind == "comparison" and hops > 3 and rng.random() < 0.5:
        first = rng.randint(1, hops - 3)
        return first, hops - 2 - first
    links = hops - 2 - (kind == "comparison")
    first = rng.randint(0, links)
    return first, links - first


async def write(author: Author, kind: str, hops: int, pages: tuple[Page, ...], seed: int) -> Question | str:
    """Have one CRAWLQA question written.

    Args:
        author: the model.
        kind: one of `FEWEST_HOPS`, but for "e2hqa".
        hops: facts that the question should need.
        pages: from `pick`.
        seed: sent with the request.

    Returns:
        The question, unchecked and without id and split, or a key of `checks.REASONS`.
    """
    try:
        draft = await ask(author, prompts.crawlqa(kind, hops, pages), seed, Draft)
    except Refused as refusal:
        return str(refusal)
    if draft.hops != hops:
        return "wrong_hops"
    question = Question(
        "", draft.question.strip(), str(draft.answer).strip(), kind, hops, tuple(draft.evidence), tuple(draft.support)
    )
    return located(question, {p.url: p for p in pages})


def located(question: Question, pages: Mapping[str, Page]) -> Question:
    """The question with `offsets`: where each support sentence starts in the text of its page, -1 if nowhere.

    Args:
        question: with `evidence` and `support`.
        pages: by url, such as `LinkGraph.pages`.
    """
    told = zip(question.evidence, question.support, strict=False)
    return replace(question, offsets=tuple(offset(pages[url].text, said) if url in pages else -1 for url, said in told))
