"""The whole crawl on the pocket web: nothing missed, every drop explained, the same twice; and a real site."""

import dataclasses
import importlib.util
import json
from pathlib import Path

import pytest

from pocketweb import pages, serve, world
from webdancer import crawl
from webdancer.core.schema import text_hash
from webdancer.web.store import Store

PLAN = crawl.Plan(
    wiki_api="http://wiki.pocket.test/w/api.php",
    wiki_roots=("Main Page", "Category:Universities"),
    arxiv_api="http://arxiv.pocket.test/api/query",
    arxiv_query="cat:cs.LG",
    github_api="http://github.pocket.test",
    github_query="topic:software",
    web_roots=("http://www.pocket.test/",),
)
DOCS = [doc for seed in (1, 9) for doc in pages.render(world.build(seed, 200))]
ENTITIES = [doc for doc in DOCS if doc.kind == "entity"]


@pytest.fixture(scope="module")
def got():
    with serve.start([1, 9], pages=200, endpoint=False) as net:
        yield crawl.gather(PLAN, net.hosts, day="2026-01-02", progress=False)


@pytest.fixture(scope="module")
def by_url(got):
    return {page.url: page for page in got}


def test_every_entity_page_is_found_with_its_whole_text(got, by_url):
    assert crawl.coverage(got, [doc.url for doc in ENTITIES]) == 1.0
    for doc in ENTITIES:
        page = by_url[doc.url]
        assert page.title == doc.title and all(sentence in page.text for sentence in doc.sentences)
        assert len(page.text) < len(doc.text) + 60  # no menus, banners or footers


def test_links_between_entity_pages_are_kept_across_sites(by_url):
    wanted = {doc.url for doc in ENTITIES}
    for doc in ENTITIES:
        assert {u for u in doc.links if u in wanted} <= set(by_url[doc.url].links), doc.url


def test_records_are_complete(got):
    for page in got:
        assert page.sha256 == text_hash(page.text) and page.text and page.title
        assert page.fetched_at == "2026-01-02" and page.source in crawl.SOURCES
        assert page.robots in ("api", "allowed") and page.url not in page.links
        assert "127.0.0.1" not in json.dumps(dataclasses.asdict(page))
    assert len({p.url for p in got}) == len({p.sha256 for p in got}) == len(got)
    web = [p for p in got if p.source == "web"]
    assert all(p.licence.startswith("https://creativecommons.org/") and p.date for p in web)


def test_every_page_is_kept_or_dropped_for_a_reason(got, by_url):
    reason = {d.url: d.reason for d in got.dropped()}
    kinds = {doc.url: doc.kind for doc in DOCS}
    for url, why in reason.items():
        expected = {"block": "bot block", "dead": ("missing", "status 404"), "noise": "robots.txt: disallowed"}
        assert why in expected.get(kinds.get(url), ("link list", "duplicate")), (url, why)
    assert not [u for u in by_url if kinds.get(u) in ("block", "dead", "disambiguation", "redirect")]
    assert sum(crawl.metrics(got)["dropped_by_reason"].values()) == len(list(got.dropped())) > 0


def test_the_same_web_gives_the_same_pages(got):
    with serve.start([1, 9], pages=200, endpoint=False) as net:
        again = crawl.gather(dataclasses.replace(PLAN, threads=1), net.hosts, day="2026-01-02", progress=False)
    assert again.path.read_bytes() == got.path.read_bytes() and list(again.dropped()) == list(got.dropped())
    assert crawl.metrics(again) == crawl.metrics(got)


def test_pages_of_the_other_web_are_dropped(got):
    small = dataclasses.replace(
        PLAN, arxiv_query="", github_query="", web_roots=(), wiki_roots=("Category:Regions",), depth=0
    )
    with serve.start([1], pages=200, endpoint=False) as net:
        with pytest.raises(ValueError, match="got no page worth keeping.*in the other web"):
            crawl.gather(small, net.hosts, exclude=[got], progress=False)


def test_plain_sites_are_kept_on_disk_for_the_next_time(tmp_path):
    plan = crawl.Plan(web_roots=("http://www.pocket.test/",))
    with serve.start([1], pages=200, endpoint=False) as net:
        first = crawl.gather(plan, net.hosts, day="2026-01-02", progress=False, store=tmp_path / "web.sqlite")
        asked = len(net.log)
        again = crawl.gather(plan, net.hosts, day="2026-01-03", progress=False, store=tmp_path / "web.sqlite")
        assert list(again) == list(first) and len(net.log) == asked  # complete: read from the file
        few = dataclasses.replace(plan, limit=3, parsers=1)
        assert len(crawl.gather(few, net.hosts, progress=False, store=tmp_path / "web.sqlite")) == 3
        assert {path for _, path in net.log[asked:]} == {"/robots.txt"}  # another plan, the same pages
        net.log.clear()
        crawl.gather(plan, net.hosts, day="2026-01-03", progress=False, store=tmp_path / "web.sqlite", refresh=True)
        assert len(net.log) == asked
    with Store(tmp_path / "web.sqlite") as store:
        assert [p.url for p in crawl.stored_pages(store)] == [p.url for p in first]


