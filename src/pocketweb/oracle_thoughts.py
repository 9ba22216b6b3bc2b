"""How the two teachers put a step in words: short thoughts in one fixed form, long thoughts in several sentences.

03_distill. In: a `Step` of `oracle_teacher`. Out: the text of the thought. The short form is what a tiny policy is
trained to write; the long one says the same with a look back at the question, a check and an alternative, at about
three times the tokens, as the reasoning model's thoughts do in the paper.
"""

from zlib import crc32

from pocketweb.grammar import enumerate_names
from pocketweb.oracle_teacher import UNKNOWN, Finding, Step, last_findings, picked, plan_text


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def told(finding: Finding) -> str:
    """A finding in the short form.

    >>> told(Finding("natives", "Orlen Ford", ("Tal Veron", "Ada Quist")))
    'Natives of Orlen Ford: Tal Veron and Ada Quist.'
    """
    return f"{_capital(finding.label)} of {finding.entity}: {enumerate_names(list(finding.objects))}."


def counted(finding: Finding) -> str:
    """A list finding in the short form with its members numbered.

    >>> counted(Finding("natives", "Orlen Ford", ("Tal Veron", "Ada Quist")))
    'Natives of Orlen Ford: 1 Tal Veron, 2 Ada Quist.'
    """
    names = ", ".join(f"{number} {name}" for number, name in enumerate(finding.objects, 1))
    return f"{_capital(finding.label)} of {finding.entity}: {names}."


def marked(finding: Finding, other: Finding) -> str:
    """A list finding in the short form, each member marked by whether the other list has it too.

    >>> natives = Finding("natives", "Kestin", ("Ada Quist",))
    >>> marked(Finding("staff", "Halxo Foods", ("Tal Veron", "Ada Quist")), natives)
    'Staff of Halxo Foods: Tal Veron no, Ada Quist yes.'
    """
    names = ", ".join(f"{name} {'yes' if name in other.objects else 'no'}" for name in finding.objects)
    return f"{_capital(finding.label)} of {finding.entity}: {names}."


def _numbers(step: Step) -> tuple[int, int] | None:
    """The two numbers of a question about two things, smaller first, when the step has just got them together."""
    if step.plan is None or step.plan.kind not in ("lower", "higher", "difference"):
        return None
    if len(step.found) < sum(len(chain.labels) for chain in step.plan.chains):
        return None
    ends = last_findings(step.plan, step.found)
    low, high = sorted(int(end.objects[0]) for end in ends)
    return (low, high) if any(end in step.new for end in ends) else None


def weighed(step: Step) -> str:
    """What a step makes of two numbers, in the short form; "" if it has not just got them together.

    A comparison names the thing it picks ("1871 is less than 1902, so Orlen Ford."), a difference is worked out
    ("1902 - 1871 = 31.").
    """
    numbers = _numbers(step)
    if numbers is None or step.plan is None:
        return ""
    low, high = numbers
    if step.plan.kind == "difference":
        return f"{high} - {low} = {high - low}."
    if low == high:
        return f"{low} is equal to {high}."
    ordered = f"{low} is less than {high}" if step.plan.kind == "lower" else f"{high} is more than {low}"
    return f"{ordered}, so {picked(step.plan, step.found)}."


def _long_weighed(step: Step) -> str:
    """The same in a long thought."""
    numbers = _numbers(step)
    if numbers is None or step.plan is None:
        return ""
    low, high = numbers
    if step.plan.kind == "difference":
        return f"The later number less the earlier one is {high} - {low} = {high - low}."
    if low == high:
        return f"Both numbers are {low}, so neither thing comes first."
    wanted, which = (low, "lower") if step.plan.kind == "lower" else (high, "higher")
    return f"Of {low} and {high} I need the {which} one, {wanted}, which belongs to {picked(step.plan, step.found)}."


def short_thought(step: Step) -> str:
    """The short thought of a step, in the fixed form."""
    if step.plan is None:
        return "Plan: search the question." if step.action == "search" else "No plan for this question. Done."
    if step.action == "answer":
        return _short_answer(step)
    if step.turn == 0:
        return f"Plan: {plan_text(step.plan)}. Next: {step.label} of {step.entity}."
    if step.action == "visit":
        return f"No {step.label} of {step.entity} in the results. Open the page."
    return " ".join([*map(told, step.new), *filter(None, [weighed(step)]), f"Next: {step.label} of {step.entity}."])


