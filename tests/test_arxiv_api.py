"""The paper site's query: hand-sized feeds, and arxiv unchanged against a served world."""

import arxiv
import pytest
from arxiv import _feed as arxiv_feed
from hypothesis import given
from hypothesis import strategies as st

from pocketweb import pages, serve, world
from pocketweb.arxiv_api import Arxiv, Paper

SITE = "http://arxiv.pocket.test"
PAPERS = (
    Paper("4301.00001v1", "Sparse Tidal Lattices", "On <tides> & grids.", ("Tal Veron",), date="2043-01-02"),
    Paper("4301.00002v1", "Tidal Sparse Codes", "Lattices again.", ("Mira Holt",), "Orlen University", "12 pages"),
    Paper("4301.00003v1", "Quiet Graphs", "A graph of tea.", ("Tal Holt",), categories=("math.CO", "cs.LG")),
)
ARXIV = Arxiv(PAPERS, SITE)


def found(**params: str) -> list[str]:
    status, feed = ARXIV.query({"max_results": "100", **params})
    assert status == 200
    parsed = arxiv_feed.parse(feed.encode())
    assert parsed.header.total_results >= len(parsed.results)
    return [r.entry_id.removeprefix(f"{SITE}/abs/") for r in parsed.results]


A, B, C = "4301.00001v1", "4301.00002v1", "4301.00003v1"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("all:lattices", [A, B]),
        ("ti:lattices", [A]),
        ("abs:lattices", [B]),
        ('ti:"sparse tidal"', [A]),
        ("au:tal_veron", [A]),
        ("au:holt", [B, C]),
        ("co:pages", [B]),
        ("cat:cs.LG", [A, B, C]),
        ("cat:math.*", [C]),
        ("id:4301.00003", [C]),
        ("tidal AND holt", [B]),
        ("tidal ANDNOT holt", [A]),
        ("au:veron OR cat:math.CO", [A, C]),
        ("cat:cs.LG AND (ti:quiet OR ti:codes)", [B, C]),
        ("ti:nothing", []),
    ],
)
def test_search_query(text: str, wanted: list[str]) -> None:
    assert sorted(found(search_query=text)) == wanted


def test_more_words_come_first() -> None:
    assert found(search_query="all:again OR all:tidal OR all:codes")[0] == B


def test_identifiers_with_and_without_version_and_together_with_a_query() -> None:
    assert found(id_list="4301.00003,4301.00001v1,4301.99999") == [C, A]
    assert found(id_list=f"{A},{B}", search_query="au:holt") == [B]
    assert found() == []


def test_sorting_by_date() -> None:
    assert found(search_query="cat:cs.LG", sortBy="submittedDate")[0] == A
    assert found(search_query="cat:cs.LG", sortBy="submittedDate", sortOrder="ascending")[-1] == A


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"id_list": "banana"}, "incorrect id format for banana"),
        ({"search_query": "xx:tea"}, "wanted one of all"),
        ({"search_query": "(ti:tea"}, "never closed"),
        ({"search_query": "ti:tea)"}, "check the brackets"),
        ({"search_query": "ti:tea AND"}, "wanted a search term"),
        ({"search_query": "tea", "start": "-1"}, "start must be an integer"),
        ({"search_query": "tea", "max_results": "5000"}, "at most 2000"),
        ({"search_query": "tea", "sortBy": "colour"}, "sortBy must be in"),
    ],
)
def test_refused_requests_say_why(params: dict, told: str) -> None:
    status, feed = ARXIV.query(params)
    assert status == 400
    assert told in feed


def test_text_is_escaped() -> None:
    _, feed = ARXIV.query({"id_list": A})
    (result,) = arxiv_feed.parse(feed.encode()).results
    assert result.summary == "On <tides> & grids."


@given(size=st.integers(1, 5))
def test_pages_of_any_size_give_every_paper_once(size: int) -> None:
    got = []
    while len(got) < 3:
        got += found(search_query="cat:cs.LG", start=str(len(got)), max_results=str(size))
    assert sorted(got) == [A, B, C]


@pytest.fixture(scope="module")
def built() -> world.World:
    return world.build(1, 200)


@pytest.fixture(scope="module")
def net(built: world.World):
    with serve.start([built], endpoint=False) as net:
        yield net


def client(net: serve.Net, page_size: int = 100) -> arxiv.Client:
    made = arxiv.Client(page_size=page_size, delay_seconds=0)
    made.query_url_format = net.hosts["arxiv.pocket.test"] + "/api/query?{}"
    return made


def test_client_pages_through_all_papers(net: serve.Net, built: world.World) -> None:
    before = len(net.log)
    results = list(client(net, 7).results(arxiv.Search("cat:cs.LG", max_results=None)))
    papers = [d for d in pages.render(built) if d.site == "arxiv"]
    assert sorted(r.entry_id for r in results) == sorted(d.url for d in papers)
    assert len(net.log) - before == -(-len(papers) // 7)


def test_client_reads_every_field(net: serve.Net, built: world.World) -> None:
    doc = next(d for d in pages.render(built) if d.site == "arxiv")
    number = doc.url.rpartition("/")[2]
    (result,) = client(net).results(arxiv.Search(id_list=[number]))
    assert (result.entry_id, result.title, result.summary) == (doc.url, doc.title, doc.text)
    assert all(url in result.comment for url in doc.links)
    assert result.authors[0].name in doc.text
    assert result.authors[0].affiliation[0] in doc.text
    assert (result.primary_category, result.categories) == ("cs.LG", ["cs.LG"])
    assert result.published.date().isoformat() == doc.date
    assert result.pdf_url == f"{SITE}/pdf/{number}"


def test_client_searches_titles_and_limits(net: serve.Net, built: world.World) -> None:
    title = built.of_type("paper")[0].title
    (result,) = client(net).results(arxiv.Search(f'ti:"{title}"'))
    assert result.title == title
    assert len(list(client(net).results(arxiv.Search("cat:cs.LG", max_results=3)))) == 3
    assert list(client(net).results(arxiv.Search("ti:nothing"))) == []


def test_client_reports_a_bad_identifier(net: serve.Net) -> None:
    once = client(net)
    once.num_retries = 0
    with pytest.raises(arxiv.HTTPError, match="400"):
        list(once.results(arxiv.Search(id_list=["banana"])))


def test_papers_as_pdf_some_withdrawn_some_broken() -> None:
    papers = [Paper(f"4301.{k:05d}v1", "Tidal Lattices", "Tides rise.", ("Tal Veron",)) for k in range(200)]
    files = [Arxiv(papers, SITE).pdf(p.id) for p in papers]
    good = [data for data in files if data and data.endswith(b"%%EOF\n")]
    assert all(data.startswith(b"%PDF-1.4\n") for data in files if data)
    assert 2 <= files.count(None) <= 30 and len(good) >= 150
    assert files.count(None) + len(good) < 200  # some break off
    assert ARXIV.pdf("4301.99999v1") is None
