"""wikipedia-api against the pocket wiki and against small hand-made wikis: any language, any home, any fault."""

import re

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pocketweb import serve, world
from webdancer import sources_wiki
from webdancer.sources_wiki import BY_SA, Wiki, wiki_url, wikipedia
from webdancer.web.journal import Journal

API = "http://wiki.pocket.test/w/api.php"


@pytest.fixture(scope="module")
def net():
    with serve.start([world.build(3, 200)], endpoint=False) as running:
        yield running


def walk(net, roots=("Main Page",), limit=1000, depth=9, threads=4, **options):
    return list(wikipedia(API, roots, net.hosts, limit, depth, threads, 0.0, **options))


def test_two_requests_a_page_and_one_for_the_wiki_itself(net):
    before = len(net.log)
    found = walk(net)
    assert len(net.log) - before <= 2 * len(found) + 1
    assert len([f for f in found if not f.reason]) > 100
    assert all(f.page.licence == "" for f in found)  # the pocket wiki claims none
    assert sum("meta=siteinfo" in path for _, path in net.log) == 1
    assert all("maxlag=5" in path for _, path in net.log)


def test_the_order_does_not_depend_on_the_threads(net):
    found = walk(net)
    assert [f.url for f in found] == [f.url for f in walk(net, threads=1)]
    good = [f for f in found if not f.reason]
    assert all(f.url.startswith("http://wiki.pocket.test/wiki/") for f in good)
    assert all("127.0.0.1" not in link for f in good for link in f.page.links)


def test_a_title_that_leads_elsewhere_is_stored_under_its_target_and_a_missing_one_is_named(net):
    entity = next(e for e in world.build(3, 200).entities if e.aliases and e.type != "event")
    alias, none = walk(net, (entity.aliases[0], "No Such Page"), depth=0)
    assert alias.page.title == entity.title
    assert alias.url == wiki_url("http://wiki.pocket.test/wiki/", entity.title)
    assert none.reason == "missing"


def test_a_category_stands_for_its_pages(net):
    found = walk(net, ("Category:Regions",), depth=0)
    assert {f.page.title for f in found} == {e.title for e in world.build(3, 200).entities if e.type == "region"}


def test_faults_that_pass_lose_no_page(net):
    faults = {"429": 0.1, "500": 0.1, "truncated": 0.1, "retry_after": 0, "failing": 1}
    with serve.start([world.build(3, 200)], endpoint=False, faults=faults) as faulty:
        assert [(f.url, f.reason) for f in walk(faulty)] == [(f.url, f.reason) for f in walk(net)]


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_answers_that_break_off_are_asked_for_again(net, failing):
    """Text and links of a page may each break off: their tries are counted apart."""
    with serve.start([world.build(3, 200)], endpoint=False, faults={"truncated": 1.0, "failing": failing}) as faulty:
        got = walk(faulty, ("Category:Regions",), depth=0)
    assert got == walk(net, ("Category:Regions",), depth=0)


def test_a_category_that_cannot_be_read_is_a_reason():
    with serve.start([3], pages=200, endpoint=False, faults={"redirect": 1.0}) as lost:
        found = walk(lost, ("Category:Regions", "Main Page"))
    assert [f.reason for f in found] == ["error: WikiHttpError"] * 2
    assert found[0].url == "http://wiki.pocket.test/wiki/Category:Regions"


def test_no_address_of_ones_own_network_unless_it_is_listed():
    (found,) = wikipedia("http://127.0.0.1/w/api.php", ["X"], {}, 5, 0, 1, 0.0)
    assert found.reason.startswith("refused: 127.0.0.1 is not a public address")


class Small:
    """A wiki of one page whose answers are given; each is used up by one request, the last stays."""

    def __init__(self, *answers, general=None, rights="", names=None) -> None:
        self.answers, self.asked = list(answers), []
        about = {"general": general or {}, "rightsinfo": {"url": rights}, "namespaces": {"14": names or {}}}
        self.about = {"query": about} if general else {"query": {}}

    async def api(self, request) -> Response:
        self.asked.append((dict(request.query_params), request.headers["user-agent"]))
        if "meta" in request.query_params:
            return JSONResponse(self.about)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def page(**more):
    return JSONResponse({"query": {"pages": {"1": {"pageid": 1, "ns": 0, "title": "Wien", **more}}}})


GOOD = page(extract="Wien liegt an der Donau.", links=[{"ns": 0, "title": "Donau"}, {"ns": 14, "title": "Kategorie:X"}])
GERMAN = {"lang": "de", "server": "https://de.example.test", "articlepath": "/wiki/$1"}


def ask(small, api="https://de.example.test/w/api.php", roots=("Wien",), **options):
    net = serve.Net()
    base = serve._serve(net, Starlette(routes=[Route("/w/api.php", small.api)]), 0, "critical")
    try:
        hosts = {re.sub(r"https?://|/.*", "", api): base}
        return list(wikipedia(api, roots, hosts, 5, 0, 1, 0.0, **options))
    finally:
        net.close()


