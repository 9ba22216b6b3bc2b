"""The tools in verl's workers: a snapshot service for all of them, or the pages of an export in the process itself.

The exported `tools.py` registers what `functions` gives; the agent loop (`verl_loop`) plays with the same tools. In:
pages of an export and the dials of the profile's tools. Out: functions that verl can register. Departure from the
paper: it searched and visited live; here the web stands still, as the same team later advises for RL.
"""

import os
from functools import cache
from pathlib import Path

from webdancer.core.schema import Page, read_jsonl
from webdancer.scale.client import Client
from webdancer.web import functions as plain
from webdancer.web.search import SearchIndex
from webdancer.web.tools import Tools

URL = "WEBDANCER_TOOLS_URL"  # the environment variable with the address of the service


def functions(pages: str | Path, **dials: int) -> tuple[plain.Function, plain.Function]:
    """`search` and `visit` for a worker; each carries in `.tools` what it is carried out by.

    Where `WEBDANCER_TOOLS_URL` is set, the service there answers (`scale.service`, started with the same pages and
    dials); else this process reads the pages and makes an index of its own, which is right for small webs only.

    Args:
        pages: JSONL file of pages. dials: `results`, `snippet_words`, `max_observation_chars`, as in `Tools`.

    Raises:
        FileNotFoundError: no service is named and the file is not there.
        ValueError: the address is none, or a dial is unknown or below 1.
    """
    url = os.environ.get(URL, "")
    tools = Client(url) if url else _own(Path(pages).absolute(), tuple(sorted(dials.items())))
    made = plain.bind(tools)
    for function in made:
        function.tools = tools
    return made


@cache
def _own(pages: Path, dials: tuple[tuple[str, int], ...]) -> Tools:
    """The tools over a file of pages, made once a process."""
    found = read_jsonl(pages, Page)
    chosen = dict(dials)
    if unknown := chosen.keys() - {"results", "snippet_words", "max_observation_chars"}:
        raise ValueError(f"got the dials {sorted(unknown)}, wanted results, snippet_words or max_observation_chars")
    index = SearchIndex.build(found, **{k: v for k, v in dials if k == "snippet_words"})
    return Tools(index, found, **chosen)
