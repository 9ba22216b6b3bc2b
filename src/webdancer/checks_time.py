"""Questions whose answer depends on the day they are asked (a check of 02_synthesize).

In: the text of a question. Out: the words that tie it to an unnamed day ("the latest", "so far", "今年"), or "". A
question that names a year is taken as dated. Words only: "Who is the mayor of Kestin?" may change its answer too, but
says nothing of time and passes; "currently" in a description that never changes is a false alarm. The lists are ours
and were written with the released WebDancer sample in view, so its score there is a fit. English and Chinese.
"""

import re

# A year makes a question dated; so do the Chinese forms 2021年 and 二〇二一年.
_DATED = re.compile(r"(?<![\d.,])(?:1\d|20)\d\d(?!\d|[.,]\d)|[一二][〇零一二三四五六七八九]{3}年")
_SENTENCE = re.compile(r"(?:^|[.?!] +)[\"'“‘(]?[A-Z]")

_UNDATED = re.compile(
    r"\b(?:"
    + "|".join(
        (
            r"currently|nowadays|presently|at (?:the )?(?:moment|present)|to date(?! back)|until now|up to now",
            r"as of (?:now|today|this|writing)|so far(?! (?:as|from|away|apart))|right now|ongoing|yesterday|tomorrow",
            r"this (?:year|month|week|season|decade|quarter)|(?:last|past|next|coming) (?:year|month|week|season)",
            r"(?:past|last|next|coming) (?:few |several |couple of )?(?:[\d–-]+ |\w+ )?"
            r"(?:years|months|weeks|days|decades)",
            r"recent|(?<!more )recently|latest|newest|most up-to-date|trending|upcoming",
            # before a noun, unlike the current of a river or a wire
            r"(?<!electric )(?<!electrical )(?<!ocean )(?<!alternating )(?<!direct )current(?= [a-z])"
            r"(?! (?:flow|density|through|in a|of|and|or|that)\b)",
            # not "what is today Ghana", "now known as"
            r"(?<! is )(?<! are )today|(?<! is )(?<! was )now(?! (?:known|called|part|named|a|an|the)\b)",
        )
    )
    + r")\b"
)
_CHINESE = re.compile(
    r"目前|现在|当前|如今|今天|今日|今年|去年|明年|本月|本周|上个?月|最近|近期|最新|近年|"
    r"过去[几数一二三四五六七八九十两\d]+年|迄今|至今|截至目前|到目前为止|现任|正在进行|即将"
)


def undated(question: str) -> str:
    """The words that make a question depend on the day it is asked, "" if there are none or it names a year.

    In small letters only, but at the start of a sentence: "USA Today" and "Current Biology" are names.

    >>> undated("Which song is currently first in the charts?"), undated("Which song was first in 2019 and recently?")
    ('currently', '')
    >>> undated("Which unit measures an electric current?"), undated("该队的现任主教练是谁？")
    ('', '现任')
    """
    if _DATED.search(question):
        return ""
    lowered = _SENTENCE.sub(lambda start: start[0].lower(), question.strip())
    found = _UNDATED.search(lowered) or _CHINESE.search(question)
    return found[0] if found else ""
