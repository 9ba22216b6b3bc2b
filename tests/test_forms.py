"""webdancer.agent.forms: one form for numbers, dates, units and markup, on hand-written texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.agent import forms


def plain(text):
    return " ".join(forms.canonical(text).split())


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Twelve", "12"),
        ("two hundred and ninety-eight", "298"),
        ("one thousand, nine hundred and forty-eight", "1948"),
        ("twenty one thousand three hundred", "21300"),
        ("two million five hundred thousand", "2500000"),
        ("3.5 million", "3500000"),
        ("1,234,567", "1234567"),
        ("1 234", "1234"),
        ("$2.4 billion", "2400000000 dollar"),
        ("45%", "45 percent"),
        ("7.5 per cent", "7.5 percent"),
        ("12 kilometres", "12 km"),
        ("the twelfth century", "the 12th century"),
        ("Louis XVI", "louis 16"),
        ("George VI and I", "george 6 and i"),
        ("one of them", "one of them"),  # a pronoun
        ("One", "1"),
        ("five six", "five six"),  # two numbers, not one
        ("ninety twenty", "ninety twenty"),
        ("a hundred", "a hundred"),  # no number before it: left alone
        ("XL", "xl"),
        ("1930-1939", "1930s"),
        ("1930–39", "1930s"),
        ("1930-1949", "1930-1949"),
    ],
)
def test_numbers(text, wanted):
    assert plain(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "1932-03-19",
        "1932/3/19",
        "19 March 1932",
        "19th of March 1932",
        "March 19, 1932",
        "Mar. 19th, 1932",
        "19/03/1932",
        "03/19/1932",
        "19.03.1932",
        "1932年3月19日",
        "一九三二年三月十九日",
    ],
)
def test_a_date_is_one_word(text):
    assert plain(text) == "date19320319"


@pytest.mark.parametrize("text", ["05/06/1932", "March 1932", "40 March 1932", "1932-13-19", "2.10.3"])
def test_what_is_no_full_date_or_could_be_two_stays(text):
    assert "date" not in plain(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("三百", "300"),
        ("一千五百七十米", "1570 米"),
        ("一百二十回", "120 回"),
        ("2.5万", "25000"),
        ("三亿", "300000000"),
        ("十二", "12"),
        ("一般认为", "一般认为"),  # a word, not a number
        ("廣東省", "广东省"),
        ("臺北", "台北"),
    ],
)
def test_chinese(text, wanted):
    assert plain(text) == wanted


def test_every_traditional_character_has_one_simplified_form():
    assert all(len(pair) == 2 and pair[0] != pair[1] for pair in forms.TRADITIONAL)
    assert len({pair[0] for pair in forms.TRADITIONAL}) == len(forms.TRADITIONAL)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("$\\frac{1}{2}$", "1/2"),
        ("\\boxed{42}", "42"),
        ("$299{,}792{,}458$", "299792458"),
        ("<b>Ben&nbsp;Lark</b>", "ben lark"),
        ("~~Ben~~ Cy", "cy"),
        ("[Tal](http://a.test/Tal)", "tal"),
    ],
)
def test_markup(text, wanted):
    assert plain(text) == wanted


@given(st.integers(1, 999_999))
def test_digits_with_and_without_separators_agree(number):
    assert plain(f"{number:,}") == plain(str(number)) == str(number)


@given(st.integers(1, 99), st.sampled_from(sorted(forms.SCALES)))
def test_words_and_digits_agree(number, scale):
    tens, ones = divmod(number, 10)
    words = forms.ONES[number] if number < 20 else forms.TENS[tens - 2] + (f"-{forms.ONES[ones]}" if ones else "")
    assert plain(f"{words} {scale}") == plain(f"{number} {scale}") == str(number * forms.SCALES[scale])


@given(st.dates())
def test_written_dates_agree_with_iso(day):
    written = f"{day.day} {forms.MONTHS[day.month - 1].title()} {day.year:04}"
    assert plain(written) == plain(day.isoformat())


@given(st.text())
def test_any_text_has_a_form(text):
    assert isinstance(forms.canonical(text), str)
