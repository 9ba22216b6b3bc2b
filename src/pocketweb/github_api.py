"""The code site's REST API: repositories, readme, contents, issues, releases, owners, search and rate limit.

Serves 01_crawl, as PyGithub 2.10 asks. In: the repositories of the pocket web. Out: the JSON and headers of GitHub's
REST API, with `Link` headers for paging, base64 contents and its errors (404, 422, 403 when a quota is used up).
Departures from GitHub: no authentication, the rate limit is announced but not reached unless a `Quota` is given, search
knows words and the qualifiers user, org, language, topic and in; an issue is its title.

The client is pointed here by its own argument; addresses in answers start with that base, as PyGithub demands:

    github.Github(base_url=net.hosts["github.pocket.test"], seconds_between_requests=0)

`Repository.html_url` is the stored address, `http://github.pocket.test/owner/name`.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from pocketweb.github_extras import Issue, Quota, Release, issue_row, release_row

SEARCH_LIMIT = 1000  # GitHub never shows more search results than this
PAGE_LIMIT = 100  # nor more than this on one page
PLACES = {"name", "description", "readme"}  # where a search may look
LICENCE = {"key": "cc0-1.0", "name": "Creative Commons Zero v1.0 Universal", "spdx_id": "CC0-1.0", "url": None}
RATE = {"limit": 5000, "remaining": 4999, "reset": 4102444800, "used": 1}  # resets in 2100: it is never reached
RATE_HEADERS = {f"X-RateLimit-{key.title()}": str(value) for key, value in RATE.items()}

Answer = tuple[int, Any, dict[str, str]]  # status, JSON value, headers


@dataclass(frozen=True)
class Repository:
    """One repository: `full_name` is `owner/name`, `files` are (path, text) pairs and hold a `README.md`."""

    full_name: str
    description: str
    files: tuple[tuple[str, str], ...]
    topics: tuple[str, ...] = ()
    language: str = "Python"
    date: str = "2020-01-01"
    issues: tuple[Issue, ...] = ()
    releases: tuple[Release, ...] = ()


class ApiError(Exception):
    """An answer with an error status; the message is GitHub's `message`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class GitHub:
    """The repositories with every index that a request needs, built once."""

    def __init__(self, repositories: Iterable[Repository], site: str, quota: Quota | None = None) -> None:
        """`site` is the stored address of the code site, e.g. `http://github.pocket.test`; no `quota`: no limit."""
        self.repositories = sorted(repositories, key=lambda r: r.full_name)
        self.site = site
        self.quota = quota
        self.by_name = {r.full_name.lower(): r for r in self.repositories}
        self.ids = {r.full_name: number for number, r in enumerate(self.repositories, 1)}
        self.owners: dict[str, list[Repository]] = {}
        for repository in self.repositories:
            self.owners.setdefault(repository.full_name.partition("/")[0].lower(), []).append(repository)
        self.owner_ids = {owner: 10**6 + number for number, owner in enumerate(self.owners, 1)}
        self.places = {r.full_name: _places(r) for r in self.repositories}

    def get(self, path: str, params: Mapping[str, str], base: str) -> Answer:
        """Status, JSON value and headers for a GET of `path`; `base` is the address by which the client calls."""
        try:
            if self.quota and not path.startswith(("/search/", "/rate_limit")) and not self.quota.take():
                raise ApiError(403, "API rate limit exceeded for 127.0.0.1.")
            status, value, headers = 200, *self._route(path.strip("/").split("/"), params, base)
        except ApiError as error:
            status, headers = error.status, {}
            value = {"message": str(error), "documentation_url": f"{self.site}/docs", "status": str(error.status)}
        # Search has a quota of its own, which is never used up here.
        limited = self.quota is not None and not path.startswith("/search/")
        return status, value, (self.quota.headers() if limited else RATE_HEADERS) | headers

    def _route(self, parts: Sequence[str], params: Mapping[str, str], base: str) -> tuple[Any, dict[str, str]]:
        """The value at an API path and its own headers."""
        match parts:
            case ["rate_limit"]:
                core = self.quota.state() if self.quota else RATE
                return {"resources": {"core": core, "search": RATE}, "rate": core}, {}
            case ["repos", owner, name]:
                return self._repository(self._named(owner, name), base), {}
            case ["repositories", number] if number.isdecimal() and 0 < int(number) <= len(self.repositories):
                return self._repository(self.repositories[int(number) - 1], base), {}
            case ["repos", owner, name, "readme"]:
                return self._file(self._named(owner, name), "README.md", base), {}
            case ["repos", owner, name, "topics"]:
                return {"names": list(self._named(owner, name).topics)}, {}
            case ["repos", owner, name, "contents", *rest]:
                return self._contents(self._named(owner, name), "/".join(rest), base), {}
            case ["repos", owner, name, "issues" | "releases" as kind]:
                return self._rows(self._named(owner, name), kind, params, base)
            case ["users" | "orgs", owner] if owner.lower() in self.owners:
                return self._owner(self.owners[owner.lower()][0], base), {}
            case ["users" | "orgs" as kind, owner, "repos"] if owner.lower() in self.owners:
                rows, headers = _page(self.owners[owner.lower()], params, f"{base}/{kind}/{owner}/repos")
                return [self._repository(r, base) for r in rows], headers
            case ["search", "repositories"]:
                return self._search(params, base)
        raise ApiError(404, "Not Found")

    def _named(self, owner: str, name: str) -> Repository:
        try:
            return self.by_name[f"{owner}/{name}".lower()]
        except KeyError:
            raise ApiError(404, "Not Found") from None

    def _owner(self, repository: Repository, base: str) -> dict[str, Any]:
        """The owner of a repository as GitHub describes an organisation."""
        login = repository.full_name.partition("/")[0]
        return {
            "login": login,
            "id": self.owner_ids[login.lower()],
            "type": "Organization",
            "url": f"{base}/users/{login}",
            "html_url": f"{self.site}/{login}",
            "repos_url": f"{base}/users/{login}/repos",
            "public_repos": len(self.owners[login.lower()]),
            "site_admin": False,
        }

    def _repository(self, repository: Repository, base: str) -> dict[str, Any]:
        """A repository with the fields of GitHub's API that a crawler reads."""
        url, html_url = f"{base}/repos/{repository.full_name}", f"{self.site}/{repository.full_name}"
        owner = self._owner(repository, base)
        time = f"{repository.date}T00:00:00Z"
        return {
            "id": self.ids[repository.full_name],
            "name": repository.full_name.partition("/")[2],
            "full_name": repository.full_name,
            "owner": {key: value for key, value in owner.items() if key != "public_repos"},
            "private": False,
            "fork": False,
            "archived": False,
            "html_url": html_url,
            "url": url,
            "contents_url": url + "/contents/{+path}",
            "clone_url": f"{html_url}.git",
            "description": repository.description,
            "homepage": None,
            "language": repository.language,
            "topics": list(repository.topics),
            "license": LICENCE,
            "default_branch": "main",
            "size": sum(len(text) for _, text in repository.files) // 1024,
            "stargazers_count": 0,
            "watchers_count": 0,
            "forks_count": 0,
            "open_issues_count": sum(issue.state == "open" for issue in repository.issues),
            "created_at": time,
            "updated_at": time,
            "pushed_at": time,
            "visibility": "public",
        }

    def _rows(
        self, repository: Repository, kind: str, params: Mapping[str, str], base: str
    ) -> tuple[Any, dict[str, str]]:
        """A page of the issues in the state asked for, or of the releases; the newest come first."""
        url, html_url = f"{base}/repos/{repository.full_name}", f"{self.site}/{repository.full_name}"
        if kind == "releases":
            rows = [release_row(r, n, url, html_url) for n, r in enumerate(repository.releases, 1)]
        else:
            wanted = params.get("state", "open")
            rows = [issue_row(i, url, html_url) for i in repository.issues if wanted in (i.state, "all")]
        query = {"state": params["state"]} if "state" in params else {}
        return _page(rows, params, f"{url}/{kind}", query)

    def _contents(self, repository: Repository, path: str, base: str) -> Any:
        """A file, or the entries of a folder."""
        if path in dict(repository.files):
            return self._file(repository, path, base)
        head = f"{path}/" if path else ""
        below = [p[len(head) :] for p, _ in repository.files if p.startswith(head)]
        if not below:
            raise ApiError(404, "Not Found")
        names = sorted({(rest.partition("/")[0], "/" in rest) for rest in below})
        return [self._entry(repository, head + name, "dir" if folder else "file", base) for name, folder in names]

    def _entry(self, repository: Repository, path: str, kind: str, base: str) -> dict[str, Any]:
        """What a folder listing says about one file or folder."""
        data = dict(repository.files).get(path, "").encode()
        url = f"{base}/repos/{repository.full_name}/contents/{quote(path)}?ref=main"
        html_url = f"{self.site}/{repository.full_name}/{'tree' if kind == 'dir' else 'blob'}/main/{quote(path)}"
        return {
            "type": kind,
            "name": path.rpartition("/")[2],
            "path": path,
            "sha": hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest(),
            "size": len(data),
            "url": url,
            "git_url": None,
            "html_url": html_url,
            "download_url": None,
            "_links": {"self": url, "git": None, "html": html_url},
        }

    def _file(self, repository: Repository, path: str, base: str) -> dict[str, Any]:
        """A file with its content in base64."""
        texts = dict(repository.files)
        if path not in texts:
            raise ApiError(404, "Not Found")
        content = base64.encodebytes(texts[path].encode()).decode()
        return self._entry(repository, path, "file", base) | {"encoding": "base64", "content": content}

    def _search(self, params: Mapping[str, str], base: str) -> tuple[Any, dict[str, str]]:
        """Repositories that hold every word and fit every qualifier, in the order of their names or dates."""
        terms = params.get("q", "").split()
        if not terms:
            raise ApiError(422, "Validation Failed: got no search terms, wanted words or qualifiers in q")
        wanted = {place for t in terms if t.startswith("in:") for place in t[3:].split(",")} or {"name", "description"}
        if not wanted <= PLACES:
            raise ApiError(422, f"Validation Failed: got in:{','.join(sorted(wanted))}, wanted {sorted(PLACES)}")
        rest = [t.lower() for t in terms if not t.startswith("in:")]
        found = [r for r in self.repositories if all(self._fits(r, term, wanted) for term in rest)]
        if params.get("sort") == "updated":
            found.sort(key=lambda r: r.date, reverse=params.get("order", "desc") == "desc")
        shown = found[:SEARCH_LIMIT]
        query = {key: params[key] for key in ("q", "sort", "order") if key in params}
        rows, headers = _page(shown, params, f"{base}/search/repositories", query)
        items = [self._repository(r, base) | {"score": 1.0} for r in rows]
        return {"total_count": len(found), "incomplete_results": False, "items": items}, headers

    def _fits(self, repository: Repository, term: str, wanted: set[str]) -> bool:
        """Whether a repository holds a word in one of the places searched, or has what a qualifier asks for."""
        name, colon, value = term.partition(":")
        if not colon:
            return any(term in self.places[repository.full_name][place] for place in wanted)
        if name in ("user", "org"):
            return repository.full_name.lower().startswith(f"{value}/")
        if name == "language":
            return repository.language.lower() == value
        if name == "topic":
            return value in repository.topics
        raise ApiError(422, f"Validation Failed: got the qualifier {term!r}, wanted user, org, language, topic or in")


