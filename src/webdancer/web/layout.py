"""The layout of observations, as in the released WebDancer trajectories: what the agent reads of a search or a page.

Used by `web.tools` (03, 06, 07) and by the author of 02, who searches as the agent does. In: hits, or what was found in
a page. Out: text. Departure from the released ones: "A search" where theirs says "A Google search".
"""

from collections.abc import Sequence

from webdancer.web.search import Hit


def render_hits(query: str, hits: Sequence[Hit], snippet_words: int = 40) -> str:
    """One query's results in the released layout.

    >>> print(render_hits("tea", [Hit("http://a.test/tea", "Tea", "Tea is hot.", "May 1, 2020")]))
    A search for 'tea' found 1 results:
    <BLANKLINE>
    ## Web Results
    1. [Tea](http://a.test/tea)
    Date published: May 1, 2020
    <BLANKLINE>
    Tea is hot.
    """
    if not hits:
        return f"A search for '{query}' found 0 results. Try other words."
    blocks = []
    for n, hit in enumerate(hits, 1):
        date = f"\nDate published: {hit.date}" if hit.date else ""
        blocks.append(f"{n}. [{hit.title}]({hit.url}){date}\n\n{_shorten(hit.snippet, snippet_words)}")
    return f"A search for '{query}' found {len(hits)} results:\n\n## Web Results\n" + "\n\n".join(blocks)


def render_visit(url: str, goal: str, evidence: str, summary: str) -> str:
    """One page's evidence and summary in the released layout."""
    return (
        f"The useful information in {url} for user goal {goal} as follows: \n\n"
        f"Evidence in page: \n{evidence}\n\nSummary: \n{summary}\n\n"
    )


def _shorten(snippet: str, limit: int) -> str:
    """Cut a snippet that may already end in " ..." to `limit` words."""
    parts = snippet.removesuffix(" ...").split()
    return snippet if len(parts) <= limit else " ".join(parts[:limit]) + " ..."
