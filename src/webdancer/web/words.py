"""How a text falls into words and sentences: what the index counts, what a snippet shows, where a window may end.

Used by `web.search`, `web.tools` and `web.windows`. In: plain text in any script. Out: words for matching, sentences,
cut texts. Chinese, Japanese and Korean are written in runs: a run gives each of its characters and each pair of
neighbours (measured against characters alone, pairs alone and jieba's dictionary in tests/benchmarks/bench_cjk.py).
Departure from the paper: it asks Google and has no index.
"""

import re
import unicodedata

RULE = 2  # raised when `words` changes: an index counted by another rule is refused (1: CJK as single characters)
MAX_QUERY_WORDS = 64  # a longer query is cut: nobody searches for a whole page
MAX_QUERY_CJK = 4 * MAX_QUERY_WORDS  # a sentence of 100 characters is a normal query and gives 199 words
CJK = (
    "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"  # signs, kana, Han, Hangul
    "\U00020000-\U000323af"  # Han, extensions
)
_WORD = re.compile(rf"[{CJK}]+|[^\W{CJK}]+")
_RUN = re.compile(rf"[{CJK}]")
_TAKEN_APART = re.compile("[\u1100-\u11ff\u3040-\u30ff\u3099\u309a]+")  # Hangul and kana after NFKD
_SENTENCE = re.compile(
    r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[^\Wa-z])|(?<=[。！？])(?![」』”’）])|(?<=[。！？][」』”’）])|\s*\n\s*"
)


def words(text: str) -> list[str]:
    """The words of a text for matching: lower case, no accents, no punctuation; single characters and pairs of CJK.

    >>> words("Émile's 2 papers")
    ['emile', 's', '2', 'papers']
    >>> words("上海大学 MBA")
    ['上', '上海', '海', '海大', '大', '大学', '学', 'mba']
    """
    if text.isascii():
        return _WORD.findall(text.casefold())
    found = []
    for word in _WORD.findall(_plain(text).casefold()):
        if _RUN.match(word):
            found += [part for i in range(len(word)) for part in (word[i], word[i : i + 2])][: 2 * len(word) - 1]
        else:
            found.append(word)
    return found


def _plain(text: str) -> str:
    """`text` without accents and without forms of width; Hangul and kana stay whole (their marks tell words apart)."""
    apart = unicodedata.normalize("NFKD", text)
    kept = "".join(c for c in apart if not unicodedata.combining(c) or c in "\u3099\u309a")
    return _TAKEN_APART.sub(lambda run: unicodedata.normalize("NFC", run[0]), kept)


def query_words(query: str) -> list[str]:
    """The words of a query, each once, at most `MAX_QUERY_WORDS` of them (`MAX_QUERY_CJK` where it has CJK)."""
    found = words(query)
    limit = MAX_QUERY_CJK if not query.isascii() and any(map(_RUN.match, found)) else MAX_QUERY_WORDS
    return list(dict.fromkeys(found[:limit]))


def sentences(text: str) -> list[str]:
    """Split a text into sentences: at a line end, and behind `.`, `!` or `?` where a capital or a digit follows.

    >>> sentences("She was born in Orlen Ford. The mentor was Tal.\\nSince 1900.")
    ['She was born in Orlen Ford.', 'The mentor was Tal.', 'Since 1900.']
    """
    return [s.strip() for s in _SENTENCE.split(text) if s and s.strip()]


def sentence_ends(text: str) -> list[int]:
    """Where the sentences of a text end and the next one begins, inside the text.

    >>> sentence_ends("One. Two.\\nThree.")
    [5, 10]
    """
    return [m.end() for m in _SENTENCE.finditer(text) if 0 < m.end() < len(text)]


def cjk_share(text: str) -> float:
    """Share of the characters of a text that are CJK, from 0 to 1."""
    return len(_RUN.findall(text)) / len(text) if text and not text.isascii() else 0.0


def cut_words(text: str, limit: int) -> str:
    """`text` if it has at most `limit` words, else its first `limit` words and " ...". Two CJK characters are a word.

    >>> cut_words("one two three", 2), cut_words("上海大学在上海。", 2)
    ('one two ...', '上海大学 ...')
    """
    parts = text.split()
    whole = " ".join(parts)
    if not _RUN.search(text):
        return whole if len(parts) <= limit else " ".join(parts[:limit]) + " ..."
    room = 2 * limit
    for found in _WORD.finditer(whole):
        size = len(found[0]) if _RUN.match(found[0]) else 2
        if size > room:
            end = found.start() + (room if _RUN.match(found[0]) else 0)
            return whole[:end].rstrip() + " ..."
        room -= size
    return whole
