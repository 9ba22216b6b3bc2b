"""Is an answer right, and does an episode follow the form? An LLM judge, the check of the form, and the reward.

Used by 04_filter (correctness), 06_dapo (reward) and 07_evaluate. In: texts and chat messages; out: verdicts and
numbers. Departure from the paper: GPT-4o judges there; here `LLMJudge` asks any OpenAI-compatible model, and
`normalise.match` is a rule that needs none. Replies are read by `verdict.read_verdict`; all three are named here too.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from webdancer.agent.normalise import match as match
from webdancer.agent.normalise import normalise as normalise
from webdancer.agent.verdict import read_verdict as read_verdict
from webdancer.core import prompts
from webdancer.core.protocol import ProtocolError, parse_response, parse_turn

T = TypeVar("T")
TOOLS = ("search", "visit")
Messages = Sequence[dict[str, str]]
Case = tuple[str, str, str | Sequence[str]]  # question, prediction, gold or golds


class Asks(Protocol):
    """What `LLMJudge` needs of a model: `agent.llm.LLM`, or a fake in a test."""

    async def chat(self, messages: list[dict[str, str]], *, seed: int = 0) -> Any: ...


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
        return await together(self.ask(*case) for case in cases)

    def judge(self, question: str, prediction: str, gold: str | Sequence[str]) -> bool:
        """`ask` from plain code, also inside a running loop (a notebook)."""
        return self.judge_many([(question, prediction, gold)])[0]

    def judge_many(self, cases: Iterable[Case]) -> list[bool]:
        """`ask_many` from plain code."""
        from webdancer.agent.llm import wait

        return wait(self.ask_many(list(cases)))


async def together(questions: Iterable[Awaitable[T]]) -> list[T]:
    """The results of many requests made at once, in their order.

    One that fails does not cut the others off: their replies are paid for and may be cached. Then the first failure is
    raised.
    """
    found = await asyncio.gather(*questions, return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return found


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
