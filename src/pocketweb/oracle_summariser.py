"""The rule-based stand-in for the page summariser behind the `visit` tool.

03_distill, 06_dapo and 07_evaluate. In: a goal and a page's text, in the summariser's prompt. Out: JSON with
`rational`, `evidence` (at most two whole sentences of the page, those that share most words with the goal) and
`summary` (the best one). Departure from the paper: word overlap in the place of Qwen-2.5-72B.
"""

import json
import random
import re

from pocketweb.oracle_teacher import Message
from pocketweb.reading import sentences

TASK = "Task: summarise a page for a goal."
MISTAKES = 0.03  # share of summaries that rest on the second-best sentences at temperature 1
_WORD = re.compile(r"[\w-]+")


def words(text: str) -> set[str]:
    """The words of a text, lower-cased."""
    return {w.casefold() for w in _WORD.findall(text)}


def best_sentences(text: str, goal: str, count: int = 2) -> list[str]:
    """The sentences that share most words with the goal, best first (ties: the earlier one); none that share nothing.

    >>> best_sentences("It rains. The mayor of Orlen Ford is Tal Veron.", "Orlen Ford mayor")
    ['The mayor of Orlen Ford is Tal Veron.']
    """
    wanted = words(goal)
    scored = [(len(wanted & words(s)), s) for s in dict.fromkeys(sentences(text))]
    return [s for score, s in sorted(scored, key=lambda pair: -pair[0]) if score][:count]


def reply(messages: list[Message], temperature: float, rng: random.Random) -> str:
    """The summariser's reply as JSON text."""
    system = next((m["content"] for m in messages if m["role"] == "system"), "")
    user = next((m["content"] for m in reversed(messages) if m["role"] == "user"), "")
    goal, _, text = user.removeprefix("Goal: ").partition("\nPage:\n")
    if not system.startswith(TASK):
        return "This rule-based stand-in reads only the summariser prompt of the project."
    best = best_sentences(text, goal, 3)
    if len(best) == 3 and rng.random() < MISTAKES * temperature:
        best = best[1:]
    reason = "These sentences share most words with the goal." if best else "No sentence shares a word with the goal."
    summary = best[0] if best else "The page says nothing about the goal."
    return json.dumps({"rational": reason, "evidence": " ".join(best[:2]), "summary": summary}, ensure_ascii=False)
