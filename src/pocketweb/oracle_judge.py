"""The rule-based stand-in for the judge: is an answer right, and is a trajectory worth keeping?

04_filter (both), 06_dapo and 07_evaluate (answers). In: the judge's or the rater's prompt. Out: two lines `Correct:
yes|no` and `Reason:`, or JSON with a score from 1 to 5 for each criterion. Departure from the paper: rules in the
place of GPT-4o and Qwen-2.5-72B.
"""

import json
import random
import re
from collections import Counter

from pocketweb.oracle_teacher import UNKNOWN, Message, follow, history_of, query_of
from pocketweb.reading import parse_question, sentences

ANSWER_TASK = "Task: judge an answer."
QUALITY_TASK = "Task: rate a trajectory."
MISTAKES = 0.05  # share of verdicts that are turned round at temperature 1
MOST_REPEATS = 2  # a sentence may stand this often
LONG_SENTENCE = 5  # words from which a sentence counts over all thoughts; shorter ones are figures of speech
# Question and gold answer fill one line each, so that nothing in a prediction can pass for them.
_JUDGED = re.compile(r"Question: (.*)\nGold answer: (.*)\n<prediction>\n((?s:.*))\n</prediction>")
_RATED = re.compile(r"Question: (.*)\n<trajectory>\n((?s:.*))\n</trajectory>")
_TURN = re.compile(r"(?:^|\n\n)\[(assistant|user)\]\n(.*?)(?=\n\n\[(?:assistant|user)\]\n|\Z)", re.DOTALL)
_THOUGHT = re.compile(r"<think>(.*?)</think>", re.DOTALL)
_ANSWER = re.compile(r"<answer>\s*(.*?)\s*</answer>", re.DOTALL)


def _plain(text: str) -> str:
    """Lower case, letters and digits and brackets only, no articles, single spaces."""
    words = re.sub(r"[^\w()\s-]", " ", text.casefold()).split()
    return " ".join(w for w in words if w not in ("the", "a", "an"))


def same(prediction: str, gold: str) -> bool:
    """Whether the prediction says the gold answer and no rival of it.

    >>> same("It is Tal Veron.", "Tal Veron"), same("Tal Veron or Ada Quist", "Tal Veron"), same("13", "3")
    (True, False, False)
    """
    said, wanted = _plain(prediction), _plain(gold)
    if not said or not wanted or said == wanted:
        return bool(said) and said == wanted
    if " or " in said and " or " not in wanted:
        return False
    if wanted.isdigit():
        return re.findall(r"\d+", said) == [wanted]
    return re.search(rf"(?<![\w-]){re.escape(wanted)}(?! \(|[\w-])", said) is not None


def reply(messages: list[Message], temperature: float, rng: random.Random) -> str:
    """The judge's reply: a verdict in two lines, or the scores of a trajectory as JSON."""
    task = next((m["content"] for m in messages if m["role"] == "system"), "").partition("\n")[0]
    user = next((m["content"] for m in reversed(messages) if m["role"] == "user"), "")
    if task == ANSWER_TASK and (match := _JUDGED.fullmatch(user)):
        right = any(same(match[3], gold) for gold in match[2].split(" | "))
        if rng.random() < MISTAKES * temperature:
            right = not right
        reason = "it says the same as the gold answer" if right else "it does not say what the gold answer says"
        return f"Correct: {'yes' if right else 'no'}\nReason: {reason}."
    if task == QUALITY_TASK and (match := _RATED.fullmatch(user)):
        return json.dumps(rate(match[1], match[2]), ensure_ascii=False)
    return "This rule-based stand-in reads only the judge prompts of the project."


def rate(question: str, trajectory: str) -> dict[str, object]:
    """Scores of a trajectory given as text: repeats, calls off the plan, an answer that the observations do not
    carry."""
    turns = [{"role": role, "content": text} for role, text in _TURN.findall(trajectory)]
    problems = {
        "non_redundant": _repeats(turns),
        "goal_aligned": _strays(question, turns),
        "logical": _unfounded(question, turns),
    }
    scores: dict[str, object] = {name: max(1, 5 - 2 * len(found)) for name, found in problems.items()}
    reasons = [reason for found in problems.values() for reason in found]
    return {**scores, "reason": "; ".join(reasons) or "nothing repeated, every step on the plan"}


def _repeats(turns: list[Message]) -> list[str]:
    """Calls made twice, and sentences said too often: any in one thought, longer ones in all thoughts together."""
    calls = Counter(json.dumps(call, sort_keys=True) for call in history_of(turns).calls)
    thoughts = [t for m in turns if m["role"] == "assistant" for t in _THOUGHT.findall(m["content"])]
    said = [sentences(thought) for thought in thoughts]
    counts = [Counter(one) for one in said]
    counts.append(Counter(s for one in said for s in one if len(s.split()) >= LONG_SENTENCE))
    often = {s for count in counts for s, times in count.items() if times > MOST_REPEATS}
    found = [f"repeated call {call}" for call, times in calls.items() if times > 1]
    return found + [f"repeated sentence {s!r}" for s in sorted(often)]


def _strays(question: str, turns: list[Message]) -> list[str]:
    """Searches that the plan of the question does not ask for, and tools that do not exist."""
    history = history_of([{"role": "user", "content": question}, *turns])
    found = [f"unknown tool {name}" for name, _ in history.calls if name not in ("search", "visit")]
    plan = parse_question(question)
    if plan is None:
        return found
    known, missing = follow(plan, history.observations)
    wanted = {query_of(f.entity, f.label) for f in known} | ({query_of(*missing)} if missing else set())
    goals = {str(a.get("goal")) for name, a in history.calls if name == "visit"}
    return found + [f"call off the plan: {asked}" for asked in sorted((history.searched() | goals) - wanted)]


def _unfounded(question: str, turns: list[Message]) -> list[str]:
    """An answer that no observation mentions, or none at all."""
    answers = _ANSWER.findall(turns[-1]["content"]) if turns and turns[-1]["role"] == "assistant" else []
    if not answers or answers[-1] == UNKNOWN:
        return ["no answer"]
    history = history_of([{"role": "user", "content": question}, *turns])
    plan = parse_question(question)
    if plan is not None and follow(plan, history.observations)[1] is not None:
        return ["the observations do not carry the plan to its end"]
    computed = plan is not None and plan.kind in ("count", "difference")
    if plan is not None and not computed and answers[-1] not in "\n".join(history.observations):
        return ["the answer is in no observation"]
    return []
