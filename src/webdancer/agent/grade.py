"""Grade answers in one of four ways: equal, alike by rule, or by a model in one of the two published protocols.

Used by 07_evaluate. In: question, prediction and right answers. Out: a `Grade` each, and a record of who graded, with
the model's name and a hash of the prompt, that every result carries. Protocols:

    exact     equal after normalising (`normalise.match(exact=True)`)
    match     alike by rule (`normalise.match`)
    yes_no    a model extracts the answer, compares, says yes or no, and reads the confidence that the answer states, as
              Humanity's Last Exam (arXiv 2501.14249) and BrowseComp (arXiv 2504.12516) are graded
    one_word  a model says CORRECT, INCORRECT or NOT_ATTEMPTED, as SimpleQA (arXiv 2411.04368) is graded

Departures: the prompts are ours (`prompts.GRADE_YES_NO`, `GRADE_ONE_WORD`), closed against orders in the prediction. No
model is asked about an empty prediction, nor about one that is equal to an answer. Where the published graders take a
confidence of 100 for an answer that states none, ours take none. A reply that cannot be read is a label of its own and
counts as wrong. The paper: GPT-4o as judge, prompt not published.
"""

import contextlib
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from webdancer.agent import structured
from webdancer.agent.judge import Asks, together
from webdancer.agent.normalise import match
from webdancer.agent.verdict import read_verdict, read_word, spoken
from webdancer.core import prompts, protocol
from webdancer.core.schema import Trajectory
from webdancer.core.vault import Vault, VaultError, is_sealed

PROTOCOLS = ("exact", "match", "yes_no", "one_word")
LABELS = ("correct", "incorrect", "not_attempted", "unread")
ANSWERED = ("answer", "forced")  # how an episode ends that has an answer
TASKS = {"yes_no": prompts.GRADE_YES_NO, "one_word": prompts.GRADE_ONE_WORD}
Case = tuple[str, str, Sequence[str]]  # question, prediction, right answers

_LINE = r"^[\s*_`\"'>#-]*(?:\d+[.)]\s*)?[*_`\"']*(?:{})[*_`\"']*\s*[:=：][*_`\"'\s]*"
_EXTRACTED = re.compile(_LINE.format(r"extracted[_ ](?:final[_ ])?answer|提取的(?:最终)?答案") + r"(.*)$", re.I | re.M)
_CONFIDENCE = re.compile(_LINE.format("confidence(?: score)?|置信度|信心") + r"(.*)$", re.I | re.M)
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*([%％]|percent|/\s*100?\b|out of 100?\b)?", re.I)


@dataclass(frozen=True)
class Grade:
    """What became of an answer: one of `LABELS`, and what a model read from it (`yes_no` only).

    `extracted` is a text of the answer: of a secret benchmark it is sealed or not stored. `confidence` is from 0 to 1.
    """

    label: str
    extracted: str = ""
    confidence: float | None = None

    @property
    def right(self) -> bool:
        """Whether it counts as right."""
        return self.label == "correct"


class Grader:
    """One way to grade. `asked` counts the model's replies.

    Args:
        name: one of `PROTOCOLS`.
        llm: who is asked; for `yes_no` and `one_word`.
        vault: of a secret benchmark: no error quotes a question.

    Raises:
        ValueError: an unknown protocol, or one that needs a model and gets none.
    """

    def __init__(self, name: str, llm: Asks | None = None, vault: Vault | None = None) -> None:
        if name not in PROTOCOLS:
            raise ValueError(f"got judge {name!r}, wanted one of {', '.join(PROTOCOLS)}")
        if name in TASKS and llm is None:
            raise ValueError(
                f"the judge {name!r} asks a model: got none, wanted one: name it in judge_model or in roles"
            )
        self.name, self.llm, self.vault, self.asked = name, llm if name in TASKS else None, vault, 0

    def record(self) -> dict[str, str]:
        """Who grades, for whatever holds a verdict: protocol, model, and 12 digits of a hash of the whole prompt."""
        if self.name not in TASKS:
            return {"judge": self.name, "model": "", "prompt": ""}
        sent = json.dumps(prompts.judge("question", "prediction", "gold", TASKS[self.name]))
        digest = hashlib.sha256(sent.encode()).hexdigest()[:12]
        return {"judge": self.name, "model": str(getattr(self.llm, "model", "")), "prompt": digest}

    @property
    def label(self) -> str:
        """`record` as one text, for a row of predictions."""
        return " ".join(filter(None, self.record().values()))

    async def ask(self, question: str, prediction: str, golds: Sequence[str]) -> Grade:
        """The grade of one answer; any of `golds` is enough.

        Raises:
            EndpointError: the model could not be asked.
        """
        if not prediction.strip():
            return Grade("not_attempted")
        if match(prediction, golds, exact=self.name != "match"):
            return Grade("correct", prediction.strip())
        if self.llm is None:
            return Grade("incorrect", prediction.strip())
        self.asked += 1
        reply = await self.llm.chat(prompts.judge(question, prediction, golds, TASKS[self.name]), seed=0)
        return read(reply.content, self.name)

    def grade_many(self, cases: Iterable[Case]) -> list[Grade]:
        """The grades of many answers, asked at once, in the order of the cases.

        Raises:
            EndpointError: the model could not be asked; replies that came are in its cache, if it has one.
            VaultError: in the place of an error that quotes a secret question.
        """
        from webdancer.agent.llm import wait

        with self.vault.guard() if self.vault else contextlib.nullcontext():
            return wait(together(self.ask(*case) for case in list(cases)))


