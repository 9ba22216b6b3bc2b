"""GitHub: repositories of a search through PyGithub, as README and, on request, docs, open issues and releases.

Part of 01_crawl. In: the address of the REST API and a search. Out: an iterator of `Found`. A token in the environment
variable GITHUB_TOKEN raises the site's quota from 60 to 5,000 requests an hour; it is read from nowhere else and used
for nothing else. A quota used up is waited for, with a message, or ends the walk with what was got. What came is kept
in a `Journal`: one request's repositories, or one README, folder, file or list of a repository a piece. Departures
from the paper: it names GitHub as an example of its roots and does not say what it read of a repository.
"""

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from webdancer.crawl_quota import LONGEST, TOKEN, UNEXPECTED, Asker, QuotaSpent
from webdancer.crawl_walk import Found, found_row, reach, row_found
from webdancer.web.fetch import USER_AGENT
from webdancer.web.journal import Journal
from webdancer.web.language import guess
from webdancer.web.text import Cleaned, block_reason, canonical, markdown

PAUSE = 0.25  # seconds between requests to the real site, one at a time as it asks
ROWS = 100  # repositories, issues or releases of one request
SHOWN = 1000  # repositories that a search shows, however many it finds
# What is needed of a repository that a search names.
FIELDS = ("name", "full_name", "html_url", "default_branch", "description", "license", "created_at")
MARKDOWN = (".md", ".markdown", ".mdx")
Result = TypeVar("Result")


def github_repositories(
    api: str,
    query: str,
    hosts: Mapping[str, str],
    limit: int,
    *,
    docs: int = 0,
    issues: int = 0,
    releases: int = 0,
    longest_wait: float = LONGEST,
    user_agent: str = USER_AGENT,
    journal: Journal | None = None,
) -> Iterator[Found]:
    """Repositories of a search through PyGithub: the README as plain text, its links, the licence that GitHub names.

    Args:
        api: base address of the REST API.
        query: in GitHub's search language.
        hosts: as elsewhere.
        limit: most repositories.
        docs: most Markdown files of the folder `docs` (and those in it) to read in a repository, each a page.
        issues: most titles of open issues, together one page a repository; pull requests are not issues.
        releases: most releases with their notes, the newest first, together one page a repository.
        longest_wait: most seconds to wait for the quota; 0 stops at once, and what is left out is a `Found` each.
        user_agent: who asks.
        journal: what an earlier crawl brought; None for none.
    """
    import github

    local = urlsplit(api).netloc in hosts
    client = _client(reach(api, hosts), local, user_agent)
    ask, journal = Asker(client, longest_wait, 0.1 if local else 2.0), journal or Journal()
    try:
        listed = _search(client, ask, journal, (api, query), limit)
    except (QuotaSpent, *ask.errors) as error:
        yield _failed(api, "", error)
        return
    if not listed:  # a redirect looks to PyGithub like an answer without rows, too
        yield Found(api, "github", Cleaned("", ""), "nothing found", "api")
    if not local or docs or issues or releases:
        ask.look()
    for number, row in enumerate(listed):
        row["url"] = f"{reach(api, hosts)}/repos/{row['full_name']}"  # where the API is today
        repository = client.create_from_raw_data(github.Repository.Repository, row)
        try:
            yield from Reader(repository, ask, journal).pages(docs, issues, releases)
        except QuotaSpent as error:
            print(f"GitHub: stopped, no requests left ({error}); {number} of {len(listed)} repositories read")
            yield from (_failed(canonical(r["html_url"]), r["name"], error) for r in listed[number:])
            return


def _client(address: str, local: bool, user_agent: str) -> Any:
    """PyGithub's client, pointed at `address`, patient, and with the token if it is the real site."""
    import github

    token = os.environ.get(TOKEN, "")
    return github.Github(
        base_url=address,
        auth=github.Auth.Token(token) if token and not local else None,
        user_agent=user_agent,
        seconds_between_requests=0 if local else PAUSE,
        per_page=ROWS,
        retry=github.GithubRetry(total=3, backoff_factor=0.1 if local else 1.0, max_rate_limit_wait=60),
    )


