"""Is an answer right, and does an episode follow the form? Rules, an LLM judge, and the reward made of both.

Used by 02_synthesize (checks), 04_filter (correctness), 06_dapo (reward) and 07_evaluate. In: texts and chat messages;
out: verdicts and numbers. Departure from the paper: GPT-4o judges there; here `LLMJudge` asks any OpenAI-
compatible model, and `match` is a rule that needs none. The rule is written down below, because the numbers of
a run depend on it.
"""

import asyncio
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from webdancer.core import prompts
from webdancer.core.protocol import ProtocolError, parse_response, parse_turn

TOOLS = ("search", "visit")
Messages = Sequence[dict[str, str]]
Case = tuple[str, str, str | Sequence[str]]  # question, prediction, gold or golds

_ARTICLE = re.compile(r"\b(a|an|the)\b")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_NEGATIVE = re.compile(r"\b(incorrect|not correct|wrong|false|no)\b", re.IGNORECASE)
_POSITIVE = re.compile(r"\b(correct|right|true|yes)\b", re.IGNORECASE)
_LABELLED = re.compile(  # at the start of a line, or a key of a JSON object
    r'(?:^\W*|[{,]\s*")(?:correct|verdict|judge?ment|keep)["*]*\s*[:=]\W{0,4}(yes|no|true|false|correct|incorrect|wrong)\b',
    re.IGNORECASE | re.MULTILINE,
)


class Asks(Protocol):
    """What `LLMJudge` needs of a model: `agent.llm.LLM`, or a fake in a test."""

    async def chat(self, messages: list[dict[str, str]], *, seed: int = 0) -> Any: ...


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
    4. otherwise: right if the gold's words stand in the prediction as one run of whole words.

    An empty prediction or gold never matches. Aliases that share no words with the gold need a judge, not a rule.

    Args:
        prediction: what the agent answered, a name or prose.
        gold: the right answer, or several equally right ones.
        exact: only rule 1.

    >>> match("It is **Tal Veron**, born in 1901.", "Tal Veron"), match("1 A, 2 B, 3 C", "3"), match("12", "2")
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
    bold = re.search(r"\*\*(.+?)\*\*", prediction, re.DOTALL)
    parts = [said] + ([normalise(bold[1])] if bold else [])
    if _NUMBER.fullmatch(wanted):
        return any(_NUMBER.findall(part) == [wanted] for part in parts)
    if wanted in ("yes", "no"):
        return any(part.split()[:1] == [wanted] for part in parts)
    return f" {wanted} " in f" {said} "


def read_verdict(reply: str) -> bool | None:
    """The yes or no in a judge's reply, None if there is none.

    A labelled verdict (`correct: yes`, `Verdict: incorrect`) wins, the last one if there are several; then the
    first word that means right or wrong. Negative words are looked for first, since "not correct" holds
    "correct".

    >>> read_verdict("Reasoning: ...\\ncorrect: no"), read_verdict("Yes."), read_verdict("I cannot say")
    (False, True, None)
    """
    labelled = _LABELLED.findall(reply)
    if labelled:
        return labelled[-1].casefold() in ("yes", "true", "correct")
    negative, positive = _NEGATIVE.search(reply), _POSITIVE.search(reply)
    if negative and (positive is None or negative.start() <= positive.start()):
        return False
    return True if positive else None


class LLMJudge:
    """Ask a model whether a prediction means the same as the gold answer.

    `unread` counts the replies without a verdict; they count as wrong, and a stage should report the number.
    """

    def __init__(self, llm: Asks) -> None:
        self.llm = llm
        self.unread = 0

    async def ask(self, question: str, prediction: str, gold: str | Sequence[str]) -> bool:
        """The verdict on one answer; an empty prediction is wrong without a call.

        Raises:
            EndpointError: the model could not be asked.
        """
        if not prediction.strip():
            return False
        reply = await self.llm.chat(prompts.judge(question, prediction, gold), seed=0)
        verdict = read_verdict(reply.content)
        self.unread += verdict is None
        return bool(verdict)

    async def ask_many(self, cases: Iterable[Case]) -> list[bool]:
        """The verdicts on many `(question, prediction, gold)`, asked at once, in the order of the cases."""
        return list(await asyncio.gather(*(self.ask(*case) for case in cases)))

    def judge(self, question: str, prediction: str, gold: str | Sequence[str]) -> bool:
        """`ask` from plain code, also inside a running loop (a notebook)."""
        return self.judge_many([(question, prediction, gold)])[0]

    def judge_many(self, cases: Iterable[Case]) -> list[bool]:
        """`ask_many` from plain code."""
        from webdancer.agent.llm import wait

        return wait(self.ask_many(list(cases)))


