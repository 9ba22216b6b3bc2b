"""The tools of verl's workers: a service where one is named, else the pages of the export."""

import pytest

from webdancer.core.schema import Page, write_jsonl
from webdancer.scale import verl_tools
from webdancer.scale.client import Client
from webdancer.web.search import SearchIndex
from webdancer.web.tools import Tools

PAGES = [Page(f"http://a.test/{w}", w, f"{w} is a town. Its mayor is {w} Lind.", sha256=w) for w in ("Kestin", "Orlen")]


@pytest.fixture
def pages(tmp_path, monkeypatch):
    monkeypatch.delenv(verl_tools.URL, raising=False)
    write_jsonl(tmp_path / "pages.jsonl", PAGES)
    return tmp_path / "pages.jsonl"


def test_without_a_service_the_pages_answer_as_tools_would(pages):
    search, visit = verl_tools.functions(pages, results=1, snippet_words=5, max_observation_chars=300)
    tools = Tools(
        SearchIndex.build(PAGES, snippet_words=5), PAGES, results=1, snippet_words=5, max_observation_chars=300
    )
    calls = [("search", {"query": ["Kestin mayor"]}), ("visit", {"url": ["http://a.test/Orlen"], "goal": "mayor"})]
    assert [search(["Kestin mayor"]), visit(["http://a.test/Orlen"], "mayor")] == tools.call_many(calls)
    assert search.tools is visit.tools and search.tools.results == 1
    again, _ = verl_tools.functions(pages, max_observation_chars=300, snippet_words=5, results=1)
    assert again.tools is search.tools  # one index a process, however often the file is loaded


def test_where_a_service_is_named_it_answers(pages, monkeypatch):
    monkeypatch.setenv(verl_tools.URL, "http://127.0.0.1:9")
    search, visit = verl_tools.functions(pages.with_name("gone.jsonl"), results=1)
    assert isinstance(search.tools, Client) and search.tools is visit.tools
    assert search.tools.url == "http://127.0.0.1:9"


def test_what_cannot_be_is_refused(pages, monkeypatch):
    with pytest.raises(ValueError, match="got the dials .'hits'., wanted results"):
        verl_tools.functions(pages, hits=3)
    with pytest.raises(ValueError, match="limit below 1"):
        verl_tools.functions(pages, results=0)
    with pytest.raises(FileNotFoundError, match="gone.jsonl"):
        verl_tools.functions(pages.with_name("gone.jsonl"))
    monkeypatch.setenv(verl_tools.URL, "localhost:8000")
    with pytest.raises(ValueError, match="wanted the address of a service"):
        verl_tools.functions(pages)
