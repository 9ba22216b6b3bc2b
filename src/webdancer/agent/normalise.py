"""Is an answer right, by rule: normalise, then match. No model is asked.

Used by 02_synthesize (checks), 04_filter (correctness without a judge), 06_dapo (reward) and 07_evaluate. In: texts;
out: verdicts. The rules are written down below, because the numbers of a run depend on them. Departure from the paper:
GPT-4o judges there. How often the rules agree with labels is in `results/bench/judge.json`.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from webdancer.agent.forms import canonical

_ARTICLE = re.compile(r"\b(a|an|the)\b")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_BOLD = re.compile(r"\*\*(.+?)\*\*", re.DOTALL)
_DATE = re.compile(r"date(\d{4})\d{4}")
_HAN = re.compile(r"[\u3400-\u9fff]")
_HAN_END = "是的在于为和与市省县区州国年月日等人首名个米"  # what may follow a Chinese answer inside a run of characters
_DENIED = re.compile(r"\b(?:not|never|neither|nor|rather than|instead of|isnt|wasnt|arent|werent)$")
_OR_BEFORE = re.compile(r"\bor(?: possibly| perhaps| maybe| else)?$")
_ITEMS = re.compile(r",? and |,? or | & |[,;，、和及或]|\n")


def normalise(text: str) -> str:
    """Lower case, no accents, no punctuation or markup, no articles, single spaces; `1,948` becomes `1948`.

    >>> normalise("The **Café  Zürich**, est. 1,948!")
    'cafe zurich est 1948'
    """
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    plain = re.sub(r"(?<=\d),(?=\d{3}\b)", "", plain)
    plain = re.sub(r"['\u2019`]", "", plain)
    plain = re.sub(r"(?<!\d)\.|\.(?!\d)|[^\w.]|_", " ", plain)
    words = _ARTICLE.sub(" ", plain).split()
    return " ".join(words or plain.split())


def match(prediction: str, gold: str | Iterable[str], *, exact: bool = False) -> bool:
    """Whether a prediction gives one of the gold answers, by rule.

    In order, all on normalised text:
    1. equal: right. With `exact=True` that is the only way (use it for a reward: a policy that is paid for
    containment learns
       to list every name it has read);
    2. the gold is a number: right if it is the only number in the prediction, or the only number in its first
    bold part;
    3. the gold is "yes" or "no": right if it is the first word of the prediction, or of its first bold part;
    4. otherwise: right if the gold's words stand in the prediction as one run of whole words, neither denied ("not
    Tal Veron") nor beside an "or";
    5. the same once more in canonical forms (`forms.canonical`): "twelve" is 12, "19 March 1932" is 1932-03-19, a year
    is the year of the only date; a list may come in any order, "Marx, Karl" is Karl Marx.

    An empty prediction or gold never matches. Aliases that share no words with the gold need a judge, not a rule.

    Args:
        prediction: what the agent answered, a name or prose.
        gold: the right answer, or several equally right ones.
        exact: only rule 1.

    >>> match("It is **Tal Veron**, born in 1901.", "Tal Veron"), match("1 A, 2 B, 3 C", "3"), match("12", "2")
    (True, False, False)
    >>> match("Twelve countries", "12"), match("not Tal Veron", "Tal Veron"), match("Twelve", "12", exact=True)
    (True, False, False)
    """
    golds = (gold,) if isinstance(gold, str) else tuple(gold)
    return any(_match_one(prediction, g, exact) for g in golds)


def _match_one(prediction: str, gold: str, exact: bool) -> bool:
    """`match` for a single gold answer."""
    said, wanted = normalise(prediction), normalise(gold)
    if not said or not wanted or said == wanted:
        return bool(said) and said == wanted
    if exact:
        return False
    if _agree(prediction, said, wanted):
        return True
    return any(_alike(prediction, other) for other in (gold, *_other_order(gold)))


def _agree(prediction: str, said: str, wanted: str) -> bool:
    """Rules 2 to 4 on normalised texts."""
    bold = _BOLD.search(prediction)
    parts = [said] + ([normalise(bold[1])] if bold else [])
    if _NUMBER.fullmatch(wanted):
        return any(_NUMBER.findall(part) == [wanted] for part in parts)
    if wanted.split()[0] in ("yes", "no") and len(wanted.split()) <= 4:
        return any(_yes_or_no(part) == wanted.split()[0] for part in parts)
    return _stands(wanted, said)


def _yes_or_no(said: str) -> str:
    """ "yes" or "no" if the text begins with it and does not take it back, else ""."""
    words = said.split()[:4]
    both = {"yes", "no"} <= set(words)
    return words[0] if words and words[0] in ("yes", "no") and not both else ""


def _stands(wanted: str, said: str) -> bool:
    """Whether the words stand in the text as one run at least once, without a denial and without a rival."""
    if _listed(wanted, said):
        return False
    for found in re.finditer(rf"(?<!\S){re.escape(wanted)}(?!\S)", said):
        before, behind = said[: found.start()].rstrip(), said[found.end() :].lstrip()
        if not _DENIED.search(before) and not _OR_BEFORE.search(before) and not behind.startswith("or "):
            return True
    return False


def _listed(wanted: str, said: str) -> bool:
    """Whether a bare enumeration "x and y" names the answer beside others (an answer that is one itself may)."""
    items = said.split(" and ")
    return len(items) > 1 and wanted in items and all(len(item.split()) <= 3 for item in items)


def _alike(prediction: str, gold: str) -> bool:
    """Rule 5: numbers, dates, lists and Chinese in one form."""
    said, wanted = _canonical(prediction), _canonical(gold)
    if not said or not wanted or said == wanted:
        return bool(said) and said == wanted
    if re.fullmatch(r"date\d{8}", wanted):
        return set(re.findall(r"date\d{8}", said)) == {wanted}
    if _NUMBER.fullmatch(wanted):
        bold = _BOLD.search(prediction)
        return _only_number(wanted, said) or bool(bold) and _only_number(wanted, _canonical(bold[1]))
    if _HAN.search(wanted):
        return _stands_in_chinese(wanted, said)
    if _same_list(prediction, gold):
        return True
    return bool(re.search(r"\d", wanted)) and _stands(wanted, said)


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str:
    return normalise(canonical(text))


def _only_number(wanted: str, said: str) -> bool:
    """Whether the text names this number once and no other, not denied; a year may be that of its only dates."""
    numbers = [word for word in said.split() if _NUMBER.fullmatch(word)]
    years = set(_DATE.findall(said))
    if years and re.fullmatch(r"\d{4}", wanted):
        return years | set(numbers) == {wanted}
    return numbers == [wanted] and not re.search(r"\b(?:or|not|between) (?:\w+ )?\d", said)


def _stands_in_chinese(wanted: str, said: str) -> bool:
    """Containment for Chinese, which has no spaces: the run must end at punctuation or at a common ending."""
    for found in re.finditer(re.escape(wanted), said):
        before, behind = said[: found.start()], said[found.end() :]
        denied = before.endswith(("不是", "并非", "而非", "或", "或者", "或是")) or behind.lstrip().startswith("或")
        if not denied and (not behind or not _HAN.match(behind[0]) or behind[0] in _HAN_END):
            return True
    return False


def _same_list(prediction: str, gold: str) -> bool:
    """Whether gold and prediction are lists of the same things, in any order."""
    wanted = [normalise(item) for item in _ITEMS.split(gold)]
    said = [normalise(item) for item in _ITEMS.split(prediction)]
    return len(wanted) > 1 and all(wanted) and sorted(filter(None, wanted)) == sorted(filter(None, said))


def _other_order(gold: str) -> tuple[str, ...]:
    """ "Marx, Karl" as "Karl Marx"; nothing for other golds."""
    parts = re.fullmatch(r"([^\W\d][\w'’-]*), ([^\W\d][\w'’-]*(?: [^\W\d][\w'’-]*)?)", gold.strip())
    return (f"{parts[2]} {parts[1]}",) if parts else ()
