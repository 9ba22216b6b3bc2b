"""Tables and figures of 02_synthesize on three questions and four drops."""

from collections import Counter

from webdancer.core.schema import Page, Question
from webdancer.show import plots_questions as show
from webdancer.synthesize import Cell, Web

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


def test_what_the_solver_found_by_hand():
    cells = [
        Cell("rl", "count", 1, 2, solver=Counter(asked=3, found=2, known=1, calls=5)),
        Cell("eval", "count", 2, 1, solver=Counter(asked=1, found=1, known=0, calls=4)),
        Cell("sft", "multihop", 1, 1),
    ]
    table = show.solver(cells)
    assert list(table["kind"]) == ["count"] and table["asked"][0] == 4
    assert (table["found"][0], table["known"][0], table["tool_calls"][0]) == (0.75, 0.25, 3.0)
    assert 0 < table["found_low"][0] < 0.75 < table["found_high"][0] < 1
    title = show.solver_figure(table).axes[0].get_title()
    assert title == "75 % are found by search, 25 % without"
    assert show.solver_figure(show.solver(CELLS)).axes[0].get_title() == "no question was tried by a solver"


def test_a_question_growing_and_one_of_each_kind():
    twice = Question(
        "c", "Who is the mayor of the twin city of the capital of Ostland?", "Ada", "e2hqa", 3, ("o", "t", "k"),
        ("The capital of Ostland is Tarn.", "The twin of Tarn is Kestin.", "The mayor of Kestin is Ada."),
        ("Who is the mayor of Kestin?", "Who is the mayor of the twin city of Tarn?"), split="sft", offsets=(7, 0, 3),
    )  # fmt: skip
    table = show.growth([FIRST, GROWN, twice])
    assert list(table["version"]) == [*twice.rewrites, twice.question]
    assert table.iloc[0].tolist()[1:] == ["The mayor of Kestin is Ada.", "k", 3]
    assert table.iloc[2].tolist()[1:] == ["The capital of Ostland is Tarn.", "o", 7]
    assert show.growth([FIRST]).empty
    assert show.examples([FIRST, twice])["kind"].tolist() == ["e2hqa"]  # FIRST is in no split


def test_webs_side_by_side():
    pages = [
        Page("http://w.test/K", "Kestin", "The mayor of Kestin is Ada. Its natives are Ivo and Uma.",
             ("http://w.test/A", "http://w.test/I", "http://w.test/U")),
        *(Page(f"http://w.test/{name[0]}", name, f"{name} likes tea.") for name in ("Ada", "Ivo", "Uma")),
    ]  # fmt: skip
    assert show.webs({"sft": Web.build(pages)}).values.tolist() == [["sft", 4, 1, 1, 0]]
