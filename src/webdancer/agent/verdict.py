"""Read the yes or no in a judge's reply, whatever form it comes in; a reply that does not say it stays without one.

Used by `agent.judge`, so by 04_filter and 07_evaluate. In: the text of a reply. Out: True, False or None. Graders of
this kind have been published with bugs such as taking "incorrect: yes" for a yes; so doubt gives None, which a stage
counts apart, and never a guess. Departure from the paper: it does not say how replies were read.
"""

import re
from typing import Any

from webdancer.agent import structured

_GOOD = "yes|true|correct|right|accurate|equivalent|正确|对|是|一致|✓|✔|✅"
_BAD = (
    "no|false|incorrect|not correct|not right|wrong|inaccurate|not equivalent|partially correct|partly correct|"
    "not[_ ]attempted|不正确|错误|不对|错|否|不是|不一致|✗|✘|❌"
)
_LABEL = (
    "(?:final |my |overall )?(?:verdict|judge?ment|decision|grade|correctness|conclusion)|"
    "(?:is )?(?:the )?(?:prediction |answer |it )?(?:is )?correct|is_correct|"
    "是否正确|正确|判断|结论|判定|评判结果|评分结果"
)
_BAD_LABEL = "(?:is )?(?:the )?(?:prediction |answer )?(?:is )?(?:incorrect|wrong)|是否错误|错误"
_KEYS = {"correct", "is_correct", "iscorrect", "verdict", "judgement", "judgment", "decision", "grade", "keep", "right"}
_BAD_KEYS = {"incorrect", "wrong", "is_incorrect"}
_MARK = r"[\s*_`'\"#>\-.()\[\]{]*"  # markup around labels and values
_LABELLED = re.compile(
    rf"(?:^(?:\d+[.)])?|[{{,]\s*(?=['\"])){_MARK}(?:(?P<bad>{_BAD_LABEL})|(?:{_LABEL})){_MARK}(?:[:=：?？]|\bis\b)"
    rf"{_MARK}(?:the )?(?:(?P<no>{_BAD})|(?P<yes>{_GOOD}))"
    rf"(?P<rest>{_MARK}(?:or|/|\|){_MARK}(?:{_BAD}|{_GOOD}))?(?![a-z])",
    re.IGNORECASE | re.MULTILINE,
)
_WHOLE = re.compile(
    r"(?:\W|_)*(?:it is |it's |that is |that's |the answer is |the prediction is )?"
    rf"(?:(?P<no>{_BAD})|(?P<yes>{_GOOD}))的?(?:\W|_)*",
    re.IGNORECASE,
)
_ASIDE = re.compile(  # words of a verdict that are none where they stand
    r"\bno (?:doubt|other|rival|difference|contradiction|need|further|errors?|issues?|problems?|mistakes?)\b|"
    r"\bwithout (?:a |any )?doubt\b|\b(?:correct|right|true|gold) answer\b|\bright (?:after|before|away|now)\b",
    re.IGNORECASE,
)
_DOUBLE_NO = re.compile(r"\b(?:not|nothing|isn't|never) (?:incorrect|wrong|false)\b", re.IGNORECASE)
_STRONG_NO = re.compile(
    r"\b(?:incorrect|wrong|false|inaccurate|"
    r"(?:not|never|isn't|wasn't|hardly|cannot be|can't be|partially|partly)(?: \w+)? "
    r"(?:correct|right|true|equivalent|accurate|the same)|"
    r"(?:does not|doesn't|do not|fails to) (?:match|agree|say the same))\b|"
    "不正确|错误|不对|不一致|不符|不相同",
    re.IGNORECASE,
)
_STRONG_YES = re.compile(
    r"\b(?:correct|right|true|accurate|equivalent|matches|means the same|says the same)\b|正确|一致", re.IGNORECASE
)
_FIRST = re.compile(rf"{_MARK}(?:(?P<no>no|incorrect|wrong|false)|(?P<yes>yes|correct|right|true))\b", re.IGNORECASE)


def read_verdict(reply: str) -> bool | None:
    """The yes or no in a judge's reply, None if there is none or if it contradicts itself.

    In order: a JSON object with a known key; a labelled line (`Correct: yes`, `**Verdict:** incorrect`, `正确：是`),
    the last one if there are several, an echo of "yes or no" left out; a reply that is nothing but a verdict; the
    first word; the only words of a verdict in the prose. What stands in `<think>` is not read.

    >>> read_verdict("Reasoning: ...\\ncorrect: no"), read_verdict("Yes."), read_verdict("I cannot say")
    (False, True, None)
    >>> read_verdict("Incorrect: yes"), read_verdict('{"correct": false, "note": "yes"}')
    (False, False)
    """
    reply = structured.answer(reply).strip()
    for row in reversed(structured.objects(reply)):
        found = _of_object(row)
        if found is not None:
            return found
    labelled = list(_LABELLED.finditer(reply))
    if labelled:
        told = [m for m in labelled if not m["rest"]]
        return bool(told[-1]["yes"]) != bool(told[-1]["bad"]) if told else None
    whole = _WHOLE.fullmatch(reply)
    return bool(whole["yes"]) if whole else _of_prose(reply)


def _of_object(row: dict[str, Any]) -> bool | None:
    """The verdict under a known key."""
    for key, value in row.items():
        name = key.strip().casefold()
        if name not in _KEYS | _BAD_KEYS:
            continue
        whole = _WHOLE.fullmatch(value) if isinstance(value, str) else None
        if isinstance(value, bool) or value in (0, 1):
            said = bool(value)
        elif whole:
            said = bool(whole["yes"])
        else:
            continue
        return said != (name in _BAD_KEYS)
    return None


def _of_prose(reply: str) -> bool | None:
    """The verdict of a reply in sentences: the first word, unless its sentence denies it; else the only verdict."""
    text = _DOUBLE_NO.sub("correct", _ASIDE.sub(" ", reply))
    bad = bool(_STRONG_NO.search(text))
    good = bool(_STRONG_YES.search(_STRONG_NO.sub(" ", text)))
    first = _FIRST.match(text)
    if first:
        sentence = re.split(r"[.!\n。]", text[first.end() :], maxsplit=1)[0]
        against = _STRONG_NO.search(sentence) if first["yes"] else _STRONG_YES.search(_STRONG_NO.sub(" ", sentence))
        return None if against else bool(first["yes"])
    return None if bad == good else good
