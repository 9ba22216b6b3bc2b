"""Cleaning by hand-made pages: what stays, what goes, and why a page is not kept."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webdancer.web import text
from webdancer.web.text import block_reason, canonical, clean, markdown, tidy, urls_in

PAGE = """<!DOCTYPE html><html><head><title>Kestin | News</title>
<meta property="article:published_time" content="2041-08-17T10:00:00Z">
<link rel="license" href="/licence"><script>var lost = 1;</script></head>
<body><nav><a href="/">Home</a></nav><main><article><h1>Kestin</h1><time datetime="2041-08-17">17 August</time>
<p>The mayor of Kestin is <a href="../wiki/Tal_Veron_(chemist)#life">Tal Veron</a>. It lies by a lake.</p>
<p>It was <b>founded</b> in 1901 &amp; burnt twice, as <a href="http://b.test">others</a> say.</p></article></main>
<footer>All times are local. <a href="mailto:x@y">Mail</a></footer></body></html>"""


def test_a_page_is_read_like_a_reader_does():
    got = clean(PAGE, "http://a.test/news/kestin")
    assert got.title == "Kestin"
    assert "The mayor of Kestin is Tal Veron. It lies by a lake." in got.text
    assert "It was founded in 1901 & burnt twice, as others say." in got.text
    assert "Home" not in got.text and "lost" not in got.text and "local" not in got.text
    assert got.links == ("http://a.test/", "http://a.test/wiki/Tal_Veron_(chemist)", "http://b.test/")
    assert (got.licence, got.date) == ("http://a.test/licence", "2041-08-17")


def test_the_heading_is_the_title_and_not_repeated_in_the_text():
    assert not clean(PAGE, "http://a.test/x").text.startswith("Kestin\n")
    two = clean("<title>Site</title><h1>A</h1><h1>B</h1><p>Some words of text.</p>", "http://a.test/")
    assert two.title == "Site"


@pytest.mark.parametrize("markup", ["", "   ", "\x00", "<html></html>", "<!-- nothing -->", "<p></p>"])
def test_a_page_without_text_is_empty_and_dropped(markup):
    got = clean(markup, "http://a.test/x")
    assert got.text == "" and block_reason(got.title, got.text) == "empty"


def test_broken_markup_gives_what_can_be_read():
    got = clean("<p>Tal <b>Veron <a href='/x'>was born<p>in Kestin", "http://a.test/")
    assert "Tal" in got.text and "in Kestin" in got.text and got.links == ("http://a.test/x",)
    assert clean("<?xml version='1.0' encoding='utf-8'?><html><p>fine words</p></html>", "http://a.test/").text


def test_base_href_is_honoured():
    got = clean("<base href='http://c.test/d/'><p>Text with a <a href='e'>link</a>.</p>", "http://a.test/")
    assert got.links == ("http://c.test/d/e",)


def test_deep_markup_does_not_break_the_cleaner():
    assert isinstance(clean("<div>" * 3000 + "deep" + "</div>" * 3000, "http://a.test/").text, str)
    forgotten = "<p>a<font>" * 400 + "The end of a page whose tags nobody closed."
    assert clean(forgotten, "http://a.test/").text.endswith("nobody closed.")


WIKI = """<html lang=en><head><title>Harrow Vale - Openpedia</title></head><body>
<div id=mw-head><a href=/>Main</a></div>
<div id=content role=main><h1>Harrow Vale</h1><div class=mw-parser-output>
<table class=infobox><tr><th>Country<td><a href=/wiki/Merrow>Merrow</a></tr><tr><th>Mayor<td>Ann Teal</tr></table>
<p><b>Harrow Vale</b> is a town in <a href=/wiki/Merrow>Merrow</a>.<sup class=reference><a href=#c1>[1]</a></sup></p>
<div class=toc><ul><li><a href=#h>History</a></ul></div>
<h2>History<span class=mw-editsection>[<a href=/w>edit</a>]</span></h2><p>A fire destroyed it in 1653.</p>
<h2>Twin towns</h2><ul><li><a href=/wiki/Sorn>Sorn</a><li><a href=/wiki/Belmar>Belmar</a></ul></div></div>
<div id=footer>Text under <a rel=license href=//creativecommons.org/licenses/by-sa/4.0/>CC</a></div></body></html>"""


