"""Why a fetched page is no page: bot checks, errors, consent and login walls, empty and parked pages.

Used by 01_crawl. In: title and text of a page. Out: the reason to drop it, or "". The released WebDancer sample holds
several questions written from such pages (a Ray ID, a 404, "Just a moment..."); the paper names no filter, so this one
is ours. It weighs the sentences: a page is a wall if most of what it says is what walls say (`web.wall_phrases`,
`web.wall_words`), or some of it under a title that only walls have. An article *about* captchas or errors says mostly
other things. A dropped good page costs little, a wall that is kept becomes a question; still, precision comes first.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from webdancer.web.wall_phrases import NEUTRAL, SENTENCES, TITLES, pattern
from webdancer.web.wall_words import ADDRESS, BUTTON, EXPLAINS, SPEAKER, STEMS

LINK_LIST = 0.8  # share of link text from which a page only points to others
SHORT = 1_000  # characters; a longer text is no wall
# Share of a text that walls say: enough alone, under a title with a word of walls, under the title of a wall.
MOST, HINTED, SOME = 0.5, 0.4, 0.25
THIN = 250  # characters; so short a text is a wall already if its title has a word of that kind
KINDS = tuple(SENTENCES)

_TITLES, _SENTENCES, _STEMS = (
    {kind: re.compile(pattern(words), re.IGNORECASE) for kind, words in table.items()}
    for table in (TITLES, SENTENCES, STEMS)
)
_ADDRESS, _SPEAKER, _EXPLAINS, _NEUTRAL = (
    re.compile(pattern(words), re.IGNORECASE) for words in (ADDRESS, SPEAKER, EXPLAINS, NEUTRAL)
)
_QUOTED = re.compile(r"[\"“„«][^\"”“»\n]{1,80}[\"”“»]")
_IS = re.compile(
    r"[\"'”“»》]? ?(?:\([^()\n]{1,60}\) )?"
    r"(?:,? (?:is|are|was|were|refers|ist|sind|war|bezeichnet|heißt)\b|是|指|为|用来|用于)",
    re.IGNORECASE,
)
_ENDS = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？；])|\n+")
_PARTS = re.compile(r"\s+[|–—·»:-]\s+|_|\s*\|\s*")
_MARK = re.compile(r"^(?:#{1,6}|-|\d{1,3}\.) ")
_AMBIGUOUS = re.compile(
    r"\b(?:may|might|can|could)(?: also| commonly)? (?:refer|stand|mean)(?: to| for|\b)", re.IGNORECASE
)


def block_reason(title: str, text: str, status: int = 200, link_share: float = 0.0) -> str:
    """Why a page should not be kept; "" for a good page.

    Reasons: "status N" (from 400), "empty" (also a notice that scripts are needed, or that something will come), "link
    list" (see `LINK_LIST`), "bot block", "error page", "consent" (cookies, age), "login" (also pay walls), "parked" (a
    domain without a site), "disambiguation". A text of `SHORT` characters or more is never taken for a wall.

    >>> block_reason("Just a moment...", "Checking your browser.")
    'bot block'
    >>> block_reason("Tea", "Tea is a drink made from leaves.")
    ''
    """
    if status >= 400:
        return f"status {status}"
    if not any(c.isalnum() for c in text):
        return "empty"
    if link_share >= LINK_LIST:
        return "link list"
    if len(text) < SHORT and (kind := wall(title, text)):
        return kind
    if title.lower().endswith("(disambiguation)") or _AMBIGUOUS.search(text[:200].partition("\n")[0]):
        return "disambiguation"
    return ""


def wall(title: str, text: str) -> str:
    """The kind of wall that a short text is, or "".

    A sentence counts for a kind if it begins as walls of that kind do, or if it has a word of that kind and speaks to
    its reader, in a text that does so; so does a button.
    """
    title, text = title.replace("’", "'").strip(), text.replace("’", "'")
    if _defines(title, text) or _EXPLAINS.fullmatch(title):
        return ""
    told = _QUOTED.sub(" ", text.replace(title, " ") if title else text)
    spoken = bool(_ADDRESS.search(told) or _SPEAKER.search(told))
    said, total, heard = Counter[str](), 0, 0
    for sentence in _ENDS.split(text):
        sentence = _MARK.sub("", sentence.strip(" \t\"'“”„»«*>…"))
        kinds = _kinds(sentence, spoken) if sentence else []
        said.update(dict.fromkeys(kinds, len(sentence)))
        heard += len(sentence) if kinds else 0
        total += len(sentence) if kinds or not _NEUTRAL.match(sentence) else 0
    named = _named(title)
    hinted = [k for k in KINDS if _STEMS[k].search(title)] if spoken and total < THIN else []
    if not total:
        return named[0] if named else ""  # a title, and otherwise only what says nothing
    for kind in named:
        said[kind] += total  # the title says which of several it is
    if heard / total < (SOME if named else HINTED if hinted else MOST):
        return ""
    return max(KINDS, key=lambda kind: said[kind])


def _defines(title: str, text: str) -> bool:
    """Whether a text begins like an article about its title: "Access Denied is a film"."""
    rest = text.lstrip(" \"'“„«《")
    return bool(title) and rest[: len(title)].lower() == title.lower() and bool(_IS.match(rest[len(title) :]))


def _kinds(sentence: str, spoken: bool) -> list[str]:
    """The kinds of wall that would say a sentence."""
    kinds = [kind for kind, words in _SENTENCES.items() if words.match(sentence)]
    plain = _QUOTED.sub(" ", sentence)
    told = spoken and (len(sentence) <= BUTTON or _ADDRESS.search(plain) or _SPEAKER.search(plain))
    return kinds or [kind for kind, words in _STEMS.items() if told and words.search(plain)]


def _named(title: str) -> list[str]:
    """The kinds that a title, or a part of it beside the name of the site, stands for."""
    title = title.replace("’", "'")
    parts = [p.strip(" .!…?'\"") for p in [title, *_PARTS.split(title)]]
    return [kind for kind, words in _TITLES.items() if any(p and words.fullmatch(p) for p in parts)]


def interval(right: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a share, in [0, 1].

    >>> [round(x, 3) for x in interval(9, 10)]
    [0.596, 0.982]
    """
    if not of:
        return 0.0, 1.0
    share, square = right / of, z * z
    middle = (share + square / (2 * of)) / (1 + square / of)
    reach = z * math.sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def predict(row: Mapping[str, Any]) -> str:
    """What the detector says of a page: `html`, cleaned first, or `title` and `text`; `status` is 200 if absent."""
    status = int(row.get("status", 200))
    if "html" not in row:
        return block_reason(row["title"], row["text"], status)
    from webdancer.web.text import clean  # lazily: `web.text` imports this module

    page = clean(row["html"], "http://labelled.test/")
    return block_reason(page.title, page.text, status, page.link_share)


def score(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Precision and recall of the detector on labelled pages, each kind for itself and "dropped": any kind or none.

    Args:
        rows: pages with `label` ("" for a good page) and what `predict` reads.

    Returns:
        for each kind: `precision` and `recall` as {"value", "right", "of", "ci95"}; `value` is None where `of` is 0.
    """
    pairs = [(row["label"], predict(row)) for row in rows]
    kinds = sorted({kind for pair in pairs for kind in pair if kind})
    found = {kind: _measured([(label == kind, got == kind) for label, got in pairs]) for kind in kinds}
    return {"dropped": _measured([(bool(label), bool(got)) for label, got in pairs]), **found}


def _measured(pairs: list[tuple[bool, bool]]) -> dict[str, Any]:
    both = sum(label and got for label, got in pairs)
    return {
        "precision": _share(both, sum(got for _, got in pairs)),
        "recall": _share(both, sum(label for label, _ in pairs)),
    }


def _share(right: int, of: int) -> dict[str, Any]:
    value = round(right / of, 4) if of else None
    return {"value": value, "right": right, "of": of, "ci95": [round(x, 4) for x in interval(right, of)]}