def test_all_sources_are_kept_on_disk_for_the_next_time(tmp_path):
    with serve.start([1], pages=200, endpoint=False) as net:
        first = crawl.gather(
            PLAN, net.hosts, tmp_path / "a.jsonl", day="2026-01-02", store=tmp_path / "s", progress=False
        )
        asked = len(net.log)
        again = crawl.gather(
            PLAN, net.hosts, tmp_path / "b.jsonl", day="2026-01-03", store=tmp_path / "s", progress=False
        )
        assert len(net.log) == asked and again.path.read_bytes() == first.path.read_bytes()
        crawl.gather(PLAN, net.hosts, day="2026-01-03", store=tmp_path / "s", refresh=True, progress=False)
        assert len(net.log) == 2 * asked
    assert {p.fetched_at for p in first} == {"2026-01-02"} and {p.source for p in first} == set(crawl.SOURCES)


def test_a_crawl_of_other_peoples_sites_needs_a_contact():
    with pytest.raises(ValueError, match="en.wikipedia.org/w/api.php, wanted .* set the parameter `contact`"):
        crawl.gather(crawl.Plan(wiki_roots=("Tea",)), progress=False)
    plan = dataclasses.replace(PLAN, web_roots=("https://example.org/",))
    with pytest.raises(ValueError, match="contact='' for https://example.org/"):
        crawl.gather(
            plan, {f"{h}.pocket.test": "http://127.0.0.1:9" for h in ("wiki", "arxiv", "github")}, progress=False
        )


def test_nothing_found_says_why():
    with pytest.raises(ValueError, match=r"got no page worth keeping \(dropped: .*check the roots of the plan"):
        crawl.gather(crawl.Plan(web_roots=("http://127.0.0.1:9/",), contact="a@b.test"), progress=False)


@pytest.mark.parametrize(
    "options, says",
    [
        ({}, "a plan without roots"),
        ({"web_roots": ("www.pocket.test",)}, "web_roots: got 'www.pocket.test', wanted absolute"),
        ({"wiki_roots": ("A",), "limit": 0}, "limit=0.*wanted limit and threads from 1"),
        ({"wiki_roots": ("A",), "depth": -1}, "depth=-1"),
        ({"wiki_roots": ("A",), "breadth": -1}, "breadth, parsers, wanted numbers from 0"),
    ],
)
def test_bad_plans(options, says):
    with pytest.raises(ValueError, match=says):
        crawl.Plan(**options)


def test_plans_from_parameters():
    values = {
        "wiki_roots": ["A"],
        "arxiv_query": "q",
        "fetchers": 3,
        "heldout_wiki_roots": ["B"],
        "heldout_arxiv_query": "",
    }
    train, heldout = crawl.plans(values)
    assert (train.wiki_roots, train.arxiv_query, train.threads) == (("A",), "q", 3)
    assert (heldout.wiki_roots, heldout.arxiv_query) == (("B",), "q")


@pytest.fixture(scope="module")
def real():
    path = Path(__file__).parent / "benchmarks" / "bench_real_crawl.py"
    spec = importlib.util.spec_from_file_location("bench_real_crawl", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_real_site_the_documentation_that_pydoc_serves(real):
    got, _ = real.crawl_pydoc(12)
    assert len(got) >= 11 and all(p.title.startswith("Pydoc: ") for p in got)
    assert sum(len(p.text) > 200 for p in got) >= 11
    assert all(p.url.startswith("http://pydoc.test/") and p.robots == "allowed" for p in got)
    assert crawl.metrics(got)["links_between_stored_pages"] > 10


def test_real_wikipedia_passages_searched_with_real_questions(real):
    folder = real.wikipedia_folder()
    if not folder.is_dir():
        pytest.skip("no ../shared/data/wikipedia beside the repository: the real passages are not here")
    found = real.search_wikipedia(folder)
    assert (found["pages"], found["questions"], found["questions_with_hits"]) == (6119, 500, 500)
    assert found["questions_that_name_a_page"] > 90
    assert found["named_page_in_top_10"] / found["named_pages"] > 0.95
