"""Repositories through PyGithub: README, docs, issues, releases; the quota kept; redirects and other surprises."""

import time
from dataclasses import replace

import pytest

from pocketweb import serve, sites, world
from pocketweb.github_api import GitHub, Repository
from pocketweb.github_extras import Issue, Quota, Release
from webdancer import sources_github
from webdancer.sources_github import github_repositories
from webdancer.web.journal import Journal

API, SITE = "http://github.pocket.test", "http://github.pocket.test"
ALL = {"docs": 9, "issues": 9, "releases": 9}
FILES = {
    "README.md": "# tea\n\nTea by [Tal](http://wiki.pocket.test/wiki/Tal). See the [guide](docs/guide.md).\n",
    "docs/guide.md": "# Guide\n\nBoil water. Then [more](deep/more.md).\n",
    "docs/deep/more.md": "No heading here.\n",
    "docs/empty.md": "",
    "docs/logo.svg": "<svg/>",
    "src/notes.md": "Not documentation.",
}
ISSUES = (Issue(3, "Add milk", "2021-03-03", is_pull=True), Issue(2, "Too hot", "2021-02-02"))
ISSUES += (Issue(1, "Too cold", "2021-01-01"),)
RELEASES = (
    Release("v3", "", "Soon.", "2021-06-06", draft=True),
    Release("v2", "Mint", "Adds [mint](x.md).", "2021-05-05"),
)
RELEASES += (Release("v1", "v1", "", "2021-04-04"),)
TEA = Repository("orlen/tea", "Tea", tuple(FILES.items()), ("software",), "Python", "2020-02-02", ISSUES, RELEASES)
BARE = Repository("tal/bare", "Nothing but a line.", (), ("software",))


@pytest.fixture
def start(monkeypatch):
    """Start the code site with repositories of our own, or with a quota; close it at the end."""
    running = []

    def begin(repositories=None, quota=None, **options):
        hub = lambda found, site: GitHub(found if repositories is None else repositories, site, quota)  # noqa: E731
        monkeypatch.setattr(sites, "GitHub", hub)
        running.append(serve.start([world.build(3, 200)], endpoint=False, **options))
        return running[-1]

    yield begin
    for net in running:
        net.close()


def read(net, limit=1000, **options):
    return list(github_repositories(API, "topic:software", net.hosts, limit, **options))


def test_everything_of_a_repository_by_hand(start):
    found = {f.url: f for f in read(start([TEA]), **ALL)}
    base = f"{SITE}/orlen/tea"
    readme, issues, releases = found[base], found[f"{base}/issues"], found[f"{base}/releases"]
    guide, more = found[f"{base}/blob/main/docs/guide.md"], found[f"{base}/blob/main/docs/deep/more.md"]
    assert (readme.page.title, readme.page.text) == ("tea", "Tea by Tal. See the guide.")
    assert readme.page.links == ("http://wiki.pocket.test/wiki/Tal", guide.url)  # the README leads to its docs
    assert (guide.page.title, guide.page.text, guide.page.links) == (
        "tea: Guide",
        "Boil water. Then more.",
        (more.url,),
    )
    assert (more.page.title, more.page.text) == ("tea: docs/deep/more.md", "No heading here.")
    assert found[f"{base}/blob/main/docs/empty.md"].reason == "empty"
    assert (issues.page.title, issues.page.text) == (
        "tea: open issues",
        "#2 Too hot (2021-02-02)\n#1 Too cold (2021-01-01)",
    )
    assert issues.page.links == (f"{base}/issues/2", f"{base}/issues/1")
    assert releases.page.text == "v2 (2021-05-05): Mint\nAdds mint.\nv1 (2021-04-04)"
    assert releases.page.links == (f"{base}/releases/tag/v2", f"{base}/releases/tag/x.md", f"{base}/releases/tag/v1")
    assert releases.page.date == "2021-05-05"
    assert readme.page.language == ""  # too few words to tell
    assert len(found) == 6 and all(f.page.licence == "CC0-1.0" for f in found.values())


