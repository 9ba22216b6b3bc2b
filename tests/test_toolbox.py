"""The toolbox: stored pages by default; live and recorded where a profile says so; odd settings refused."""

import pytest

from pocketweb import pages, serve, world
from webdancer.core import record
from webdancer.core.schema import Page
from webdancer.web import live, toolbox
from webdancer.web.search import Hit, SearchIndex

PAGE = Page("http://wiki.pocket.test/wiki/Tea", "Tea", "Tea is hot. Tal likes tea.")
PLAIN = {
    "search_results": 2, "snippet_words": 14, "max_observation_chars": 600, "search_engine": "", "live_visits": False,
    "contact": "", "recording": "", "recording_mode": "record",
}  # fmt: skip
LIVE = PLAIN | {"search_engine": "fake", "live_visits": True, "contact": "me@example.org", "recording": "web.sqlite"}


class Engine:
    """An engine that counts what it is asked."""

    name = "fake"

    def __init__(self):
        self.asked = 0

    def search(self, query, k=10):
        self.asked += 1
        return [Hit("http://a.test/", "Start", "The start of the web.", "")]


def ask(tools, *calls):
    return tools.call_many(list(calls))


def test_without_live_parameters_the_tools_are_those_over_the_stored_pages():
    tools = toolbox.build([PAGE], PLAIN)
    assert isinstance(tools.index, SearchIndex) and tools.reader is None
    found, read, lost = ask(
        tools, ("search", {"query": ["tea"]}), ("visit", {"url": [PAGE.url], "goal": "hot"}),
        ("visit", {"url": ["http://www.pocket.test/"], "goal": "start"}),
    )  # fmt: skip
    assert "[Tea](http://wiki.pocket.test/wiki/Tea)" in found and "Tea is hot." in read and lost.startswith("Error: ")


def test_a_live_run_is_recorded_and_replayed_with_the_network_off(tmp_path, monkeypatch):
    monkeypatch.setattr(toolbox, "repo_root", lambda: tmp_path)
    engine = Engine()
    monkeypatch.setattr(live, "engine", lambda name: engine)
    event = next(d for d in pages.render(world.build(1, 200)) if d.url.startswith("http://www.pocket.test/events/"))
    calls = [("search", {"query": ["start"]}), ("visit", {"url": [event.url], "goal": event.title})]
    with serve.start([1], pages=200, endpoint=False) as net:
        recorded = ask(toolbox.build([PAGE], LIVE, hosts=net.hosts), *calls)
    assert engine.asked == 1 and f"useful information in {event.url}" in recorded[1]
    again = toolbox.build([PAGE], LIVE | {"recording_mode": "replay", "contact": ""})
    assert ask(again, *calls) == recorded and engine.asked == 1
    missed = ask(again, ("search", {"query": ["other"]}))[0]
    assert missed.startswith("Error: ") and "replay" in missed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recording_mode": "cached"}, "recording_mode='cached', wanted one of live, record, replay"),
        ({"recording_mode": "replay", "recording": ""}, "no recording, wanted the file"),
        ({"contact": ""}, "contact='', wanted an e-mail address"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        toolbox.build([PAGE], LIVE | change)


def test_a_recording_that_is_not_there_cannot_be_replayed(tmp_path, monkeypatch):
    monkeypatch.setattr(toolbox, "repo_root", lambda: tmp_path)
    with pytest.raises(FileNotFoundError):
        toolbox.build([PAGE], LIVE | {"recording_mode": "replay"})


def test_the_file_of_a_recording_lies_under_the_repository():
    assert record.repo_root().is_dir() and not (record.repo_root() / "web.sqlite").exists()
