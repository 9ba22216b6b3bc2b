"""Tables and the figure of the generalisation slices, from hand-made rows."""

import pytest
from matplotlib.container import ErrorbarContainer

from webdancer.show import plots_slices as p

MEASURED = [
    {"slice": "names", "changed": "other names", "questions": 110, "pages": 641, "distractors": 37.85, "hops": 2.5727,
     "beyond": 0.0, "names_seen": 0.0, "name_words_seen": 1.0, "tokens_per_name": 2.215},
    {"slice": "words", "changed": "new words", "questions": 110, "pages": 642, "distractors": 38.5, "hops": 2.5727,
     "beyond": 0.0, "names_seen": 0.0, "name_words_seen": 0.0, "tokens_per_name": 16.34},
]  # fmt: skip


def row(name, model, value):
    return {"slice": name, "model": model, "value": value, "low": value - 0.1, "high": value + 0.1, "n": 110}


SCORES = [row(name, model, v) for model, values in (("sft", (0.5, 0.2)), ("dapo", (0.6, 0.2)))
          for name, v in zip(("names", "words"), values, strict=True)]  # fmt: skip
GAINS = [{"slice": "names", "value": 0.1, "low": 0.02, "high": 0.18, "n": 110}]
CHANGED = {"names": "other names", "words": "names made of words that occur in no training page at all"}


def test_measures_are_shown_in_their_units():
    table = p.measured(MEASURED)
    assert list(table.columns) == ["names", "words"] and "changed" not in table.index
    assert table.loc["pages", "names"] == "641" and table.loc["distractors", "names"] == "38"
    assert (table.loc["name_words_seen", "names"], table.loc["name_words_seen", "words"]) == ("100%", "0%")
    assert table.loc["hops", "names"] == "2.6" and table.loc["tokens_per_name", "words"] == "16.3"


def test_scores_are_in_percent_with_gains_where_there_are_any():
    table = p.scored(SCORES, GAINS)
    assert table.loc["names", "sft"] == "50.0 [40.0, 60.0]"
    assert table.loc["names", "gain"] == "+10.0 [+2.0, +18.0]"
    assert table["gain"].isna().tolist() == [False, True]
    assert list(p.scored(SCORES).columns) == ["sft", "dapo"]


def test_without_slices_the_tables_are_empty():
    assert p.measured([]).empty and p.scored([]).empty


def test_hardest_slice_of_a_model():
    assert p.hardest(SCORES, "dapo") == "words"
    assert p.hardest([row("names", "sft", 0.2), row("words", "sft", 0.2)], "sft") == "names"


def test_the_figure_names_its_axes_slices_and_models():
    (axis,) = p.slices_figure(SCORES, CHANGED, "Words are hardest").axes
    assert axis.get_title() == "Words are hardest" and "share of questions" in axis.get_xlabel() and axis.get_ylabel()
    assert [label.get_text().replace("\n", " ") for label in axis.get_yticklabels()] == [
        f"{name}: {says}" for name, says in CHANGED.items()
    ]
    drawn = [c for c in axis.containers if isinstance(c, ErrorbarContainer)]
    assert [c.get_label() for c in drawn] == ["sft", "dapo"]
    assert [list(c.lines[0].get_xdata()) for c in drawn] == [[0.5, 0.2], [0.6, 0.2]]
    lines = [
        line.get_xdata()[0] for line in axis.lines if len(set(line.get_xdata())) == 1 and line.get_linestyle() == ":"
    ]
    assert lines == [0.5, 0.6]  # the baseline of each


def test_a_slice_without_words_is_refused():
    with pytest.raises(KeyError, match="words"):
        p.slices_figure(SCORES, {"names": "other names"}, "t")
