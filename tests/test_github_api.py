"""The code site's REST API: hand-sized requests, and PyGithub unchanged against a served world."""

import base64

import github
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketweb import pages, serve, world
from pocketweb.github_api import GitHub, Repository

BASE = "http://127.0.0.1:8000/github.pocket.test"
FILES = (("README.md", "# tea-parser\n"), ("src/tea.py", "tea = 1\n"), ("src/deep/rain.py", ""))
REPOSITORIES = (
    Repository("orlen/tea-parser", "Parses tea", FILES, ("software",)),
    Repository("orlen/rain-gauge", "Counts drops", FILES, ("weather",), date="2021-05-06"),
    Repository("tal/quiet-graphs", "Draws graphs of tea", FILES, ("software",), "Rust"),
)
GITHUB = GitHub(REPOSITORIES, "http://github.pocket.test")


def get(path: str, **params: str):
    return GITHUB.get(path, params, BASE)


def test_a_repository_is_found_by_name_in_any_case_and_by_number() -> None:
    status, value, headers = get("/repos/Orlen/Tea-Parser")
    assert (status, value["full_name"], value["owner"]["login"]) == (200, "orlen/tea-parser", "orlen")
    assert value["html_url"] == "http://github.pocket.test/orlen/tea-parser"
    assert value["url"] == f"{BASE}/repos/orlen/tea-parser"
    assert headers["X-RateLimit-Limit"] == "5000"
    assert get(f"/repositories/{value['id']}")[1] == value


def test_readme_and_contents() -> None:
    readme = get("/repos/orlen/tea-parser/readme")[1]
    assert base64.b64decode(readme["content"]) == b"# tea-parser\n"
    assert readme["sha"] == "afa6f05d8ded4be349844a3721cc49675df77b83"  # as `git hash-object` gives it
    top = get("/repos/orlen/tea-parser/contents/")[1]
    assert [(e["type"], e["path"]) for e in top] == [("file", "README.md"), ("dir", "src")]
    below = get("/repos/orlen/tea-parser/contents/src")[1]
    assert [(e["type"], e["path"]) for e in below] == [("dir", "src/deep"), ("file", "src/tea.py")]
    assert get("/repos/orlen/tea-parser/contents/src/tea.py")[1]["size"] == 8


@pytest.mark.parametrize("path", ["/repos/orlen/none", "/repos/orlen/tea-parser/contents/no.py", "/gists", "/users/x"])
def test_what_is_missing_gives_404(path: str) -> None:
    status, value, _ = get(path)
    assert (status, value["message"]) == (404, "Not Found")


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("tea", ["orlen/tea-parser", "tal/quiet-graphs"]),
        ("tea in:name", ["orlen/tea-parser"]),
        ("topic:software", ["orlen/tea-parser", "tal/quiet-graphs"]),
        ("user:orlen", ["orlen/rain-gauge", "orlen/tea-parser"]),
        ("tea language:rust", ["tal/quiet-graphs"]),
        ("graphs org:orlen", []),
        ("tea-parser in:readme", ["orlen/rain-gauge", "orlen/tea-parser", "tal/quiet-graphs"]),
    ],
)
def test_search(query: str, wanted: list[str]) -> None:
    value = get("/search/repositories", q=query)[1]
    assert [r["full_name"] for r in value["items"]] == wanted
    assert value["total_count"] == len(wanted)


def test_search_sorts_by_date_and_refuses_the_unknown() -> None:
    value = get("/search/repositories", q="user:orlen", sort="updated")[1]
    assert value["items"][0]["full_name"] == "orlen/rain-gauge"
    assert get("/search/repositories", q="")[0] == 422
    for query in ("stars:>5", "tea in:cup"):
        status, value, _ = get("/search/repositories", q=query)
        assert status == 422
        assert query.split()[-1] in value["message"]


def test_link_header_of_a_middle_page() -> None:
    _, value, headers = get("/search/repositories", q="in:readme tea", per_page="1", page="2")
    assert [r["full_name"] for r in value["items"]] == ["orlen/tea-parser"]
    url = f"{BASE}/search/repositories?q=in%3Areadme+tea&per_page=1&page="
    links = [f'<{url}{page}>; rel="{rel}"' for page, rel in ((1, "prev"), (3, "next"), (3, "last"), (1, "first"))]
    assert sorted(headers["Link"].split(", ")) == sorted(links)


@given(size=st.integers(1, 5))
def test_pages_of_any_size_give_every_repository_once(size: int) -> None:
    got = []
    for page in range(1, 5):
        value = get("/search/repositories", q="in:readme tea", per_page=str(size), page=str(page))[1]
        got += [r["full_name"] for r in value["items"]]
    assert got == [r.full_name for r in GITHUB.repositories]


@pytest.fixture(scope="module")
def docs() -> list[pages.Doc]:
    return [d for d in pages.render(world.build(1, 200)) if d.site == "github"]


@pytest.fixture(scope="module")
def net():
    with serve.start([1], pages=200, endpoint=False) as net:
        yield net


@pytest.fixture(params=["", "/api/v3"])
def client(net: serve.Net, request: pytest.FixtureRequest):
    base = net.hosts["github.pocket.test"] + request.param
    with github.Github(base_url=base, seconds_between_requests=0, per_page=3, retry=None) as made:
        yield made


def test_client_reads_repository_and_readme(client: github.Github, docs: list[pages.Doc]) -> None:
    doc = docs[0]
    repository = client.get_repo(doc.url.removeprefix("http://github.pocket.test/"))
    assert (repository.html_url, repository.name) == (doc.url, doc.title)
    assert repository.get_readme().decoded_content.decode() == doc.markdown
    assert all(f"]({url})" in doc.markdown for url in doc.links)
    assert repository.owner.login == doc.url.split("/")[3]
    assert repository.get_topics() == list(doc.categories)
    assert repository.license.spdx_id == "CC0-1.0"
    assert f"{repository.created_at:%Y-%m-%d}" == doc.date


def test_client_walks_the_contents(client: github.Github, docs: list[pages.Doc]) -> None:
    repository = client.get_repo(docs[0].url.removeprefix("http://github.pocket.test/"))
    readme, folder = repository.get_contents("")
    assert (readme.path, folder.type) == ("README.md", "dir")
    assert readme.decoded_content.decode() == docs[0].markdown  # fetched when it is asked for
    (source,) = repository.get_contents(folder.path)
    assert docs[0].title in source.decoded_content.decode()


def test_client_pages_through_a_search(client: github.Github, docs: list[pages.Doc]) -> None:
    found = client.search_repositories("topic:software")
    assert found.totalCount == len(docs)
    assert {r.html_url for r in found} == {d.url for d in docs}
    assert [r.id for r in reversed(client.search_repositories("topic:software"))] == [r.id for r in found][::-1]


def test_client_lists_an_owner_and_reads_the_rate_limit(client: github.Github, docs: list[pages.Doc]) -> None:
    login = docs[0].url.split("/")[3]
    assert docs[0].url in {r.html_url for r in client.get_user(login).get_repos()}
    assert docs[0].url in {r.html_url for r in client.get_organization(login).get_repos()}
    assert client.get_rate_limit().resources.core.limit == 5000
    assert client.rate_limiting == (4999, 5000)


def test_client_raises_for_what_is_missing(client: github.Github) -> None:
    with pytest.raises(github.UnknownObjectException):
        client.get_repo("nobody/nothing")
    with pytest.raises(github.GithubException, match="qualifier"):
        list(client.search_repositories("stars:>5"))
