"""The language of a page: stated, contradicted, guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html

from webdancer.web.language import guess, language, normal


@pytest.mark.parametrize(
    "page, expected",
    [
        ("<html lang=en><p>x", "en"),
        ("<html lang='de-AT'><p>x", "de-AT"),
        ("<html xml:lang=fr><p>x", "fr"),
        ("<html><head><meta http-equiv=Content-Language content='es, en'></head><p>x", "es"),
        ("<html><head><meta property='og:locale' content='pt_BR'></head><p>x", "pt-BR"),
        ("<html lang=''><head><meta property='og:locale' content='it_IT'></head><p>x", "it-IT"),
        ("<html lang='{{ lang }}'><p>x", ""),
        ("<p>x", ""),
    ],
)
def test_stated(page, expected):
    assert language(html.document_fromstring(page), "x") == expected


def test_letters_overrule_a_template_that_says_en():
    page = html.document_fromstring("<html lang=en><p>x")
    assert language(page, "河湾市新图书馆周六开放") == "zh"
    assert language(page, "Café, naïve, über") == "en"
    assert language(html.document_fromstring("<html lang=zh-TW><p>x"), "河灣市新圖書館") == "zh-TW"
    assert language(html.document_fromstring("<html lang=bg><p>x"), "Градът е стар") == "bg"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("The otter is back in the river, and it was seen by two people.", "en"),
        ("Der Otter ist wieder im Fluss, und zwei Leute haben ihn auf der Brücke gesehen.", "de"),
        ("La loutre est de retour dans la rivière, et les gens sont contents.", "fr"),
        ("El animal ha vuelto al río y la gente de los pueblos lo vio por la noche.", "es"),
        ("新しい図書館は土曜日に開きます。", "ja"),
        ("새 도서관이 토요일에 문을 연다", "ko"),
        ("Новая библиотека открывается в субботу", "ru"),
        ("Нова бібліотека відкривається в суботу", "uk"),
        ("المكتبة الجديدة تفتح يوم السبت", "ar"),
        ("def f(x): return x", ""),
        ("", ""),
    ],
)
def test_guessed(text, expected):
    assert guess(text) == expected


def test_one_spelling():
    assert [normal(t) for t in ("en_us", "zh-hans-cn", "EN", "und", "", "english", "e")] == [
        "en-US",
        "zh-Hans-CN",
        "en",
        "",
        "",
        "",
        "",
    ]


@given(st.text(max_size=80))
def test_any_text_has_a_tag_or_none(text):
    assert guess(text) == normal(guess(text))
    assert normal(normal(text)) == normal(text)
