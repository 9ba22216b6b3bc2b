"""The teachers' rule: which action an episode needs next, worked out anew at every turn from what the messages show.

03_distill uses the stand-ins built on it. In: the messages of a chat request. Out: a `Step` for `oracle_thoughts` to
put in words. The question gives a plan (`reading.parse_question`); facts read in the observations carry the plan
forward; where they end, the rule searches, then opens the page of that title, then gives up, at once if it is told that
no further call is carried out. No memory is kept, so
past thoughts play no part. Departure from the paper: a rule in the place of GPT-4o and QwQ-Plus.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from pocketweb.grammar import enumerate_names
from pocketweb.reading import BY_LABEL, Plan, Result, facts_in, parse_question, results_in

UNKNOWN = "unknown"
LAST_CALL = "The budget of this episode is at its end"  # how the agent's loop asks for an answer without further calls
_CALL = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)
_RESPONSE = re.compile(r"^\s*<tool_response>\n?(.*?)\n?</tool_response>\s*$", re.DOTALL)

Message = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """One looked-up link of the plan."""

    label: str
    entity: str
    objects: tuple[str, ...]


@dataclass(frozen=True)
class History:
    """What the messages show: the question, the observations, the calls made and the number of assistant turns."""

    question: str
    observations: tuple[str, ...]
    calls: tuple[tuple[str, dict[str, Any]], ...]
    turns: int

    def searched(self) -> set[str]:
        """All queries asked so far."""
        return {q for name, a in self.calls if name == "search" for q in _strings(a.get("query"))}

    def visited(self, goal: str = "") -> set[str]:
        """All URLs opened so far; with a goal, those opened for it."""
        visits = [a for name, a in self.calls if name == "visit" and (not goal or a.get("goal") == goal)]
        return {u for a in visits for u in _strings(a.get("url"))}

    def results(self) -> list[Result]:
        """All search results shown so far."""
        return [r for o in self.observations for r in results_in(o)]


@dataclass(frozen=True)
class Step:
    """The next turn before it is put in words.

    `turn` counts from 0, `action` is "search", "visit" or "answer". `found` are all findings, `new` those that the
    last observation brought; `entity` and `label` name what is looked up next (empty when answering); `arguments`
    belong to the call, `answer` to the answer.
    """

    question: str
    plan: Plan | None
    turn: int
    action: str
    found: tuple[Finding, ...] = ()
    new: tuple[Finding, ...] = ()
    entity: str = ""
    label: str = ""
    arguments: dict[str, Any] | None = None
    answer: str = ""


def _strings(value: Any) -> list[str]:
    """`value` as a list of strings, whatever a model wrote there."""
    return [value] if isinstance(value, str) else [v for v in value or () if isinstance(v, str)]


def history_of(messages: list[Message]) -> History:
    """Read the messages of a chat request: the first user message is the question (behind the last "User: ")."""
    users = [m["content"] for m in messages if m["role"] == "user"]
    turns = [m["content"] for m in messages if m["role"] == "assistant"]
    bare = [match[1] if (match := _RESPONSE.match(text)) else text for text in users[1:]]
    calls = [call for text in turns for call in _calls(text)]
    question = users[0].rpartition("\nUser: ")[2].strip() if users else ""
    return History(question, tuple(bare), tuple(calls), len(turns))


def _calls(text: str) -> list[tuple[str, dict[str, Any]]]:
    """The well-formed tool calls of an assistant turn."""
    calls = []
    for body in _CALL.findall(text):
        try:
            call = json.loads(body)
        except ValueError:
            continue
        if isinstance(call, dict) and isinstance(call.get("arguments"), dict):
            calls.append((str(call.get("name")), call["arguments"]))
    return calls


def query_of(entity: str, label: str) -> str:
    """The search query, and the goal of a visit, for one link of a plan.

    >>> query_of("Orlen Ford", "birthplace")
    'Orlen Ford born'
    """
    return f"{entity} {BY_LABEL[label].query}"


def follow(plan: Plan, observations: tuple[str, ...]) -> tuple[list[Finding], tuple[str, str] | None]:
    """Follow the plan through the facts told in the observations.

    Returns:
        What was found, chain by chain, then what is asked of the thing that a comparison picks; and the first
        `(entity, label)` that is still open (None when all is found, or two numbers are equal and nothing is picked).
    """
    told: dict[tuple[str, str], tuple[str, ...]] = {}
    for observation in observations:
        for fact in facts_in(observation):
            told.setdefault((fact.label, fact.subject), fact.objects)
    found: list[Finding] = []
    for chain in plan.chains:
        entity = chain.entity
        for label in chain.labels:
            objects = told.get((label, entity))
            if objects is None:
                return found, (entity, label)
            found.append(Finding(label, entity, objects))
            entity = objects[0]
    winner = picked(plan, found) if plan.asked else ""
    if winner:
        objects = told.get((plan.asked, winner))
        if objects is None:
            return found, (winner, plan.asked)
        found.append(Finding(plan.asked, winner, objects))
    return found, None


def picked(plan: Plan, found: tuple[Finding, ...] | list[Finding]) -> str:
    """The thing with the lower or higher number, as a completely followed comparison wants it; "" if both are equal."""
    one, other = last_findings(plan, found)
    first, second = int(one.objects[0]), int(other.objects[0])
    if first == second:
        return ""
    return one.entity if (first < second) == (plan.kind == "lower") else other.entity


def last_findings(plan: Plan, found: tuple[Finding, ...] | list[Finding]) -> list[Finding]:
    """The finding at the end of each chain of a completely followed plan."""
    ends, end = [], 0
    for chain in plan.chains:
        end += len(chain.labels)
        ends.append(found[end - 1])
    return ends


def answer_of(plan: Plan, found: list[Finding]) -> str:
    """The answer once every chain has been followed; "unknown" if two lists share nothing or two years are equal."""
    ends = last_findings(plan, found)
    if plan.kind == "count":
        return str(len(ends[0].objects))
    if plan.kind == "both":
        common = [name for name in ends[0].objects if name in ends[1].objects]
        return enumerate_names(common) if common else UNKNOWN
    if plan.kind == "difference":
        return str(abs(int(ends[0].objects[0]) - int(ends[1].objects[0])))
    if plan.kind in ("lower", "higher"):
        winner = picked(plan, found) or UNKNOWN
        return found[-1].objects[0] if plan.asked and winner != UNKNOWN else winner
    return ends[0].objects[0]


def url_of(entity: str, results: list[Result]) -> str | None:
    """The address of the result whose title is the entity (alone, behind an owner's `/`, or before a site's name)."""
    for result in results:
        title = re.split(r" [-|–—] ", result.title)[0]
        if entity in (result.title, title, title.rpartition("/")[2]):
            return result.url
    return None


def next_step(messages: list[Message]) -> Step:
    """The rule: answer when the plan is followed to its end, else search, else visit, else give up."""
    history = history_of(messages)
    plan = parse_question(history.question)
    if plan is None:
        return _without_plan(history)
    found, missing = follow(plan, history.observations)
    before = follow(plan, history.observations[:-1])[0]
    new = tuple(found[len(before) :])
    first = history.turns == 0
    if missing is None:
        return Step(
            history.question,
            plan,
            first,
            "answer",
            tuple(found),
            new or tuple(found[-1:]),
            answer=answer_of(plan, found),
        )
    return _look_up(history, plan, tuple(found), new or tuple(found[-1:]), missing)


def _look_up(
    history: History, plan: Plan, found: tuple[Finding, ...], new: tuple[Finding, ...], missing: tuple[str, str]
) -> Step:
    """The call that may find what is missing, or the answer "unknown"."""
    entity, label = missing
    query, turn = query_of(entity, label), history.turns
    if history.observations and LAST_CALL in history.observations[-1]:
        return Step(history.question, plan, turn, "answer", found, new, entity, label, answer=UNKNOWN)
    if query not in history.searched():
        arguments: dict[str, Any] = {"query": [query]}
        return Step(history.question, plan, turn, "search", found, new, entity, label, arguments)
    url = url_of(entity, history.results())
    opened = history.visited(query if plan.asked else "")  # a page may have been opened for the number it tells
    if url and url not in opened:
        arguments = {"url": [url], "goal": query}
        return Step(history.question, plan, turn, "visit", found, new, entity, label, arguments)
    return Step(history.question, plan, turn, "answer", found, new, entity, label, answer=UNKNOWN)


def _without_plan(history: History) -> Step:
    """A question outside the grammar: search its words once, then give up."""
    if history.question in history.searched() or LAST_CALL in "".join(history.observations[-1:]):
        return Step(history.question, None, history.turns, "answer", answer=UNKNOWN)
    return Step(history.question, None, history.turns, "search", arguments={"query": [history.question]})


def plan_text(plan: Plan) -> str:
    """The plan as the short teacher writes it.

    >>> plan_text(parse_question("How many companies of the birthplace of Tal Veron are listed?"))
    'Tal Veron, birthplace, companies, count'
    """
    text = "; ".join(", ".join((chain.entity, *chain.labels)) for chain in plan.chains)
    if plan.asked:
        return f"{text}; {plan.kind}, {plan.asked}"
    return text + {"value": "", "count": ", count"}.get(plan.kind, f"; {plan.kind}")
