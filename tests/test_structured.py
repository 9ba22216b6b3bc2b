"""webdancer.agent.structured: objects in whatever surrounds them, and replies that are sent back."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from webdancer.agent import structured
from webdancer.agent.completion import Reply
from webdancer.agent.structured import Unusable

ASK = [{"role": "system", "content": "Task: x."}, {"role": "user", "content": "y"}]


class City(BaseModel):
    name: str
    people: int = 0


class Fake:
    """Answers with the given replies in turn, the last one for ever."""

    def __init__(self, *replies):
        self.replies, self.sent, self.seeds, self.usage = list(replies), [], [], {"repairs": 0}

    async def chat(self, messages, *, seed=0):
        self.sent.append(messages)
        self.seeds.append(seed)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return reply if isinstance(reply, Reply) else Reply(reply)


def ask(fake, repairs=2):
    return asyncio.run(structured.ask(fake, ASK, City, seed=4, repairs=repairs))


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Kestin"}',
        '```json\n{"name": "Kestin"}\n```',
        'Here you are:\n{"name": "Kestin"}\nAnything else?',
        '<think>maybe {"name": "Orlen"}</think>\n{"name": "Kestin"}',
        'maybe {"name": "Orlen"}</think>{"name": "Kestin"}',
        'First {"name": "Orlen"}. No: {"name": "Kestin"}',
        'Set {a, b}: {"name": "Kestin"} {"other": 1}',
        '{"name": "Kestin", "more": {"name": "Orlen"}}',
        '{"name": "Kes\\ntin"}'.replace("\\n", ""),
    ],
)
def test_the_last_fitting_object_of_the_answer(text):
    assert structured.read(Reply(text), City).name == "Kestin"


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(""), "no JSON object"),
        (Reply("[1, 2]"), "no JSON object"),
        (Reply('{"name": "Kest', finish="length"), "cut before its end"),
        (Reply('<think>{"name": "Kestin"}'), "no JSON object"),
        (Reply('{"people": 3}'), "name: Field required"),
        (Reply('{"name": "Kestin", "people": "many"}'), "people: Input should be a valid integer"),
        (Reply('{"name": "A", "people": "x"} {"name": 3}'), "name: Input should be a valid string"),
    ],
)
def test_what_is_wrong_in_words(reply, why):
    with pytest.raises(ValueError, match=why):
        structured.read(reply, City)


def test_the_reasoning_is_read_only_where_there_is_no_content():
    assert structured.read(Reply(" ", '{"name": "Kestin"}'), City).name == "Kestin"
    with pytest.raises(ValueError, match="no JSON"):
        structured.read(Reply("I will not.", '{"name": "Kestin"}'), City)


def test_an_invalid_reply_goes_back_with_the_error_and_the_schema():
    fake = Fake("<think>hm</think> {}", '{"name": "Kestin"}')
    assert ask(fake) == City(name="Kestin")
    first, second = fake.sent
    assert first == ASK and second[:2] == ASK and fake.seeds == [4, 4]
    assert second[2] == {"role": "assistant", "content": "{}"}
    assert second[3]["role"] == "user" and "name: Field required" in second[3]["content"]
    assert json.dumps(City.model_json_schema()) in second[3]["content"]
    assert fake.usage["repairs"] == 1


@pytest.mark.parametrize("repairs", [0, 1, 3])
def test_repairs_are_bounded_and_do_not_pile_up(repairs):
    fake = Fake("no")
    with pytest.raises(Unusable, match=f"no reply fits City after {repairs} repairs: it holds no JSON") as caught:
        ask(fake, repairs)
    assert caught.value.reply == Reply("no")
    assert [len(m) for m in fake.sent] == [2] + [4] * repairs
    assert fake.usage["repairs"] == repairs


def test_a_long_or_empty_reply_is_sent_back_cut_or_named():
    (said, _) = structured.complaint(Reply("x" * 99_999), "why", City)
    assert len(said["content"]) == structured.LONGEST
    (said, _) = structured.complaint(Reply("", "thought"), "why", City)
    assert said["content"] == "(no answer)"


def test_a_fake_that_counts_nothing_will_do():
    class Plain:
        async def chat(self, messages, *, seed=0):
            return Reply("no")

    with pytest.raises(Unusable):
        ask(Plain())


plain = st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=6) | st.lists(st.integers()), max_size=3)
around = st.text(alphabet=st.characters(blacklist_characters="{}"), max_size=10)


@given(st.lists(st.tuples(around, plain), max_size=4), around)
def test_objects_are_found_whatever_stands_between(parts, end):
    text = "".join(words + json.dumps(data) for words, data in parts) + end
    assert structured.objects(text) == [data for _, data in parts]


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    try:
        assert isinstance(structured.read(Reply(text), City), City)
    except ValueError as error:
        assert str(error)


def test_thousands_of_braces_are_no_trouble():
    assert structured.objects('{"a":' * 3000) == [] == structured.objects("{" * 20_000)