def case(trajectory: Trajectory) -> Case:
    """What is graded of an episode; one that ended without an answer has an empty prediction, whatever it wrote.

    Raises:
        VaultError: the episode is sealed.
    """
    if is_sealed(trajectory):
        raise VaultError(f"{trajectory.question_id}: a sealed episode cannot be graded: open it first (`Vault.show`)")
    said = trajectory.prediction if trajectory.stop in ANSWERED else ""
    return protocol.question_of(trajectory.messages), said, trajectory.answer[0]


def read(reply: str, name: str) -> Grade:
    """The grade in a model's reply.

    >>> read("extracted_final_answer: Orlen\\nreasoning: same town\\ncorrect: yes\\nconfidence: 85%", "yes_no")
    Grade(label='correct', extracted='Orlen', confidence=0.85)
    >>> read("**NOT ATTEMPTED**", "one_word").label, read("hm", "yes_no").label
    ('not_attempted', 'unread')
    """
    if name == "one_word":
        return Grade(read_word(reply) or "unread")
    verdict = read_verdict(reply)
    label = "unread" if verdict is None else "correct" if verdict else "incorrect"
    text = spoken(reply)
    rows = [{key.strip().casefold(): value for key, value in row.items()} for row in structured.objects(text)]
    row = next((r for r in reversed(rows) if "extracted_final_answer" in r or "confidence" in r), {})
    lines = _EXTRACTED.findall(text)
    answer = str(row.get("extracted_final_answer") or (lines[0] if lines else "")).strip(" *_`\"'")
    stated = _CONFIDENCE.findall(text)
    confidence = confidence_of(row.get("confidence", stated[-1] if stated else ""))
    return Grade(label, "" if answer.casefold() in ("none", "n/a", "null") else answer, confidence)


def confidence_of(value: Any) -> float | None:
    """A stated confidence as a number from 0 to 1, None if there is none or if it is not one number.

    A number stands for percent, unless it has a decimal point and is not above 1.

    >>> [confidence_of(v) for v in ("85%", "90/100", 72, "0.9", "8/10", "1", "None", "80-90%", "120")]
    [0.85, 0.9, 0.72, 0.9, 0.8, 0.01, None, None, None]
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    found = _NUMBER.fullmatch(str(value).strip("~≈ *_`\"'.,;"))
    if found is None:
        return None
    number, unit = float(found[1]), (found[2] or "").replace(" ", "")
    if unit in ("/10", "outof10"):
        number /= 10
    elif unit or "." not in found[1] or number > 1:
        number /= 100
    return round(number, 6) if number <= 1 else None


def tally(grades: Sequence[Grade]) -> dict[str, float]:
    """The share of each label, and SimpleQA's two further numbers.

    `correct_given_attempted` is right answers over those attempted (unread ones count as attempted), `f_score` its
    harmonic mean with the share of right answers.

    >>> tally([Grade("correct"), Grade("incorrect"), Grade("not_attempted"), Grade("not_attempted")])["f_score"]
    0.3333333333333333
    """
    counts = Counter(grade.label for grade in grades)
    shares = {label: counts[label] / max(1, len(grades)) for label in LABELS}
    attempted = 1 - shares["not_attempted"]
    given = shares["correct"] / attempted if attempted else 0.0
    both = given + shares["correct"]
    return shares | {"correct_given_attempted": given, "f_score": 2 * given * shares["correct"] / both if both else 0.0}