def test_small_limits(start):
    net = start([TEA])
    found = read(net, docs=1, issues=1, releases=2)
    assert [f.url.removeprefix(f"{SITE}/orlen/tea") for f in found] == [
        "",
        "/issues",
        "/releases",
        "/blob/main/docs/empty.md",
    ]
    assert found[1].page.text == "#2 Too hot (2021-02-02)" and found[2].page.text.startswith("v2")
    listed = [path for _, path in net.log if "/contents/docs" in path]
    assert len(listed) == 2  # the folder and one file


def test_a_repository_with_nothing(start):
    (found,) = read(start([BARE]), **ALL)
    assert found.page.text == "Nothing but a line." and not found.reason


def test_extras_are_off_by_default_and_change_no_readme(start):
    net = start()
    plain = read(net)
    asked = len(net.log)
    assert asked == len(plain) + 1  # the search, and a README each
    more = read(net, **ALL)
    assert [f for f in more if f.url in {p.url for p in plain}] == plain and len(more) > 2 * len(plain)
    assert all(not f.reason for f in more) and len({f.url for f in more}) == len(more)


def test_a_search_over_several_requests(start, monkeypatch):
    net = start()
    found = read(net)
    names = {e.name for e in world.build(3, 200).entities if e.type == "repository"}
    assert {f.page.title for f in found} == names and len(names) > 6
    assert all(f.page.links and "](" not in f.page.text and not f.page.text.startswith("#") for f in found)
    monkeypatch.setattr(sources_github, "ROWS", 3)
    before = len(net.log)
    assert read(net) == found and read(net, limit=4) == found[:4]
    searches = [path for _, path in net.log[before:] if path.startswith("/search/")]
    assert len(searches) == len(found) // 3 + 1 + 2
    monkeypatch.setattr(sources_github, "SHOWN", 6)  # what GitHub shows of a search, however many it finds
    assert read(net) == found[:6]


def test_what_is_in_the_journal_is_not_asked_for_again(start, tmp_path):
    net = start()
    plain = read(net, 6, **ALL)
    with Journal(tmp_path / "github.sqlite", "2026-01-02") as journal:
        walk = github_repositories(API, "topic:software", net.hosts, 6, journal=journal, **ALL)
        some = [next(walk) for _ in range(9)]
        walk.close()
    before = len(net.log)
    asked = set(net.log)
    with Journal(tmp_path / "github.sqlite", "2026-01-05") as journal:
        found = read(net, 6, journal=journal, **ALL)
        fresh = [path for _, path in net.log[before:] if path != "/rate_limit"]
        assert fresh and not any(path.startswith("/search/") for path in fresh) and len(fresh) == len(set(fresh))
        assert read(net, 6, journal=journal, **ALL) == found
        assert not [path for _, path in net.log[before:] if path != "/rate_limit"][len(fresh) :]
    assert asked and [replace(f, day="") for f in found] == plain and found[:9] == some
    assert {f.day for f in found} == {"2026-01-02", "2026-01-05"}


def test_a_folder_that_is_not_there_is_an_answer_and_a_quota_spent_is_none(start, tmp_path):
    net = start([BARE])
    with Journal(tmp_path / "github.sqlite") as journal:
        assert [f.reason for f in read(net, docs=3, journal=journal)] == [""]
        before = len(net.log)
        assert [f.reason for f in read(net, docs=3, journal=journal)] == [""]
        assert {path for _, path in net.log[before:]} <= {"/rate_limit"}
    net = start(quota=Quota(3))
    with Journal(tmp_path / "quota.sqlite") as journal:
        assert [f.reason for f in read(net, 4, longest_wait=0.0, journal=journal)] == ["", "", "", "rate limit"]
        kinds = [name[0] for name in journal.names()]
    assert kinds == ["page"] * 3 + ["repositories"]
    with Journal(tmp_path / "quota.sqlite") as journal:
        net = start()
        assert [f.reason for f in read(net, 4, journal=journal)] == [""] * 4
    assert len([path for _, path in net.log if "readme" in path]) == 1


