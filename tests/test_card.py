"""The card counts by hand-worked rows, and nothing from a page acts in its Markdown or YAML."""

import yaml

from webdancer.web.card import COLUMNS, Counts, card, plain
from webdancer.web.snapshot import row_of


def row(**fields) -> dict:
    empty = dict.fromkeys(COLUMNS, "") | {"has_text": True, "links": [], "url": "http://a.test/x", "source": "web"}
    return empty | fields


def made(*rows: dict, **options) -> str:
    counts = Counts()
    for one in rows:
        counts.add(one)
    return card("Pages", counts, "data/x.parquet", frozenset({"MIT", "CC0-1.0"}), **options)


def test_counts():
    counts = Counts()
    counts.add(row(text="two words", licence="MIT", licence_id="MIT", language="en", fetched_at="2026-02-03T01:02:03"))
    counts.add(row(has_text=False, licence="mine", fetched_at="2026-01-01", url="HTTP://B.test:80/"))
    assert (counts.rows, counts.texts, counts.words, counts.first, counts.last) == (2, 1, 2, "2026-01-01", "2026-02-03")
    assert counts.licences == {"MIT": 1, "other, or not understood": 1} and counts.languages == {"en": 1, "not told": 1}
    assert counts.hosts == {"a.test": 1, "other": 1}


def test_the_head_is_yaml_that_names_the_data():
    text = made(
        row(licence_id="MIT", licence="MIT", language="no"), row(licence_id="MIT", licence="MIT", language="en-GB")
    )
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["license"] == "mit" and head["language"] == ["en", "no"]
    assert head["configs"] == [{"config_name": "default", "data_files": [{"split": "train", "path": "data/x.parquet"}]}]
    assert yaml.safe_load(made(row()).split("---\n")[1])["license"] == "other"


def test_nothing_from_a_page_acts_in_the_card():
    text = made(
        row(language="en\n---\nlicense: mit |<script>", source="a|b`c", licence="<b>", url="javascript:alert(1)")
    )
    assert "<script>" not in text and "javascript" not in text and "a|b" not in text
    assert yaml.safe_load(text.split("---\n")[1])["license"] == "other"
    assert plain("x" * 99) == "x" * 40


def test_long_tables_are_summed_up():
    text = made(*(row(url=f"http://h{n:02}.test/") for n in range(33)))
    assert "| h29.test | 1 |\n| 3 more | 3 |" in text and "h30.test" not in text


def test_every_column_of_a_row_is_explained():
    from webdancer.core.schema import Page

    assert list(COLUMNS) == list(row_of(Page("", "", "")))
    assert all(f"| `{name}` | " in made(row()) for name in COLUMNS)
