"""Write questions from crawled pages, check them, and part them into sft, rl and eval: the stage of 02_synthesize.

In: `pages_train`, `pages_rl`, `pages_heldout`, an author (any LLM), a solver if there is one. Out: `questions`, and
`questions_dropped` with the reason of each. CRAWLQA is in `crawlqa`, E2HQA in `e2hqa`, what is wanted in
`synthesize_plan`, the checks are in `screen` and `solver`. This module asks, and keeps the books.

Departures from WebDancer (arXiv 2505.22648):
1. a target for every cell of split, kind and hops, filled by rounds of drafts;
2. every question passes checks for leaks, missing evidence, ambiguity and more, and every drop has a counted reason;
   none are published;
3. evaluation questions come from a web that no training question comes from.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random

from tqdm import tqdm

from webdancer import crawlqa, e2hqa
from webdancer.agent.llm import EndpointError, wait
from webdancer.checks import SOLVED
from webdancer.core.ledger import Ledger, beside
from webdancer.core.qa_files import QA
from webdancer.core.schema import Page, Question, from_row, to_row, write_jsonl
from webdancer.linkgraph import LinkGraph
from webdancer.screen import Screen
from webdancer.seed_questions import ground
from webdancer.solver import Solver, Verdict
from webdancer.synthesize_plan import Cell as Cell
from webdancer.synthesize_plan import plan as plan
from webdancer.synthesize_plan import share_out as share_out
from webdancer.web.search import SearchIndex

PATIENCE = 20  # requests of one round that an endpoint may lose before the run ends

Write = Callable[[], Awaitable["Question | str"]]


@dataclass(frozen=True)
class Web:
    """One web as the synthesis sees it: its link graph, its search engine, and seed questions from elsewhere."""

    graph: LinkGraph
    index: SearchIndex
    seeds: tuple[QA, ...] = ()

    @classmethod
    def build(cls, pages: Sequence[Page], exclude: Iterable[str] = (), seeds: Sequence[QA] = ()) -> "Web":
        """Read the pages; `exclude` are urls that no question may come from, `seeds` replace the seeds of E2HQA.

        Raises:
            ValueError: no usable page is left.
        """
        graph = LinkGraph(pages, exclude)
        if not graph.pages:
            raise ValueError(
                f"got {len(pages)} pages, none of them usable, wanted some with text: see what 01_crawl dropped"
            )
        return cls(graph, SearchIndex.build(list(graph.pages.values())), tuple(seeds))

    @property
    def digest(self) -> str:
        """A hash of the pages and seeds."""
        told = [f"{url} {self.graph.pages[url].text}" for url in self.graph.urls]
        told += [f"{qa.question} {qa.answer}" for qa in self.seeds]
        return hashlib.sha256("\n".join(told).encode("utf-8", "surrogatepass")).hexdigest()


def drafts(
    cell: Cell, web: Web, author: crawlqa.Author, seed: int, round_: int, lane: tuple[int, int] = (0, 1)
) -> list[Write | str]:
    """The attempts of one round: a call that writes a question, or why there is nothing to write one from.

    `lane` is (i, n): of seeds from a file this cell takes every n-th from the i-th on.
    """
    rng = Random(f"{seed}-{cell.name}-{round_}")
    found: list[Write | str] = []
    for _ in range(cell.attempts()):
        number = rng.randrange(2**31)
        start: tuple[Page, ...] | Question | str
        if cell.kind == "e2hqa" and web.seeds:
            place = lane[0] + lane[1] * cell.drawn
            cell.drawn += 1
            start = ground(web.seeds[place], web.graph, web.index.search) if place < len(web.seeds) else "no_seed"
        else:
            start = crawlqa.pick(web.graph, cell.kind, cell.hops, rng) or "no_path"
        found.append(start if isinstance(start, str) else _writer(cell, web, author, start, number))
    return found


def _writer(cell: Cell, web: Web, author: crawlqa.Author, start: tuple[Page, ...] | Question, number: int) -> Write:
    """The call that writes one question, ready to be made."""
    if cell.kind == "e2hqa":
        first = start if isinstance(start, Question) else start[-1]
        return lambda: e2hqa.write(author, web.index.search, first, cell.hops - 1, number)
    return lambda: crawlqa.write(author, cell.kind, cell.hops, start, number)


async def fill(
    cells: Sequence[Cell],
    webs: dict[str, Web],
    author: crawlqa.Author,
    *,
    seed: int,
    rounds: int,
    ledger: Ledger | None = None,
    screen: Screen | None = None,
    solver: Solver | None = None,
    progress: bool = True,
) -> None:
    """Fill the cells, round by round: draft, write many at once, check in a fixed order, let the solver try.

    The order in which replies arrive changes nothing: each draft is drawn from the seed, and checks run in the order
    of the drafts.

    Args:
        cells: from `plan`; filled in place.
        webs: the web of each split.
        author: writes.
        seed: of every draw.
        rounds: at most so many.
        ledger: keeps every finished draft and verdict; what it holds is not asked again.
        screen: the checks that need no model; None: with their defaults.
        solver: tries what passes, of the splits that it has tools for; None: nobody does.
        progress: draw tqdm bars.
    """
    ledger = Ledger(None) if ledger is None else ledger
    screen = screen or Screen()
    screen.expect(cells)
    for round_ in range(rounds):
        jobs = []
        for cell in cells:
            alike = [c for c in cells if c.kind == cell.kind and c.split == cell.split]
            lane = alike.index(cell), len(alike)
            found = drafts(cell, webs[cell.split], author, seed, round_, lane)
            jobs += [(cell, f"{cell.name}-{round_}-{i}", draft) for i, draft in enumerate(found)]
        if not jobs:
            break
        outcomes = await _all([_kept(ledger, key, draft) for _, key, draft in jobs], progress * "drafts")
        fresh = []
        for (cell, _, _), outcome in zip(jobs, outcomes, strict=True):
            question = _settle(cell, outcome, webs[cell.split].graph, screen)
            fresh += [(cell, question)] if question and solver and cell.split in solver.tools else []
        if solver and fresh:
            tries = [_verdict(ledger, solver, question) for _, question in fresh]
            for (cell, question), verdict in zip(fresh, await _all(tries, progress * "solver"), strict=True):
                _solved(cell, question, verdict, solver)


def _kept(ledger: Ledger, key: str, draft: Write | str) -> Write:
    """A draft as a call that looks into the ledger first, and writes down what came."""

    async def call() -> Question | str:
        if isinstance(draft, str):
            return draft
        if key not in ledger:
            came = await draft()
            ledger.add(key, came if isinstance(came, str) else to_row(came))
        kept = ledger[key]
        return kept if isinstance(kept, str) else from_row(kept, Question)

    return call


def _verdict(ledger: Ledger, solver: Solver, question: Question) -> Callable[[], Awaitable[Verdict]]:
    """The solver's verdict on a question as a call, kept like a draft."""
    key = f"solver {question.split} {question.question}"

    async def call() -> Verdict:
        if key not in ledger:
            ledger.add(key, asdict(await solver.check(question)))
        return Verdict(**ledger[key])

    return call


