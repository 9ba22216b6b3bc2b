"""Before a crawl: what would be fetched from whom, how many requests that is, and how long it takes at a polite pace.

Part of 01_crawl: `python -m webdancer.crawl --dry-run params/gpu/01_crawl.yaml`. In: a file of parameters. Out: a
table. Nothing is fetched, no name is resolved. Requests and times are upper ends for the pages wanted when nothing
fails; a page that is dropped or tried again costs its requests once more. Not in the paper.
"""

import argparse
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from webdancer import crawl
from webdancer.core import params
from webdancer.crawl_quota import TOKEN
from webdancer.sources_arxiv import FEED
from webdancer.sources_arxiv import PAUSE as ARXIV_PAUSE
from webdancer.sources_github import PAUSE as GITHUB_PAUSE
from webdancer.sources_github import SHOWN
from webdancer.web.seeds import MAX_SITEMAPS

MEMBERS = 500  # rows that a MediaWiki gives at once
QUOTA, QUOTA_WITH_TOKEN = 60, 5000  # requests an hour, as GitHub documents them
SEARCHES, SEARCHES_WITH_TOKEN = 10, 30  # requests to its search a minute
PDF_PAUSE = 15.0  # seconds; the Crawl-delay in arxiv.org's robots.txt as of June 2026, asked again at the crawl
OWN = ".pocket.test"  # hosts that are served from this machine


@dataclass(frozen=True)
class Row:
    """One source of a web: `requests` at most and `seconds` at least, when nothing fails; `pace` in words."""

    source: str
    hosts: str
    roots: tuple[str, ...]
    pages: int
    requests: int
    seconds: float
    pace: str


def rows(plan: crawl.Plan, token: bool) -> list[Row]:
    """What each source of a plan would cost; `token`: whether GitHub is asked with a token."""
    found = []
    if plan.wiki_roots:
        found.append(_wikipedia(plan))
    if plan.arxiv_query:
        found.append(_arxiv(plan))
    if plan.github_query:
        found.append(_github(plan, token))
    if plan.web_roots:
        found.append(_web(plan))
    return found


