"""Pages as lines: headings, lists and tables by hand-made pieces of HTML."""

import pytest
from lxml import html

from webdancer.web.html_lines import Line, heading, lines, visible


def told(markup: str, **options) -> list[str]:
    return [line.text for line in lines(html.fromstring(f"<div>{markup}</div>"), **options)]


def test_headings_keep_their_rank():
    assert told("<h1>A</h1><h2>B <i>c</i></h2><p>d</p><h3></h3><h4>E</h4>") == ["# A", "## B c", "d", "#### E"]


def test_the_heading_that_is_the_title_is_left_out():
    assert told("<h1>Tea<a href='#t'>¶</a></h1><p>It is hot.</p>", title="Tea") == ["It is hot."]


def test_lists_keep_dash_and_number():
    assert told("<ul><li>a<li><p>b</p></ul><ol><li>x<li>y<ul><li>z</ul></ol>") == ["- a", "- b", "1. x", "2. y", "- z"]


def test_a_term_and_its_definition_share_a_line_if_that_is_all():
    assert told("<dl><dt>Motto</dt><dd>Stand</dd><dt>f(x)</dt><dd><p>Long.</p></dd></dl>") == [
        "Motto: Stand",
        "f(x)",
        "Long.",
    ]


def test_inline_markup_does_not_break_words_or_lines():
    assert told("<p>El<b>le</b>n <a href='/x'>Teal</a>,<br>mayor<!-- no --> of Sorn</p>") == [
        "Ellen Teal,",
        "mayor of Sorn",
    ]


def test_code_keeps_its_lines():
    assert told("<pre><span>if</span> a:\n    b()\n\nc()</pre>") == ["if a:", "b()", "c()"]


def test_a_row_names_its_columns():
    got = told(
        "<table><caption>Census</caption><tr><th>Year<th>People</tr><tr><td>1900<td>4,210</tr><tr><td>1950<td></tr></table>"
    )
    assert got == ["Census", "Year: 1900 | People: 4,210", "1950"]


def test_a_row_with_its_own_heading():
    assert told("<table><tr><th>Mayor<td>Ann Teal</tr><tr><th>Area<td>9 ha<td>2020</tr></table>") == [
        "Mayor: Ann Teal",
        "Area: 9 ha | 2020",
    ]


def test_cells_that_stand_over_rows_and_columns():
    table = (
        "<table><tr><th>Line<th>From<th>To</tr><tr><td rowspan=2>12<td>Sorn<td>Belmar</tr><tr><td>Brae<td>Ilmen</tr>"
        "<tr><td colspan=2>closed<td>today</tr></table>"
    )
    assert told(table) == [
        "Line: 12 | From: Sorn | To: Belmar",
        "Line: 12 | From: Brae | To: Ilmen",
        "Line: closed | To: today",
    ]


def test_lists_in_a_cell_are_one_row():
    assert told("<table><tr><td>a<ul><li>b<li>c</ul><td>d</tr></table>") == ["a; b; c | d"]


@pytest.mark.parametrize(
    "table",
    [
        "<table><tr><td>menu<td><table><tr><td>x<td>y</tr></table></tr></table>",
        "<table role=presentation><tr><td>menu<td>x<td>y</tr></table>",
    ],
)
def test_a_table_that_arranges_the_page_is_blocks(table):
    assert told(table)[0] == "menu"


def test_what_is_left_out():
    noise = (
        "<nav>n</nav><script>s</script><div class='cookie-banner'>c</div><div id=newsletter>l</div><div hidden>h</div>"
        "<div role=dialog>d</div><p>It<sup class=reference><a href=#1>[1]</a></sup> is tea.</p><aside>a</aside>"
        "<aside class='admonition note'>Hot!</aside><time>1 May</time><p>On <time>2 May</time>.</p>"
    )
    assert told("<p>A long paragraph about tea that is most of the page.</p>" + noise)[1:] == [
        "It is tea.",
        "Hot!",
        "On 2 May.",
    ]


def test_a_box_with_most_of_the_text_is_no_box():
    assert told("<div class='has-sidebar'><p>All of the text of this page.</p></div><p>x</p>") == [
        "All of the text of this page.",
        "x",
    ]


def test_everything_leaves_in_forms_and_notices():
    assert told("<nav>n</nav><form><label>User</label></form><div class=cookies>c</div>", everything=True) == [
        "User",
        "c",
    ]


def test_link_text_is_counted_without_blanks():
    got = lines(html.fromstring("<ul><li><a href='/a'>a b</a> c<li>d</ul>"))
    assert got == [Line("- a b c", 2), Line("- d", 0)]
    table = lines(html.fromstring("<div><table><tr><td><a href='/a'>Sorn</a><td>x</tr></table></div>"))
    assert table == [Line("Sorn | x", 4)]


def test_small_parts():
    assert heading(html.fromstring("<h2>History[edit]</h2>")) == "History"
    assert visible(" a\tb\n") == 2


def test_labels_do_not_blow_up_a_table():
    rows = "<tr><td>a<td>b</tr>" * 50
    assert len("".join(told(f"<table><tr><th>{'x' * 500}<th>y</tr>{rows}</table>"))) < 1_500
