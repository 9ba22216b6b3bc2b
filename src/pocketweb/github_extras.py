"""What a repository has beside its README: a folder `docs`, issues, releases; and a quota of requests, if wanted.

In: a repository's name and day. Out: files, issues and releases, the same for the same name, and their JSON rows for
`github_api`. They are filler: no fact of a world stands in them, so that a crawl that reads them learns nothing that
one without them does not.
"""

import datetime
import hashlib
import time
from dataclasses import dataclass
from typing import Any

TITLES = (
    "Crash when the input file is empty",
    "Typo in the second paragraph of the guide",
    "Support for larger files",
    "Add an option for quiet output",
    "Slow on the first run",
    "Document the default settings",
)
NOTES = (
    "A first version.",
    "Reads larger files. The guide in [docs](../../blob/main/docs/index.md) is new.",
    "Corrects a crash with empty input.\n\n* quieter output\n* clearer messages",
)


@dataclass(frozen=True)
class Issue:
    """An issue, or a pull request, which GitHub lists among the issues."""

    number: int
    title: str
    date: str
    state: str = "open"
    is_pull: bool = False


@dataclass(frozen=True)
class Release:
    """A release with its notes in Markdown."""

    tag: str
    name: str
    notes: str
    date: str
    draft: bool = False


class Quota:
    """A number of requests in a window of time, counted as GitHub counts them."""

    def __init__(self, limit: int, seconds: float = 3600.0) -> None:
        self.limit, self.seconds = limit, seconds
        self.used, self.reset = 0, 0

    def take(self) -> bool:
        """Use up one request; False if none is left."""
        self._turn()
        if self.used >= self.limit:
            return False
        self.used += 1
        return True

    def _turn(self) -> None:
        if time.time() >= self.reset:
            self.used, self.reset = 0, int(time.time() + self.seconds) + 1

    def state(self) -> dict[str, int]:
        """What `/rate_limit` tells."""
        self._turn()
        return {"limit": self.limit, "remaining": self.limit - self.used, "reset": self.reset, "used": self.used}

    def headers(self) -> dict[str, str]:
        """What every answer tells."""
        return {f"X-RateLimit-{key.title()}": str(value) for key, value in self.state().items()}


def extras(name: str, date: str) -> tuple[tuple[tuple[str, str], ...], tuple[Issue, ...], tuple[Release, ...]]:
    """Files of `docs/`, issues and releases of the repository `name`, whose first day is `date` (YYYY-MM-DD)."""
    draw = hashlib.sha256(name.encode()).digest()
    guide = (
        f"# Guide\n\nHow to use {name}. First [install](setup/install.md) it, then read the [README](../README.md).\n"
    )
    install = f"# Install\n\nCopy {name} into a folder of your own. Nothing else is needed.\n"
    files = (("docs/index.md", guide), ("docs/logo.svg", "<svg/>\n"), ("docs/setup/install.md", install))
    issues = tuple(
        Issue(k, TITLES[(draw[0] + k) % len(TITLES)], _later(date, 7 * k), "closed" if k == 2 else "open", k == 3)
        for k in range(draw[1] % 5 + 1, 0, -1)
    )
    releases = tuple(
        Release(f"v0.{k}", f"Release {k}" if k % 2 else "", NOTES[(k - 1) % len(NOTES)], _later(date, 30 * k))
        for k in range(draw[2] % 3 + 1, 0, -1)
    )
    return files if draw[3] % 4 else (), issues, releases  # a quarter of the repositories has no such folder


def _later(date: str, days: int) -> str:
    return (datetime.date.fromisoformat(date) + datetime.timedelta(days=days)).isoformat()


def issue_row(issue: Issue, url: str, html_url: str) -> dict[str, Any]:
    """An issue as GitHub lists it; `url` and `html_url` are the repository's."""
    kind = "pull" if issue.is_pull else "issues"
    row = {
        "id": issue.number,
        "number": issue.number,
        "title": issue.title,
        "state": issue.state,
        "body": None,
        "labels": [],
        "comments": 0,
        "url": f"{url}/issues/{issue.number}",
        "html_url": f"{html_url}/{kind}/{issue.number}",
        "created_at": f"{issue.date}T00:00:00Z",
        "updated_at": f"{issue.date}T00:00:00Z",
        "closed_at": f"{issue.date}T00:00:00Z" if issue.state == "closed" else None,
    }
    return row | ({"pull_request": {"url": f"{url}/pulls/{issue.number}"}} if issue.is_pull else {})


def release_row(release: Release, number: int, url: str, html_url: str) -> dict[str, Any]:
    """A release as GitHub lists it."""
    return {
        "id": number,
        "tag_name": release.tag,
        "name": release.name,
        "body": release.notes,
        "draft": release.draft,
        "prerelease": False,
        "target_commitish": "main",
        "url": f"{url}/releases/{number}",
        "html_url": f"{html_url}/releases/tag/{release.tag}",
        "created_at": f"{release.date}T00:00:00Z",
        "published_at": None if release.draft else f"{release.date}T00:00:00Z",
        "assets": [],
    }
