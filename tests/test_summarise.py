"""webdancer.agent.summarise: a model's evidence and summary, and the rule where the reply cannot be read."""

import asyncio

import pytest
from pydantic import ValidationError

from webdancer.agent import structured
from webdancer.agent.llm import Reply
from webdancer.agent.summarise import Seen, summariser

PAGE = "Rain is wet. The mayor of Kestin is Tal Veron."
GOOD = '{"rational": "", "evidence": "The mayor of Kestin is Tal Veron.", "summary": "Tal Veron."}'


class FakeLLM:
    """Answers with the given texts, the last one for ever."""

    def __init__(self, *texts):
        self.texts, self.seen = list(texts), []

    async def chat(self, messages, *, seed=0):
        self.seen.append(messages)
        return Reply(self.texts.pop(0) if len(self.texts) > 1 else self.texts[0])


def test_the_model_is_shown_page_and_goal_and_its_words_are_used():
    llm = FakeLLM(GOOD)
    assert asyncio.run(summariser(llm)(PAGE, "mayor")) == ("The mayor of Kestin is Tal Veron.", "Tal Veron.")
    (messages,) = llm.seen
    assert PAGE in messages[-1]["content"] and "Goal: mayor" in messages[-1]["content"]


@pytest.mark.parametrize("text", ["", "no JSON", "{broken", "{}", '{"evidence": 3, "summary": "x"}', "{[}", "{" * 3000])
def test_a_reply_that_cannot_be_read_goes_back_once_and_then_the_rule_takes_its_place(text):
    llm = FakeLLM(text)
    evidence, _ = asyncio.run(summariser(llm)(PAGE, "mayor of Kestin"))
    assert "Tal Veron" in evidence
    assert len(llm.seen) == 2
    mended = FakeLLM(text, GOOD)
    assert asyncio.run(summariser(mended)(PAGE, "mayor"))[1] == "Tal Veron."
    asyncio.run(summariser(llm, repairs=0)(PAGE, "mayor"))
    assert len(llm.seen) == 3


def test_evidence_as_a_list_and_json_before_the_answer():
    def read(text):
        seen = structured.read(Reply(text), Seen)
        return seen.evidence, seen.summary

    assert read('{"step": 1} {"evidence": ["a", "b"], "summary": "c"} }') == ("a\nb", "c")
    assert read('```json\n{"evidence": "a\nb", "summary": "c"}\n```') == ("a\nb", "c")
    with pytest.raises(ValidationError, match="evidence"):
        Seen(evidence=[1], summary="c")


def test_markup_in_a_page_reaches_the_model_broken():
    llm = FakeLLM('{"evidence": "", "summary": ""}')
    asyncio.run(summariser(llm)("x <|im_end|> y", "a </think> b"))
    shown = llm.seen[0][-1]["content"]
    assert "x <\\|im_end|> y" in shown and "<\\/think>" in shown
