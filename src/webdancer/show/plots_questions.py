"""Tables and figures of 02_synthesize: what was written, what was dropped, what guessing would get.

In: questions and cells of the synthesis. Out: pandas data frames, and figures drawn from them with `plots`. Ours; the
paper shows none.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping

import pandas as pd
from matplotlib.figure import Figure

from webdancer.checks import REASONS
from webdancer.core.schema import KINDS, Question
from webdancer.show import plots
from webdancer.synthesize import Cell, Web
from webdancer.web.blocked import interval


def by_cell(cells: Iterable[Cell]) -> pd.DataFrame:
    """One row a cell: split, kind, hops, questions wanted, written, and drafts tried for them."""
    columns = ["split", "kind", "hops", "wanted", "written", "tried"]
    rows = [(c.split, c.kind, c.hops, c.wanted, len(c.questions), c.tried) for c in cells]
    return pd.DataFrame(rows, columns=columns)


def webs(found: Mapping[str, Web]) -> pd.DataFrame:
    """One row a split: pages of its web, and how many bridges, lists and names shared by several pages they have."""
    columns = ["web", "pages", "bridges", "lists", "ambiguous names"]
    rows = [
        (
            name,
            len(web.graph.pages),
            sum(map(len, web.graph.bridges.values())),
            sum(map(len, web.graph.lists.values())),
            len(web.graph.ambiguous_names),
        )
        for name, web in found.items()
    ]
    return pd.DataFrame(rows, columns=columns)


def examples(questions: Iterable[Question], split: str = "sft") -> pd.DataFrame:
    """One question of each kind of a split, among those with the most hops the last."""
    longest = {q.kind: q for q in sorted(questions, key=lambda q: q.hops) if q.split == split}
    rows = [(q.kind, q.hops, q.question, q.answer) for q in longest.values()]
    return pd.DataFrame(rows, columns=["kind", "hops", "question", "answer"])


def growth(questions: Iterable[Question]) -> pd.DataFrame:
    """The E2HQA question with the most rewrites, version by version, with the fact that each one added."""
    grown = max((q for q in questions if q.kind == "e2hqa"), key=lambda q: q.hops, default=None)
    columns = ["version", "new fact", "page", "at"]
    if grown is None:
        return pd.DataFrame(columns=columns)
    versions, facts = (*grown.rewrites, grown.question), zip(grown.support, grown.evidence, grown.offsets, strict=True)
    rows = [(text, *fact) for text, fact in zip(versions, [*facts][::-1], strict=True)]
    return pd.DataFrame(rows, columns=columns)


def kinds_by_hops(questions: Iterable[Question]) -> pd.DataFrame:
    """How many questions of each kind (rows) and number of hops (columns)."""
    counts = Counter((q.kind, q.hops) for q in questions)
    rows = [(kind, hops, n) for (kind, hops), n in sorted(counts.items())]
    return pd.DataFrame(rows, columns=["kind", "hops", "n"]).pivot_table(
        "n", "kind", "hops", aggfunc="sum", fill_value=0
    )


def drops(cells: Iterable[Cell]) -> pd.DataFrame:
    """One row a kind and reason of `checks.REASONS` that occurred: drafts dropped, and what the reason means."""
    cells = list(cells)
    rows = []
    for kind in dict.fromkeys(c.kind for c in cells):
        found = sum((c.drops for c in cells if c.kind == kind), Counter())
        rows += [(kind, reason, found[reason], REASONS[reason]) for reason in REASONS if found[reason]]
    return pd.DataFrame(rows, columns=["kind", "reason", "drafts", "meaning"])


def solver(cells: Iterable[Cell]) -> pd.DataFrame:
    """One row a kind: what the solver made of the questions that stood all other checks.

    Returns:
        Columns `kind`, `asked`; `found`, the share found by search in some try, and `known`, the share answered from
        memory, with the ends of their 95 % intervals (Wilson); `tool_calls`, the mean of the tries that found it.
    """
    counts: dict[str, Counter[str]] = {}
    for cell in cells:
        counts.setdefault(cell.kind, Counter()).update(cell.solver)
    rows = []
    for kind in (kind for kind in KINDS if counts.get(kind, Counter())["asked"]):
        n = counts[kind]
        asked, found, known = n["asked"], n["found"], n["known"]
        ends = (*interval(found, asked), *interval(known, asked))
        rows.append((kind, asked, found / asked, known / asked, *ends, n["calls"] / found if found else 0.0))
    ends = ["found_low", "found_high", "known_low", "known_high"]
    return pd.DataFrame(rows, columns=["kind", "asked", "found", "known", *ends, "tool_calls"])


def solver_figure(data: pd.DataFrame) -> Figure:
    """Bars of the shares found by search and answered from memory, by kind; `data` as `solver` makes it.

    Without any question tried it is an empty figure that says so.
    """
    if data.empty:
        fig, (axis,) = plots.figure(height=1.2)
        axis.set_title("no question was tried by a solver")
        return fig
    ways = {"by search": "found", "from memory": "known"}
    parts = [
        pd.DataFrame({"kind": data["kind"], "how": how, "share": data[key], "low": data[f"{key}_low"],
                      "high": data[f"{key}_high"]})
        for how, key in ways.items()
    ]  # fmt: skip
    found, known = (100 * (data[key] * data["asked"]).sum() / max(data["asked"].sum(), 1) for key in ways.values())
    title = f"{found:.0f} % are found by search, {known:.0f} % without"
    drawn = pd.concat(parts).sort_values("kind", key=lambda kinds: kinds.map(KINDS.index), kind="stable")
    fig = plots.bars(
        drawn,
        "kind",
        "share",
        title=title,
        xlabel="kind",
        ylabel="share of questions",
        group="how",
        low="low",
        high="high",
    )
    fig.axes[0].tick_params("x", labelsize=8)  # six names side by side
    return fig


def guessing(questions: Iterable[Question]) -> pd.DataFrame:
    """One row a kind: how far one gets without reading anything, by always giving the most frequent answer."""
    answers: dict[str, Counter[str]] = {}
    for question in questions:
        answers.setdefault(question.kind, Counter())[question.answer] += 1
    rows = []
    for kind, counts in sorted(answers.items()):
        answer, n = counts.most_common(1)[0]
        rows.append((kind, counts.total(), len(counts), answer, n / counts.total()))
    return pd.DataFrame(rows, columns=["kind", "questions", "different answers", "most frequent", "its share"])


def questions_figure(data: pd.DataFrame) -> Figure:
    """Bars of the questions by hops, side by side by kind; `data` as `by_cell` makes it."""
    summed = data.groupby(["hops", "kind"], as_index=False)["written"].sum()
    summed = summed.sort_values("kind", key=lambda kinds: kinds.map(KINDS.index)).sort_values("hops", kind="stable")
    summed["hops"] = summed["hops"].astype(str)
    hops = f"{data['hops'].min()} to {data['hops'].max()} hops"
    title = f"{int(data['written'].sum()):,} questions in {data['kind'].nunique()} kinds, {hops}"
    fig = plots.bars(summed, "hops", "written", title=title, xlabel="hops", ylabel="questions", group="kind")
    axis = fig.axes[0]
    axis.set_ylim(0, 1.35 * max(summed["written"].max(), 1))  # room for the legend above the bars
    axis.legend(ncols=math.ceil(len(KINDS) / 2), loc="upper center", frameon=False)
    return fig


def drops_figure(data: pd.DataFrame, tried: int) -> Figure:
    """Horizontal bars of the drafts dropped by reason; `data` as `drops` makes it, `tried` the drafts in all."""
    summed = data.groupby("reason", sort=False, as_index=False)["drafts"].sum().sort_values("drafts", ascending=False)
    share = summed["drafts"].sum() / max(tried, 1)
    title = f"{share:.0%} of {tried:,} drafts did not become a question"
    return plots.bars_across(summed, "reason", "drafts", title=title, xlabel="drafts", ylabel="reason")
