"""Pages longer than a reader can take: cut into overlapping windows, read each, merge what was found.

Used by `web.tools.Tools` for `visit` with a summariser. In: the text of a page and a goal. Out: evidence and summary.
A page that fits into one window is read as a whole, in one request. Departure from the paper: it does not say what
happens to long pages; ours are read in a bounded number of windows, the first and those nearest to the goal.
"""

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable, Sequence

from webdancer.web.words import cjk_share, sentence_ends, words

Summarise = Callable[[str, str], Awaitable[tuple[str, str]]]
DENSE = 3  # a CJK character costs a model about as many tokens as three or four Latin letters


def windows(text: str, size: int, overlap: int = 0) -> list[str]:
    """Parts of a text that together hold all of it: each ends where a sentence or line ends, if it can.

    Args:
        text: any text; one of at most `size` characters comes back whole.
        size: longest part in characters.
        overlap: about how many characters of a part the next one repeats, in whole sentences.
    Raises:
        ValueError: size below 1, or an overlap that is negative or more than half of the size.

    >>> windows("One is here. Two is there. Three.", 28, 14)
    ['One is here. Two is there. ', 'Two is there. Three.']
    """
    return [text[start:end] for start, end in spans(text, size, overlap)]


def spans(text: str, size: int, overlap: int = 0) -> list[tuple[int, int]]:
    """Start and end of each window; arguments and errors as for `windows`."""
    if size < 1 or not 0 <= 2 * overlap <= size:
        raise ValueError(f"got size={size}, overlap={overlap}, wanted 1 or more, and an overlap from 0 to half of it")
    ends = [*sentence_ends(text), len(text)]
    found, start = [], 0
    while len(text) - start > size:
        end = ends[bisect_right(ends, start + size) - 1] if ends[0] <= start + size else 0
        whole = end > start + size // 2
        if not whole:  # one endless sentence: cut it at a space, or anywhere
            space = text.rfind(" ", start + size // 2, start + size)
            end = space + 1 if space > start else start + size
        found.append((start, end))
        back = ends[bisect_left(ends, end - overlap)]
        start = max(start + 1, back if back < end else end if whole else end - overlap)
    return [*found, (start, len(text))]


def nearest(parts: Sequence[str], goal: str, limit: int) -> list[str]:
    """At most `limit` of the parts, in page order: the first, and those that share most different words with the goal.

    >>> nearest(["Tea. ", "Rain. ", "The mayor. ", "Tal is mayor."], "mayor Tal", 2)
    ['Tea. ', 'Tal is mayor.']
    """
    if len(parts) <= limit:
        return list(parts)
    wanted = frozenset(words(goal))
    shared = [len(wanted.intersection(words(part))) for part in parts]
    others = sorted(range(1, len(parts)), key=lambda i: (-shared[i], i))[: limit - 1]
    return [parts[i] for i in sorted([0, *others])]


async def read(text: str, goal: str, summarise: Summarise, size: int, limit: int) -> tuple[str, str]:
    """Evidence and summary of a page of any length.

    Args:
        text, goal: as the summariser takes them.
        size: characters of one window; a third of it where the text is Chinese, Japanese or Korean.
        limit: most windows read; with more than one that tells something, one more request sums up.
    Returns:
        The windows' evidence, each line once, in page order; and the summary of it all.
    Raises:
        Whatever the summariser raises.
    """
    size = max(1, size // DENSE) if cjk_share(text) > 0.3 else size
    parts = nearest(windows(text, size, size // 20), goal, limit)
    told = await asyncio.gather(*(summarise(part.strip(), goal) for part in parts))
    useful = [(evidence, summary) for evidence, summary in told if evidence.strip()]
    if len(useful) < 2:
        return (useful or told)[0]
    lines = dict.fromkeys(line.strip() for evidence, _ in useful for line in evidence.splitlines() if line.strip())
    merged = "\n".join(lines)
    return merged, (await summarise(merged[:size], goal))[1]
