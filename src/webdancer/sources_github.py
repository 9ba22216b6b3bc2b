"""GitHub: repositories of a search through PyGithub, as README and, on request, docs, open issues and releases.

Part of 01_crawl. In: the address of the REST API and a search. Out: an iterator of `Found`. A token in the environment
variable GITHUB_TOKEN raises the site's quota from 60 to 5,000 requests an hour; it is read from nowhere else and used
for nothing else. A quota used up is waited for, with a message, or ends the walk with what was got. Departures from
the paper: it names GitHub as an example of its roots and does not say what it read of a repository.
"""

import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from webdancer.crawl_walk import TRIES, Found, reach
from webdancer.web.fetch import USER_AGENT
from webdancer.web.language import guess
from webdancer.web.text import Cleaned, block_reason, canonical, markdown

TOKEN = "GITHUB_TOKEN"  # the name of the environment variable
PAUSE = 0.25  # seconds between requests to the real site, one at a time as it asks
LONGEST = 3700.0  # seconds to wait for a quota, which is refilled once an hour
ROWS = 100  # issues or releases looked at in a repository: one request
MARKDOWN = (".md", ".markdown", ".mdx")
# What PyGithub raises for answers it does not expect, such as a redirect where a README should be.
UNEXPECTED = (AssertionError, AttributeError, KeyError, RuntimeError, TypeError, ValueError)
Result = TypeVar("Result")


class QuotaSpent(Exception):
    """No request is left, and the refill is further away than we want to wait; the message says how far."""


class Asker:
    """Asks GitHub with an eye on the quota that its answers announce.

    Args:
        client: a `github.Github`.
        longest: most seconds to wait for a refill; beyond that `QuotaSpent`.
        pause: seconds before a failed request is tried again, then twice that.
    """

    def __init__(self, client: Any, longest: float, pause: float) -> None:
        import github

        self.errors = (github.GithubException, OSError, *UNEXPECTED)
        self.client, self.longest, self.pause = client, longest, pause
        self._limit, self._missing = github.RateLimitExceededException, github.UnknownObjectException

    def look(self) -> None:
        """Learn the quota for everything but search, which has its own; this request is free. Never raises."""
        try:
            self.client.get_rate_limit()
        except self.errors:  # a server without quotas says 404
            return

    def __call__(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, tried up to `TRIES` times.

        Raises:
            QuotaSpent: see above. What `work` raised last, if it kept failing.
        """
        for attempt in range(TRIES):
            self._refill()
            try:
                return work()
            except self._missing:
                raise
            except self.errors as error:
                if isinstance(error, self._limit):
                    self.look()
                if attempt == TRIES - 1 and isinstance(error, self._limit):
                    raise QuotaSpent("refused") from error
                if attempt == TRIES - 1:
                    raise
                time.sleep(self.pause * 2**attempt)
        raise AssertionError("not reached: the last try returns or raises")

    def _refill(self) -> None:
        """Return at once while requests are left; else wait for the refill."""
        requester = self.client.requester  # its `rate_limiting` never asks the site, the client's own may
        left, size = requester.rate_limiting
        seconds = requester.rate_limiting_resettime + 1 - time.time()
        if size < 0 or left > 0 or seconds <= 0:
            return
        if seconds > self.longest:
            raise QuotaSpent(f"refilled in {seconds:.0f} s")
        hint = "" if os.environ.get(TOKEN) else f"; a token in {TOKEN} gives 5,000 an hour"
        print(f"GitHub: all {size} requests are used, waiting {seconds:.0f} s for more{hint}")
        time.sleep(seconds)


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
    """
    import github

    local, token = urlsplit(api).netloc in hosts, os.environ.get(TOKEN, "")
    client = github.Github(
        base_url=reach(api, hosts),
        auth=github.Auth.Token(token) if token and not local else None,
        user_agent=user_agent,
        seconds_between_requests=0 if local else PAUSE,
        per_page=ROWS,
        retry=github.GithubRetry(total=3, backoff_factor=0.1 if local else 1.0, max_rate_limit_wait=60),
    )
    ask = Asker(client, longest_wait, 0.1 if local else 2.0)
    try:
        listed = ask(lambda: list(itertools.islice(client.search_repositories(query), limit)))
    except (QuotaSpent, *ask.errors) as error:
        yield _failed(api, "", error)
        return
    if not listed:  # a redirect looks to PyGithub like an answer without rows, too
        yield Found(api, "github", Cleaned("", ""), "nothing found", "api")
    if not local or docs or issues or releases:
        ask.look()
    for number, repository in enumerate(listed):
        try:
            yield from _pages(repository, ask, docs, issues, releases)
        except QuotaSpent as error:
            print(f"GitHub: stopped, no requests left ({error}); {number} of {len(listed)} repositories read")
            yield from (_failed(canonical(r.html_url), r.name, error) for r in listed[number:])
            return


def _pages(repository: Any, ask: Asker, docs: int, issues: int, releases: int) -> Iterator[Found]:
    """All that is wanted of one repository; a part that cannot be had is a reason. Raises `QuotaSpent`."""
    url, name = canonical(repository.html_url), repository.name
    parts: list[tuple[str, Callable[[], Found | None]]] = [(url, lambda: _readme(repository))]
    if issues:
        parts.append((f"{url}/issues", lambda: _issues(repository, issues)))
    if releases:
        parts.append((f"{url}/releases", lambda: _releases(repository, releases)))
    for address, read in parts:
        found = _try(ask, read, address, name)
        if isinstance(found, Found):
            yield found
    if docs:
        yield from _docs(repository, ask, docs)


def _try(ask: Asker, work: Callable[[], Result], url: str, name: str) -> Result | Found:
    """What `work` gives, or a `Found` with the reason why it gives nothing."""
    try:
        return ask(work)
    except ask.errors as error:
        return _failed(url, name, error)


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


def _docs(repository: Any, ask: Asker, most: int) -> Iterator[Found]:
    """The Markdown files of `docs/`, folder by folder in the order of their paths; at most as many folders as files."""
    folders, listed, read = deque(["docs"]), 0, 0
    while folders and listed < most and read < most:
        folder, listed = folders.popleft(), listed + 1
        url = canonical(f"{repository.html_url}/tree/{repository.default_branch}/{folder}")
        entries = _try(ask, lambda f=folder: repository.get_contents(f), url, repository.name)
        if isinstance(entries, Found):
            if folder != "docs" or entries.reason != "error: UnknownObjectException":  # most have no such folder
                yield entries
            continue
        entries = sorted(entries if isinstance(entries, list) else [entries], key=lambda e: e.path)
        folders += [e.path for e in entries if e.type == "dir"]
        files = [e for e in entries if e.type == "file" and e.path.lower().endswith(MARKDOWN)]
        for entry in files[: most - read]:
            read += 1
            yield _try(ask, lambda e=entry: _doc(repository, e), canonical(entry.html_url), repository.name)


def _doc(repository: Any, entry: Any) -> Found:
    """One file of the documentation; its title begins with the repository's name, as headings like "Usage" are many."""
    url = canonical(entry.html_url)
    page = markdown(entry.decoded_content.decode("utf-8", "replace"), url)
    title = f"{repository.name}: {page.title or entry.path}"
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