async def _all(calls: Sequence[Callable[[], Awaitable[object]]], name: str) -> list[object]:
    """What the calls of a round came to, in their order; "no_reply" for one whose request failed for good.

    `name`: of the bar, "" for none. A failure that no other request can do better than, or the `PATIENCE`th, ends it.
    """
    lost, bar = 0, tqdm(total=len(calls), desc=name, mininterval=5, disable=not name)

    async def outcome(call: Callable[[], Awaitable[object]]) -> object:
        nonlocal lost
        try:
            return await call()
        except EndpointError as error:
            lost += 1
            if error.fatal or lost >= PATIENCE:
                raise
            return "no_reply"
        finally:
            bar.update()

    tasks = [asyncio.ensure_future(outcome(call)) for call in calls]
    try:
        with bar:
            return await asyncio.gather(*tasks)
    finally:
        for task in tasks:  # after an error: ask nothing more
            task.cancel()


def _settle(cell: Cell, outcome: Question | str, graph: LinkGraph, screen: Screen) -> Question | None:
    """Put a question into its cell and return it, or count why not; a full cell takes no more."""
    if cell.missing <= 0:
        return None
    cell.tried += 1
    if isinstance(outcome, str):
        cell.drops[outcome] += 1
        return None
    question = crawlqa.located(replace(outcome, split=cell.split), graph.pages)
    if reason := screen.reason(question, graph, cell.hops):
        _drop(cell, question, reason)
        return None
    cell.questions.append(replace(question, checks=screen.passed))
    return cell.questions[-1]


