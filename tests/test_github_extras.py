"""What repositories of the pocket web have beside the README, and its quota: by hand, and PyGithub unchanged."""

import github
import pytest

from pocketweb import github_extras, serve
from pocketweb.github_api import GitHub, Repository
from pocketweb.github_extras import Issue, Quota, Release, extras

ISSUES = (Issue(3, "Add tea", "2021-03-03", is_pull=True), Issue(2, "Too hot", "2021-02-02", "closed"))
ISSUES += (Issue(1, "Too cold", "2021-01-01"),)
RELEASES = (Release("v1", "First", "Notes.", "2021-04-04"), Release("v0", "", "", "2021-03-04", draft=True))
ONE = Repository("orlen/tea", "Tea", (("README.md", "# tea\n"),), issues=ISSUES, releases=RELEASES)


def rows(path: str, **params: str):
    status, value, headers = GitHub([ONE], "http://g.test").get(f"/repos/orlen/tea/{path}", params, "http://127.0.0.1")
    assert status == 200
    return value, headers


def test_issues_by_state_with_pull_requests_among_them() -> None:
    assert [row["number"] for row in rows("issues")[0]] == [3, 1]
    assert [row["number"] for row in rows("issues", state="closed")[0]] == [2]
    assert [row["number"] for row in rows("issues", state="all")[0]] == [3, 2, 1]
    pull, issue = rows("issues")[0]
    assert (pull["html_url"], "pull_request" in pull) == ("http://g.test/orlen/tea/pull/3", True)
    assert (issue["html_url"], "pull_request" in issue) == ("http://g.test/orlen/tea/issues/1", False)


def test_pages_of_issues_keep_the_state() -> None:
    value, headers = rows("issues", state="all", per_page="2")
    assert [row["number"] for row in value] == [3, 2]
    assert '<http://127.0.0.1/repos/orlen/tea/issues?state=all&per_page=2&page=2>; rel="next"' in headers["Link"]


def test_releases() -> None:
    first, draft = rows("releases")[0]
    assert (first["tag_name"], first["body"], first["published_at"]) == ("v1", "Notes.", "2021-04-04T00:00:00Z")
    assert draft["draft"] and draft["published_at"] is None


def test_the_same_name_has_the_same_extras_and_some_have_no_docs() -> None:
    names = [f"repo-{k}" for k in range(200)]
    made = {name: extras(name, "2020-01-31") for name in names}
    assert made == {name: extras(name, "2020-01-31") for name in names}
    with_docs = sum(bool(files) for files, _, _ in made.values())
    assert 120 <= with_docs <= 180
    assert all(1 <= len(issues) <= 5 and 1 <= len(releases) <= 3 for _, issues, releases in made.values())


def test_a_quota_counts_refuses_and_is_refilled(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(github_extras.time, "time", lambda: now[0])
    quota = Quota(2, seconds=60)
    hub = GitHub([ONE], "http://g.test", quota)
    answers = [hub.get("/repos/orlen/tea", {}, "http://127.0.0.1") for _ in range(3)]
    assert [status for status, _, _ in answers] == [200, 200, 403]
    assert [headers["X-RateLimit-Remaining"] for _, _, headers in answers] == ["1", "0", "0"]
    assert answers[2][1]["message"].startswith("API rate limit exceeded")
    assert hub.get("/rate_limit", {}, "")[1]["rate"] == {"limit": 2, "remaining": 0, "reset": 1061, "used": 2}
    assert hub.get("/search/repositories", {"q": "tea"}, "")[0] == 200
    now[0] = 1061.0
    assert hub.get("/repos/orlen/tea", {}, "")[0] == 200


def test_client_reads_docs_issues_and_releases() -> None:
    with serve.start([1], pages=200, endpoint=False) as net:
        with github.Github(base_url=net.hosts["github.pocket.test"], seconds_between_requests=0, retry=None) as client:
            found = list(client.search_repositories("topic:software"))
            contents = {r.full_name: [e.path for e in r.get_contents("")] for r in found}
            some = next(r for r in found if "docs" in contents[r.full_name])
            assert [e.path for e in some.get_contents("docs")] == ["docs/index.md", "docs/logo.svg", "docs/setup"]
            assert b"# Install" in some.get_contents("docs/setup")[0].decoded_content
            assert all(i.state == "open" and i.title for i in some.get_issues())
            assert some.open_issues_count == some.get_issues().totalCount
            assert [r.tag_name for r in some.get_releases()][-1] == "v0.1"
