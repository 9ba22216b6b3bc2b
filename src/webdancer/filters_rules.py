"""The rules of the funnel: what makes a trajectory valid, and what is good enough to imitate. Shown in 04_filter.

Part of stage 4 (`filters`). In: a trajectory and the bounds. Out: the names of the rules it breaks. As in the paper:
number of actions, hallucinated tools, no 10-gram more than 4 times. The paper's sentence on actions can be read in
several ways ("at least two", "more than two", "at most two", answer counted or not) and its tables fit none, so both
bounds and the way of counting are parameters; `readings` shows them all. Departures: identical calls, addresses that
nobody showed, lengths of thoughts and answers that no observation carries are rules of ours.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from webdancer.agent.judge import TOOLS, format_error, max_ngram
from webdancer.core.protocol import Turn, parse_response, parse_turn, question_of, turns_of
from webdancer.core.schema import Trajectory
from webdancer.web.words import words

CRITERIA = ("non_redundant", "goal_aligned", "logical")  # what a rater scores, in the order of `Trajectory.ratings`
COUNTED = ("count", "difference")  # kinds whose answer is reckoned, so that no page has to show it
SHORT = 6  # content words up to which an answer has to stand in one observation
COMMON = frozenset(
    "a an the and or of in on at to by for with as is are was were be been it its this that these those he she they "
    "his her their who which what when where how there from not no also but has have had both answer".split()
)
_SEPARATOR = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_HOW_MANY = re.compile(r"\b(?:how (?:many|much|long|far|old)|number of|difference)\b|多少|几", re.IGNORECASE)
# Names (a capital inside a sentence), numbers, Chinese.
_NAME = re.compile(r"(?<=[^\s.!?:*-] )[^\W\d_a-z]\w+|\d[\d,.]*\d|\d|[\u3400-\u9fff]+")
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+")
_SCHEME = re.compile(r"^(?:https?://)?(?:www\.)?", re.IGNORECASE)


@dataclass(frozen=True)
class Rules:
    """The bounds; every field is a parameter of 04_filter with the same name.

    An action is a tool call and, with `count_answer`, the final answer, as in the paper's tables. A count of 0 means no
    upper bound, a `min_grounded` of 0 that nothing has to be grounded.
    """

    forced_answers: bool = False
    tools: tuple[str, ...] = TOOLS
    strict_tools: bool = False
    min_actions: int = 2
    max_actions: int = 20
    count_answer: bool = True
    max_same_call: int = 1
    known_urls: bool = True
    min_thought: int = 1
    max_thought: int = 4000
    ngram: int = 10
    max_ngram: int = 4
    min_grounded: float = 0.5
    min_ratings: tuple[int, ...] = (4, 4, 4)

    def __post_init__(self) -> None:
        """Raises ValueError for ratings that are not three, or for a share outside 0 to 1."""
        if len(self.min_ratings) != len(CRITERIA):
            raise ValueError(f"min_ratings: got {list(self.min_ratings)}, wanted one score each for {CRITERIA}")
        if not 0 <= self.min_grounded <= 1:
            raise ValueError(f"min_grounded: got {self.min_grounded}, wanted a share from 0 to 1")

    @classmethod
    def of(cls, parameters: dict[str, Any]) -> "Rules":
        """The rules among a notebook's parameters."""
        values = {f.name: parameters[f.name] for f in fields(cls)}
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


class Reading:
    """A valid trajectory taken apart once for all rules: turns, calls, observations, answer."""

    def __init__(self, trajectory: Trajectory) -> None:
        self.trajectory = trajectory
        self.said = turns_of(trajectory.messages)
        self.turns = [parse_turn(text) for text in self.said]
        self.calls = [turn for turn in self.turns if turn.answer is None]

    @cached_property
    def observations(self) -> list[str]:
        """The observations in order."""
        first = next(i for i, m in enumerate(self.trajectory.messages) if m["role"] == "assistant")
        return [parse_response(m["content"]) for m in self.trajectory.messages[first:] if m["role"] == "user"]

    @cached_property
    def question(self) -> str:
        """The question asked."""
        return question_of(self.trajectory.messages)

    @cached_property
    def thoughts(self) -> list[int]:
        """Words of each thought."""
        return [count_words(turn.thought) for turn in self.turns]


def prediction(trajectory: Trajectory) -> str:
    """The final answer: the stored one, or for a released file the answer block of the last turn ("" if there
    is none).
    """
    if trajectory.prediction or trajectory.stop:
        return trajectory.prediction
    said = turns_of(trajectory.messages)
    return (parse_turn(said[-1]).answer or "").strip() if said else ""


DEFAULTS = Rules()


def validity(trajectory: Trajectory, rules: Rules = DEFAULTS) -> str:
    """Why a trajectory is not valid, "" if it is: it has to end in an answer and follow the protocol throughout.

    `judge.format_error` checks the form: head, turns, closed tags, one call or answer a turn, JSON, arguments. An
    answer forced by the end of the budget counts only with `forced_answers`; a tool that does not exist is a fault of
    form only with `strict_tools` (else of quality, as in the paper).
    """
    ends = ("", "answer", "forced") if rules.forced_answers else ("", "answer")
    if trajectory.stop not in ends:
        return f"ended by {trajectory.stop}"
    return format_error(trajectory.messages, tools=rules.tools if rules.strict_tools else None)


