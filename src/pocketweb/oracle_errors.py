"""The mistakes that the stand-in teachers make, at a rate set by temperature.

03_distill gets something to sample over and 04_filter something to drop. In: a `Step`, the messages and a random
generator seeded from the request. Out: the thought and the body of the turn with one mistake in it. Rates are our
choice: at temperature 0 none, at 0.7 about one episode in five holds a mistake (`RATE` a turn and unit of
temperature, some 4 turns an episode). Five kinds: wrong hop, wrong fact, repetition, invalid JSON, hallucinated tool.
"""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pocketweb.oracle_teacher import (
    UNKNOWN,
    Finding,
    History,
    Message,
    Step,
    answer_of,
    history_of,
    picked,
    query_of,
)
from pocketweb.reading import BY_LABEL, SUBJECTS, facts_in

RATE = 0.075  # mistakes a turn at temperature 1
KINDS = ("wrong hop", "wrong fact", "repetition", "invalid JSON", "hallucinated tool")
REPEATS = 12  # how often a looping thought says its last sentence

Turn = tuple[str, str]  # thought, body (a tool_call or an answer block)
Render = Callable[[Step], Turn]


def call_block(name: str, arguments: dict[str, Any] | None) -> str:
    """A tool call as the protocol wants it."""
    call = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{call}\n</tool_call>"


def answer_block(answer: str) -> str:
    """An answer as the protocol wants it."""
    return f"<answer>\n{answer}\n</answer>"


def mistaken_turn(step: Step, messages: list[Message], temperature: float, rng: random.Random, render: Render) -> Turn:
    """The turn of `step`, with a mistake at the rate that the temperature sets.

    Args:
        temperature: 0 never errs.
        rng: drawn from in a fixed order, so the same request errs in the same way.
        render: puts a step in words.
    """
    if rng.random() >= min(RATE * temperature, 0.5):
        return render(step)
    kind = KINDS[rng.randrange(len(KINDS))]
    history = history_of(messages)
    if kind == "wrong hop":
        return render(_wrong_hop(step, history, rng))
    if kind == "wrong fact" or (step.action == "answer" and kind in ("invalid JSON", "hallucinated tool")):
        return render(_wrong_fact(step, history, rng))
    thought, body = render(step)
    if kind == "repetition":
        return _repetition(thought, body, messages, rng)
    if kind == "invalid JSON":
        return thought, _broken(body, rng)
    return thought, call_block("browse", step.arguments)


def _wrong_hop(step: Step, history: History, rng: random.Random) -> Step:
    """Look up another property of the right thing, open another page, or stop one hop early."""
    if step.action == "search" and step.label:
        subject = BY_LABEL[step.label].subject
        others = sorted(label for label, types in SUBJECTS.items() if subject in types and label != step.label)
        label = rng.choice(others)
        return replace(step, label=label, arguments={"query": [query_of(step.entity, label)]})
    if step.action == "visit" and step.arguments:
        urls = sorted({r.url for r in history.results()} - set(step.arguments["url"]))
        return replace(step, arguments={**step.arguments, "url": [rng.choice(urls)]}) if urls else step
    if step.action == "answer" and len(step.found) > 1:
        early = step.found[-2]
        return replace(step, new=(early,), answer=early.objects[0])
    return _wrong_fact(step, history, rng)


def _other_name(name: str, history: History, rng: random.Random) -> str:
    """A name (for a year: a year) that the observations mention beside `name`."""
    facts = [fact for observation in history.observations for fact in facts_in(observation)]
    names = {n for fact in facts for n in (fact.subject, *fact.objects)} - {name}
    alike = sorted(n for n in names if n.isdigit() == name.isdigit())
    return rng.choice(alike) if alike else UNKNOWN


def _wrong_fact(step: Step, history: History, rng: random.Random) -> Step:
    """Misread the last finding: another name of the observations, or a list that lacks a member; of two things pick
    the wrong one."""
    if not step.new:
        return step
    if step.plan and step.plan.kind in ("lower", "higher"):
        turned = _turned_round(step)
        if turned != step:
            return turned
    last = step.new[-1]
    if step.action == "answer" and step.plan and step.plan.kind == "count" and len(last.objects) > 1:
        objects = last.objects[:-1]
        return replace(step, new=(*step.new[:-1], replace(last, objects=objects)), answer=str(len(objects)))
    if step.action == "answer" and step.plan and step.plan.kind == "both":
        return replace(step, answer=_other_name(step.answer, history, rng))
    if step.action == "visit" or step.label and step.entity != last.objects[0]:
        return step
    other = _other_name(last.objects[0], history, rng)
    new = (*step.new[:-1], Finding(last.label, last.entity, (other,)))
    if step.action == "answer" and step.plan and step.plan.kind == "difference":
        if not other.isdigit():
            return step
        found = [*step.found[:-1], new[-1]]
        return replace(step, new=new, found=tuple(found), answer=answer_of(step.plan, found))
    if step.action == "answer":
        return replace(step, new=new, answer="1" if step.plan and step.plan.kind == "count" else other)
    return replace(step, new=new, entity=other, arguments={"query": [query_of(other, step.label)]})


def _turned_round(step: Step) -> Step:
    """The step with the lower taken for the higher one, where it picks one of two things; else unchanged."""
    assert step.plan is not None
    known = sum(len(chain.labels) for chain in step.plan.chains)
    asks = step.label == step.plan.asked and len(step.found) == known
    if not asks or not picked(step.plan, step.found):
        return step
    plan = replace(step.plan, kind="higher" if step.plan.kind == "lower" else "lower")
    wrong = picked(plan, step.found)
    if step.action == "search":
        return replace(step, plan=plan, entity=wrong, arguments={"query": [query_of(wrong, step.label)]})
    return replace(step, plan=plan, answer=wrong) if step.action == "answer" and not step.label else step


def _repetition(thought: str, body: str, messages: list[Message], rng: random.Random) -> Turn:
    """Loop on the last sentence, or make the last call once more."""
    calls = history_of(messages).calls
    if calls and rng.random() < 0.5:
        return thought, call_block(*calls[-1])
    last = thought.rstrip(".").rpartition(". ")[2] + "."
    return " ".join([thought, *[last] * REPEATS]), body


def _broken(body: str, rng: random.Random) -> str:
    """The call with a brace, a bracket or a quotation mark missing."""
    mark = rng.choice(("}}", "]", '"', ": "))
    before, _, behind = body.rpartition(mark)
    return before + mark[1:].strip() + behind
