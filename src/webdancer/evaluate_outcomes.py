"""Part of stage 07: what became of an episode, by rules on what it read and said, and which episodes are worth reading.

In: predictions, and their questions where pages and sentences that carry the answer are known. Out: an error class an
episode, shares of them, episodes to look at. Shown in notebooks/07_evaluate.ipynb. The rules sort, they do not prove:
a gold that stands on a page by chance counts as read. Not in the paper.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from webdancer.agent import judge
from webdancer.core import protocol
from webdancer.core.schema import Question, Trajectory
from webdancer.evaluate_predictions import TRUNCATED, Prediction, plain
from webdancer.web.tools import page_key

OUTCOMES = (
    "right", "judge", "seen, not chosen", "miscounted", "wrong hop", "not found", "unsupported", "gave up", "cut off",
    "format", "lost",
)  # fmt: skip
LOST = ("error", "tool_failures")  # stops that are no fault of the agent
COUNTED = ("count", "difference")  # kinds whose answer is worked out and stands nowhere
LONG = 6  # words; a longer answer is seldom read as it stands
Questions = Mapping[str, Question]

_HEAD = re.compile(
    r"^(?:\d+\. \[(?P<title>.*)\]\((?P<hit>\S+)\)"
    r"|The useful information in (?P<page>\S+) for user goal (?s:.{0,1000}?) as follows:) *$",
    re.MULTILINE,
)
_FRAME = re.compile(
    r"^(?:A (?:Google )?search for .* found \d+ results.*|## Web Results|=======|Date published: .*)$", re.M
)
_GAVE_UP = re.compile(
    r"(?:the )?(?:answer is )?(?:unknown|not (?:known|found|available)|no answer|cannot be (?:found|determined))\b"
    r"|(?:i |we )?(?:do not|dont|did not|didnt|could not|couldnt|cannot|cant|was unable to|am unable to|unable to) "
    r"(?:know|find|determine|answer|identify|verify)\b"
)


@dataclass(frozen=True)
class Reading:
    """What an observation told of one page: its address ("" if unknown), the text, and whether the page was opened."""

    url: str
    text: str
    visited: bool = False


def readings(trajectory: Trajectory) -> list[Reading]:
    """All that the agent read, page by page; its own queries and goals, which observations repeat, are left out."""
    found: list[Reading] = []
    for message in plain(trajectory).messages:
        if message["role"] == "user" and message["content"].startswith("<tool_response>"):
            found += _pages(protocol.parse_response(message["content"]))
    return found


def _pages(observation: str) -> list[Reading]:
    """The parts of an observation in the released layout; one of another layout as a whole."""
    heads = list(_HEAD.finditer(observation))
    if not heads:
        return [] if observation.startswith("Error: ") else [Reading("", _lines(observation))]
    ends = [head.start() for head in heads[1:]] + [len(observation)]
    return [
        Reading(
            page_key(head["hit"] or head["page"]),
            _lines(f"{head['title'] or ''}\n{observation[head.end() : end]}"),
            visited=head["page"] is not None,
        )
        for head, end in zip(heads, ends, strict=True)
    ]


def _lines(text: str) -> str:
    """The lines of a text that say something of a page."""
    return "\n".join(line for line in _FRAME.sub("", text).splitlines() if line.strip())


@lru_cache(maxsize=8192)
def _normal(text: str) -> str:
    """Normalised, with a space at both ends, so that whole words are found by `in`."""
    return f" {judge.normalise(text)} "


def _stands(words: str, read: Iterable[Reading]) -> bool:
    """Whether these words stand in something that was read, as one run of whole words."""
    return any(_normal(words) in _normal(r.text) for r in read)


def outcome(prediction: Prediction, question: Question | None = None) -> str:
    """What became of an episode, by the first rule that holds; one of `OUTCOMES`.

    1. `right`
    2. `lost`: the endpoint failed, or the tools did again and again
    3. `cut off`: no turns or tokens left
    4. `format`: a turn or call broke the protocol
    5. `gave up`: it answered nothing, or that it does not know
    6. `judge`: it was judged wrong, but holds the right answer or is a part of it: look at the verdict first
    7. `miscounted`: a wrong number where something is counted or subtracted
    8. `unsupported`: its answer stood in nothing that it read
    9. `seen, not chosen`: it read the right answer, and gave another that it read
    10. `wrong hop`: it read a page of the question's path, and an answer from another step or off the path
    11. `not found`: it never read a page of the path, or nobody knows the path, and never the right answer

    Args:
        question: with the pages of the path (`evidence`), where they are known.
    """
    t = prediction.trajectory
    golds = t.answer[0] if t.answer else ()
    if prediction.correct:
        return "right"
    if t.stop in LOST:
        return "lost"
    if t.stop in TRUNCATED:
        return "cut off"
    if not prediction.valid:
        return "format"
    if not prediction.said or _GAVE_UP.match(prediction.said):
        return "gave up"
    if any(_doubtful(t.prediction, gold) for gold in golds):
        return "judge"
    if t.tag in COUNTED and re.search(r"\d", t.prediction):
        return "miscounted"
    read = readings(t)
    if not _read(t.prediction, read):
        return "unsupported"
    if any(_stands(gold, read) for gold in golds):
        return "seen, not chosen"
    path = {page_key(url) for url in question.evidence} if question else set()
    return "wrong hop" if any(r.url in path for r in read) else "not found"


def _doubtful(prediction: str, gold: str) -> bool:
    """Whether one of prediction and gold stands in the other, or another rule calls them the same."""
    said, wanted = _normal(prediction), _normal(gold)
    return bool(wanted.strip()) and (wanted in said or said in wanted or judge.match(prediction, gold))


def _read(answer: str, read: Sequence[Reading]) -> bool:
    """Whether an answer was read: its bold part or the whole as one run; of a long one most of what it says, anywhere.

    Most is four in five of its numbers and of its words of more than three letters.
    """
    bold = re.search(r"\*\*(.+?)\*\*", answer, re.DOTALL)
    words = _normal(bold[1] if bold else answer).split()
    if len(words) <= LONG:
        return _stands(" ".join(words), read)
    known = {word for r in read for word in _normal(r.text).split()}
    telling = [word for word in words if len(word) > 3 or word.isdigit()]
    return sum(word in known for word in telling) >= 0.8 * len(telling)


def outcomes(predictions: Iterable[Prediction], questions: Questions | None = None) -> dict[str, float]:
    """Share of each of `OUTCOMES` among the predictions; `questions` by id, as for `outcome`."""
    found = Counter(_sorted_by(predictions, questions))
    return {name: found[name] / max(1, found.total()) for name in OUTCOMES}


def _sorted_by(predictions: Iterable[Prediction], questions: Questions | None) -> list[str]:
    """The outcome of each prediction."""
    return [outcome(p, (questions or {}).get(p.trajectory.question_id)) for p in predictions]


def supported(trajectory: Trajectory, question: Question | None = None) -> bool:
    """Whether the agent read what makes the right answer right.

    That is: a sentence of `question.support` that names the answer, or the answer beside the address of that sentence's
    page. Where no sentence names it (it was counted or compared), the last sentence, or a visit to its page. Where no
    support is known, the answer, anywhere.
    """
    read, golds = readings(trajectory), trajectory.answer[0]
    pairs = list(zip(question.evidence, question.support, strict=False)) if question else []
    if not pairs:
        return any(_stands(gold, read) for gold in golds)
    naming = [pair for pair in pairs if any(_normal(gold) in _normal(pair[1]) for gold in golds)]
    for url, said in naming or pairs[-1:]:
        here = [r for r in read if r.url == page_key(url)]
        if _stands(said, read) or any(r.visited and not naming for r in here):
            return True
        if naming and any(_stands(gold, here) for gold in golds):
            return True
    return False


def lucky(predictions: Iterable[Prediction], questions: Questions | None = None) -> list[Prediction]:
    """The right ones among the predictions that never read what makes the answer right: guessed, or remembered."""
    known = questions or {}
    return [p for p in predictions if p.correct and not supported(p.trajectory, known.get(p.trajectory.question_id))]


def examples(predictions: Sequence[Prediction], questions: Questions | None = None) -> dict[str, Prediction]:
    """One episode worth reading of each outcome that occurs: the one with most tool calls, then the first by id."""
    ordered = sorted(predictions, key=_longest_first)
    found: dict[str, Prediction] = {}
    for name, p in zip(_sorted_by(ordered, questions), ordered, strict=True):
        found.setdefault(name, p)
    return {name: found[name] for name in OUTCOMES if name in found}


def worth_reading(predictions: Sequence[Prediction], questions: Questions | None = None) -> dict[str, Prediction]:
    """Three episodes to read first, each the one with most tool calls of its sort, as far as there is one.

    Returns:
        `solved`: right, and it read why; `failed`: of the most frequent error class; `lucky`: right, but see `lucky`.
    """
    ordered = sorted(predictions, key=_longest_first)
    chance = lucky(ordered, questions)
    names = _sorted_by(ordered, questions)
    errors = Counter(name for name in names if name != "right").most_common(1)
    sorts = {
        "solved": [p for p in ordered if p.correct and p not in chance],
        "failed": [p for name, p in zip(names, ordered, strict=True) if errors and name == errors[0][0]],
        "lucky": chance,
    }
    return {name: rows[0] for name, rows in sorts.items() if rows}


def _longest_first(p: Prediction) -> tuple[int, str, int]:
    return -p.trajectory.n_calls, p.trajectory.question_id, p.trajectory.sample