def _search(client: Any, ask: Asker, journal: Journal, search: tuple[str, str], limit: int) -> list[dict[str, Any]]:
    """The repositories that a search finds, as `FIELDS`; `search` is the address of the API and the query."""
    found: list[dict[str, Any]] = []
    results = client.search_repositories(search[1])

    def rows(page: int) -> list[dict[str, Any]]:
        # `raw_data` would ask for each repository; what the search says of it is enough.
        return [{name: r._rawData.get(name) for name in FIELDS} for r in ask(lambda: results.get_page(page))]

    for page in range(-(-min(limit, SHOWN) // ROWS)):
        some, _ = journal.once(("repositories", *search, page, ROWS), lambda page=page: rows(page))
        found += some
        if len(some) < ROWS:
            break
    return found[:limit]


class Reader:
    """Reads what is wanted of one repository, each piece once."""

    def __init__(self, repository: Any, ask: Asker, journal: Journal) -> None:
        self.repository, self.ask, self.journal = repository, ask, journal
        self.url = canonical(repository.html_url)

    def pages(self, docs: int, issues: int, releases: int) -> Iterator[Found]:
        """All of it; a part that cannot be had is a reason. Raises `QuotaSpent`."""
        parts: list[tuple[str, int, Callable[[], Found | None]]] = [(self.url, 0, lambda: _readme(self.repository))]
        if issues:
            parts.append((f"{self.url}/issues", issues, lambda: _issues(self.repository, issues)))
        if releases:
            parts.append((f"{self.url}/releases", releases, lambda: _releases(self.repository, releases)))
        for part in parts:
            found = self._read(*part)
            if found is not None:
                yield found
        if docs:
            yield from self._docs(docs)

    def _once(self, kind: str, url: str, size: int, work: Callable[[], Result]) -> tuple[Result, str]:
        return self.journal.once((kind, url, size), lambda: self.ask(work))

    def _read(self, url: str, size: int, work: Callable[[], Found | None]) -> Found | None:
        """A page; None where there is nothing of the kind."""
        try:
            row, day = self._once("page", url, size, lambda: (found := work()) and found_row(found))
            return row_found(row, day) if row else None
        except self.ask.errors as error:
            return _failed(url, self.repository.name, error)

    def _docs(self, most: int) -> Iterator[Found]:
        """The Markdown files of `docs/`, folder by folder in the order of their paths; as many folders as files."""
        folders, listed, read = deque(["docs"]), 0, 0
        while folders and listed < most and read < most:
            folder, listed = folders.popleft(), listed + 1
            url = canonical(f"{self.repository.html_url}/tree/{self.repository.default_branch}/{folder}")
            try:
                entries, _ = self._once("folder", url, 0, lambda f=folder: _folder(self.repository, f))
            except self.ask.errors as error:
                yield _failed(url, self.repository.name, error)
                continue
            if entries is None and folder != "docs":  # most have no folder of that name, and that is no fault
                yield Found(url, "github", Cleaned(self.repository.name, ""), "missing", "api")
            folders += [path for kind, path, _ in entries or () if kind == "dir"]
            files = [e for e in entries or () if e[0] == "file" and e[1].lower().endswith(MARKDOWN)]
            for _, path, address in files[: most - read]:
                read += 1
                found = self._read(canonical(address), 0, lambda p=path: _doc(self.repository, p))
                if found is not None:
                    yield found


def _failed(url: str, name: str, error: Exception) -> Found:
    """An address that could not be read."""
    unexpected = "unexpected answer" if isinstance(error, UNEXPECTED) else type(error).__name__
    reason = "rate limit" if isinstance(error, QuotaSpent) else f"error: {unexpected}"
    return Found(url, "github", Cleaned(name, ""), reason, "api")


def _readme(repository: Any) -> Found:
    """One repository with its README; without one its description counts."""
    import github

    url = canonical(repository.html_url)
    try:
        readme = repository.get_readme().decoded_content.decode("utf-8", "replace")
    except github.UnknownObjectException:
        readme = repository.description or ""
    page = markdown(readme, f"{url}/blob/{repository.default_branch}/")
    text = page.text.removeprefix(f"{page.title}\n")  # the heading is the title
    date = f"{repository.created_at:%Y-%m-%d}"
    return _found(repository, url, repository.name, text, page.links, date)


def _found(repository: Any, url: str, title: str, text: str, links: Sequence[str], date: str) -> Found:
    """A page of a repository, under the repository's licence."""
    licence = repository.license.spdx_id if repository.license else ""
    page = Cleaned(title, text, tuple(dict.fromkeys(links)), licence, date, language=guess(text))
    return Found(url, "github", page, block_reason(title, text), "api")


def _folder(repository: Any, folder: str) -> list[tuple[str, str, str]] | None:
    """What lies in a folder, in the order of the paths: kind, path and address; None if there is no such folder."""
    import github

    try:
        entries = repository.get_contents(folder)
    except github.UnknownObjectException:
        return None
    entries = sorted(entries if isinstance(entries, list) else [entries], key=lambda e: e.path)
    return [(e.type, e.path, e.html_url) for e in entries]


def _doc(repository: Any, path: str) -> Found:
    """One file of the documentation; its title begins with the repository's name, as headings like "Usage" are many."""
    entry = repository.get_contents(path)
    url = canonical(entry.html_url)
    page = markdown(entry.decoded_content.decode("utf-8", "replace"), url)
    title = f"{repository.name}: {page.title or path}"
    return _found(repository, url, title, page.text.removeprefix(f"{page.title}\n"), page.links, "")


def _issues(repository: Any, most: int) -> Found | None:
    """The titles of open issues, newest first, a line each; None if there are none."""
    rows = itertools.islice(repository.get_issues(state="open"), ROWS)
    rows = [row for row in rows if "/pull/" not in row.html_url][:most]  # asking a row for more may cost a request
    lines = [f"#{row.number} {row.title} ({row.created_at:%Y-%m-%d})" for row in rows]
    links = [canonical(row.html_url) for row in rows]
    url, title = f"{canonical(repository.html_url)}/issues", f"{repository.name}: open issues"
    return _found(repository, url, title, "\n".join(lines), links, "") if rows else None


def _releases(repository: Any, most: int) -> Found | None:
    """The newest releases with their notes; None if there are none."""
    rows = [row for row in itertools.islice(repository.get_releases(), min(most, ROWS)) if not row.draft]
    url = f"{canonical(repository.html_url)}/releases"
    lines, links = [], []
    for row in rows:
        notes = markdown(row.body or "", f"{url}/tag/{row.tag_name}")
        day = f" ({row.published_at:%Y-%m-%d})" if row.published_at else ""
        named = row.name if row.name and row.name != row.tag_name else ""
        lines += [f"{row.tag_name}{day}{': ' if named else ''}{named}", *([notes.text] if notes.text else [])]
        links += [canonical(row.html_url), *notes.links]
    date = f"{rows[0].published_at:%Y-%m-%d}" if rows and rows[0].published_at else ""
    title = f"{repository.name}: releases"
    return _found(repository, url, title, "\n".join(lines), links, date) if rows else None
