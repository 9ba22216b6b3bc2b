"""Exercise checks and `show_source`."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.show import lessons


def double(x: float) -> float:
    """Twice x.

    More.
    """
    return 2 * x  # why


CASES = [((1,), 2), ((0.1,), 0.2), (-3, -6)]


def test_unsolved_is_not_an_error(capsys):
    assert lessons.check(None, CASES) is None
    assert lessons.check_value(None, 3) is None
    assert capsys.readouterr().out == "not tried\nnot tried\n"


def test_right(capsys):
    assert lessons.check(double, CASES) is True
    assert capsys.readouterr().out == "3 of 3 cases right\n"


def test_wrong_cases_are_shown_and_the_others_still_run(capsys):
    assert lessons.check(lambda x: 2 if x == 1 else 1 / 0, CASES) is False
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "case 2: for (0.1,) got ZeroDivisionError: division by zero, expected 0.2"
    assert lines[-1] == "1 of 3 cases right"


def test_a_reference_gives_the_expected_values(capsys):
    assert lessons.check(lambda x: x + x, [1, 2.5, {"x": 4}], double) is True
    assert lessons.check(lambda x: x, [(1,)], double) is False
    assert "case 1: for (1,) got 1, expected 2" in capsys.readouterr().out


def test_a_value_where_a_function_is_wanted(capsys):
    assert lessons.check(3, CASES) is False
    assert "mine is 3, wanted a function" in capsys.readouterr().out


def test_values(capsys):
    assert lessons.check_value([0.1 + 0.2, (1,)], (0.3, [1])) is True
    assert lessons.check_value("x" * 500, "y") is False
    assert capsys.readouterr().out.endswith("..., expected 'y'\n")


@pytest.mark.parametrize(
    ("got", "expected", "equal"),
    [
        (numpy.array([1.0, 2.0]), [1, 2], True),
        ({"a": (1,)}, {"a": [1.0]}, True),
        ({"a": 1}, {"b": 1}, False),
        ([1], [1, 2], False),
        (True, 1, False),
        (1, True, False),
        (0.0, 1e-9, True),
        (1.0, 1.1, False),
        ("a", "a", True),
        (None, 0, False),
        ({1, 2}, {2, 1}, True),
    ],
)
def test_same(got, expected, equal):
    assert lessons.same(got, expected) is equal


@given(st.recursive(st.integers() | st.text() | st.booleans(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_everything_is_the_same_as_itself(value):
    assert lessons.same(value, value)


def test_source_with_and_without_docstring():
    assert lessons.source(double).startswith("def double") and "More." in lessons.source(double)
    assert lessons.source(double, docstring=False) == "def double(x: float) -> float:\n    return 2 * x  # why\n"
    assert "check_value" in lessons.source(lessons) and "Exercise" not in lessons.source(lessons, docstring=False)


def test_show_source_displays_a_code_block(capsys):
    lessons.show_source(double)
    assert "Markdown" in capsys.readouterr().out
