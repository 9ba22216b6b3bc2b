"""The agent's tools as a profile wants them: stored pages or the live web, recorded or replayed.

Called by 03_distill, 06_dapo and 07_evaluate, with the same parameters in each, so that teacher, practice and
evaluation see one web. In: pages and a notebook's parameters. Out: `Tools`. Departure from the paper: it searched and
visited live; here that is an option, and what came can be recorded and replayed.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from webdancer.core.record import repo_root
from webdancer.core.schema import Page
from webdancer.web import live
from webdancer.web.fetch import Fetcher
from webdancer.web.frozen import MODES, Frozen, FrozenSearch
from webdancer.web.politeness import user_agent
from webdancer.web.search import SearchIndex
from webdancer.web.tools import Tools
from webdancer.web.windows import Summarise


def build(
    pages: Iterable[Page],
    parameters: Mapping[str, Any],
    summarise: Summarise | None = None,
    hosts: Mapping[str, str] | None = None,
) -> Tools:
    """Tools over `pages`, or over the live web where the parameters say so.

    Args:
        pages: the stored pages; `visit` looks there first, also when searches are live.
        parameters: `search_results, snippet_words, max_observation_chars`; `search_engine` (empty: an index of
            `pages`, else as in `live.engine`), `live_visits` (fetch pages that are not stored), `contact` (needed by
            `live_visits`), `recording` (a file, from the repository root) and `recording_mode`.
        summarise: as in `Tools`. hosts: names to reach at another address, as in `Fetcher`.

    Raises:
        ValueError: unknown mode; live visits without a contact; replay without a recording; Serper without its key.
        FileNotFoundError: replay of a recording that is not there.
    """
    p = parameters
    mode, online = p["recording_mode"], bool(p["search_engine"] or p["live_visits"])
    _check(p, mode, online)
    path = repo_root() / p["recording"] if p["recording"] and online else None
    pages = list(pages)
    return Tools(
        _search(pages, p, path, mode),
        pages,
        summarise,
        reader=_reader(p, path, mode, hosts or {}),
        results=p["search_results"],
        snippet_words=p["snippet_words"],
        max_observation_chars=p["max_observation_chars"],
    )


def _check(p: Mapping[str, Any], mode: str, online: bool) -> None:
    """Refuse parameters that do not go together, before anything is opened."""
    if mode not in MODES:
        raise ValueError(f"got recording_mode={mode!r}, wanted one of {', '.join(MODES)}")
    if mode == "replay" and online and not p["recording"]:
        raise ValueError("got recording_mode='replay' and no recording, wanted the file of a recorded run in recording")
    if p["live_visits"] and mode != "replay" and not ("@" in p["contact"] or "://" in p["contact"]):
        raise ValueError(
            f"got live_visits and contact={p['contact']!r}, wanted an e-mail address or a URL: it is sent with every "
            "request, so that the people who run a site can reach you"
        )


def _search(pages: list[Page], p: Mapping[str, Any], path: Any, mode: str) -> Any:
    """What `search` asks."""
    if not p["search_engine"]:
        return SearchIndex.build(pages, snippet_words=p["snippet_words"])
    engine = None if mode == "replay" else live.engine(p["search_engine"])
    return FrozenSearch(path, engine, mode) if path else engine


def _reader(p: Mapping[str, Any], path: Any, mode: str, hosts: Mapping[str, str]) -> Any:
    """What `visit` asks for pages that are not stored; None if it may not."""
    if not p["live_visits"]:
        return None
    fetcher = None if mode == "replay" else Fetcher(hosts, user_agent=user_agent(p["contact"]), accept_pdf=True)
    return Frozen(path, fetcher, mode) if path else fetcher