def _short_answer(step: Step) -> str:
    """The last thought: what was found, then "Done."."""
    assert step.plan is not None
    if step.label:
        return f"No {step.label} of {step.entity} found. Done."
    if step.plan.kind == "count":
        return " ".join([*map(told, step.new[:-1]), counted(step.new[-1]), "Done."])
    if step.plan.kind == "both":
        both = "none" if step.answer == UNKNOWN else step.answer
        compared = marked(step.new[-1], last_findings(step.plan, step.found)[0])
        return " ".join([*map(told, step.new[:-1]), compared, f"Both lists: {both}.", "Done."])
    return " ".join([*map(told, step.new), *filter(None, [weighed(step)]), "Done."])


# Each form restates, checks and names an alternative; few sentences lack a slot, so few recur word for word.
_OPENINGS = (
    "The question is: {question} I start from {entity} and need its {label}{then}. "
    "The page of {entity} may tell it too, but a search comes first.",
    "Let me read it again: {question} What I know is {entity}, and what I need first is its {label}{then}. "
    "I search, and can open the page of {entity} later.",
    "They ask: {question} That begins with the {label} of {entity}{then}. "
    "I could guess the {label}, but a search for {entity} is safer.",
)
_SEARCHES = (
    "{found} This fits the question so far, and what is left is the {label} of {entity}. "
    "I might open the page of {entity}, but a search for its {label} is cheaper.",
    "{found} Back to the question: next comes the {label} of {entity}. "
    "I check the results of a search for it before I open the page of {entity}.",
    "{found} With that, the question needs the {label} of {entity}. "
    "No result so far tells it, so I search for {entity}; its page remains as a way out.",
)
_VISITS = (
    "I read the results again, and none tells the {label} of {entity}. "
    "Another search for {entity} would show the same lines, so I open the page of {entity}.",
    "The question still needs the {label} of {entity}, and the snippets stop before they say it. "
    "Rather than ask again about {entity}, I open its page.",
    "Checking each result, I find no {label} of {entity}. "
    "I could try other words for {label}, but the page of {entity} should tell it.",
)
_ANSWERS = (
    "{found} Checking against the question, every step is covered. "
    "A second source could confirm it, but the sentence is plain, so the answer is {answer}.",
    "{found} I read the question once more, and this is what it asks for. "
    "Another page might say the same, yet add nothing, so I answer {answer}.",
)
_FAILURES = (
    "I searched for the {label} of {entity} and opened what there was, and it is told nowhere. "
    "Guessing would be worse than saying so, so the answer is unknown.",
)
_ENDS = {
    "value": "",
    "count": ", and count them",
    "both": ", and compare with the other list",
    "lower": ", and see whether the other one comes before it",
    "higher": ", and see whether the other one comes after it",
    "difference": ", and take the difference from the other one",
}


def _long_found(step: Step) -> str:
    """The new findings as sentences; a counted list is numbered, a shared member named."""
    last = len(step.new) - 1 if step.action == "answer" and step.plan and step.plan.kind == "count" else -1
    parts = []
    for index, finding in enumerate(step.new):
        many = enumerate_names(list(finding.objects))
        if index == last:
            many = ", ".join(f"{number} {name}" for number, name in enumerate(finding.objects, 1))
        verb = "are" if len(finding.objects) > 1 else "is"
        parts.append(f"The {finding.label} of {finding.entity} {verb} {many}, says the last observation.")
    if step.action == "answer" and step.plan and step.plan.kind == "both":
        parts.append("No name is in both lists." if step.answer == UNKNOWN else f"In both lists I find {step.answer}.")
    parts += filter(None, [_long_weighed(step)])
    return " ".join(parts) or f"Turn {step.turn} brought nothing new."


def long_thought(step: Step) -> str:
    """A long thought: the content of the short one in wordings that take turns, from one that the question sets."""
    if step.plan is None:
        return f"The question asks: {step.question} I see no chain of facts in it that I could follow. " + (
            "I search its own words and see." if step.action == "search" else "The search did not help, so I give up."
        )
    if step.action == "answer":
        forms = _FAILURES if step.label else _ANSWERS
    elif step.turn == 0:
        forms = _OPENINGS
    else:
        forms = _VISITS if step.action == "visit" else _SEARCHES
    labels = step.plan.chains[0].labels[1:]
    then = "".join(f", then the {label} of that" for label in labels)
    then += _ENDS[step.plan.kind]
    form = forms[(crc32(step.question.encode("utf-8", "surrogatepass")) + step.turn) % len(forms)]
    return form.format(
        question=step.question,
        entity=step.entity,
        label=step.label,
        then=then,
        found=_long_found(step),
        answer=step.answer,
    )
