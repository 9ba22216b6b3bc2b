"""Read what a judge's reply says, whatever form it comes in; a reply that does not say it stays without a verdict.

Used by `agent.judge` and `agent.grade`, so by 04_filter and 07_evaluate. In: the text of a reply. Out: the yes or no
(`read_verdict`), or the word of the SimpleQA protocol (`read_word`), or None. Graders of this kind have been published
with bugs such as taking "incorrect: yes" for a yes, or finding CORRECT in INCORRECT; so doubt gives None, which a stage
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
_NO_ASIDE = "doubt|other|rival|difference|contradiction|need|further|errors?|issues?|problems?|mistakes?"
_BAD_LABEL = "(?:is )?(?:the )?(?:prediction |answer )?(?:is )?(?:incorrect|wrong)|是否错误|错误"
_KEYS = {"correct", "is_correct", "iscorrect", "verdict", "judgement", "judgment", "decision", "grade", "keep", "right"}
_BAD_KEYS = {"incorrect", "wrong", "is_incorrect"}
_RUN = re.compile(r"([^\w{}\"]{1,2}?)\1{7,}")  # a judge that lost its way: the same marks over and over
_MARK = r"[\s*_`'\"#>\-.()\[\]{]*"  # markup around labels and values
_LABELLED = re.compile(
    rf"(?:^(?:\d+[.)])?|[{{,]\s*(?=['\"])){_MARK}(?:(?P<bad>{_BAD_LABEL})|(?:{_LABEL})){_MARK}(?:[:=：?？]|\bis\b)"
    rf"{_MARK}(?:the )?(?:(?P<no>{_BAD})|(?P<yes>{_GOOD}))"
    rf"(?P<rest>{_MARK}(?:or|/|\|){_MARK}(?:{_BAD}|{_GOOD}))?(?![a-z]|(?<=\bno) (?:{_NO_ASIDE})\b)",
    re.IGNORECASE | re.MULTILINE,
)
_WHOLE = re.compile(
    r"(?:\W|_)*(?:it is |it's |that is |that's |the answer is |the prediction is )?"
    rf"(?:(?P<no>{_BAD})|(?P<yes>{_GOOD}))的?(?:\W|_)*",
    re.IGNORECASE,
)
_ASIDE = re.compile(  # words of a verdict that are none where they stand
    rf"\bno (?:{_NO_ASIDE})\b|"
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

# The words of the SimpleQA protocol and what each stands for (None: no verdict); what is part of another comes last.
_NOT = r"(?:not|never|hardly|cannot|\w+n['’]t)"
_WORDS = (
    (None, r"not\W+not[\s_-]*attempted|(?:partially|partly|mostly|almost|nearly|half|somewhat)[\s_-]*correct"),
    (
        None,
        rf"{_NOT}(?:\s+(?:be|been|is|graded?|judged?|called?|say|considered?|counted?|deserve|as|an?|the|it|this|that|"
        r"fully|entirely|completely|quite|strictly))+\s+(?:in)?correct",
    ),
    ("not_attempted", r"not[\s_\\-]*attempted|未尝试|未作答|未回答|没有作答"),
    ("correct", rf"{_NOT}[\s_-]+incorrect"),
    ("incorrect", rf"{_NOT}[\s_-]+correct|incorrect|不正确|错误"),
    ("correct", r"correct(?!\s+answer)|正确(?!答案)"),
)
_WORD = "(?<![a-z])(?:" + "|".join(f"(?P<w{n}>{one})" for n, (_, one) in enumerate(_WORDS)) + ")(?!_?[a-z])"
_ANY_WORD = re.compile(_WORD, re.IGNORECASE)
_LEAD = rf"{_MARK}(?:\\[a-z]+\{{)*(?:[a-c]\b[\s.):]*)?{_MARK}"  # markup, LaTeX and a choice's letter before a word
_ALONE = re.compile(rf"{_LEAD}{_WORD}(?:\W|_)*", re.IGNORECASE)
_NAMED = re.compile(  # "Grade: CORRECT"
    rf"(?:^(?:\d+[.)])?|[{{,]\s*(?=['\"])){_MARK}(?:(?:final|my|the|overall) )*(?:verdict|judge?ment|grade|label|"
    rf"answer|result|rating|classification|判断|结论|判定|评分结果){_MARK}(?:[:=：]|\bis\b){_LEAD}{_WORD}"
    rf"(?!{_MARK}(?:or\b|/|\||,\s*(?:not[\s_]*)?(?:in)?correct))",
    re.IGNORECASE | re.MULTILINE,
)
_BY_YES = re.compile(  # "Correct: yes": a judge that keeps to the other protocol
    rf"^{_MARK}(?:in)?correct{_MARK}[:=：]{_MARK}(?:yes|no|true|false|是|否)\b{_MARK}(?:[.,;!]|$)",
    re.IGNORECASE | re.MULTILINE,
)


def spoken(reply: str) -> str:
    """What a reply says: without its `<think>` block, and without long runs of one mark, which take long to read.

    >>> spoken("<think>no</think> " + "*" * 50 + "yes")
    '**yes'
    """
    return _RUN.sub(r"\1\1", structured.answer(reply)).strip()


def read_word(reply: str) -> str | None:
    """The word of a reply in the SimpleQA protocol: "correct", "incorrect", "not_attempted", or None if in doubt.

    In order: a JSON object; a labelled line (`Grade: CORRECT`), the last one; lines that hold nothing but a word, if
    they agree; words in capital letters, if they agree; a yes or no as `read_verdict` reads it, if no word speaks
    against it. A word that is denied counts as its opposite. What stands in `<think>` is not read.

    >>> read_word("**INCORRECT**"), read_word("Grade: Not attempted."), read_word("CORRECT or INCORRECT")
    ('incorrect', 'not_attempted', None)
    >>> read_word("The correct answer is Orlen, so INCORRECT"), read_word("Incorrect: no")
    ('incorrect', 'correct')
    """
    reply = spoken(reply)
    for row in reversed(structured.objects(reply)):
        found = _word_of_object(row)
        if found:
            return found
    named = list(_NAMED.finditer(reply))
    if named:
        return _meant(named[-1])
    if not _BY_YES.search(reply):
        alone = {_meant(m) for line in reply.splitlines() if (m := _ALONE.fullmatch(line))}
        words = list(_ANY_WORD.finditer(reply))
        loud = {_meant(m) for m in words if re.sub(f"^{_NOT}", "", m[0]).isupper()}
        if alone or loud:
            found = alone or loud
            return found.pop() if len(found) == 1 else None
        if any(_meant(m) in (None, "not_attempted") for m in words):
            return _meant(words[0]) if len({_meant(m) for m in words}) == 1 else None
    verdict = read_verdict(reply)
    return None if verdict is None else "correct" if verdict else "incorrect"


def _meant(found: re.Match[str]) -> str | None:
    """The verdict that a word stands for."""
    return next(verdict for n, (verdict, _) in enumerate(_WORDS) if found[f"w{n}"] is not None)


def _word_of_object(row: dict[str, Any]) -> str | None:
    """The word under a known key, or the yes or no there."""
    for key, value in row.items():
        known = key.strip().casefold() in _KEYS | {"label", "result", "rating", "classification", "answer"}
        whole = _ALONE.fullmatch(value) if known and isinstance(value, str) else None
        if whole and _meant(whole):
            return _meant(whole)
    verdict = _of_object(row)
    return None if verdict is None else "correct" if verdict else "incorrect"


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
    reply = spoken(reply)
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
