"""One response: its target, its text, what is wrong with it. Bodies and headers written by hand."""

import gzip
import time
from email.utils import formatdate

import httpx
import pytest

from webdancer.web import answer
from webdancer.web.answer import Answer, Fetched, as_it_is, ask, passes, retry_after
from webdancer.web.body import TooLarge

URL = "http://a.test/dir/x"


def result(body=b"", status=200, url=URL, limit=1000, seconds=60.0, accept_pdf=False, **headers):
    headers = {"content-type": "text/html", "content-length": "1"} | {
        k.replace("_", "-"): v for k, v in headers.items()
    }
    it = Answer(url, status, httpx.Headers({k: v for k, v in headers.items() if v}), limit, seconds, accept_pdf)
    if it.wanted:
        it.feed(body)
    return it, it.result()


def test_a_page_with_what_a_later_request_can_ask_with():
    _, got = result(b"<p>tea</p>", etag='"1"', last_modified="Fri, 02 Jan 2026 00:00:00 GMT")
    assert got == Fetched(URL, 200, "text/html", "<p>tea</p>", "", "", '"1"', "Fri, 02 Jan 2026 00:00:00 GMT")
    assert ask("me", got.etag, got.modified)["if-none-match"] == '"1"'
    assert ask("me", got.etag, got.modified)["if-modified-since"] == got.modified
    assert set(ask("me")) == {"user-agent", "accept", "accept-encoding"}
    it, got = result(status=304)
    assert got.not_modified and not it.wanted and not got.error


@pytest.mark.parametrize(
    "location, target",
    [("y", "http://a.test/dir/y"), ("//b.test/", "http://b.test/"), ("https://c.test", "https://c.test")],
)
def test_redirects(location, target):
    it, got = result(status=302, location=location)
    assert (it.target, it.wanted, got.error) == (target, False, "")
    assert result(status=200, location=location)[0].target == "" == result(status=302)[0].target


def test_limits():
    with pytest.raises(TooLarge):
        result(b"x" * 1001)
    with pytest.raises(TooLarge):
        result(gzip.compress(b"x" * 5000), content_encoding="gzip")
    with pytest.raises(TooLarge):
        result(gzip.compress(b"x" * 5000), url="http://a.test/m.xml.gz", content_type="application/gzip")
    assert result(b"x", seconds=-1.0)[1].error == "slower than -1 seconds"


def test_kinds_of_content():
    assert result(b"x", content_type="video/mp4")[1].error == "not text: video/mp4"
    assert result(b"%PDF", content_type="application/pdf")[1].error == "not text: application/pdf"
    assert result(b"%PDF", content_type="application/pdf", accept_pdf=True)[1].body == b"%PDF"
    packed = gzip.compress(b"<urlset/>")
    assert result(packed, url="http://a.test/m.xml.gz", content_type="application/gzip")[1].text == "<urlset/>"
    assert result(packed, content_type="application/gzip")[1].error == "not text: application/gzip"
    assert result("é".encode("latin-1"), content_type="text/html; charset=latin-1")[1].text == "é"


@pytest.mark.parametrize(
    "body, told, cut",
    [
        ("<html><p>tea</p></html>", True, False),
        ("<p>tea", True, False),  # many pages end like that
        ("<html><p>tea</p><a hre", True, True),
        ("<p>if a < b then", True, False),
        ("<html><p>tea</p>", False, True),
        ("<p>tea</p>", False, False),
    ],
)
def test_half_pages(body, told, cut):
    got = result(body.encode(), content_length="9" if told else "")[1]
    assert (got.error == answer.CUT) is cut is passes(got) and got.text == body
    assert as_it_is(got).error == ""


def test_what_may_pass():
    assert all(passes(Fetched(URL, status)) for status in (429, 500, 502, 503, 504))
    assert not any(passes(Fetched(URL, status)) for status in (200, 301, 403, 404, 501))
    assert passes(Fetched(URL, error="connection: ReadTimeout")) and not passes(Fetched(URL, error="refused: x"))


def test_retry_after_as_seconds_or_date():
    assert retry_after(httpx.Headers({"retry-after": "7"})) == 7.0
    assert 28 < retry_after(httpx.Headers({"retry-after": formatdate(time.time() + 30)})) < 31
    assert retry_after(httpx.Headers({"retry-after": formatdate(0)})) == 0.0
    assert retry_after(httpx.Headers({"retry-after": "soon"})) is None
    assert retry_after(httpx.Headers({})) is None
