"""Generalisation slices: the held-out questions again, with one thing changed at a time.

Stands above the stages, as `run` does: it runs 01 (crawl) and 02 (questions) once more on small pocket webs, and hands
to 07 what 07 gets from them: questions and the pages to search. Shown in 07_evaluate. In: the questions and pages of a
profile, the author's and the solver's endpoint, and which slices are wanted. Out: `Slice`s; `slices_measure` says from
their texts alone what differs from training. The baseline is a web like that of training with other names; each
further slice differs from it in one thing. The questions are written by the author's endpoint from the crawled pages
and checked as in 02: a world reaches neither the author nor the solver but through its pages.

Not in the paper, which tests on benchmarks of the real web: there nobody can say what was seen in training.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pocketweb import serve, world
from webdancer import crawl, synthesize
from webdancer.agent.llm import LLM, wait
from webdancer.agent.react import Settings
from webdancer.core.schema import Page, Question
from webdancer.crawlqa import PAIRS
from webdancer.slices_measure import Seen as Seen
from webdancer.slices_measure import Slice
from webdancer.slices_measure import gains as gains
from webdancer.slices_measure import measure as measure
from webdancer.slices_measure import scores as scores
from webdancer.solver import over

BASELINE = "names"
ROUNDS = 12  # of drafts, as in 02
SOLVER, TRIES, RESULTS = "pocket-short", 2, 5  # who tries the questions, how often, with how many hits; as in 02

# The pocket sites from the same roots as in 01.
PLAN = crawl.Plan(
    wiki_api="http://wiki.pocket.test/w/api.php",
    wiki_roots=("Main Page", "Category:Universities"),
    arxiv_api="http://arxiv.pocket.test/api/query",
    arxiv_query="cat:cs.LG",
    github_api="http://github.pocket.test",
    github_query="topic:software",
    web_roots=("http://www.pocket.test/",),
)


@dataclass(frozen=True)
class Change:
    """What one slice has that the baseline has not.

    `says` puts it in words; `world` are options of `world.build`, `author` the model that writes, `further` how many
    hops beyond the most of training, `beside` whether the pages of training and practice can be found as well.
    """

    says: str
    world: Mapping[str, Any] = field(default_factory=dict)
    author: str = "pocket-author"
    further: int = 0
    beside: bool = False


CHANGES = {
    BASELINE: Change("other names, made of known words"),
    "words": Change("names made of words that occur in no training page", {"unheard": True}),
    "sentences": Change("every fact told in a sentence no training page uses", {"novel": True, "novel_share": 1.0}),
    "questions": Change("asked in forms that no training question has", author="pocket-author-other"),
    "hops": Change("one or two hops more than any training question", further=2),
    "web": Change("the baseline's questions, in a web with all training and practice pages", beside=True),
}


def mix(questions: Iterable[Question]) -> Counter[tuple[str, int]]:
    """How many questions of each kind and number of hops the split `eval` has.

    `comparison` and `difference` are left out: they are asked in other forms where pages are told in other sentences,
    so that with them a slice would change two things.
    """
    return Counter((q.kind, q.hops) for q in questions if q.split == "eval" and q.kind not in PAIRS)


def cells(shares: Mapping[tuple[str, int], int], count: int, top: int, further: int = 0) -> list[synthesize.Cell]:
    """The cells to fill: `count` questions in the shares of `mix`.

    With `further` each kind keeps its share, and in it all numbers of hops from `top` + 1 to `top` + `further` have
    the same. (`synthesize.plan` goes no further than the notebooks do.)
    """
    if further:
        kinds = Counter[str]()
        for (kind, _), n in shares.items():
            kinds[kind] += n
        shares = {(kind, top + k): n for kind, n in kinds.items() for k in range(1, further + 1)}
    keys = sorted(shares)
    parts = synthesize.share_out(count, {str(i): shares[key] for i, key in enumerate(keys)})
    return [synthesize.Cell("eval", *keys[int(i)], n) for i, n in parts.items() if n]


def make(
    wanted: Sequence[str],
    known: Sequence[Question],
    beside: Sequence[Page],
    llm: Callable[[str], LLM],
    *,
    worlds: Sequence[int],
    size: int = 200,
    count: int = 110,
    seed: int = 0,
    date: str = "2025-01-01",
) -> list[Slice]:
    """Make slices: crawl their webs, have their questions written, checked and tried.

    Args:
        wanted: some of `CHANGES`; the baseline comes first, asked for or not. Empty: no slices.
        known: all questions of the profile; `eval` gives the mix of kinds and hops, the others what was trained on.
        beside: the pages of training and practice.
        llm: gives the client of a model of the pocket web's endpoint, author or solver, with the temperature of both.
        worlds: seeds of worlds that neither training nor practice used. size: entity pages in each.
        count: questions wanted of each slice; a slice may get fewer where the author finds no more.
        seed: of every draw. date: the day that the solver is told it is.

    Raises:
        ValueError: unknown slice, no worlds, worlds that were trained on, or questions that give no mix; the message
            says got and wanted.
    """
    if not wanted:
        return []
    _check(wanted, known, beside, worlds, size)
    maker = _Maker(known, llm, worlds, size, count, seed, date)
    made = []
    for name in dict.fromkeys([BASELINE, *(n for n in CHANGES if n in wanted)]):
        change = CHANGES[name]
        pages, found = maker.web(change), maker.written(change)
        own = {page.url for page in pages}
        more = [page for page in beside if page.url not in own] if change.beside else []
        questions = tuple(replace(q, id=f"{name}/{q.id}") for q in found)
        made.append(Slice(name, change.says, questions, (*pages, *more)))
    return made


def _check(
    wanted: Sequence[str], known: Sequence[Question], beside: Sequence[Page], worlds: Sequence[int], size: int
) -> None:
    """Refuse what cannot be made, before anything is crawled."""
    if not set(wanted) <= set(CHANGES):
        raise ValueError(f"got slices {list(wanted)}, wanted some of {', '.join(CHANGES)}")
    if not worlds:
        raise ValueError("got slices and no worlds, wanted pocket worlds in slice_worlds (the real web has no slices)")
    if not mix(known) or all(q.split == "eval" for q in known):
        raise ValueError("got questions without a mix, wanted some of split eval and some of sft or rl: see 02")
    trained = {page.title for page in beside}
    for seed in worlds:
        met = trained & {entity.title for entity in world.build(seed, size).entities}
        if met:
            raise ValueError(f"got world {seed} in slice_worlds, wanted others: {min(met)} and more were trained on")


@dataclass
class _Maker:
    """What the slices of one call have in common; webs and questions that several of them share are made once."""

    known: Sequence[Question]
    llm: Callable[[str], LLM]
    worlds: Sequence[int]
    size: int
    count: int
    seed: int
    date: str
    webs: dict[str, list[Page]] = field(default_factory=dict)
    sets: dict[tuple[str, str, int], list[Question]] = field(default_factory=dict)

    def web(self, change: Change) -> list[Page]:
        """The pages of a slice's own web, crawled."""
        key = str(change.world)
        if key not in self.webs:
            built = [world.build(w, self.size, **change.world) for w in self.worlds]
            with serve.start(built, endpoint=False) as net:
                self.webs[key] = list(crawl.gather(PLAN, net.hosts, progress=False))
        return self.webs[key]

    def written(self, change: Change) -> list[Question]:
        """The questions of a slice, as 02 writes and keeps them."""
        key = str(change.world), change.author, change.further
        if key not in self.sets:
            webs = {"eval": synthesize.Web.build(self.web(change))}
            top = max(q.hops for q in self.known if q.split != "eval")
            wanted = cells(mix(self.known), self.count, top, change.further)
            author, solver = self.llm(change.author), self.llm(SOLVER)
            settings = Settings(date=self.date, temperature=solver.temperature, seed=self.seed)
            tried = over(solver, webs, ["eval"], settings, RESULTS, tries=TRIES)
            wait(synthesize.fill(wanted, webs, author, seed=self.seed, rounds=ROUNDS, solver=tried, progress=False))
            self.sets[key] = synthesize.gather(wanted)
        return self.sets[key]