def broken(trajectory: Trajectory, rules: Rules = DEFAULTS) -> list[str]:
    """The quality rules that a valid trajectory breaks, in the order of `QUALITY`."""
    reading = Reading(trajectory)
    return [rule.format(**vars(rules)) for rule, breaks in QUALITY.items() if breaks(reading, rules)]


def quality(trajectory: Trajectory, rules: Rules = DEFAULTS) -> str:
    """The first quality rule that a valid trajectory breaks, "" if it breaks none."""
    return next(iter(broken(trajectory, rules)), "")


def count_words(text: str) -> int:
    """Words of a text; a Chinese character counts as one.

    >>> count_words("Look it up: 北京")
    5
    """
    return len(_WORD.findall(text))


def low_ratings(ratings: Sequence[int], rules: Rules = DEFAULTS) -> list[str]:
    """The criteria whose score is below its threshold, as reasons; "no rating" if there are no scores."""
    if not ratings:
        return ["no rating"]
    scored = zip(CRITERIA, ratings, rules.min_ratings, strict=True)
    return [f"rated low: {name}" for name, score, lowest in scored if score < lowest]


def n_actions(reading: Reading, rules: Rules) -> int:
    """How many actions an episode has."""
    return len(reading.said) if rules.count_answer else len(reading.calls)


def _repeated_call(reading: Reading, rules: Rules) -> bool:
    """Whether the very same call is made too often."""
    counts = Counter(json.dumps([c.name, c.arguments], sort_keys=True) for c in reading.calls)
    return max(counts.values(), default=0) > rules.max_same_call


def unknown_urls(reading: Reading) -> list[str]:
    """Addresses that were visited before the question or an observation had shown them.

    Scheme, `www.`, fragment, a slash at the end and percent-encoding make no difference.
    """
    found, shown = [], reading.question
    for turn, observation in zip(reading.turns, [*reading.observations, ""], strict=False):
        found += [url for url in _visited(turn) if f"]({url})" not in shown and not _shown(url, _bare(shown))]
        shown += "\n" + observation
    return found


def _visited(turn: Turn) -> list[str]:
    """The addresses of a `visit` call."""
    urls = (turn.arguments or {}).get("url", []) if turn.name == "visit" else []
    return [urls] if isinstance(urls, str) else list(urls)


def _bare(text: str) -> str:
    return unquote(text).casefold()


def _shown(url: str, text: str) -> bool:
    """Whether an address stands in a text as a whole, not as the beginning of a longer one."""
    wanted = re.escape(_bare(_SCHEME.sub("", url.strip()).partition("#")[0].rstrip("/")))
    return bool(re.search(rf"(?<![\w.-])(?:www\.)?{wanted}/?(?![\w%/=&+~-]|[.?]\w)", text))


def grounded(reading: Reading) -> float:
    """Share of the answer's content words that the observations show.

    Content words are the words of the answer (pairs of characters in Chinese) without common ones and without those of
    the question. Up to `SHORT` of them have to stand in one observation; of a longer answer, which is prose, only
    names and numbers count, in all observations together. 1.0 where there is nothing to check: no content word, yes or
    no, a number that had to be reckoned (`COUNTED`, "how many").
    """
    answer = prediction(reading.trajectory)
    asked = set(_content(reading.question))
    wanted = [word for word in dict.fromkeys(_content(answer)) if word not in asked]
    reckoned = reading.trajectory.tag in COUNTED or _HOW_MANY.search(reading.question)
    if not wanted or wanted[0] in ("yes", "no") or (reckoned and len(wanted) <= 2 and any(map(str.isdigit, wanted))):
        return 1.0
    said = answer.casefold()
    if any(said in text.casefold() for text in reading.observations):
        return 1.0
    seen = [set(_content(text)) for text in reading.observations] or [set()]
    if len(wanted) > SHORT:
        seen = [set().union(*seen)]
        names = set(_content(" ".join(_NAME.findall(answer))))
        wanted = [word for word in wanted if word in names] or wanted
    return max(sum(word in group for word in wanted) for group in seen) / len(wanted)


def _content(text: str) -> list[str]:
    """The words of a text without common ones; of Chinese the pairs of characters."""
    return [w for w in words(_SEPARATOR.sub("", text)) if w not in COMMON and (len(w) > 1 or w.isascii())]


QUALITY: dict[str, Callable[[Reading, Rules], bool]] = {  # reason of a drop, and when it applies
    "hallucinated tool": lambda r, rules: any(call.name not in rules.tools for call in r.calls),
    "too few actions": lambda r, rules: n_actions(r, rules) < rules.min_actions,
    "too many actions": lambda r, rules: 0 < rules.max_actions < n_actions(r, rules),
    "repeated call": _repeated_call,
    "unknown url": lambda r, rules: rules.known_urls and bool(unknown_urls(r)),
    "thought too short": lambda r, rules: min(r.thoughts, default=0) < rules.min_thought,
    "thought too long": lambda r, rules: 0 < rules.max_thought < max(r.thoughts, default=0),
    "repeated {ngram}-gram": lambda r, rules: max_ngram(" ".join(r.said), rules.ngram) > rules.max_ngram,
    "answer not grounded": lambda r, rules: grounded(r) < rules.min_grounded,
}
