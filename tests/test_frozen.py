"""Record and replay: the same answers without the network, byte for byte, paid for once, and no secrets in the file."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketweb import serve
from webdancer.core.schema import Page
from webdancer.web.fetch import Fetched, Fetcher
from webdancer.web.frozen import Frozen, FrozenSearch, NotRecorded, without_secrets
from webdancer.web.live import SearchFailed
from webdancer.web.search import Hit, SearchIndex
from webdancer.web.text import clean
from webdancer.web.tools import Tools


class Web:
    """A fetcher that counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: list[Fetched] = []

    def get(self, url: str) -> Fetched:
        self.asked.append(url)
        if self.answers:
            return self.answers.pop(0)
        if "down" in url:
            return Fetched(url, error="connection: ConnectError")
        return Fetched(url + "/", 404 if "none" in url else 200, "text/html", f"text é of\u2028{url}", robots="allowed")


class Backend:
    """A search backend that counts."""

    name = "paid"

    def __init__(self, key: str = "sk-secret") -> None:
        self.key = key
        self.asked: list[tuple[str, int]] = []

    def search(self, query: str, k: int = 10) -> list[Hit]:
        self.asked.append((query, k))
        if query == "broken":
            raise ConnectionError(self.key)
        if query == "busy" and len(self.asked) < 2:
            raise SearchFailed("the search engine gave no results (status 503).")
        return [Hit(f"http://a.test/{i}", f"Title {i}", f"about {query} é", "") for i in range(k)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "web.sqlite"


def test_what_was_recorded_is_replayed_without_a_request(path):
    web = Web()
    with Frozen(path, web) as live:
        first = [live.get("http://a.test"), live.get("http://a.test/none"), live.get("http://a.test")]
    assert web.asked == ["http://a.test", "http://a.test/none"]
    with Frozen(path) as again:
        assert [again.get("http://a.test"), again.get("http://a.test/none"), again.get("http://a.test")] == first
        assert len(again) == 2 and again.mode == "replay"


def test_a_miss_in_replay_is_a_value_for_pages_and_an_exception_for_searches(path):
    Frozen(path, Web()).get("http://a.test")
    assert Frozen(path).get("http://b.test") == Fetched("http://b.test", error="not recorded")
    with pytest.raises(NotRecorded, match="'tea' is not in the recording web.sqlite"):
        FrozenSearch(path).search("tea", 3)


def test_live_writes_nothing_and_remembers_nothing(path):
    web, backend = Web(), Backend()
    frozen, search = Frozen(path, web, "live"), FrozenSearch(path, backend, "live")
    for _ in range(2):
        assert frozen.get("http://a.test").status == 200 and len(search.search("tea", 2)) == 2
    assert len(web.asked) == len(backend.asked) == 2 and not path.exists()
    assert len(frozen) == len(search) == 0


def test_replay_never_asks_even_if_it_could(path):
    web = Web()
    Frozen(path, web).get("http://a.test")
    frozen = Frozen(path, web, "replay")
    assert frozen.get("http://a.test").status == 200 and frozen.get("http://b.test").error == "not recorded"
    assert web.asked == ["http://a.test"]


@pytest.mark.parametrize(
    "mode, source, error, says",
    [
        ("rewind", Web(), ValueError, "got mode 'rewind', wanted one of live, record, replay"),
        ("record", None, ValueError, "nothing to ask"),
        ("live", None, ValueError, "nothing to ask"),
        ("replay", None, FileNotFoundError, "record it first"),
        ("", None, FileNotFoundError, "record it first"),
    ],
)
def test_what_cannot_work_is_said_at_once(path, mode, source, error, says):
    for cls in (Frozen, FrozenSearch):
        with pytest.raises(error, match=says):
            cls(path, source, mode)


def test_failures_are_recorded_so_that_a_replay_repeats_them(path):
    web = Web()
    first = Frozen(path, web).get("http://down.test")
    assert first.error == "connection: ConnectError"
    assert Frozen(path, web).get("http://down.test") == first == Frozen(path).get("http://down.test")
    assert len(web.asked) == 1


def test_failures_that_may_pass_are_asked_again_on_request_and_the_last_answer_counts(path):
    web = Web()
    web.answers = [Fetched("http://a.test", 503, error="status 503"), Fetched("http://b.test", 404, error="status 404")]
    with Frozen(path, web) as frozen:
        assert [frozen.get(f"http://{n}.test").status for n in "ab"] == [503, 404]
    with Frozen(path, web, retry_failed=True) as frozen:
        assert [frozen.get(f"http://{n}.test").status for n in "ab"] == [200, 404]
    assert Frozen(path).get("http://a.test").status == 200 and len(Frozen(path)) == 2
    assert web.asked == ["http://a.test", "http://b.test", "http://a.test"]


def test_two_threads_that_ask_the_same_cost_one_request(path):
    class Slow(Web):
        def get(self, url: str) -> Fetched:
            time.sleep(0.05)
            return super().get(url)

    web, got = Slow(), []
    frozen = Frozen(path, web)
    start = threading.Barrier(8)

    def ask(number: int) -> None:
        start.wait()
        got.append(frozen.get(f"http://a.test/{number % 2}"))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(web.asked) == ["http://a.test/0", "http://a.test/1"]
    assert len(got) == 8 and len(set(got)) == 2


def test_an_exception_reaches_every_thread_and_the_next_call_asks_again(path):
    backend = Backend()
    search = FrozenSearch(path, backend)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            search.search("broken", 3)
    assert len(backend.asked) == 2 and len(search) == 0


def test_a_search_that_failed_fails_again_in_a_replay_until_it_is_asked_again(path):
    backend = Backend()
    with FrozenSearch(path, backend) as search:
        for _ in range(2):
            with pytest.raises(SearchFailed, match="status 503"):
                search.search("busy", 3)
    with pytest.raises(SearchFailed, match="no results .status 503"):
        FrozenSearch(path).search("busy", 3)
    assert len(backend.asked) == 1
    assert len(FrozenSearch(path, backend, retry_failed=True).search("busy", 3)) == 3
    assert len(FrozenSearch(path).search("busy", 3)) == 3


def test_searches_are_known_by_backend_query_and_number(path):
    backend = Backend()
    search = FrozenSearch(path, backend)
    assert search.search("tea", 2) == search.search("tea", 2) == backend.search("tea", 2)
    search.search("tea", 3)
    search.search("Tea", 2)
    other = FrozenSearch(path, SearchIndex.build([Page("http://a.test/", "Tea", "Tea is hot.")]))
    assert other.search("tea", 2) == [Hit("http://a.test/", "Tea", "Tea is hot.")]
    assert backend.asked == [("tea", 2), ("tea", 2), ("tea", 3), ("Tea", 2)] and len(search) == 4
    with pytest.raises(ValueError, match="has searches of SearchIndex, paid: say which with name=..."):
        FrozenSearch(path)
    assert len(FrozenSearch(path, name="paid").search("tea", 3)) == 3


def test_a_replay_without_backend_knows_the_only_name(path):
    FrozenSearch(path, Backend()).search("tea", 2)
    assert [hit.title for hit in FrozenSearch(path).search("tea", 2)] == ["Title 0", "Title 1"]


def test_no_key_or_cookie_is_in_the_file(path):
    web, backend = Web(), Backend("sk-verysecret")
    frozen, search = Frozen(path, web), FrozenSearch(path, backend)
    got = frozen.get("http://joe:hunter22@a.test/x?q=tea&api_key=sk-verysecret&Signature=topsecret#t")
    assert web.asked == ["http://joe:hunter22@a.test/x?q=tea&api_key=sk-verysecret&Signature=topsecret#t"]
    search.search("tea", 1)
    with pytest.raises(ConnectionError):
        search.search("broken", 1)
    data = b"".join(file.read_bytes() for file in path.parent.iterdir())
    for secret in (b"verysecret", b"hunter22", b"topsecret"):
        assert secret not in data
    assert "verysecret" not in got.url and b"q=tea" in data
    replay = Frozen(path)
    assert replay.get("http://joe:hunter22@a.test/x?q=tea&api_key=sk-verysecret&Signature=topsecret#t") == got
    assert replay.get("http://joe:hunter22@a.test/x?q=tea&api_key=sk-other&Signature=topsecret#t").error


def test_secrets_in_urls():
    for plain in ("http://a.test/", "http://a.test/x@y?q=monkey=1&page_token=2", "", "mailto:a@b.test", "/key=1"):
        assert without_secrets(plain) == plain
    # sha256("abc") = ba7816bf..., sha256("a:abc") = 14b51244...
    got = without_secrets("https://a:abc@c.test/?key=abc;SID=abc")
    assert got == "https://~14b51244@c.test/?key=~ba7816bf;SID=~ba7816bf"


@given(st.text(max_size=40))
def test_hiding_secrets_twice_changes_nothing_more(text):
    once = without_secrets("http://" + text + "?token=" + text)
    assert without_secrets(once) == once


@pytest.mark.parametrize("text", ["", "\x00", "\ud800 alone", "😀" * 500, "x" * 257, "line\r\nline\u2028"])
def test_any_text_survives(path, text):
    web = Web()
    web.answers = [Fetched("http://a.test/" + text[:9], 200, "text/html", text)]
    first = Frozen(path, web).get("http://a.test/" + text[:9])
    assert first.text == text == Frozen(path).get("http://a.test/" + text[:9]).text


def test_sitemaps_are_recorded_too(path):
    web = Web()
    web.sitemaps = lambda url: web.asked.append(url) or [url + "map.xml"]
    assert Frozen(path, web, "live").sitemaps("http://a.test/") == ["http://a.test/map.xml"]
    for frozen in (Frozen(path, web), Frozen(path, web), Frozen(path)):
        assert frozen.sitemaps("http://a.test/") == ["http://a.test/map.xml"]
    assert len(web.asked) == 2 and Frozen(path).sitemaps("http://b.test/") == []


OLD = {"asked": "http://a.test", "url": "http://a.test/", "status": 200, "content_type": "text/html", "text": "é" * 300}
OLD |= {"error": "", "robots": "allowed"}


def test_a_file_of_the_earlier_format_opens_and_can_be_recorded_on(tmp_path):
    path = tmp_path / "web.jsonl"
    old = json.dumps(OLD, ensure_ascii=False) + "\n" + '{"asked": "http://b'
    path.write_text(old, encoding="utf-8")
    replay = Frozen(path)
    assert len(replay) == 1 and replay.get("http://a.test").text == "é" * 300
    assert path.read_text(encoding="utf-8") == old  # a replay changes nothing, not even a line that broke off
    web = Web()
    with Frozen(path, web) as frozen:
        assert frozen.get("http://a.test") == replay.get("http://a.test")
        frozen.get("http://c.test")
    assert web.asked == ["http://c.test"] and len(Frozen(path)) == 2
    assert (tmp_path / "web.jsonl.old").read_text(encoding="utf-8") == old


@pytest.mark.parametrize("line", ["not json", "[]", '{"url": "x"}', '{"asked": "x", "colour": 1}'])
def test_a_foreign_line_is_named(tmp_path, line):
    path = tmp_path / "web.jsonl"
    path.write_text(json.dumps(OLD) + "\n" + line + "\n")
    for source in (None, Web()):
        with pytest.raises(ValueError, match="web.jsonl, line 2: got .*wanted a record of Frozen"):
            Frozen(path, source)
    assert not (tmp_path / "web.jsonl.old").exists()


KILLED = """
import sys
from webdancer.web.fetch import Fetched
from webdancer.web.frozen import Frozen
class Web:
    def get(self, url):
        return Fetched(url, 200, "text/html", f"text of {url} " * 400)
frozen = Frozen(sys.argv[1], Web())
for n in range(10_000):
    frozen.get(f"http://a.test/{n}")
    print(n, flush=True)
"""


def test_a_run_killed_at_any_point_leaves_a_whole_file(path):
    path.parent.mkdir()
    command = [sys.executable, "-c", KILLED, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        for _ in range(20):
            told = int(run.stdout.readline())
        os.kill(run.pid, signal.SIGKILL)
    with Frozen(path) as replay:
        for n in range(told + 1):
            assert replay.get(f"http://a.test/{n}").text == f"text of http://a.test/{n} " * 400
    with Frozen(path, Web()) as more:
        more.get("http://b.test")
    assert Frozen(path).get("http://b.test").status == 200


def look(frozen: Frozen, search: FrozenSearch, questions: list[str]) -> list[str]:
    """An agent-like run with new tools: search, visit the best three pages and one that is not there; all it sees."""
    tools, seen = Tools(search, [], reader=frozen, results=5), []
    for question in questions:
        seen += tools.call_many([("search", {"query": [question]})])
        urls = re.findall(r"\]\((\S+)\)\n", seen[-1])[:3] + ["http://www.pocket.test/nowhere"]
        seen += tools.call_many([("visit", {"url": [url], "goal": question}) for url in urls])
    return seen


def test_a_run_over_the_pocket_web_is_repeated_byte_for_byte_with_the_server_down(path):
    questions = ["winner", "sponsor", "held in"]
    home = "http://www.pocket.test/"
    with serve.start([1], pages=200, endpoint=False) as net, Fetcher(net.hosts) as fetcher:
        links = clean(fetcher.get(home).text, home).links
        pages = [Page(link, link.rpartition("/")[2], clean(fetcher.get(link).text, link).text) for link in links]
        index = SearchIndex.build(pages)
        with Frozen(path, fetcher) as frozen, FrozenSearch(path, index) as search:
            first = look(frozen, search, questions)
            asked = len(net.log)
            assert look(frozen, search, questions) == first and len(net.log) == asked  # nothing is paid for twice
    text = "\n".join(first)
    assert text.count("The useful information in http://") >= 6 and "could not be opened (status 404)" in text
    with Frozen(path) as frozen, FrozenSearch(path) as search:
        again = look(frozen, search, questions)
        missing = Tools(search, [], reader=frozen).call_many(
            [("search", {"query": ["another question"]}), ("visit", {"url": ["http://www.pocket.test/"], "goal": "x"})]
        )
    assert "\n".join(again).encode() == text.encode() and again == first
    assert all(observation.startswith("Error: ") and "not in the recording" in observation for observation in missing)
