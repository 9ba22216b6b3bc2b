"""Words and sentences: the old rule where there is no CJK, characters and pairs where there is."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.web.words import (
    MAX_QUERY_WORDS,
    cjk_share,
    cut_words,
    query_words,
    sentence_ends,
    sentences,
    words,
)

LETTERS = st.text(alphabet=st.characters(codec="utf-8", max_codepoint=0x10FF), max_size=60)


@given(LETTERS)
def test_text_without_cjk_has_the_words_it_always_had(text):
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    assert words(text) == re.findall(r"[^\W]+", plain.casefold())


@pytest.mark.parametrize(
    "text, expected",
    [
        ("茶", ["茶"]),
        ("龙井茶", ["龙", "龙井", "井", "井茶", "茶"]),
        ("iPhone手机15", ["iphone", "手", "手机", "机", "15"]),
        ("東京タワー", ["東", "東京", "京", "京タ", "タ", "タワ", "ワ", "ワー", "ー"]),
        ("ﾊﾞﾗ", ["バ", "バラ", "ラ"]),  # half width is folded, the voiced mark is kept
        ("はばぱ", ["は", "はば", "ば", "ばぱ", "ぱ"]),
        ("서울", ["서", "서울", "울"]),
        ("서울 시", ["서", "서울", "울", "시"]),
        ("𠮷野家", ["𠮷", "𠮷野", "野", "野家", "家"]),
        ("ＡＢＣ１２", ["abc12"]),
        ("，。！", []),
    ],
)
def test_cjk_runs_give_characters_and_pairs(text, expected):
    assert words(text) == expected


def test_spellings_of_one_word_agree():
    assert words(unicodedata.normalize("NFD", "서울 がぎ Jędrzej")) == words("서울 がぎ Jędrzej")


@given(st.text(max_size=60))
def test_any_text_has_words_without_spaces_in_lower_case(text):
    found = words(text)
    assert all(w and not any(c.isspace() for c in w) for w in found)
    assert words(" ".join(w for w in found if w.isascii())) == [w for w in found if w.isascii()]


def test_a_query_is_cut_but_a_chinese_sentence_is_not():
    assert len(query_words(" ".join(f"w{i}" for i in range(90)))) == MAX_QUERY_WORDS
    hundred = "".join(chr(0x4E00 + i) for i in range(100))
    assert len(query_words(hundred)) == 199
    assert query_words("tea Tea TEA") == ["tea"]


def test_sentences_of_chinese_with_quotes():
    assert sentences("他说：“走吧。”她问：“去哪？”然后走了。") == ["他说：“走吧。”", "她问：“去哪？”", "然后走了。"]
    assert sentences("第一句！第二句？第三句。") == ["第一句！", "第二句？", "第三句。"]


def test_a_sentence_that_starts_in_lower_case_is_not_split_off():
    # Kept on purpose: the pocket web's repositories are named in lower case, and trained policies saw it so.
    assert sentences("It rains. tea is hot.") == ["It rains. tea is hot."]


@given(st.text(alphabet="ab .。!\n中", max_size=60))
def test_sentence_ends_lie_inside_and_grow(text):
    ends = sentence_ends(text)
    assert ends == sorted(set(ends)) and all(0 < e < len(text) for e in ends)


@pytest.mark.parametrize(
    "text, limit, expected",
    [
        ("a b c", 3, "a b c"),
        ("a  b\nc", 2, "a b ..."),
        ("上海大学在上海。", 4, "上海大学在上海。"),
        ("上海大学在上海。", 3, "上海大学在上 ..."),
        ("用 Python 写代码", 2, "用 Python 写 ..."),
        ("茶", 1, "茶"),
        ("", 1, ""),
    ],
)
def test_cutting_counts_two_characters_as_a_word(text, limit, expected):
    assert cut_words(text, limit) == expected


def test_share_of_cjk():
    assert cjk_share("") == cjk_share("tea") == 0.0
    assert cjk_share("茶tea茶t") == pytest.approx(2 / 6)
