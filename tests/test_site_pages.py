"""Frame, tables, bars and figures of the site: escaped, no script where none is needed, nothing from the network."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from site_files import FIGURES, PNG

from webdancer.show import site_pages
from webdancer.show.trajectory import Html


def test_a_page_forbids_scripts_and_the_network():
    text = site_pages.page("Over<view>", "<p>x</p>", profile="tiny", here="index.html")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1]
    assert policy.startswith("default-src 'none'") and "script-src" not in policy
    assert "<title>Over&lt;view&gt; · WebDancer, tiny</title>" in text
    assert text.count('aria-current="page"') == 1 and 'href="index.html" aria-current="page"' in text
    assert not re.search(r"(?:src|href)=.?(?:https?:)?//", text)


def test_only_a_page_with_scripts_may_run_them_and_only_its_own():
    text = site_pages.page("E", "", profile="tiny", here="explorer.html", scripts=("a.js",))
    assert "script-src 'self' file:" in text and "unsafe-eval" not in text and '<script src="a.js"></script>' in text


def test_a_page_in_a_folder_finds_what_lies_above():
    text = site_pages.page("N", "", profile="tiny", here="notebooks.html", up="../")
    assert 'href="../site.css"' in text and 'href="../notebooks.html" aria-current="page"' in text


@given(st.text(), st.text(), st.text())
def test_no_text_becomes_a_tag(head, cell, label):
    made = (
        site_pages.table(["a", head], [[cell, label]], label) + site_pages.bars([(head, 1)]) + site_pages.note([cell])
    )
    allowed = "div|table|thead|tbody|tr|th|td|dl|dt|dd|i|p"
    assert re.sub(rf"</?(?:{allowed})(?: [\w-]+=\"[^\"<>]*\")*>", "", made).count("<") == 0


def test_html_stays_html():
    assert site_pages.text(Html("<b>x</b>")) == "<b>x</b>" and site_pages.text("<b>") == "&lt;b&gt;"


def test_bars_are_shares_of_the_largest():
    widths = re.findall(r"width:([\d.]+)%", site_pages.bars([("a", 50), ("b", 200), ("c", 0)]))
    assert widths == ["25.00", "100.00", "0.00"]
    assert "width:5.00%" in site_pages.bars([("a", 50)], 1000)


def test_a_link_into_the_explorer_carries_its_filters():
    link = site_pages.explorer_link("9 < 10", {"outcome": "seen, not chosen", "agent": "a&b"})
    assert link == '<a href="explorer.html#outcome=seen%2C+not+chosen&amp;agent=a%26b">9 &lt; 10</a>'


def test_figures_come_with_their_numbers(tmp_path):
    import base64

    (tmp_path / "04_funnel.png").write_bytes(base64.b64decode(PNG))
    (tmp_path / "04_funnel.csv").write_text(FIGURES["04_funnel"])
    (tmp_path / "04_long.png").write_bytes(base64.b64decode(PNG))
    (tmp_path / "04_long.csv").write_text("x\n" + "1\n" * (site_pages.ROWS + 1))
    text = site_pages.figures(tmp_path, ["04_filter", "05_sft"])
    assert text.count("<figure>") == 2 and text.count("<details>") == 1 and "<h2>05_sft" not in text
    assert 'alt="Figure funnel of notebook 04; its numbers are below"' in text
    assert '<th scope="row">correctness</th><td>5</td><td>1</td>' in text
    assert '<a href="figures/04_long.csv">04_long.csv</a>, 61 rows' in text


def test_no_figures_are_said_to_be_missing(tmp_path):
    assert "There are no figures yet" in site_pages.figures(tmp_path, ["04_filter"])
    assert site_pages.read_csv(tmp_path / "none.csv") == [] and site_pages.note([]) == ""


@pytest.mark.parametrize(
    ("cell", "shown"), [("1.23456", "1.235"), ("a.b", "a.b"), (None, ""), ("-0.00001234", "-1.234e-05")]
)
def test_cells_of_data_are_short(cell, shown):
    assert site_pages._short(cell) == shown
