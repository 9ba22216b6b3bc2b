"""The sites as a crawler sees them: pages, redirects, robots.txt, sitemaps, and how hosts are told apart."""

import re
import urllib.robotparser

import httpx
import pytest

from pocketweb import pages, serve, sites, world


@pytest.fixture(scope="module")
def docs() -> list[pages.Doc]:
    return pages.render(world.build(1, 200))


@pytest.fixture(scope="module")
def net():
    with serve.start([1, 2], pages=200, endpoint=False) as net:
        yield net


@pytest.fixture(scope="module")
def client():
    with httpx.Client() as client:
        yield client


def address(net: serve.Net, url: str) -> str:
    """Where the page with a stored URL is served."""
    host, slash, path = url.removeprefix("http://").partition("/")
    return net.hosts[host] + slash + path


def test_every_page_of_every_site_is_served(net: serve.Net, client: httpx.Client, docs: list[pages.Doc]) -> None:
    for doc in docs:
        answer = client.get(address(net, doc.url))
        if doc.kind == "dead":
            assert answer.status_code == 404
        elif doc.kind == "redirect":
            assert answer.status_code == 301
        elif doc.kind == "block":
            assert answer.status_code in (200, 403)
            assert "Just a moment" in answer.text
        else:
            assert (answer.status_code, answer.text) == (200, doc.html)


def test_block_pages_come_with_both_statuses(net: serve.Net, client: httpx.Client) -> None:
    urls = [d.url for seed in (1, 2) for d in pages.render(world.build(seed, 200)) if d.kind == "block"]
    assert {client.get(address(net, url)).status_code for url in urls} == {200, 403}


def test_a_redirect_leads_to_its_page(net: serve.Net, docs: list[pages.Doc]) -> None:
    doc = next(d for d in docs if d.kind == "redirect")
    target = next(d for d in docs if d.url == doc.anchors[0][1])
    assert httpx.get(address(net, doc.url), follow_redirects=True).text == target.html


def test_path_and_host_header_both_choose_the_site(net: serve.Net, client: httpx.Client) -> None:
    root = net.hosts["www.pocket.test"].removesuffix("/www.pocket.test")
    by_path = client.get(f"{root}/www.pocket.test/sitemap.xml").text
    assert client.get(f"{root}/sitemap.xml", headers={"host": "www.pocket.test"}).text == by_path
    both = client.get(f"{root}/www.pocket.test/sitemap.xml", headers={"host": "www.pocket.test"})
    assert both.text == by_path
    assert client.get(f"{root}/sitemap.xml").status_code == 404


def test_robots_bars_a_subtree_that_exists(net: serve.Net, client: httpx.Client, docs: list[pages.Doc]) -> None:
    drafts = [d.url for d in docs if d.url.startswith("http://www.pocket.test/drafts/")]
    assert drafts
    rules = urllib.robotparser.RobotFileParser()
    rules.parse(client.get(address(net, "http://www.pocket.test/robots.txt")).text.splitlines())
    assert not any(rules.can_fetch("any", url) for url in drafts)
    assert rules.can_fetch("any", "http://www.pocket.test/events/x")
    assert rules.site_maps() == ["http://www.pocket.test/sitemap.xml"]
    news = client.get(address(net, "http://www.pocket.test/news/")).text
    assert all(url in news for url in drafts)  # linked, so that only robots.txt keeps a crawler out


@pytest.mark.parametrize("site", sites.SITES)
def test_the_sitemap_lists_what_may_be_read(net: serve.Net, client: httpx.Client, site: str) -> None:
    text = client.get(address(net, f"{sites.SITES[site]}/sitemap.xml")).text
    listed = re.findall("<loc>(.*?)</loc>", text)
    both = [d for seed in (1, 2) for d in pages.render(world.build(seed, 200)) if d.site == site]
    wanted = [d.url for d in both if d.kind not in ("dead", "redirect") and "/drafts/" not in d.url]
    assert listed == wanted


def test_front_pages_link_to_pages(net: serve.Net, client: httpx.Client, docs: list[pages.Doc]) -> None:
    events = client.get(address(net, "http://www.pocket.test/events/")).text
    assert all(d.url in events for d in docs if d.site == "www" and d.kind == "entity")
    for site in sites.SITES.values():
        assert f'<a href="{site}/' in client.get(address(net, f"{site}/")).text
    assert "/wiki/" in client.get(address(net, "http://wiki.pocket.test/wiki/Main_Page")).text


def test_every_request_is_logged(net: serve.Net, client: httpx.Client) -> None:
    net.log.clear()
    client.get(address(net, "http://arxiv.pocket.test/api/query?search_query=tea&start=0"))
    client.get(address(net, "http://wiki.pocket.test/wiki/None_(at_all)"))
    assert net.log == [
        ("arxiv.pocket.test", "/api/query?search_query=tea&start=0"),
        ("wiki.pocket.test", "/wiki/None_(at_all)"),
    ]


def test_the_code_site_answers_by_the_name_it_was_asked_for(net: serve.Net, client: httpx.Client) -> None:
    url = address(net, "http://github.pocket.test/search/repositories?q=topic:software&per_page=1")
    assert client.get(url).json()["items"][0]["url"].startswith(net.hosts["github.pocket.test"] + "/repos/")
    named = client.get(url, headers={"host": "github.pocket.test"}).json()
    assert named["items"][0]["url"].startswith("http://github.pocket.test/repos/")


def test_one_world_twice_is_refused() -> None:
    built = world.build(1, 200)
    with pytest.raises(ValueError, match=r"\[1, 1\]"):
        sites.app([built, built])
