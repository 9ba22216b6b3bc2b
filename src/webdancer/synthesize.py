"""Write questions from crawled pages, check them, and part them into sft, rl and eval: the stage of 02_synthesize.

In: `pages_train`, `pages_rl`, `pages_heldout`, an author (any LLM). Out: `questions`. CRAWLQA (kinds count, multihop,
intersection) is in `crawlqa`, E2HQA in `e2hqa`, the checks are in `checks`. This module decides how many of which and
keeps the books.

Departures from WebDancer (arXiv 2505.22648):
1. a target for every cell of split, kind and hops, filled by rounds of drafts; the paper writes 60,000 CRAWLQA and
   40,000 E2HQA questions and gives no mix of hops;
2. every question passes checks for leaks, missing evidence and ambiguity, and every drop has a counted reason; none
   are published;
3. evaluation questions come from a web that no training question comes from.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from tqdm import tqdm

from webdancer import crawlqa, e2hqa
from webdancer.agent.llm import EndpointError, wait
from webdancer.checks import Seen, fault
from webdancer.core.schema import KINDS, SPLITS, Page, Question, write_jsonl
from webdancer.linkgraph import LinkGraph
from webdancer.web.search import SearchIndex

FEWEST_HOPS = {"count": 1, "multihop": 1, "intersection": 2, "e2hqa": 2}
MOST_HOPS = {"count": 4, "multihop": 4, "intersection": 4, "e2hqa": 4}
CHECKS = ("author", "hops", "yes_no", "leaked", "answerable", "namesake", "unique", "duplicate")

PATIENCE = 20  # drafts of one round that an endpoint may lose before the run ends

Write = Callable[[], Awaitable["Question | str"]]


@dataclass
class Cell:
    """The questions wanted of one split, kind and number of hops, and what became of the attempts."""

    split: str
    kind: str
    hops: int
    wanted: int
    questions: list[Question] = field(default_factory=list)
    tried: int = 0
    drops: Counter[str] = field(default_factory=Counter)

    @property
    def missing(self) -> int:
        """Questions still to write."""
        return self.wanted - len(self.questions)

    def attempts(self) -> int:
        """Drafts for the next round: what is missing over the yield so far, which is taken for 0.9 at first."""
        found = (len(self.questions) + 9) / (self.tried + 10)
        return math.ceil(min(self.missing / found, 20 * self.missing)) if self.missing > 0 else 0


@dataclass(frozen=True)
class Web:
    """One web as the synthesis sees it: its link graph and its search engine."""

    graph: LinkGraph
    index: SearchIndex

    @classmethod
    def build(cls, pages: Sequence[Page], exclude: Iterable[str] = ()) -> "Web":
        """Read the pages; `exclude` are urls that no question may come from.

        Raises:
            ValueError: no usable page is left.
        """
        graph = LinkGraph(pages, exclude)
        if not graph.pages:
            raise ValueError(
                f"got {len(pages)} pages, none of them usable, wanted some with text: see what 01_crawl dropped"
            )
        return cls(graph, SearchIndex.build(list(graph.pages.values())))


def share_out(total: int, shares: dict[str, float]) -> dict[str, int]:
    """Split a number by shares so that the parts add up to it (largest remainders; ties to the first).

    >>> share_out(10, {"a": 0.5, "b": 0.25, "c": 0.25})
    {'a': 5, 'b': 3, 'c': 2}
    """
    whole = sum(shares.values())
    exact = {name: total * share / whole for name, share in shares.items()}
    parts = {name: math.floor(value + 1e-9) for name, value in exact.items()}
    short = sorted(exact, key=lambda name: parts[name] - exact[name])[: total - sum(parts.values())]
    return {name: part + (name in short) for name, part in parts.items()}


def plan(counts: dict[str, int], kinds: dict[str, float], hops: Sequence[float]) -> list[Cell]:
    """The cells to fill.

    Args:
        counts: questions wanted by split.
        kinds: share of each kind.
        hops: shares of 1, 2, 3 and 4 hops; a kind that cannot have so few or so many hops takes the others.

    Raises:
        ValueError: a share is negative, nothing is asked for, or a kind is left without any number of hops.
    """
    if min([*kinds.values(), *hops, *counts.values()]) < 0 or sum(kinds.values()) <= 0 or sum(counts.values()) <= 0:
        raise ValueError(f"got counts {counts}, kinds {kinds}, hops {list(hops)}, wanted none below 0 and some above")
    cells = []
    for split in SPLITS:
        for kind, wanted in share_out(counts.get(split, 0), {k: kinds.get(k, 0.0) for k in KINDS}).items():
            possible = {h: s for h, s in enumerate(hops, 1) if FEWEST_HOPS[kind] <= h <= MOST_HOPS[kind]}
            if wanted and sum(possible.values()) <= 0:
                raise ValueError(
                    f"hop_shares {list(hops)} leave no hops for {kind}: set one of {sorted(possible)} above 0"
                )
            shares = {str(h): s for h, s in possible.items()}
            cells += [
                Cell(split, kind, int(h), n) for h, n in (share_out(wanted, shares) if wanted else {}).items() if n
            ]
    return cells


def drafts(cell: Cell, web: Web, author: crawlqa.Author, seed: int, round_: int) -> list[Write | str]:
    """The attempts of one round: a call that writes a question, or "no_path" where no pages were found."""
    rng = Random(f"{seed}-{cell.split}-{cell.kind}-{cell.hops}-{round_}")
    found: list[Write | str] = []
    for _ in range(cell.attempts()):
        number = rng.randrange(2**31)
        pages = crawlqa.pick(web.graph, cell.kind, cell.hops, rng)
        found.append(_writer(cell, web, author, pages, number) if pages else "no_path")
    return found


def _writer(cell: Cell, web: Web, author: crawlqa.Author, pages: tuple[Page, ...], number: int) -> Write:
    """The call that writes one question, ready to be made."""
    if cell.kind == "e2hqa":
        return lambda: e2hqa.write(author, web.index.search, pages[-1], cell.hops - 1, number)
    return lambda: crawlqa.write(author, cell.kind, cell.hops, pages, number)


async def fill(
    cells: Sequence[Cell], webs: dict[str, Web], author: crawlqa.Author, *, seed: int, rounds: int, part: Path | None
) -> None:
    """Fill the cells, round by round: draft, write many at once, check in a fixed order.

    The order in which replies arrive changes nothing: each draft is drawn from the seed, and checks run in the order
    of the drafts.

    Args:
        cells: from `plan`; filled in place.
        webs: the web of each split.
        author: writes.
        seed: of every draw.
        rounds: at most so many.
        part: file for the questions so far, rewritten after every round; None for none.
    """
    seen = Seen()
    with tqdm(total=0, desc="drafts", unit="draft", mininterval=2) as bar:
        for round_ in range(rounds):
            jobs = [(cell, d) for cell in cells for d in drafts(cell, webs[cell.split], author, seed, round_)]
            if not jobs:
                break
            bar.total += len(jobs)
            outcomes = await _all([draft for _, draft in jobs], bar)
            for (cell, _), outcome in zip(jobs, outcomes, strict=True):
                _settle(cell, outcome, webs[cell.split].graph, seen)
            if part:
                write_jsonl(part, [q for cell in cells for q in cell.questions])


async def _all(drafts_: Sequence[Write | str], bar: tqdm) -> list[Question | str]:
    """What the drafts of a round came to, in their order: questions, or the reason why not.

    A request that fails for good costs its draft; one that no other can do better than, or the `PATIENCE`th, ends
    the run.
    """
    lost = 0

    async def outcome(draft: Write | str) -> Question | str:
        nonlocal lost
        try:
            return draft if isinstance(draft, str) else await draft()
        except EndpointError as error:
            lost += 1
            if error.fatal or lost >= PATIENCE:
                raise
            return "no_reply"
        finally:
            bar.update()

    tasks = [asyncio.ensure_future(outcome(draft)) for draft in drafts_]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:  # after an error: ask nothing more
            task.cancel()


def _settle(cell: Cell, outcome: Question | str, graph: LinkGraph, seen: Seen) -> None:
    """Put a question into its cell, or count why not; a full cell takes no more."""
    if cell.missing <= 0:
        return
    cell.tried += 1
    reason = outcome if isinstance(outcome, str) else fault(outcome, graph)
    if not reason and outcome.hops != cell.hops:
        reason = "wrong_hops"
    if not reason and seen.again(outcome):
        reason = "duplicate"
    if reason:
        cell.drops[reason] += 1
        return
    name = f"{cell.split}-{cell.kind}-{cell.hops}-{len(cell.questions):04d}"
    cell.questions.append(replace(outcome, id=name, split=cell.split, checks=CHECKS))


def run(
    cells: Sequence[Cell], webs: dict[str, Web], author: crawlqa.Author, *, seed: int, rounds: int, path: Path
) -> list[Question]:
    """Fill the cells and write the questions to `path`, atomically.

    While it works, what is finished lies beside `path` in a file called `..._part.jsonl`.

    Args:
        cells, webs, author, seed, rounds: as in `fill`.
        path: the questions' JSONL file.

    Returns:
        The questions, in the order of the cells; a cell may have got fewer than it wanted.

    Raises:
        ValueError: no question is left.
        EndpointError: the author cannot be asked; the part file holds the rounds before.
    """
    part = path.with_name(f"{path.stem}_part.jsonl")
    wait(fill(cells, webs, author, seed=seed, rounds=rounds, part=part))
    questions = gather(cells)
    write_jsonl(path, questions)
    part.unlink(missing_ok=True)
    return questions


def gather(cells: Iterable[Cell]) -> list[Question]:
    """All questions of the cells, in the order of the cells.

    Raises:
        ValueError: there are none; the message says what happened to the attempts.
    """
    cells = list(cells)
    found = [q for cell in cells for q in cell.questions]
    if not found:
        drops = dict(sum((cell.drops for cell in cells), Counter()))
        raise ValueError(
            f"no question is left of {sum(c.tried for c in cells)} drafts: {drops}. Look at the pages and the author"
        )
    return found