def test_a_wiki_page_keeps_its_facts_headings_and_lists():
    got = clean(WIKI, "https://w.test/wiki/Harrow_Vale")
    assert got.text.split("\n") == [
        "Country: Merrow",
        "Mayor: Ann Teal",
        "Harrow Vale is a town in Merrow.",
        "## History",
        "A fire destroyed it in 1653.",
        "## Twin towns",
        "- Sorn",
        "- Belmar",
    ]
    assert {"https://w.test/wiki/Merrow", "https://w.test/wiki/Sorn", "https://w.test/wiki/Belmar"} < set(got.links)
    assert (got.title, got.language) == ("Harrow Vale", "en")
    assert got.licence == "https://creativecommons.org/licenses/by-sa/4.0/"


def test_a_chinese_news_page():
    page = """<html lang=zh-CN><title>新馆开放_河湾日报</title><div class=nav><a href=/>首页</a></div>
    <div class=main><h1>新馆开放</h1><div class=content>
    <p>　　新馆将于<a href=/six>周六</a>上午九时正式向公众开放，藏书四十万册。</p>
    <table><tr><th>日期<th>时间</tr><tr><td>周二至周五<td>9:00</tr></table></div></div>"""
    got = clean(page, "http://n.test/1")
    assert got.text.split("\n") == [
        "新馆将于周六上午九时正式向公众开放，藏书四十万册。",
        "日期: 周二至周五 | 时间: 9:00",
    ]
    assert (got.title, got.language, got.links) == ("新馆开放", "zh-CN", ("http://n.test/", "http://n.test/six"))


_TAGS = (
    "table",
    "tr",
    "td",
    "th",
    "ul",
    "li",
    "dl",
    "dt",
    "dd",
    "main",
    "article",
    "h1",
    "pre",
    "a",
    "div",
    "form",
    "p",
)
_PIECES = st.one_of(
    st.sampled_from([f"<{tag}>" for tag in _TAGS] + [f"</{tag}>" for tag in _TAGS]),
    st.sampled_from(
        ["<!--", "-->", "&amp;", "&#0;", "<td rowspan=9 colspan=99999>", "<div class=sidebar>", "\x00", "\ud800"]
    ),
    st.text(max_size=12),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(_PIECES, max_size=60))
def test_any_soup_of_tags_is_read_without_an_error(pieces):
    got = clean("".join(pieces), "http://a.test/x")
    assert tidy(got.text) == got.text and 0.0 <= got.link_share <= 1.0
    block_reason(got.title, got.text, link_share=got.link_share)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(body):
    assert clean(body.decode("utf-8", "replace"), "http://a.test/").text is not None
    assert clean(body.decode("latin-1"), "http://a.test/").text is not None


@pytest.mark.parametrize(
    "piece", ["<p>word <a href=/x>link</a></p>", "<div class=content>w", "<td rowspan=9>a", "<b>", "<li>a"]
)
def test_twice_the_markup_takes_no_more_than_a_few_times_as_long(piece):
    """Megabytes take seconds, not hours: time grows with size, with room for a busy machine."""

    def seconds(times: int) -> float:
        started = time.thread_time()  # of this thread alone: other tests leave threads that work on
        clean("<table>" + piece * times, "http://a.test/x")
        return time.thread_time() - started

    few = min(seconds(2_500) for _ in range(2))
    assert min(seconds(10_000) for _ in range(2)) < 12 * few + 0.5


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.text(max_size=20))
def test_any_markup_is_read_without_an_error(markup, url):
    got = clean(markup, url)
    assert all(link.startswith(("http://", "https://")) for link in got.links)
    assert tidy(got.text) == got.text


