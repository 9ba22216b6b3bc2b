"""Tables and figures of 02_synthesize on three questions and four drops."""

from collections import Counter

from webdancer.core.schema import Question
from webdancer.show import plots_questions as show
from webdancer.synthesize import Cell

FIRST = Question("a", "Who is the mayor of Kestin?", "Ada", "multihop", 1)
GROWN = Question(
    "b", "Who is the mayor of the twin city of Tarn?", "Ada", "e2hqa", 2, rewrites=("Who is the mayor of Kestin?",)
)
CELLS = [
    Cell("sft", "multihop", 1, 2, [FIRST], 4, Counter(leaked=2, refused=1)),
    Cell("sft", "e2hqa", 2, 1, [GROWN], 2, Counter(refused=1)),
    Cell("eval", "multihop", 1, 1, [FIRST], 1),
]


def test_tables_by_hand():
    cells = show.by_cell(CELLS)
    assert list(cells["written"]) == [1, 1, 1] and list(cells["tried"]) == [4, 2, 1]
    table = show.kinds_by_hops([FIRST, FIRST, GROWN])
    assert table.loc["multihop", 1] == 2 and table.loc["e2hqa", 2] == 1 and table.loc["e2hqa", 1] == 0
    drops = show.drops(CELLS)
    assert list(zip(drops["kind"], drops["reason"], drops["drafts"], strict=True)) == [
        ("multihop", "refused", 1), ("multihop", "leaked", 2), ("e2hqa", "refused", 1),
    ]  # fmt: skip


def test_guessing_the_most_frequent_answer():
    counts = [Question(str(i), f"{i}?", answer, "count", 1) for i, answer in enumerate("2232")]
    table = show.guessing([*counts, FIRST])
    assert table.values.tolist() == [["count", 4, 2, "2", 0.75], ["multihop", 1, 1, "Ada", 1.0]]


def test_figures_state_what_they_show():
    assert show.questions_figure(show.by_cell(CELLS)).axes[0].get_title() == "3 questions in 2 kinds, 1 to 2 hops"
    figure = show.drops_figure(show.drops(CELLS), 7)
    assert figure.axes[0].get_title() == "57% of 7 drafts did not become a question"


def test_without_drops_there_is_still_a_figure():
    assert show.drops_figure(show.drops([CELLS[2]]), 1).axes[0].get_title().startswith("0%")
