"""What a notebook needs to teach: library code on screen (`show_source`) and checks of the learner's own solutions.

In: a function, or what the learner wrote. Out: text in the notebook. Exercises run unsolved: `mine = None` is "not
tried", not an error. The tests send the library's own functions through the same checks.
"""

import ast
import inspect
import math
import textwrap
from collections.abc import Callable, Sequence
from typing import Any


def source(thing: Any, *, docstring: bool = True) -> str:
    """The source text of a function, class or module, without its docstring if `docstring` is False."""
    text = textwrap.dedent(inspect.getsource(thing))
    body = ast.parse(text).body
    node = body[0] if not inspect.ismodule(thing) else ast.parse(text)
    if docstring or ast.get_docstring(node) is None:
        return text
    first = node.body[0]
    lines = text.splitlines(keepends=True)
    return "".join(lines[: first.lineno - 1] + lines[first.end_lineno :])


def show_source(thing: Any, *, docstring: bool = False) -> None:
    """Show library code in the notebook, under the name by which it is imported."""
    from IPython.display import Markdown, display

    name = thing.__name__ if inspect.ismodule(thing) else f"{thing.__module__}.{thing.__qualname__}"
    display(Markdown(f"`{name}`\n\n```python\n{source(thing, docstring=docstring)}```"))


def check(
    mine: Callable[..., Any] | None, cases: Sequence[Any], reference: Callable[..., Any] | None = None
) -> bool | None:
    """Try the learner's function on some cases and print what was wrong.

    Args:
        mine: the learner's function, or None when not tried yet.
        cases: pairs `(arguments, expected)`; with `reference`, only the arguments, and the expected value is what
            `reference` returns. Arguments are a tuple, a dict of keywords, or one plain value.
        reference: the library's function.
    Returns: True if all are right, False if not, None if not tried.
    """
    if mine is None:
        print("not tried")
        return None
    if not callable(mine):
        print(f"mine is {_short(mine)}, wanted a function")
        return False
    wrong = 0
    for number, case in enumerate(cases, 1):
        arguments, expected = (case, _call(reference, case)) if reference else case
        try:
            got = _call(mine, arguments)
        except Exception as error:  # the learner's code may fail in any way; the other cases still run
            got = error
        if isinstance(got, Exception) or not same(got, expected):
            wrong += 1
            print(f"case {number}: for {_short(arguments)} got {_short(got)}, expected {_short(expected)}")
    print(f"{len(cases) - wrong} of {len(cases)} cases right")
    return wrong == 0


def check_value(mine: Any, expected: Any) -> bool | None:
    """The same for an exercise whose solution is a value; `mine = None` is not tried."""
    if mine is None:
        print("not tried")
        return None
    right = same(mine, expected)
    print("right" if right else f"got {_short(mine)}, expected {_short(expected)}")
    return right


def same(got: Any, expected: Any) -> bool:
    """Equal up to rounding (1e-6), whatever the container: arrays, tensors, lists and tuples are compared item by item.

    >>> same((1.0, [2]), [1.0000000001, (2,)])
    True
    """
    got, expected = (x.tolist() if hasattr(x, "tolist") else x for x in (got, expected))
    if isinstance(expected, dict) and isinstance(got, dict):
        return got.keys() == expected.keys() and all(same(got[k], expected[k]) for k in expected)
    if isinstance(expected, (list, tuple)) and isinstance(got, (list, tuple)):
        return len(got) == len(expected) and all(map(same, got, expected))
    if isinstance(expected, bool) or isinstance(got, bool):
        return got is expected
    if isinstance(expected, (int, float)) and isinstance(got, (int, float)):
        return math.isclose(got, expected, rel_tol=1e-6, abs_tol=1e-6)
    return bool(got == expected)


def _call(function: Callable[..., Any], arguments: Any) -> Any:
    if isinstance(arguments, dict):
        return function(**arguments)
    return function(*arguments) if isinstance(arguments, tuple) else function(arguments)


def _short(value: Any) -> str:
    text = f"{type(value).__name__}: {value}" if isinstance(value, Exception) else repr(value)
    return text if len(text) <= 160 else text[:157] + "..."
