"""The four ways into a web, through the real clients, against the pocket web: order, limits, faults, bad pages."""

import pytest

from pocketweb import serve, world
from webdancer import crawl_sources as sources
from webdancer.web.fetch import Fetched, Fetcher

API = "http://wiki.pocket.test/w/api.php"


@pytest.fixture(scope="module")
def net():
    with serve.start([world.build(3, 200)], endpoint=False) as running:
        yield running


@pytest.fixture(scope="module")
def faulty():
    faults = {"429": 0.1, "500": 0.1, "truncated": 0.1, "retry_after": 0, "failing": 1}
    with serve.start([world.build(3, 200)], endpoint=False, faults=faults) as running:
        yield running


def wiki(net, roots=("Main Page",), limit=1000, depth=9, threads=4):
    return list(sources.wikipedia(API, roots, net.hosts, limit, depth, threads, 0.0))


def test_wikipedia_api_walks_the_wiki_with_two_requests_a_page(net):
    before = len(net.log)
    found = wiki(net)
    asked = len(net.log) - before
    good = [f for f in found if not f.reason]
    assert len(good) > 100 and asked <= 2 * len(found)
    assert all(f.url.startswith("http://wiki.pocket.test/wiki/") for f in good)
    assert all("127.0.0.1" not in link for f in good for link in f.page.links)
    assert [f.url for f in found] == [f.url for f in wiki(net, threads=1)]


def test_a_title_that_leads_elsewhere_is_stored_under_its_target_and_a_missing_one_is_named(net):
    entity = next(e for e in world.build(3, 200).entities if e.aliases and e.type != "event")
    alias, none = wiki(net, (entity.aliases[0], "No Such Page"), depth=0)
    assert alias.page.title == entity.title and alias.url == sources.wiki_url(
        "http://wiki.pocket.test/wiki/", entity.title
    )
    assert none.reason == "missing"


def test_a_category_stands_for_its_pages(net):
    found = wiki(net, ("Category:Regions",), depth=0)
    regions = {e.title for e in world.build(3, 200).entities if e.type == "region"}
    assert {f.page.title for f in found} == regions


def test_papers_come_with_the_links_of_their_comments_over_several_requests(net):
    found = list(sources.arxiv_papers("http://arxiv.pocket.test/api/query", "cat:cs.LG", net.hosts, 1000))
    papers = {e.title for e in world.build(3, 200).entities if e.type == "paper"}
    assert {f.page.title for f in found} == papers
    assert all(f.page.links and "http" not in f.page.text and f.page.date for f in found)
    assert all("\nAuthors: " in f.page.text for f in found)
    assert len(list(sources.arxiv_papers("http://arxiv.pocket.test/api/query", "cat:cs.LG", net.hosts, 3))) == 3


def test_repositories_are_their_readmes(net):
    found = list(sources.github_repositories("http://github.pocket.test", "topic:software", net.hosts, 1000))
    names = {e.name for e in world.build(3, 200).entities if e.type == "repository"}
    assert {f.page.title for f in found} == names
    assert all(f.page.links and "](" not in f.page.text and not f.page.text.startswith("#") for f in found)
    assert len(list(sources.github_repositories("http://github.pocket.test", "topic:software", net.hosts, 2))) == 2


def test_a_plain_site_by_sitemap_and_links_as_far_as_robots_allow(net):
    with Fetcher(net.hosts) as fetcher:
        root = "http://www.pocket.test/"
        found = list(sources.site(fetcher, [root], 1000, 9, 2, fetcher.sitemaps(root)))
    events = {e.title for e in world.build(3, 200).entities if e.type == "event"}
    assert events <= {f.page.title for f in found if not f.reason}
    reasons = {f.reason for f in found}
    assert {"bot block", "link list"} <= reasons
    forbidden = [f for f in found if "/drafts/" in f.url]
    assert all(f.reason == "robots.txt: disallowed" for f in forbidden)
    assert not any(path.startswith("/drafts/") for host, path in net.log)


def test_faults_that_pass_lose_no_page(net, faulty):
    assert [(f.url, f.reason) for f in wiki(faulty)] == [(f.url, f.reason) for f in wiki(net)]
    for walk, api, query in (
        (sources.arxiv_papers, "http://arxiv.pocket.test/api/query", "cat:cs.LG"),
        (sources.github_repositories, "http://github.pocket.test", "topic:software"),
    ):
        assert list(walk(api, query, faulty.hosts, 50)) == list(walk(api, query, net.hosts, 50))


def test_a_site_that_is_down_is_a_reason_not_an_exception():
    hosts = {"arxiv.pocket.test": "http://127.0.0.1:9", "github.pocket.test": "http://127.0.0.1:9"}
    (found,) = sources.arxiv_papers("http://arxiv.pocket.test/api/query", "cat:cs.LG", hosts, 5)
    assert found.reason == "error: ConnectionError"
    (found,) = sources.github_repositories("http://github.pocket.test", "topic:software", hosts, 5)
    assert found.reason.startswith("error: ")


@pytest.mark.parametrize(
    "got, reason",
    [
        (Fetched("http://a.test/x", 200, "text/html", "<p>Kestin lies by a lake.</p>"), ""),
        (Fetched("http://a.test/x", 200, "text/html", "<p></p>"), "empty"),
        (Fetched("http://a.test/x", 200, "text/html", ""), "empty"),
        (Fetched("http://a.test/x", 403, "text/html", "<title>Just a moment...</title>x", "status 403"), "bot block"),
        (Fetched("http://a.test/x", 404, "text/html", "<p>A long story.</p>", "status 404"), "status 404"),
        (Fetched("http://a.test/x", 200, "application/json", "{}"), "not a page: application/json"),
        (Fetched("http://a.test/x.txt", 200, "text/plain", "Kestin lies by a lake."), ""),
        (Fetched("http://a.test/x", error="connection: ConnectError"), "connection: ConnectError"),
        (Fetched("http://a.test/x", 200, "text/html", "<div>" * 60_000 + "x"), None),
    ],
)
def test_what_a_fetched_answer_holds(got, reason):
    found = sources.html_page(got, "http://a.test/asked")
    assert found.asked == "http://a.test/asked" and found.url.startswith("http://a.test/x")
    assert reason is None or found.reason == reason


class Maps:
    """A fetcher of sitemaps."""

    pages = {
        "http://a.test/index.xml": "<sitemapindex><loc>http://a.test/1.xml</loc><loc>http://a.test/index.xml</loc></sitemapindex>",
        "http://a.test/1.xml": "<urlset><url><loc> http://a.test/x?a=1&amp;b=2 </loc></url></urlset>",
    }

    def __init__(self) -> None:
        self.asked = 0

    def get(self, url):
        self.asked += 1
        return Fetched(url, 200, "application/xml", self.pages.get(url, ""))


def test_a_sitemap_of_sitemaps_that_names_itself_comes_to_an_end():
    maps = Maps()
    found = sources.sitemap(maps, "http://a.test/index.xml")
    assert set(found) == {"http://a.test/x?a=1&b=2"} and maps.asked <= sources.MAX_SITEMAPS
    assert sources.sitemap(maps, "http://a.test/none.xml") == []
