"""Record and replay: the same answers without the network, and files that broke off."""

import pytest

from webdancer.web.fetch import Fetched
from webdancer.web.frozen import Frozen


class Web:
    """A fetcher that counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def get(self, url: str) -> Fetched:
        self.asked.append(url)
        if "down" in url:
            return Fetched(url, error="connection: ConnectError")
        return Fetched(url + "/", 404 if "none" in url else 200, "text/html", f"text é of\u2028{url}", robots="allowed")


def test_what_was_recorded_is_replayed_without_a_request(tmp_path):
    web, path = Web(), tmp_path / "deep" / "web.jsonl"
    live = Frozen(path, web)
    first = [live.get("http://a.test"), live.get("http://a.test/none"), live.get("http://a.test")]
    assert web.asked == ["http://a.test", "http://a.test/none"]
    again = Frozen(path)
    assert [again.get("http://a.test"), again.get("http://a.test/none"), again.get("http://a.test")] == first
    assert len(again) == 2


def test_what_is_not_recorded_is_a_value(tmp_path):
    assert Frozen(tmp_path / "none.jsonl").get("http://a.test").error == "not recorded"


def test_broken_connections_are_not_recorded(tmp_path):
    live = Frozen(tmp_path / "web.jsonl", Web())
    assert live.get("http://down.test").error.startswith("connection")
    assert len(live) == 0 and not live.path.exists()


def test_a_last_line_that_broke_off_is_cut_and_recording_goes_on(tmp_path):
    path = tmp_path / "web.jsonl"
    Frozen(path, Web()).get("http://a.test")
    whole = path.read_text()
    path.write_text(whole + '{"asked": "http://b')
    again = Frozen(path, Web())
    assert len(again) == 1
    again.get("http://c.test")
    assert len(Frozen(path)) == 2 and path.read_text().startswith(whole)
    path.write_text('{"asked": "http://b')
    assert len(Frozen(path)) == 0 and path.read_text() == ""


@pytest.mark.parametrize("line", ["not json", "[]", '{"url": "x"}', '{"asked": "x", "colour": 1}'])
def test_a_foreign_line_is_named(tmp_path, line):
    path = tmp_path / "web.jsonl"
    Frozen(path, Web()).get("http://a.test")
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ValueError, match="web.jsonl, line 2: got .*wanted a record of Frozen"):
        Frozen(path)
