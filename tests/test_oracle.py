"""pocketweb.oracle: a chat request in, a chat completion out; a pure function of the request."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketweb import oracle
from webdancer.core import prompts, protocol
from webdancer.core.schema import Page

ASKED = "How many natives of the birthplace of Tal Veron are listed?"
WEB = {
    "Tal Veron born": "Tal Veron was born in Orlen Ford.",
    "Orlen Ford natives": "The natives of Orlen Ford are Tal Veron and Bo Lin.",
}


def request(model="pocket-short", messages=None, **more):
    return {"model": model, "messages": messages or prompts.head(ASKED, style="brief"), **more}


def said(body):
    return oracle.reply(body)["choices"][0]["message"]


@pytest.mark.parametrize("model", ["pocket-short", "pocket-long"])
def test_an_episode_to_its_answer(model):
    messages, answer = prompts.head(ASKED, "2025-07-18"), None
    for _ in range(3):
        message = said(request(model, messages))
        text = message["content"]
        if model == "pocket-long":
            assert "<think>" not in text
            text = f"<think>\n{message['reasoning_content']}\n</think>\n{text}"
        turn = protocol.parse_turn(text)
        answer = turn.answer
        if answer is None:
            messages.append({"role": "assistant", "content": message["content"]})
            messages.append({"role": "user", "content": protocol.render_response(WEB[turn.arguments["query"][0]])})
    assert answer == "2"


def test_the_first_turn_to_the_letter():
    assert said(request())["content"] == (
        "<think>\nPlan: Tal Veron, birthplace, natives, count. Next: birthplace of Tal Veron.\n</think>\n"
        '<tool_call>\n{"name": "search", "arguments": {"query": ["Tal Veron born"]}}\n</tool_call>'
    )


@given(st.sampled_from(oracle.MODELS), st.floats(0, 2), st.integers(0, 2**31))
def test_a_reply_depends_on_the_request_alone(model, temperature, seed):
    body = request(model, temperature=temperature, seed=seed)
    before = copy.deepcopy(body)
    assert oracle.reply(body) == oracle.reply(before) and body == before


def test_the_seed_matters_only_when_warm():
    cold = {said(request(temperature=0, seed=s))["content"] for s in range(50)}
    warm = {said(request(temperature=2, seed=s))["content"] for s in range(50)}
    assert len(cold) == 1 and len(warm) > 1


def test_form_of_the_completion():
    reply = oracle.reply(request())
    assert reply["object"] == "chat.completion" and reply["model"] == "pocket-short"
    assert reply["choices"][0]["finish_reason"] == "stop"
    assert reply["usage"] == {"prompt_tokens": 14, "completion_tokens": 22, "total_tokens": 36}


def test_stop_and_max_tokens():
    assert said(request(stop=["</think>"]))["content"].endswith("Next: birthplace of Tal Veron.\n")
    cut = oracle.reply(request(max_tokens=4))
    assert cut["choices"][0]["message"]["content"] == "<think>\nPlan: Tal Veron,"
    assert cut["choices"][0]["finish_reason"] == "length" and cut["usage"]["completion_tokens"] == 4
    long = oracle.reply(request("pocket-long", max_tokens=4))["choices"][0]["message"]
    assert len(long["reasoning_content"].split()) == 4 and long["content"] == ""


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (request("gpt-4o"), 404, "does not exist"),
        ({"messages": []}, 400, "model"),
        (request() | {"messages": []}, 400, "not empty"),
        (request() | {"messages": [{"role": "user", "content": None}]}, 400, "malformed messages"),
        (request() | {"messages": "hello"}, 400, "malformed messages"),
        (request(temperature=3), 400, "from 0 to 2"),
        (request(temperature="hot"), 400, "temperature 'hot'"),
        (request(seed=1.5), 400, "integer"),
        (request(stream=True), 400, "stream"),
        (request(n=2), 400, "n > 1"),
        ([], 400, "JSON list"),
    ],
)
def test_bad_requests(body, status, says):
    with pytest.raises(oracle.RequestError, match=says) as caught:
        oracle.reply(body)
    assert caught.value.status == status


@given(
    st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), st.text(max_size=80)), min_size=1, max_size=5)
)
def test_every_model_answers_any_messages(turns):
    messages = [{"role": role, "content": text} for role, text in turns]
    for model in oracle.MODELS:
        assert isinstance(said(request(model, messages, temperature=1.0))["content"], str)


def test_the_two_authors_word_the_same_fact_in_different_forms():
    page = Page("http://w/O", "Orlen Ford", "The mayor of Orlen Ford is Ada Quist.")
    asked = {}
    for model in ("pocket-author", "pocket-author-other"):
        told = [said(request(model, prompts.seed(page), seed=seed))["content"] for seed in range(12)]
        asked[model] = {json.loads(text)["question"] for text in told}
    assert asked == {
        "pocket-author": {"Who is the mayor of Orlen Ford?", "Name the mayor of Orlen Ford."},
        "pocket-author-other": {"Which person is listed as mayor of Orlen Ford?", "For Orlen Ford, who is the mayor?"},
    }
