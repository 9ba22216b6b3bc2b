"""webdancer.agent.completion: what servers send, in all the forms they send it in."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.agent.completion import EndpointError, Reply, read


def body(message, finish="stop", usage=None, **more):
    return json.dumps({"choices": [{"message": message, "finish_reason": finish}], "usage": usage, **more})


@pytest.mark.parametrize(
    ("message", "content", "reasoning"),
    [
        ({"content": "a"}, "a", ""),
        ({"content": None}, "", ""),
        ({}, "", ""),
        ({"content": "a", "reasoning_content": "t"}, "a", "t"),
        ({"content": "a", "reasoning": "t"}, "a", "t"),
        ({"content": "a", "reasoning_content": None, "reasoning": "t"}, "a", "t"),
        ({"content": "<think>s</think>a", "reasoning_content": "t"}, "<think>s</think>a", "t"),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab", ""),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "t"}]}, "a"]}, "a", "t"),
        ({"content": [{"type": "reasoning", "text": "t"}, {"type": "output_text", "text": "a"}]}, "a", "t"),
        ({"content": [{"type": "refusal", "refusal": "no"}, {"type": "image_url", "image_url": {}}, None]}, "no", ""),
        ({"content": "", "reasoning": {"text": "t"}}, "", "t"),
        ({"content": 3, "reasoning_content": ["t", "u"]}, "3", "tu"),
    ],
)
def test_content_and_reasoning(message, content, reasoning):
    assert read(body(message)) == Reply(content, reasoning)


@pytest.mark.parametrize(
    ("message", "calls"),
    [
        ({"tool_calls": None}, ()),
        ({"tool_calls": []}, ()),
        ({"tool_calls": [{"function": {"name": "f", "arguments": '{"a": 1}'}}]}, (("f", '{"a": 1}'),)),
        ({"tool_calls": [{"function": {"name": "f", "arguments": {"a": "é"}}}]}, (("f", '{"a": "é"}'),)),
        ({"tool_calls": [{"function": {"name": "f", "arguments": None}}, {"custom": {}}]}, (("f", "{}"),)),
        ({"tool_calls": [{"function": {"name": None}}]}, (("", "{}"),)),
        ({"function_call": {"name": "f", "arguments": "{}"}, "tool_calls": None}, (("f", "{}"),)),
        (
            {"tool_calls": [{"function": {"name": n, "arguments": "{}"}} for n in "fg"]},
            (("f", "{}"), ("g", "{}")),
        ),
    ],
)
def test_hosted_calls(message, calls):
    assert read(body({"content": None, **message})).calls == tuple({"name": n, "arguments": a} for n, a in calls)


def test_what_is_null_or_missing():
    reply = read(body({"content": "a"}, finish=None, usage={"prompt_tokens": None, "completion_tokens": 4}))
    assert reply == Reply("a", completion_tokens=4, finish="stop")
    assert read('{"choices": [{"message": {"content": "a"}}]}') == Reply("a")
    assert read(body({"content": "a"}, finish="length")).finish == "length"


@pytest.mark.parametrize("raw", ["", "[]", "null", "{}", '{"choices": null}', "<html>"])
def test_no_completion_is_a_value_error(raw):
    with pytest.raises(ValueError):
        read(raw)


def test_an_error_sent_as_a_success_is_shown():
    with pytest.raises(ValueError, match="no choices in .*overloaded"):
        read('{"error": {"message": "overloaded"}}')


@given(
    st.recursive(st.none() | st.integers() | st.text(max_size=9), lambda x: st.lists(x) | st.dictionaries(st.text(), x))
)
def test_any_content_is_read_as_text(value):
    reply = read(body({"content": value, "reasoning_content": value, "reasoning": value}))
    assert isinstance(reply.content, str) and isinstance(reply.reasoning, str)


def test_which_errors_end_a_run():
    assert [s for s in (0, 400, 401, 402, 403, 404, 429, 500) if EndpointError("x", s).fatal] == [401, 402, 403, 404]