def _wikipedia(plan: crawl.Plan) -> Row:
    """Siteinfo, the categories' members, two requests a page: text and links (more only beyond 500 links)."""
    categories = sum(":" in root for root in plan.wiki_roots)
    pages = plan.limit if plan.depth or categories else min(plan.limit, len(plan.wiki_roots))
    requests = 1 + categories * -(-plan.limit // MEMBERS) + 2 * pages
    pace = f"one at a time, {plan.delay:g} s apart"
    return _row("wikipedia", [plan.wiki_api], plan.wiki_roots, pages, requests, requests * plan.delay, pace)


def _arxiv(plan: crawl.Plan) -> Row:
    """A hundred papers a request, and a request a PDF."""
    feeds, files = -(-plan.limit // FEED), plan.limit if plan.arxiv_pdf else 0
    pace = f"{ARXIV_PAUSE:g} s apart" + (f", PDFs {PDF_PAUSE:g} s" if files else "")
    seconds = feeds * ARXIV_PAUSE + files * PDF_PAUSE
    return _row("arxiv", [plan.arxiv_api], [plan.arxiv_query], plan.limit, feeds + files, seconds, pace)


def _github(plan: crawl.Plan, token: bool) -> Row:
    """Search by hundreds; for each repository its README, docs (as many folders as files at most), issues, releases."""
    docs, lists = plan.github_docs, bool(plan.github_issues) + bool(plan.github_releases)
    size, searches = (QUOTA_WITH_TOKEN, SEARCHES_WITH_TOKEN) if token else (QUOTA, SEARCHES)
    repositories = min(plan.limit, SHOWN)
    asked, found = repositories * (1 + 2 * docs + lists), -(-repositories // 100)
    waits = max(0, asked - 1) // size * 3600.0 + max(0, found - 1) // searches * 60.0
    seconds = max((asked + found) * GITHUB_PAUSE, waits)
    pages = repositories * (1 + docs + lists)
    pace = f"{size:,} an hour {'with' if token else 'without'} {TOKEN}"
    return _row("github", [plan.github_api], [plan.github_query], pages, asked + found, seconds, pace)


def _web(plan: crawl.Plan) -> Row:
    """robots.txt and sitemaps of each host of the roots, a robots.txt for each other host, and a request a page.

    At worst one host has all the pages, unless `host_limit` forbids it.
    """
    hosts = {urlsplit(url).netloc for url in plan.web_roots}
    others = min(plan.max_hosts or plan.limit, plan.limit) if plan.web_hosts else 0
    pages = min(plan.limit, plan.host_limit * (len(hosts) + others)) if plan.host_limit else plan.limit
    first = 1 + (MAX_SITEMAPS if plan.use_sitemaps else 0)
    seconds = (min(pages, plan.host_limit or pages) + first) * plan.delay
    pace = f"{plan.delay:g} s apart on each host, hosts side by side"
    urls = [*plan.web_roots, *(f"https://{name}" for name in plan.web_hosts)]
    return _row("web", urls, plan.web_roots, pages, pages + len(hosts) * first + others, seconds, pace)


def _row(
    source: str, urls: Iterable[str], roots: Iterable[str], pages: int, requests: int, seconds: float, pace: str
) -> Row:
    """The row; a host of this machine is asked without pauses."""
    hosts = list(dict.fromkeys(urlsplit(url).netloc for url in urls))
    if all(host.endswith(OWN) for host in hosts):
        seconds, pace = 0.0, "on this machine, no pause"
    return Row(source, ", ".join(hosts), tuple(roots), pages, requests, seconds, pace)


def duration(seconds: float) -> str:
    """Seconds for a reader, rounded up to whole minutes from one minute on.

    >>> duration(42), duration(61), duration(7300)
    ('42 s', '2 min', '2 h 2 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = -int(-seconds // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def table(title: str, found: Sequence[Row]) -> list[str]:
    """Lines that show the rows of one web: a line a source, its roots below, and the sum."""
    lines = [title, f"  {'source':10} {'pages':>7} {'requests':>9} {'time':>11}  pace"]
    for row in found:
        time = duration(row.seconds)
        lines.append(f"  {row.source:10} {row.pages:7,} {row.requests:9,} {time:>11}  {row.pace}")
        lines += [f"             from {row.hosts}", *(f"             root {root}" for root in row.roots)]
    requests, seconds = sum(r.requests for r in found), sum(r.seconds for r in found)
    lines.append(f"  {'together':10} {sum(r.pages for r in found):7,} {requests:9,} {duration(seconds):>11}")
    return lines


def report(path: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """The whole report for a file of parameters.

    Args:
        path: a YAML file for 01_crawl.
        environment: names and values of variables, `os.environ` if None; values are never shown.
    Raises:
        webdancer.core.params.ParameterError: a parameter is unknown or of the wrong type; ValueError: no roots.
    """
    values = params.check_file(path, "01_crawl")
    environment = os.environ if environment is None else environment
    token = bool(environment.get(TOKEN))
    train, heldout = crawl.plans(values)
    webs = [("training web", train), ("held-out web", heldout)]
    if values["rl_worlds"]:
        webs.insert(1, ("practice web", train))
    parts = [(name, rows(plan, token)) for name, plan in webs]
    lines = [f"Dry run of 01_crawl, profile {values['profile']}: nothing is fetched.", ""]
    for name, found in parts:
        lines += [*table(f"{name}: at most {train.limit:,} pages a source, depth {train.depth}", found), ""]
    every = [row for _, found in parts for row in found]
    lines.append(f"All of it: {sum(r.requests for r in every):,} requests, {duration(sum(r.seconds for r in every))}")
    lines.append(
        "at the polite pace, one source after the other, if nothing fails; a page that is dropped costs the same."
    )
    return "\n".join([*lines, "", *_needs(every, token, train.contact)])


def _needs(every: Iterable[Row], token: bool, contact: str) -> list[str]:
    """What must be there before the crawl: environment variables by name, and a contact."""
    real = [row for row in every if row.pace != "on this machine, no pause"]
    if not real:
        return ["Needed from the environment: nothing. No request leaves this machine."]
    lines = ["Needed from the environment: nothing."]
    if any(row.source == "github" for row in real):
        gain = f"(optional) {QUOTA_WITH_TOKEN:,} requests an hour at GitHub instead of {QUOTA}"
        lines = [f"Needed from the environment: {TOKEN} {gain}: {'set' if token else 'not set'}."]
    said = contact or "none yet: set `contact`, or no real host is asked"
    return [*lines, f"Contact sent to the sites as part of the user agent: {said}"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the report for the file named on the command line; exit status 2 and the reason if it cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m webdancer.crawl", description="Show what 01_crawl would fetch.")
    parser.add_argument("file", help="parameters of 01_crawl, for example params/gpu/01_crawl.yaml")
    parser.add_argument(
        "--dry-run", action="store_true", help="show and fetch nothing (which is all this command does)"
    )
    options = parser.parse_args(arguments)
    try:
        print(report(options.file))
    except ValueError as error:
        print(f"{error}", file=sys.stderr)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
