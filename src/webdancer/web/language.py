"""In which language a page is written.

Used by `web.text`, shown in 01_crawl. In: a parsed page and its text. Out: a BCP 47 tag such as `en` or `zh-CN`, or
nothing. What the page states counts, unless its letters say otherwise (templates often state `en` on any page); what
states nothing is guessed from its letters and, among languages in Latin letters, from its commonest words.
"""

import re
import unicodedata
from collections import Counter

from lxml import html

_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")
_WORDS = {
    "en": "the of and to in is was for that with as by on are from at which an have this it its you",
    "de": "der die und das ist ein eine den von mit auf nicht im dem zu des sich auch werden wird",
    "fr": "le la les des et est une dans pour que qui du sur par au plus ne pas avec sont",
    "es": "el los las de y en que una por con para es del se su no como fue al más",
    "it": "il di che e la per un una non con del sono della è si nel dei alla anche più",
    "pt": "o os de que e do da em um uma para com não por dos na no as mais ao é",
    "nl": "de het een van en in is dat op te met voor zijn niet aan er om ook als bij",
}
_COMMON = {language: frozenset(words.split()) for language, words in _WORDS.items()}
_SCRIPTS = {
    "HANGUL": "ko", "HIRAGANA": "ja", "KATAKANA": "ja", "CJK": "zh", "CYRILLIC": "ru", "ARABIC": "ar", "GREEK": "el",
    "HEBREW": "he", "THAI": "th", "DEVANAGARI": "hi", "LATIN": "",
}  # fmt: skip
_OF_SCRIPT = {  # languages that are stated rightly although the guess by script says another
    "zh": ("zh", "yue", "wuu", "ja", "lzh"), "ja": ("ja",), "ko": ("ko",), "el": ("el", "grc"), "th": ("th",),
    "ru": ("ru", "uk", "be", "bg", "sr", "mk", "kk", "ky", "mn", "tg", "tt", "ba", "cv"), "he": ("he", "yi"),
    "ar": ("ar", "fa", "ur", "ps", "ug", "ckb", "sd"), "hi": ("hi", "mr", "ne", "sa"),
}  # fmt: skip
SEEN, ENOUGH = 4_000, 3  # characters looked at; common words that make a guess


def language(tree: html.HtmlElement, text: str) -> str:
    """The language of a page: as stated by `<html lang>`, content-language or og:locale, else guessed from `text`.

    >>> language(html.fromstring("<html lang='en_us'><p>x</p></html>"), "x")
    'en-US'
    """
    stated = _stated(tree)
    seen = text[:SEEN]
    if stated and (seen.isascii() or not (script := _script(seen)) or stated.partition("-")[0] in _OF_SCRIPT[script]):
        return stated
    return guess(seen) or stated


def _stated(tree: html.HtmlElement) -> str:
    root = tree.getroottree().getroot()
    values = [root.get("lang"), root.get("{http://www.w3.org/XML/1998/namespace}lang"), root.get("xml:lang")]
    if not (values[0] and normal(values[0])):
        values += tree.xpath(
            "//meta[translate(@http-equiv, 'CONTELAGU', 'contelagu')='content-language']/@content"
            " | //meta[@property='og:locale']/@content"
        )
    return next((tag for value in values if value and (tag := normal(str(value)))), "")


def normal(tag: str) -> str:
    """One spelling of a language tag; "" for what is none.

    >>> normal(" ZH_hans-cn "), normal("en, de"), normal("english?")
    ('zh-Hans-CN', 'en', '')
    """
    first = tag.partition(",")[0].strip().replace("_", "-")
    if not _TAG.fullmatch(first) or first.lower() in ("und", "mul", "zxx"):
        return ""
    head, *rest = first.split("-")
    cased = (p.upper() if len(p) == 2 else p.title() if len(p) == 4 else p.lower() for p in rest)
    return "-".join([head.lower(), *cased])


def _script(text: str) -> str:
    """The language that most letters of a text point to; "" if they are Latin or there are none."""
    counts: Counter[str] = Counter()
    for letter, number in Counter(text).items():
        if letter.isalpha():
            counts[_SCRIPTS.get(unicodedata.name(letter, "").partition(" ")[0], "")] += number
    if not counts:
        return ""
    letters = counts.total()
    if counts["ja"] > letters / 10:
        return "ja"
    best, number = counts.most_common(1)[0]
    return best if number > letters / 2 else ""


def guess(text: str) -> str:
    """The language of a text by its letters and commonest words; "" if there is too little to tell.

    >>> guess("Das ist der See, und die Stadt liegt auf der anderen Seite."), guess("河湾市新图书馆"), guess("x = 1")
    ('de', 'zh', '')
    """
    text = text[:SEEN]
    if not text.isascii() and (found := _script(text)):
        if found == "ru" and re.search("[іїєґ]", text):
            return "uk"
        return "fa" if found == "ar" and re.search("[پچژگ]", text) else found
    words = Counter(re.findall(r"[^\W\d_]+", text.lower()))
    marks = sorted(((sum(words[w] for w in common), lang) for lang, common in _COMMON.items()), reverse=True)
    (best, found), (second, _) = marks[:2]
    return found if best >= ENOUGH and best > second * 1.2 and best >= words.total() / 12 else ""
