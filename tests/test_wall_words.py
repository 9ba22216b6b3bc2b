"""The words of walls: tables that compile, and speak to the reader."""

import re

import pytest

from webdancer.web.wall_phrases import SENTENCES, pattern
from webdancer.web.wall_words import ADDRESS, BUTTON, EXPLAINS, SPEAKER, STEMS


def test_every_kind_has_words():
    assert set(STEMS) == set(SENTENCES) and BUTTON > 0


@pytest.mark.parametrize("words", [*STEMS.values(), ADDRESS, SPEAKER, EXPLAINS])
def test_patterns_compile_and_never_match_nothing(words):
    assert not re.compile(pattern(words), re.IGNORECASE).search("")


@pytest.mark.parametrize(
    "sentence, spoken",
    [
        ("Tick the box", True),
        ("We need your help", True),
        ("Bitte warten", True),
        ("请登录", True),
        ("The youth of Sorn ticked along", False),
    ],
)
def test_who_is_spoken_to(sentence, spoken):
    assert bool(re.search(pattern(ADDRESS), sentence, re.IGNORECASE)) == spoken


@pytest.mark.parametrize(
    "title, explains",
    [
        ("How to log in to the portal", True),
        ("Gone (novel)", True),
        ("如何登录", True),
        ("Log in", False),
        ("Why?", False),
    ],
)
def test_titles_that_explain(title, explains):
    assert bool(re.fullmatch(pattern(EXPLAINS), title, re.IGNORECASE)) == explains