def test_faults_that_pass_lose_nothing(start):
    calm = read(start(), **ALL)
    faults = {"429": 0.1, "500": 0.1, "truncated": 0.1, "retry_after": 0, "failing": 1}
    assert read(start(faults=faults), **ALL) == calm


def test_a_redirect_where_a_readme_should_be_is_a_reason(start, monkeypatch):
    monkeypatch.setattr("webdancer.crawl_quota.time.sleep", lambda _: None)
    calm = {f.url: f for f in read(start())}
    found = read(start(faults={"redirect": 0.3}), **ALL)
    lost = [f for f in found if f.reason]
    assert lost and {f.reason for f in lost} == {"error: unexpected answer"}
    assert any(f.url in calm for f in lost)  # a README among them: PyGithub raises AssertionError
    assert all(f == calm[f.url] for f in found if f.url in calm and not f.reason)


def test_a_search_that_finds_nothing_or_is_redirected_is_a_reason(start, monkeypatch):
    monkeypatch.setattr("webdancer.crawl_quota.time.sleep", lambda _: None)
    assert [f.reason for f in read(start([]))] == ["nothing found"]
    assert [f.reason for f in read(start(faults={"redirect": 1.0}))] == ["error: unexpected answer"]


def test_a_quota_that_is_refilled_too_late_ends_the_walk_with_what_was_got(start, capsys):
    found = read(start(quota=Quota(5)), releases=1, longest_wait=0.0)
    names = {e.name for e in world.build(3, 200).entities if e.type == "repository"}
    good = [f for f in found if not f.reason]
    assert len(good) == 5  # two repositories with releases, and the README of a third
    left = [f for f in found if f.reason]
    assert {f.reason for f in left} == {"rate limit"} and len(left) == len(names) - 2
    assert "GitHub: stopped, no requests left (refilled in" in capsys.readouterr().out


def test_a_quota_is_waited_for_with_a_message(start, capsys, monkeypatch):
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    began = time.time()
    found = read(start(quota=Quota(4, seconds=1.0)), limit=6)
    assert [f.reason for f in found] == [""] * 6 and time.time() - began > 1
    said = capsys.readouterr().out
    assert "GitHub: all 4 requests are used, waiting" in said and "a token in GITHUB_TOKEN gives 5,000" in said


def test_a_quota_that_someone_else_used_up(start):
    """The announcement comes too late: GitHub refuses, PyGithub raises, and what is left is named."""
    quota = Quota(4)
    net = start(quota=quota)
    walk = github_repositories(API, "topic:software", net.hosts, 5, longest_wait=1.0)
    assert not next(walk).reason
    quota.used = quota.limit
    assert [f.reason for f in walk] == ["rate limit"] * 4


class Rows:
    """A search that finds nothing."""

    def get_page(self, number):
        return []


def test_the_token_comes_from_the_environment_and_goes_to_the_real_site_only(start, monkeypatch):
    import github

    made = []

    class Recorder(github.Github):
        def __init__(self, **options):
            made.append(options)
            super().__init__(**options)

    monkeypatch.setattr(github, "Github", Recorder)
    monkeypatch.setenv("GITHUB_TOKEN", "not-a-token")
    read(start([TEA]))
    assert made[-1]["auth"] is None
    monkeypatch.setattr(Recorder, "search_repositories", lambda *_: Rows())
    monkeypatch.setattr(Recorder, "get_rate_limit", lambda _: None)
    list(github_repositories("https://api.github.com", "x", {}, 5, user_agent="tester (mail@example.org)"))
    assert made[-1]["auth"].token == "not-a-token" and made[-1]["base_url"] == "https://api.github.com"
    assert made[-1]["user_agent"] == "tester (mail@example.org)" and made[-1]["seconds_between_requests"] == 0.25
