"""The rule-based stand-ins for the teachers when they are asked to answer from memory.

02_synthesize asks a solver without tools, to find questions that need no search. In: the messages of such a request.
Out: the text of the answer. The stand-ins remember nothing of any world, so they say that they do not know, in the
word that the prompt asks for; the one guess that is worth making is the size of a list, for which two members is the
most common. Departure from the paper: rules in the place of language models, whose memory this check is about.
"""

from pocketweb.oracle_teacher import UNKNOWN, Message
from pocketweb.reading import parse_question

TASK = "Task: answer from memory."
GUESS = "2"


def is_asked(messages: list[Message]) -> bool:
    """Whether the system message is the prompt that asks for an answer from memory."""
    return any(m["role"] == "system" and m["content"].partition("\n")[0] == TASK for m in messages)


def reply(messages: list[Message]) -> str:
    """The answer: a guess where the question asks for the size of a list, else that it is not known."""
    said = next((m["content"] for m in reversed(messages) if m["role"] == "user"), "")
    question = said.rpartition("Question:")[2].strip().partition("\n")[0]
    plan = parse_question(question)
    return GUESS if plan is not None and plan.kind == "count" else UNKNOWN
