"""The wiki's api.php: hand-sized queries, and wikipedia-api unchanged against a served world."""

import pytest
import wikipediaapi
from hypothesis import given
from hypothesis import strategies as st

from pocketweb import pages, serve, world
from pocketweb.wiki_api import Article, Wiki, normal

SITE = "http://wiki.pocket.test"
ARTICLES = (
    Article("Orlen Ford", "Orlen Ford is a city. The mayor is Tal Veron.", ("Tal Veron", "Nowhere"), ("Cities",)),
    Article("Tal Veron", "Tal Veron is a mayor. Tea & rain.\n\nMore on Tal.", ("Orlen Ford",), ("People", "Mayors")),
    Article("Ford Prize", "A prize of Orlen Ford.", ("Orlen Ford", "Tal Veron"), ("Prizes",)),
)
WIKI = Wiki(ARTICLES, {"Port Orlen": "Orlen Ford"}, SITE)


def query(**params: str) -> dict:
    return WIKI.query({"action": "query", "format": "json", "redirects": "1", **params})


def test_extract_as_text_first_sentence_introduction_and_html() -> None:
    def extract(**params: str) -> str:
        (page,) = query(titles="Tal Veron", prop="extracts", **params)["query"]["pages"].values()
        return page["extract"]

    assert extract(explaintext="1") == "Tal Veron is a mayor. Tea & rain.\n\nMore on Tal."
    assert extract(explaintext="1", exsentences="1") == "Tal Veron is a mayor."
    assert extract(explaintext="1", exintro="1") == "Tal Veron is a mayor. Tea & rain."
    assert extract() == "<p>Tal Veron is a mayor. Tea &amp; rain.</p>\n<p>More on Tal.</p>"


def test_titles_are_normalised_and_redirected() -> None:
    answer = query(titles="port_Orlen", prop="info")["query"]
    assert answer["normalized"] == [{"from": "port_Orlen", "to": "Port Orlen"}]
    assert answer["redirects"] == [{"from": "Port Orlen", "to": "Orlen Ford"}]
    (page,) = answer["pages"].values()
    assert page["title"] == "Orlen Ford"
    assert page["fullurl"] == "http://wiki.pocket.test/wiki/Orlen_Ford"
    assert page["length"] == len("Orlen Ford is a city. The mayor is Tal Veron.")


def test_missing_pages_have_negative_numbers() -> None:
    found = query(titles="Nowhere|Orlen Ford|Elsewhere", prop="info")["query"]["pages"]
    assert {key: page.get("missing") for key, page in found.items()} == {"2": None, "-1": "", "-2": ""}


def test_links_go_on_where_the_last_answer_stopped() -> None:
    first = query(titles="Ford Prize", prop="links", pllimit="1")
    assert first["query"]["pages"]["1"]["links"] == [{"ns": 0, "title": "Orlen Ford"}]
    assert "batchcomplete" not in first
    second = query(titles="Ford Prize", prop="links", pllimit="1", plcontinue=first["continue"]["plcontinue"])
    assert second["query"]["pages"]["1"]["links"] == [{"ns": 0, "title": "Tal Veron"}]
    assert "continue" not in second


@given(limit=st.integers(1, 9))
def test_continuation_gives_every_row_once(limit: int) -> None:
    titles = "Orlen Ford|Tal Veron|Ford Prize"
    rows, params = [], {}
    while True:
        answer = query(titles=titles, prop="links", pllimit=str(limit), **params)
        rows += [(p["title"], r["title"]) for p in answer["query"]["pages"].values() for r in p.get("links", ())]
        if "continue" not in answer:
            break
        params = answer["continue"]
    assert rows == [(a.title, link) for a in sorted(ARTICLES, key=lambda a: a.title) for link in sorted(a.links)]


def test_categories_members_and_backlinks() -> None:
    (page,) = query(titles="Tal Veron", prop="categories", cllimit="500")["query"]["pages"].values()
    assert [c["title"] for c in page["categories"]] == ["Category:Mayors", "Category:People"]
    members = query(list="categorymembers", cmtitle="Category:Cities")["query"]["categorymembers"]
    assert [m["title"] for m in members] == ["Orlen Ford"]
    backlinks = query(list="backlinks", bltitle="Orlen Ford")["query"]["backlinks"]
    assert [b["title"] for b in backlinks] == ["Ford Prize", "Tal Veron"]