def test_link_lists_are_told_from_texts():
    items = "".join(f'<li><a href="/{i}">Page number {i}</a></li>' for i in range(20))
    got = clean(f"<h1>Index</h1><ul>{items}</ul>", "http://a.test/")
    assert got.link_share > 0.9 and block_reason(got.title, got.text, link_share=got.link_share) == "link list"
    assert clean(PAGE, "http://a.test/").link_share < 0.3


@pytest.mark.parametrize(
    "title, body, reason",
    [
        ("Kestin", "Kestin lies by a lake.", ""),
        ("Just a moment...", "Checking your browser before you can go on.", "bot block"),
        ("a.test", "Verify you are human. Ray ID: 8a7f", "bot block"),
        ("Attention Required! | Cloudflare", "Please enable cookies.", "bot block"),
        ("404 Not Found", "nginx", "error page"),
        ("Oops", "Page not found.", "error page"),
        ("Kestin", "", "empty"),
        ("Kestin", " -- . --", "empty"),
        ("Tal Veron", "Tal Veron may refer to several people. One is a chemist.", "disambiguation"),
        ("Mercury (disambiguation)", "Mercury is a planet.", "disambiguation"),
        ("Page fault", "A page not found in memory is loaded from disk.", ""),
        ("404 Street", "A street in Kestin with 404 houses.", ""),
        ("Captcha", "Are you a robot? " + "The test was invented long ago. " * 40, ""),
        ("Moment", "It may take a moment.", ""),
    ],
)
def test_reasons(title, body, reason):
    assert block_reason(title, body) == reason


def test_the_status_counts_first():
    assert block_reason("Kestin", "Kestin lies by a lake.", 503) == "status 503"


@pytest.mark.parametrize(
    "url, base, expected",
    [
        ("HTTP://A.Test", "", "http://a.test/"),
        ("https://a.test:443/x#y", "", "https://a.test/x"),
        ("http://a.test:8080/x", "", "http://a.test:8080/x"),
        ("../b?q=%20#c", "http://a.test/x/y", "http://a.test/b?q=%20"),
        ("//b.test/x", "https://a.test/", "https://b.test/x"),
        ("http://a.test/Tal%5FVeron_%28chemist%29", "", "http://a.test/Tal_Veron_(chemist)"),
        ("http://a.test/caf%c3%a9 au lait", "", "http://a.test/caf%C3%A9%20au%20lait"),
        ("mailto:x@y.test", "http://a.test/", ""),
        ("javascript:void(0)", "http://a.test/", ""),
        ("x", "", ""),
        ("http://a.test:port/", "", ""),
        ("http://[::1/", "", ""),
    ],
)
def test_one_spelling(url, base, expected):
    assert canonical(url, base) == expected


@given(st.text(max_size=40))
def test_a_spelling_is_stable(path):
    once = canonical("http://a.test/" + path)
    assert canonical(once) == once


def test_markdown_of_a_readme():
    source = (
        "# velmar-parser\n\n![badge](http://b.test/x.svg) The owner is [Orlen *Optics*](http://a.test/Orlen_(firm)).\n"
        "- see [docs](docs/a.md 'title') and https://c.test/d.\n```\ncode\n```\n<br>**Bold** `x`\n"
    )
    got = markdown(source, "http://g.test/o/n/blob/main/")
    assert got.title == "velmar-parser"
    assert "The owner is Orlen *Optics*." in got.text and "badge" not in got.text and "```" not in got.text
    assert got.text.endswith("Bold x")
    assert got.links == ("http://a.test/Orlen_(firm)", "http://g.test/o/n/blob/main/docs/a.md", "https://c.test/d")
    assert markdown("", "http://g.test/") == text.Cleaned("", "")


def test_urls_written_out():
    found = urls_in("Links: http://w.test/Tal_(chemist) http://w.test/B. (https://c.test/?a=1), http://w.test/B")
    assert found == ("http://w.test/Tal_(chemist)", "http://w.test/B", "https://c.test/?a=1")


def test_hostile_markdown_takes_no_time():
    assert markdown("[" * 20_000 + "](" * 5_000, "http://a.test/").links == ()
