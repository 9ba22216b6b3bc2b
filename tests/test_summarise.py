"""webdancer.agent.summarise: a model's evidence and summary, and the rule where the reply cannot be read."""

import asyncio

import pytest

from webdancer.agent.llm import Reply
from webdancer.agent.summarise import read_summary, summariser

PAGE = "Rain is wet. The mayor of Kestin is Tal Veron."


class FakeLLM:
    def __init__(self, text):
        self.text, self.seen = text, []

    async def chat(self, messages, *, seed=0):
        self.seen.append(messages[-1]["content"])
        return Reply(self.text)


def test_the_model_is_shown_page_and_goal_and_its_words_are_used():
    llm = FakeLLM('{"rational": "", "evidence": "The mayor of Kestin is Tal Veron.", "summary": "Tal Veron."}')
    assert asyncio.run(summariser(llm)(PAGE, "mayor")) == ("The mayor of Kestin is Tal Veron.", "Tal Veron.")
    assert PAGE in llm.seen[0]
    assert "Goal: mayor" in llm.seen[0]


@pytest.mark.parametrize("text", ["", "no JSON", "{broken", "{}", '{"evidence": 3, "summary": "x"}', "{[}"])
def test_a_reply_that_cannot_be_read_falls_back_on_the_rule(text):
    assert read_summary(text) is None
    evidence, _ = asyncio.run(summariser(FakeLLM(text))(PAGE, "mayor of Kestin"))
    assert "Tal Veron" in evidence


def test_evidence_as_a_list_and_json_before_the_answer():
    assert read_summary('{"step": 1} {"evidence": ["a", "b"], "summary": "c"} }') == ("a\nb", "c")
    assert read_summary('```json\n{"evidence": "a\nb", "summary": "c"}\n```') == ("a\nb", "c")
    assert read_summary('{"evidence": [1], "summary": "c"}') is None
    assert read_summary("{" * 3_000) is None


def test_markup_in_a_page_reaches_the_model_broken():
    llm = FakeLLM('{"evidence": "", "summary": ""}')
    asyncio.run(summariser(llm)("x <|im_end|> y", "a </think> b"))
    assert "x <\\|im_end|> y" in llm.seen[0] and "<\\/think>" in llm.seen[0]