def test_the_wiki_tells_language_home_and_licence():
    small = Small(GOOD, general=GERMAN, rights="https://licence.test/x")
    (found,) = ask(small, user_agent="tester (mail@example.org)", variant="de-at")
    assert found.url == "https://de.example.test/wiki/Wien" and found.page.licence == "https://licence.test/x"
    assert found.page.links == ("https://de.example.test/wiki/Donau",)
    assert all(agent.startswith("tester (mail@example.org)") for _, agent in small.asked)
    assert small.asked[1][0]["variant"] == "de-at" and found.page.language == "de-AT"
    assert ask(Small(GOOD, general=GERMAN))[0].page.language == "de"


def test_a_home_relative_to_the_protocol_or_with_the_title_in_the_query():
    (found,) = ask(Small(GOOD, general=GERMAN | {"server": "//de.example.test"}))
    assert found.url == "https://de.example.test/wiki/Wien"
    (found,) = ask(Small(GOOD, general=GERMAN | {"articlepath": "/index.php?title=$1"}))
    assert found.url == "https://de.example.test/index.php?title=Wien"


def test_a_wiki_that_tells_nothing_is_guessed_by_its_address():
    (found,) = ask(Small(GOOD), "https://zh.wikipedia.org/w/api.php")
    assert (found.url, found.page.licence) == ("https://zh.wikipedia.org/wiki/Wien", BY_SA)
    (found,) = ask(Small(GOOD), "https://notwikipedia.org/w/api.php")
    assert found.page.licence == ""


def test_a_busy_wiki_is_waited_for_and_half_an_answer_asked_for_again(monkeypatch):
    busy = JSONResponse({"error": {"code": "maxlag", "info": "Waiting for a host: 7 seconds lagged"}})
    half = Response('{"query": {"pages": {"1": {"pag', media_type="application/json")
    small = Small(busy, half, busy, GOOD, half, half, half, GOOD, general=GERMAN)
    (found,) = ask(small)
    assert found.page.text == "Wien liegt an der Donau." and not found.reason


def test_what_never_comes_is_a_reason():
    half = Response('{"query": {"pages"', media_type="application/json")
    refused = JSONResponse({"error": {"code": "readapidenied", "info": "You need read permission."}})
    assert ask(Small(half, general=GERMAN))[0].reason == "error: WikiConnectionError"
    assert ask(Small(refused, general=GERMAN))[0].reason == "refused: the wiki answers readapidenied"


def test_a_title_is_no_category_unless_it_has_a_colon():
    (found,) = ask(Small(GOOD, general=GERMAN, names={"canonical": "Category", "*": "Kategorie"}), roots=("Kategorie",))
    assert not found.reason


def test_about_keeps_the_local_word_for_categories(net):
    client = sources_wiki._client(API, net.hosts, 0.0, "tester", "")
    assert sources_wiki.about(client, API, Journal()) == Wiki(
        "http://wiki.pocket.test/wiki/$1", "", "en", ("Category",)
    )


def test_addresses_of_articles():
    assert wiki_url("http://w.test/wiki/$1", "AC/DC (Band)") == "http://w.test/wiki/AC/DC_(Band)"
    assert wiki_url("http://w.test/wiki/", "北京 市") == "http://w.test/wiki/%E5%8C%97%E4%BA%AC_%E5%B8%82"


def test_what_is_in_the_journal_is_not_asked_for_again(net, tmp_path):
    with Journal(tmp_path / "wiki.sqlite", "2026-01-02") as journal:
        first = walk(net, ("Category:Regions", "No Such Page"), depth=1, journal=journal)
    before = len(net.log)
    with Journal(tmp_path / "wiki.sqlite", "2026-01-05") as journal:
        assert walk(net, ("Category:Regions", "No Such Page"), depth=1, journal=journal) == first
        assert len(net.log) == before  # siteinfo, the category and what is missing are answers too
        assert {f.day for f in first} == {"2026-01-02"}
        other = walk(net, ("Category:Regions",), depth=2, limit=40, journal=journal)  # another plan, the same pages
        assert {f.day for f in other} == {"2026-01-02", "2026-01-05"}
    fresh = [f for f in other if f.day == "2026-01-05"]
    assert len(net.log) - before == sum(1 if f.reason == "missing" else 2 for f in fresh)


def test_what_failed_is_asked_for_again_the_next_time(tmp_path, net):
    roots, path = ("Category:Regions", "Main Page"), tmp_path / "wiki.sqlite"
    with serve.start([world.build(3, 200)], endpoint=False, faults={"redirect": 1.0}) as lost:
        with Journal(path) as journal:
            assert {f.reason for f in walk(lost, roots, depth=0, journal=journal)} == {"error: WikiHttpError"}
            assert journal.names() == []
    with Journal(path) as journal:
        assert walk(net, roots, depth=0, journal=journal) == walk(net, roots, depth=0)


def test_a_real_wiki_is_read_one_article_at_a_time(monkeypatch):
    used = []
    monkeypatch.setattr(sources_wiki, "breadth_first", lambda *arguments: used.append(arguments) or iter(()))
    monkeypatch.setattr(sources_wiki, "about", lambda *_: Wiki("https://de.wikipedia.org/wiki/$1"))
    list(wikipedia("https://de.wikipedia.org/w/api.php", ["Wien"], {}, 5, 0, 8, 1.0))
    assert used[0][4] == 1