def _drop(cell: Cell, question: Question, reason: str) -> None:
    """Count a question that fell, and keep it with its reason."""
    cell.drops[reason] += 1
    name = f"dropped-{cell.name}-{len(cell.dropped):04d}"
    cell.dropped.append(replace(question, id=name, checks=(*question.checks, f"dropped: {reason}")))


def _solved(cell: Cell, question: Question, verdict: Verdict | str, solver: Solver) -> None:
    """Keep a question in its cell after the solver's verdict, or take it out."""
    place = cell.questions.index(question)
    reason = verdict if isinstance(verdict, str) else solver.reason(question, verdict)
    if not isinstance(verdict, str):
        cell.solver.update(asked=1, found=int(verdict.found), known=int(verdict.known), calls=verdict.calls)
    if reason:
        _drop(cell, cell.questions.pop(place), reason)
    else:
        passed = SOLVED[: 1 if verdict.known else 2]
        cell.questions[place] = replace(question, checks=(*question.checks, *passed))


def run(
    cells: Sequence[Cell],
    webs: dict[str, Web],
    author: crawlqa.Author,
    *,
    seed: int,
    rounds: int,
    path: Path,
    screen: Screen | None = None,
    solver: Solver | None = None,
) -> list[Question]:
    """Fill the cells and write the questions to `path`, atomically, and those that fell to `..._dropped.jsonl`.

    While it works, every finished draft and verdict lies beside `path` in a file `....partial`; run again after a kill
    or an error with the same parameters, it goes on from there and gives the same questions.

    Args:
        cells, webs, author, seed, rounds, screen, solver: as in `fill`.
        path: the questions' JSONL file.

    Returns:
        The questions, in the order of the cells; a cell may have got fewer than it wanted.

    Raises:
        ValueError: no question is left.
        EndpointError: a model cannot be asked, or the budget is spent; what is finished is kept.
    """
    about = [getattr(author, name, "") for name in ("model", "temperature", "max_tokens")]
    about += [seed, {split: web.digest for split, web in webs.items()}]
    if solver:
        about += [getattr(solver.llm, "model", ""), asdict(solver.settings), solver.tries, bool(solver.judge)]
    ledger = Ledger(beside(path, *about))
    wait(fill(cells, webs, author, seed=seed, rounds=rounds, ledger=ledger, screen=screen, solver=solver))
    questions = gather(cells)
    write_jsonl(path, questions)
    write_jsonl(path.with_name(f"{path.stem}_dropped{path.suffix}"), [q for cell in cells for q in cell.dropped])
    ledger.close()
    return questions


def gather(cells: Iterable[Cell]) -> list[Question]:
    """All questions of the cells, in the order of the cells, with their ids.

    Raises:
        ValueError: there are none; the message says what happened to the attempts.
    """
    cells = list(cells)
    found = [replace(q, id=f"{cell.name}-{i:04d}") for cell in cells for i, q in enumerate(cell.questions)]
    if not found:
        drops = dict(sum((cell.drops for cell in cells), Counter()))
        raise ValueError(
            f"no question is left of {sum(c.tried for c in cells)} drafts: {drops}. Look at the pages and the author"
        )
    return found
