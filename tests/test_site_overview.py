"""The overview: numbers as the results have them, links to the episodes, a command where something is missing."""

import re

import pytest
from site_files import DRAFTS, FIGURES, GAIN, marker, models

from webdancer.show import site_overview

FOUND = {
    "02_synthesize": marker("02_synthesize", DRAFTS),
    "07_evaluate": marker("07_evaluate", {"models": models(), **GAIN}),
}


@pytest.fixture
def figures(tmp_path):
    for stem, rows in FIGURES.items():
        (tmp_path / f"{stem}.csv").write_text(rows)
    return tmp_path


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def test_scores_are_percent_with_intervals_and_the_difference():
    text = plain(site_overview.scores(FOUND))
    assert "after DAPO (06) 50.0 0.0 to 100.0" in text
    assert "DAPO minus SFT, paired by question: +50.0 points (95 % interval -12.5 to +100.0)" in text


def test_each_share_leads_to_its_episodes(figures):
    text = site_overview.fates(figures)
    assert '<a href="explorer.html#stage=evaluated&amp;agent=dapo&amp;outcome=seen%2C+not+chosen">50.0</a>' in text
    assert plain(text).endswith("agent right seen, not chosen cut off dapo 50.0 50.0 0 sft 0 0 100.0 ")


def test_drafts_and_funnel(figures):
    assert plain(site_overview.drafts(FOUND)) == " drafts 10 dropped: leaked 2 dropped: yes no 1 kept 7 "
    text = site_overview.funnel(figures)
    assert "all 6 left after correctness 5 left after quality 4" in plain(text)
    assert '<a href="explorer.html#reason=quality%3A+repeated+call">quality: repeated call</a>' in text


def test_curves_leave_out_what_was_not_measured(figures):
    assert "reading ends at 3, sft ends at 1, set aside ends at 3" in site_overview.sft(figures)
    text = site_overview.dapo(figures)
    assert "practice ends at 0.4, dev questions ends at 0.1" in text and "Entropy in nats: entropy ends at 0.5" in text
    assert text.count("<figure>") == 3


def test_runs_link_to_their_notebooks():
    text = site_overview.runs(FOUND, ["07_evaluate"])
    assert '<a href="notebooks/07_evaluate.html">07_evaluate</a>' in text and "aaaaaaaaaa<" in text
    assert "3.0 minutes in all on Linux x86_64, 2 cores." in text


def test_stand_ins_are_named_only_where_there_were_some(figures):
    assert "rule-based stand-ins" in site_overview.body("tiny", FOUND, figures)
    real = {"07_evaluate": {**FOUND["07_evaluate"], "parameters": {"endpoint": "http://x/v1"}}}
    assert "stand-in" not in site_overview.body("tiny", real, figures)


def test_what_is_missing_is_said_with_the_command(tmp_path):
    text = plain(site_overview.body("tiny", {}, tmp_path))
    for writer in ("01_crawl", "02_synthesize", "04_filter", "05_sft", "06_dapo", "07_evaluate"):
        assert f"Not there yet: python -m webdancer.run tiny runs {writer}." in text
