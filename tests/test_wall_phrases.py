"""The phrases of walls: tables that compile, and begin as they should."""

import re

import pytest

from webdancer.web.wall_phrases import NEUTRAL, SENTENCES, SHORTHAND, TITLES, pattern


def test_every_kind_has_titles_and_sentences():
    assert set(TITLES) == set(SENTENCES) and len(TITLES) == 6


def test_shorthand_is_written_out_everywhere():
    for words in (*TITLES.values(), *SENTENCES.values(), NEUTRAL):
        assert not any(short in pattern(words) for short in SHORTHAND)


@pytest.mark.parametrize("words", [*TITLES.values(), *SENTENCES.values(), NEUTRAL])
def test_patterns_compile_and_never_match_nothing(words):
    assert not re.compile(pattern(words), re.IGNORECASE).fullmatch("")


@pytest.mark.parametrize(
    "kind, title",
    [
        ("bot block", "Just a moment"),
        ("error page", "404 Not Found"),
        ("error page", "Fehler 404"),
        ("consent", "Before you continue"),
        ("login", "登录"),
        ("empty", "Loading..."),
        ("parked", "a-b.example is for sale"),
    ],
)
def test_titles(kind, title):
    assert re.fullmatch(pattern(TITLES[kind]), title, re.IGNORECASE)


def test_buttons_say_nothing():
    assert re.match(pattern(NEUTRAL), "OK", re.IGNORECASE) and not re.match(pattern(NEUTRAL), "Okra", re.IGNORECASE)
