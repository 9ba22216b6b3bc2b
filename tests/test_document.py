"""What is kept of an answer."""

import pytest

from webdancer.web import document as module
from webdancer.web.answer import Fetched
from webdancer.web.document import Document, document, redirect, sitemap


@pytest.mark.parametrize(
    "got, reason",
    [
        (Fetched("http://a.test/x", 200, "text/html", "<p>Kestin lies by a lake.</p>"), ""),
        (Fetched("http://a.test/x", 200, "text/html", "<p></p>"), "empty"),
        (Fetched("http://a.test/x", 403, "text/html", "<title>Just a moment...</title>x", "status 403"), "bot block"),
        (Fetched("http://a.test/x", 404, "text/html", "<p>A long story.</p>", "status 404"), "status 404"),
        (Fetched("http://a.test/x", 200, "application/json", "{}"), "not a page: application/json"),
        (Fetched("http://a.test/x.txt", 200, "text/plain", "Kestin lies by a lake."), ""),
        (Fetched("http://a.test/x", error="connection: ConnectError"), "connection: ConnectError"),
    ],
)
def test_a_page_or_a_reason(got, reason):
    found = document(got, "http://a.test/asked")
    assert (found.asked, found.reason, found.robots) == ("http://a.test/asked", reason, "not asked")
    assert found.url.startswith("http://a.test/x")


def test_a_cleaner_that_breaks_costs_one_page(monkeypatch):
    monkeypatch.setattr(module, "clean", lambda *a: 1 / 0)
    got = Fetched("http://a.test/x", 200, "text/html", "<p>x</p>", robots="allowed", etag="e")
    assert document(got, "http://a.test/x").reason == "error: unreadable HTML"


def test_redirects_keep_two_spellings_of_one_address_apart():
    assert redirect("http://a.test/x", "HTTP://A.test:80/y#z", "allowed").target == "http://a.test/y"
    assert redirect("http://a.test/~x", "http://a.test/%7Ex#y", "allowed").target == "http://a.test/%7Ex"
    assert (
        redirect("http://a.test/x", "mailto:me@a.test", "allowed").reason == "refused: a redirect to mailto:me@a.test"
    )


def test_sitemaps():
    index = "<sitemapindex><sitemap><loc> http://a.test/1.xml </loc></sitemap></sitemapindex>"
    assert sitemap(Fetched("", text=index)) == (True, ["http://a.test/1.xml"])
    assert sitemap(Fetched("", text="<loc><![CDATA[http://a.test/x]]></loc>")) == (False, ["http://a.test/x"])
    assert sitemap(Fetched("", 200, "text/plain", "http://a.test/x\nno\n")) == (False, ["http://a.test/x"])
    assert sitemap(Fetched("", 404, "text/html", "none")) == (False, [])


def test_defaults():
    assert Document("u", "a").page.text == "" and Document("u", "a").target == ""