def _places(repository: Repository) -> dict[str, str]:
    """The texts that search looks into, by the name that `in:` gives them."""
    return {
        "name": repository.full_name.partition("/")[2].lower(),
        "description": f"{repository.description} {' '.join(repository.topics)}".lower(),
        "readme": dict(repository.files).get("README.md", "").lower(),
    }


def _page(
    rows: Sequence[Any], params: Mapping[str, str], url: str, query: Mapping[str, str] | None = None
) -> tuple[Sequence[Any], dict[str, str]]:
    """The rows of the page asked for and its `Link` header (absent when one page holds everything)."""
    size = min(max(_number(params, "per_page", 30), 1), PAGE_LIMIT)
    page, last = max(_number(params, "page", 1), 1), max(-(-len(rows) // size), 1)
    targets = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
    if page == 1:
        del targets["prev"], targets["first"]
    if page >= last:
        del targets["next"], targets["last"]
    extra = dict(query or {}) | ({"per_page": str(size)} if "per_page" in params else {})
    links = [f'<{url}?{urlencode({**extra, "page": number})}>; rel="{rel}"' for rel, number in targets.items()]
    return rows[(page - 1) * size : page * size], ({"Link": ", ".join(links)} if links else {})


def _number(params: Mapping[str, str], name: str, default: int) -> int:
    """A whole number among the parameters; GitHub takes its default for anything else."""
    value = params.get(name, "")
    return int(value) if value.isdecimal() else default