def test_search_wants_all_words_and_puts_titles_first() -> None:
    answer = query(list="search", srsearch="orlen ford")["query"]
    assert answer["searchinfo"] == {"totalhits": 2}
    assert [hit["title"] for hit in answer["search"]] == ["Orlen Ford", "Ford Prize"]
    one = query(list="search", srsearch="mayor", srlimit="1")
    assert one["query"]["searchinfo"]["totalhits"] == 2
    assert one["continue"]["sroffset"] == 1
    assert 'The <span class="searchmatch">mayor</span> is' in one["query"]["search"][0]["snippet"]
    assert query(list="search", srsearch="orlen prize", srwhat="title")["query"]["search"] == []
    tea = query(list="search", srsearch="tea amp")["query"]
    assert tea["search"] == []  # the text holds "&", and only its HTML form holds "amp"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"action": "edit"}, "badvalue"),
        ({"format": "xml"}, "badvalue"),
        ({"list": "everything"}, "badvalue"),
        ({"list": "search", "srsearch": ""}, "missingparam"),
        ({"list": "random", "rnlimit": "many"}, "badinteger"),
        ({"list": "backlinks", "bltitle": "Orlen Ford", "blcontinue": "x"}, "badcontinue"),
    ],
)
def test_refused_requests_say_why(params: dict, code: str) -> None:
    assert query(**params)["error"]["code"] == code


def test_unknown_properties_only_warn() -> None:
    assert "coordinates" in query(titles="Orlen Ford", prop="coordinates")["warnings"]["query"]["*"]


@given(st.text())
def test_normal_is_idempotent(title: str) -> None:
    assert normal(normal(title)) == normal(title)


@pytest.fixture(scope="module")
def built() -> world.World:
    return world.build(1, 200)


@pytest.fixture(scope="module")
def client(built: world.World):
    with serve.start([built], endpoint=False) as net:

        class PocketWikipedia(wikipediaapi.Wikipedia):
            def _build_url(self, language: str) -> str:
                return net.hosts["wiki.pocket.test"] + "/w/api.php"

        yield PocketWikipedia("webdancer-tests/0.1", "en")


def test_client_reads_text_summary_links_and_categories(client: wikipediaapi.Wikipedia, built: world.World) -> None:
    doc = next(d for d in pages.render(built) if d.site == "wiki" and d.kind == "entity")
    page = client.page(doc.title)
    assert page.exists()
    assert page.text == page.summary == doc.text
    assert page.fullurl == doc.url
    assert {pages.wiki_url(title) for title in page.links} == {u for u in doc.links if u.startswith(SITE)}
    assert {c.removeprefix("Category:") for c in page.categories} == set(doc.categories)


def test_client_follows_continuation(client: wikipediaapi.Wikipedia, built: world.World) -> None:
    doc = max((d for d in pages.render(built) if d.site == "wiki"), key=lambda d: len(d.links))
    page = client.page(doc.title)
    assert sorted(client.links(page, pllimit=2)) == sorted(client.page(doc.title).links)
    assert len(page.links) > 4


def test_client_follows_a_redirect(client: wikipediaapi.Wikipedia, built: world.World) -> None:
    entity = next(e for e in built.entities if e.aliases)
    page = client.page(entity.aliases[0])
    assert page.exists()
    assert page.title == entity.title
    assert page.text == client.page(entity.title).text


def test_client_finds_missing_pages_missing(client: wikipediaapi.Wikipedia, built: world.World) -> None:
    dead = next(d for d in pages.render(built) if d.kind == "dead" and d.site == "wiki")
    page = client.page(dead.title)
    assert not page.exists()
    assert (page.text, dict(page.links)) == ("", {})


def test_client_searches_and_lists_categories(client: wikipediaapi.Wikipedia, built: world.World) -> None:
    city = built.of_type("city")[0]
    found = client.search(city.title)
    assert next(iter(found.pages)) == city.title
    members = client.page("Category:Cities", ns=wikipediaapi.Namespace.CATEGORY).categorymembers
    assert set(members) == {c.title for c in built.of_type("city")}
    assert all(found.pages[t].pageid == client.page(t).pageid for t in list(found.pages)[:3])
    assert city.title in client.page(next(iter(client.page(city.title).links))).backlinks
    assert len(client.random(limit=5)) == 5


def test_main_page_leads_to_every_region(client: wikipediaapi.Wikipedia, built: world.World) -> None:
    assert set(client.page("Main Page").links) == {r.title for r in built.of_type("region")}


def test_siteinfo_tells_home_language_and_no_licence() -> None:
    asked = {"action": "query", "format": "json", "meta": "siteinfo", "siprop": "general|rightsinfo|namespaces|odd"}
    told = Wiki([], {}, "http://wiki.pocket.test").query(asked)["query"]
    general = told["general"]
    assert (general["server"], general["articlepath"], general["lang"]) == ("http://wiki.pocket.test", "/wiki/$1", "en")
    assert told["rightsinfo"]["url"] == "" and told["namespaces"]["14"]["canonical"] == "Category"
    assert told.keys() == {"general", "rightsinfo", "namespaces"}
