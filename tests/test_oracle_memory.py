"""pocketweb.oracle_memory: without a page the stand-ins know nothing, and say so."""

import pytest

from pocketweb import oracle, oracle_memory
from webdancer.agent.judge import normalise
from webdancer.core import prompts

COUNT = "How many natives of the birthplace of Tal Veron are listed?"
OTHERS = (
    "Who is the mayor of Orlen Ford?",
    "How many years lie between the founding year of Orlen Ford and the founding year of Kestin?",
    "Which person is a native of Orlen Ford and is a graduate of Kestin University?",
    "Who is the mayor of the older one of Orlen Ford and Kestin?",
    "Why is the sky blue?",
    "",
)


@pytest.mark.parametrize("model", ["pocket-short", "pocket-long"])
def test_a_count_is_guessed_and_nothing_else_is_known(model):
    def said(question, temperature=0.0):
        body = {"model": model, "messages": prompts.closed_book(question), "temperature": temperature}
        return oracle.reply(body)["choices"][0]["message"]["content"]

    assert said(COUNT) == "2" and said(COUNT, 1.0) == "2"
    assert {normalise(said(question)) for question in OTHERS} == {"unknown"}


def test_only_that_prompt_is_answered_from_memory():
    assert oracle_memory.is_asked(prompts.closed_book(COUNT))
    assert not oracle_memory.is_asked(prompts.head(COUNT, style="brief"))
    assert not oracle_memory.is_asked([{"role": "user", "content": oracle_memory.TASK}])
