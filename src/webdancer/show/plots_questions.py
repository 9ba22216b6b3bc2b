"""Tables and figures of 02_synthesize: what was written, what was dropped, what guessing would get.

In: questions and cells of the synthesis. Out: pandas data frames, and figures drawn from them with `plots`. Ours; the
paper shows none.
"""

from collections import Counter
from collections.abc import Iterable

import pandas as pd
from matplotlib.figure import Figure

from webdancer.checks import REASONS
from webdancer.core.schema import KINDS, Question
from webdancer.show import plots
from webdancer.synthesize import Cell


def by_cell(cells: Iterable[Cell]) -> pd.DataFrame:
    """One row a cell: split, kind, hops, questions wanted, written, and drafts tried for them."""
    columns = ["split", "kind", "hops", "wanted", "written", "tried"]
    rows = [(c.split, c.kind, c.hops, c.wanted, len(c.questions), c.tried) for c in cells]
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
    axis.set_ylim(0, 1.25 * max(summed["written"].max(), 1))  # room for the legend above the bars
    axis.legend(ncols=len(KINDS), loc="upper center", frameon=False)
    return fig


def drops_figure(data: pd.DataFrame, tried: int) -> Figure:
    """Horizontal bars of the drafts dropped by reason; `data` as `drops` makes it, `tried` the drafts in all."""
    summed = data.groupby("reason", sort=False, as_index=False)["drafts"].sum().sort_values("drafts", ascending=False)
    share = summed["drafts"].sum() / max(tried, 1)
    title = f"{share:.0%} of {tried:,} drafts did not become a question"
    return plots.bars_across(summed, "reason", "drafts", title=title, xlabel="drafts", ylabel="reason")