def format_error(messages: Messages, tools: Sequence[str] | None = TOOLS) -> str:
    """Why an episode breaks the protocol, "" if it does not.

    Checked: head of system and user messages, then assistant and observation in turns; every assistant turn
    parses; every call has arguments that fit its tool; the last message, and only that, is an answer with text
    in it.

    Args:
        messages: the chat messages of the episode.
        tools: the names that may be called; None allows any (the funnel drops unknown tools in a stage of their own).
    """
    start = next((i for i, m in enumerate(messages) if m["role"] == "assistant"), None)
    if start is None or [m["role"] for m in messages[:start]] not in (["system", "user"], ["user"]):
        return "no question and reply"
    for i, message in enumerate(messages[start:]):
        last = start + i == len(messages) - 1
        if message["role"] != ("assistant", "user")[i % 2]:
            return "roles do not alternate"
        try:
            error = (
                _turn_error(message["content"], last, tools)
                if i % 2 == 0
                else parse_response(message["content"]) and ""
            )
        except ProtocolError:
            error = "malformed observation" if i % 2 else _malformed(message["content"])
        if error:
            return error
    return "" if messages[-1]["role"] == "assistant" else "no answer"


def _malformed(text: str) -> str:
    """Name what kind of turn does not parse: a call whose JSON is bad, or one that is not in the form at all."""
    call = re.fullmatch(r"<think>.*?</think>\s*<tool_call>(.*?)</tool_call>\s*", text, re.DOTALL)
    return "malformed call" if call else "malformed turn"


def _turn_error(text: str, last: bool, tools: Sequence[str] | None) -> str:
    """What is wrong with an assistant turn that parses; raises ProtocolError if it does not parse."""
    turn = parse_turn(text)
    if turn.answer is not None:
        return ("" if turn.answer.strip() else "empty answer") if last else "answer before the end"
    if last:
        return "no answer"
    if tools is not None and turn.name not in tools:
        return "unknown tool"
    return "" if arguments_fit(turn.name or "", turn.arguments or {}) else "bad arguments"


def arguments_fit(name: str, arguments: dict[str, Any]) -> bool:
    """Whether the arguments have the types of the tool's schema; True for a tool that is not ours."""
    if name not in TOOLS:
        return True
    key, keys = ("query", {"query"}) if name == "search" else ("url", {"url", "goal"})
    if set(arguments) != keys or not isinstance(arguments.get("goal", ""), str):
        return False
    values = arguments[key] if isinstance(arguments[key], list) else [arguments[key]]
    return bool(values) and all(isinstance(v, str) and v.strip() for v in values)


def format_ok(messages: Messages, tools: Sequence[str] | None = TOOLS) -> bool:
    """Whether the whole episode follows the protocol (`format_error` says why not)."""
    return not format_error(messages, tools)


def reward(format_ok: bool, correct: bool) -> float:
    """R = 0.1 format + 0.9 answer, both 0 or 1 (WebDancer, section on RL).

    >>> reward(True, False), reward(True, True), reward(False, True)
    (0.1, 1.0, 0.9)
    """
    return round(0.1 * bool(format_ok) + 0.9 * bool(correct), 1)


def max_ngram(text: str, n: int = 10) -> int:
    """How often the most frequent run of n words occurs in a text, 0 if it has fewer than n words.

    >>> max_ngram("a b a b a", n=2), max_ngram("a b", n=3)
    (2, 0)
    """
    words = text.split()
    counts = Counter(zip(*(words[i:] for i in range(n)), strict=False))
    return max(counts.values(), default=0)
