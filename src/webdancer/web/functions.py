"""`search` and `visit` as plain typed functions: the one place from which other engines' descriptions of them are made.

In: tools that carry out calls, `web.tools.Tools` or a client of a service that serves them (`scale.client`). Out: two
functions whose types and docstrings give the JSON schema that `transformers`, TRL's `tools=` and verl's
`@function_tool` read. What the policy reads is the text of the released prompt, word for word
(`core.released.USER_HEAD`), and stays so; `shown` parses it, and a test holds all four together. Used by
`scale.verl_tools`. Departure from the paper: none.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from webdancer.core.released import USER_HEAD

Function = Callable[..., str]


class Calls(Protocol):
    """What carries out calls: `web.tools.Tools`, or `scale.client.Client`."""

    def call_many(self, calls: Sequence[tuple[str, dict[str, Any]]]) -> list[str]: ...


def bind(tools: Calls) -> tuple[Function, Function]:
    """The functions `search(query)` and `visit(url, goal)`, carried out by `tools`; each returns an observation.

    Machines read their docstrings: the first paragraph and `Args` are the released description of the tools.

    Raises:
        Exception: when called, what `tools` raises, such as `ServiceError` where the service is not there. What the
            agent did wrong is an observation.
    """

    def search(query: list[str]) -> str:
        """Performs batched web searches: supply an array 'query'; the tool retrieves the top 10 results for each query in one call.

        Args:
            query: Array of query strings. Include multiple complementary search queries in a single call.

        Returns:
            For each query its hits: number, title, address, date and snippet.
        """  # noqa: E501 - a line break would become part of the description
        return tools.call_many([("search", {"query": query})])[0]

    def visit(url: list[str], goal: str) -> str:
        """Visit webpage(s) and return the summary of the content.

        Args:
            url: The URL(s) of the webpage(s) to visit. Can be a single URL or an array of URLs.
            goal: The specific information goal for visiting webpage(s).

        Returns:
            For each page the evidence and the summary for the goal.
        """
        return tools.call_many([("visit", {"url": url, "goal": goal})])[0]

    return search, visit


def schema(function: Function) -> dict[str, Any]:
    """Name, description and parameters of a function, read from its types and docstring by `transformers`.

    Raises:
        DocstringParsingException, TypeHintParsingException: of `transformers`, for a function that does not describe
            or type every argument; the message says which.
    """
    from transformers.utils import get_json_schema

    found = get_json_schema(function)["function"]
    return {name: found[name] for name in ("name", "description", "parameters")}


def shown(head: str = USER_HEAD) -> list[dict[str, Any]]:
    """The schemas that the policy reads, from the `<tools>` block of a user message.

    Raises:
        ValueError: there is no such block, or it does not hold JSON objects with commas between them.

    >>> [tool["name"] for tool in shown()]
    ['search', 'visit']
    """
    _, opened, rest = head.partition("<tools>\n")
    block, closed, _ = rest.partition("\n</tools>")
    if not opened or not closed:
        raise ValueError(f"got {head[:80]!r}, wanted a text with the tools between <tools> and </tools>")
    try:
        return json.loads(f"[{block}]")
    except ValueError as error:
        raise ValueError(
            f"the tools between <tools> and </tools> are not JSON ({error}): got {block[:80]!r}"
        ) from error
