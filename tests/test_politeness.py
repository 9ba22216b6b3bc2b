"""Manners by hand: who asks, what robots.txt says, when the next request may go."""

import pytest

from webdancer.web.answer import Fetched
from webdancer.web.politeness import LONGEST, Pace, Rules, check_contact, is_listed, origin, rules, user_agent

URL = "http://a.test/robots.txt"


def read(text, status=200):
    return rules(Fetched(URL, status, "text/plain", text), user_agent("me@b.test"))


def test_a_contact_is_needed_for_a_host_that_is_not_listed():
    hosts = {"a.test": "http://127.0.0.1:1"}
    check_contact("", ["http://a.test/x", "http://A.test:80/"], hosts)
    check_contact("me@b.test", ["https://example.org/"], hosts)
    check_contact("https://b.test/crawl", ["https://example.org/"], {})
    for contact in ("", "me"):
        with pytest.raises(ValueError, match=f"contact='{contact}' for https://example.org/, wanted .* `contact`"):
            check_contact(contact, ["http://a.test/", "https://example.org/"], hosts)
    assert not is_listed("not a url", hosts) and is_listed("http://a.test./", hosts)


def test_the_contact_is_one_line():
    assert user_agent(" me@b.test\r\nx: y ").endswith("; contact: me@b.test x: y)")


def test_robots_txt():
    found = read("User-agent: *\nDisallow: /a\nAllow: /a/b\nCrawl-delay: 7\nSitemap: http://a.test/m.xml")
    assert [found.allows(f"http://a.test/{p}") for p in ("", "a", "a/b")] == ["allowed", "disallowed", "allowed"]
    assert (found.delay(), found.sitemaps()) == (7.0, ["http://a.test/m.xml"])
    assert read("User-agent: *\nRequest-rate: 1/5").delay() == 5.0
    assert read("User-agent: *\nCrawl-delay: 9999").delay() == LONGEST
    ours = "User-agent: webdancer-reproduction\nDisallow: /\n\nUser-agent: *\nAllow: /"
    assert read(ours).allows("http://a.test/x") == "disallowed"


@pytest.mark.parametrize(
    "status, verdict", [(404, "allowed"), (403, "allowed"), (429, "unreachable"), (500, "unreachable")]
)
def test_no_robots_txt(status, verdict):
    found = read("", status)
    assert (found.allows(URL), found.delay(), found.sitemaps()) == (verdict, 0.0, [])
    assert Rules().allows(URL) == "allowed"


def test_origin():
    assert origin("http://a.test:80/x") == origin("http://a.test/y") == "http://a.test"
    assert origin("https://a.test:8443/x?y") == "https://a.test:8443"


def test_pace():
    pace = Pace()
    assert [pace.book("a", 10.0, 2.0) for _ in range(3)] == [10.0, 12.0, 14.0]
    assert pace.book("b", 10.0, 2.0) == 10.0 and pace.free("a") == 16.0 and pace.free("c") == 0.0
    pace.hold("a", 30.0)
    pace.hold("b", 1.0)
    assert (pace.free("a"), pace.free("b")) == (30.0, 12.0)
