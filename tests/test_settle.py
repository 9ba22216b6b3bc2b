"""webdancer.agent.settle: replies of many shapes become one form, and nothing that is right already is touched."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from webdancer.agent.llm import Reply
from webdancer.agent.settle import CHANGES, normal_form, settle
from webdancer.core.protocol import ProtocolError, Turn, parse_turn, render_turn

JSON = '{"name": "search", "arguments": {"query": ["Kestin mayor"]}}'
CALL = f"<tool_call>\n{JSON}\n</tool_call>"
VISIT = '<tool_call>\n{"name": "visit", "arguments": {"url": ["u"], "goal": "é"}}\n</tool_call>'
ANSWER = "<answer>\nTal Veron\n</answer>"
THINK = "<think>a</think>"
SEARCH = {"name": "search", "arguments": {"query": ["Kestin mayor"]}}
A = Turn("a", **SEARCH)  # what most of the replies below mean
DONE = Turn("a", answer="Tal Veron")


def hosted(name="search", arguments='{"query": ["Kestin mayor"]}'):
    return {"name": name, "arguments": arguments}


# name: reply, style, the turn it means, what had to be changed
FORMS = {
    # where the thought stands
    "our own form": (Reply(f"<think>\na\n</think>\n{CALL}"), "short", A, ()),
    "tags without line breaks": (Reply(f"{THINK}{CALL}"), "short", A, ()),
    "thought before the call": (Reply(f"a\n{CALL}"), "short", A, ("thought before the action",)),
    "a thought with a smaller-than": (
        Reply(f"1 < 2 > 0\n{CALL}"),
        "short",
        Turn("1 < 2 > 0", **SEARCH),
        ("thought before the action",),
    ),
    "reasoning only, short": (Reply(CALL, "a"), "short", A, ()),
    "reasoning only, long": (Reply(CALL, "a"), "long", A, ()),
    "think only, long": (Reply(f"{THINK}{CALL}"), "long", A, ()),
    "both the same": (Reply(f"{THINK}{CALL}", "a"), "long", A, ()),
    "both, long": (Reply(f"<think>b</think>{CALL}", "a"), "long", A, ()),
    "both, short": (Reply(f"{THINK}{CALL}", "b"), "short", A, ()),
    "reasoning in tags of its own": (Reply(CALL, "<think>\na\n</think>"), "long", A, ()),
    "opening tag written by the template": (Reply(f"a\n</think>\n\n{CALL}"), "short", A, ()),
    "closing tag forgotten": (Reply(f"<think>a\n{CALL}"), "short", A, ()),
    "empty think, then reasoning": (Reply(f"<think>\n\n</think>\n{CALL}", "a"), "short", A, ()),
    "empty think, then text": (
        Reply(f"<think>\n\n</think>\na\n{CALL}"),
        "short",
        A,
        ("thought before the action",),
    ),
    "text between thought and call goes": (Reply(f"{THINK}\nI will search.\n{CALL}"), "short", A, ()),
    "no thought at all": (Reply(CALL), "short", Turn("", **SEARCH), ()),
    "nested thoughts": (
        Reply(f"<think>a <think>b</think> c</think>{CALL}"),
        "short",
        Turn("a &lt;think>b&lt;/think> c", **SEARCH),
        (),
    ),
    "a thought that speaks of tags": (
        Reply(f"<think>a <tool_call> is next, no <answer></think>{CALL}"),
        "short",
        Turn("a &lt;tool_call> is next, no &lt;answer>", **SEARCH),
        (),
    ),
    "reasoning that speaks of tags": (
        Reply(ANSWER, "close </think>"),
        "long",
        Turn("close", answer="Tal Veron"),
        (),
    ),
    "a whole call weighed in the thought": (
        Reply(f"<think>maybe {VISIT}? No.</think>{CALL}"),
        "short",
        Turn(f"maybe {VISIT.replace('<', '&lt;')}? No.", **SEARCH),
        (),
    ),
    "thought that ends with the call": (
        Reply(f"<think>a\n{CALL}\n</think>"),
        "short",
        A,
        ("action in the thought",),
    ),
    "reasoning that ends with the call": (Reply("", f"a\n{CALL}"), "long", A, ("action in the thought",)),
    # the call
    "loose JSON": (
        Reply(f'{THINK}<tool_call>{{"name":"visit",\n"arguments":{{"url":["u"],"goal":"é"}}}}</tool_call>'),
        "short",
        Turn("a", "visit", {"url": ["u"], "goal": "é"}),
        (),
    ),
    "fence inside": (
        Reply(f"{THINK}<tool_call>\n```json\n{JSON}\n```\n</tool_call>"),
        "short",
        A,
        ("code fence",),
    ),
    "fence inside, unclosed": (
        Reply(f"{THINK}<tool_call>\n```\n{JSON}\n```"),
        "short",
        A,
        ("code fence", "unclosed block"),
    ),
    "fence around": (
        Reply(f"a\n```xml\n{CALL}\n```"),
        "short",
        A,
        ("thought before the action", "code fence"),
    ),
    "closing tag eaten by a stop sequence": (
        Reply(f"{THINK}<tool_call>\n{JSON}\n"),
        "short",
        A,
        ("unclosed block",),
    ),
    "two calls": (Reply(f"{THINK}{CALL}\n{VISIT}"), "short", A, ("further actions",)),
    "two calls in one block": (
        Reply(f"{THINK}<tool_call>\n{JSON}\n{JSON}\n</tool_call>"),
        "short",
        A,
        ("further actions",),
    ),
    "a list of calls": (
        Reply(f"{THINK}<tool_call>[{JSON}, {JSON}]</tool_call>"),
        "short",
        A,
        ("further actions",),
    ),
    "a call and an answer": (Reply(f"{THINK}{CALL}{ANSWER}"), "short", A, ("further actions",)),
    "an answer and a call": (Reply(f"{THINK}{ANSWER}{CALL}"), "short", DONE, ("further actions",)),
    "an observation made up": (
        Reply(f"{THINK}{CALL}\n<tool_response>made up</tool_response>{ANSWER}"),
        "short",
        A,
        ("further actions",),
    ),
    "arguments as a string": (
        Reply(
            f'{THINK}<tool_call>{{"name": "search", "arguments": "{{\\"query\\": [\\"Kestin mayor\\"]}}"}}</tool_call>'
        ),
        "short",
        A,
        ("other keys",),
    ),
    "parameters for arguments": (
        Reply(f"{THINK}{CALL.replace('arguments', 'parameters')}"),
        "short",
        A,
        ("other keys",),
    ),
    "OpenAI's wrapping as text": (
        Reply(f'{THINK}<tool_call>{{"type": "function", "function": {JSON}}}</tool_call>'),
        "short",
        A,
        ("other keys",),
    ),
    "a tag inside the query": (
        Reply(f"{THINK}{CALL.replace('Kestin mayor', 'what is </tool_call>')}"),
        "short",
        Turn("a", "search", {"query": ["what is </tool_call>"]}),
        (),
    ),
    "bare JSON": (Reply(f"{THINK}\n{JSON}"), "short", A, ("untagged call",)),
    "fenced JSON without tags": (
        Reply(f"a\n```json\n{JSON}\n```"),
        "short",
        A,
        ("thought before the action", "code fence", "untagged call"),
    ),
    # hosted tool calls
    "hosted, long": (Reply("", "a", calls=(hosted(),), finish="tool_calls"), "long", A, ("hosted call",)),
    "hosted with text": (
        Reply("a", calls=(hosted(),)),
        "short",
        A,
        ("thought before the action", "hosted call"),
    ),
    "hosted, several": (
        Reply("", "a", calls=(hosted(), hosted("visit"))),
        "long",
        A,
        ("hosted call", "further actions"),
    ),
    "hosted without arguments": (
        Reply(THINK, calls=(hosted(arguments=""),)),
        "short",
        Turn("a", "search", {}),
        ("hosted call",),
    ),
    "hosted and written": (Reply(f"{THINK}{CALL}", calls=(hosted("visit"),)), "short", A, ()),
    # the answer
    "answer": (Reply(f"{THINK}\n{ANSWER}"), "short", DONE, ()),
    "answer left open": (Reply(f"{THINK}\n<answer>\nTal Veron"), "short", DONE, ("unclosed block",)),
    "answer in the thought": (Reply(f"<think>a {ANSWER}</think>"), "short", DONE, ("action in the thought",)),
    "prose behind a thought": (Reply(f"{THINK}\nTal Veron"), "short", DONE, ("prose as answer",)),
    "prose beside reasoning": (Reply("Tal Veron", "a"), "long", DONE, ("prose as answer",)),
    "tags inside the answer": (
        Reply(f"{THINK}<answer>Tal <think>b</think> Veron</answer>"),
        "short",
        Turn("a", answer="Tal &lt;think>b&lt;/think> Veron"),
        (),
    ),
}

# name: reply, what is stored: no turn can be made of it, so the funnel has to see it
HOPELESS = {
    "prose without a thought": (Reply("It is Tal Veron."), "It is Tal Veron."),
    "cut inside the thought": (Reply("<think>and then", finish="length"), "<think>\nand then\n</think>"),
    "cut behind the thought": (
        Reply(f"{THINK}It is Tal", finish="length"),
        "<think>\na\n</think>\nIt is Tal",
    ),
    "cut inside the answer": (
        Reply(f"{THINK}<answer>It is", finish="length"),
        "<think>\na\n</think>\n<answer>It is",
    ),
    "JSON that is no call": (
        Reply(f'{THINK}<tool_call>\n{{"tool": "search"}}\n</tool_call>'),
        '<think>\na\n</think>\n<tool_call>\n{"tool": "search"}\n</tool_call>',
    ),
    "broken JSON": (
        Reply(f'{THINK}<tool_call>{{"name": "search", "arguments": {{"query": ["x"}}}}</tool_call>'),
        '<think>\na\n</think>\n<tool_call>\n{"name": "search", "arguments": {"query": ["x"}}\n</tool_call>',
    ),
    "broken JSON, left open": (
        Reply(f'{THINK}<tool_call>{{"name": "search", '),
        '<think>\na\n</think>\n<tool_call>\n{"name": "search",\n</tool_call>',
    ),
    "talk behind the JSON": (
        Reply(f"{THINK}<tool_call>{JSON} I hope</tool_call>"),
        f"<think>\na\n</think>\n<tool_call>\n{JSON} I hope\n</tool_call>",
    ),
    "hosted call with broken JSON": (
        Reply("", "a", calls=(hosted(arguments='{"query": '),)),
        '<think>\na\n</think>\n<tool_call>\n{"name": "search", "arguments": {"query": }\n</tool_call>',
    ),
    "nothing": (Reply(""), ""),
    "a filtered reply": (Reply(f"{THINK}Sorry", finish="content_filter"), "<think>\na\n</think>\nSorry"),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_reply_that_means_a_turn_is_stored_as_that_turn(name):
    reply, style, wanted, changes = FORMS[name]
    found = normal_form(reply, style)
    assert parse_turn(found.text) == wanted
    assert found.text == render_turn(wanted)
    assert set(found.changes) == set(changes)


def test_the_table_is_long_enough_and_every_change_is_in_it():
    assert len(FORMS) + len(HOPELESS) >= 30
    assert {c for _, _, _, changes in FORMS.values() for c in changes} == set(CHANGES)


@pytest.mark.parametrize("name", HOPELESS)
def test_a_reply_that_means_no_turn_is_kept_for_the_funnel(name):
    reply, stored = HOPELESS[name]
    assert settle(reply, "short").strip() == stored
    with pytest.raises(ProtocolError):
        parse_turn(settle(reply, "short"))


@given(st.text(alphabet="ab <>/\n"), st.text(alphabet="ab .\n", min_size=1).map(str.strip).filter(bool))
def test_settling_a_turn_of_ours_changes_nothing(noise, thought):
    text = render_turn(Turn(thought, "search", {"query": [noise]}))
    assert normal_form(Reply(text), "short").text == text
    assert normal_form(Reply(text), "short").changes == ()


PIECES = st.sampled_from(
    [
        "<think>",
        "</think>",
        "<tool_call>",
        "</tool_call>",
        "<answer>",
        "</answer>",
        "<tool_response>",
        "```json\n",
        "```",
    ]
    + [JSON, '{"name": ', "word", "\n", " ", "{", "}", "[", "Tal < Veron", "\ud800"]
)


@given(
    st.lists(PIECES, max_size=12).map("".join),
    st.lists(PIECES, max_size=4).map("".join),
    st.sampled_from(["short", "long"]),
    st.sampled_from(["stop", "length", "tool_calls"]),
)
@example("<think>a</think>b</think>", "", "short", "stop")
def test_any_reply_is_read_and_what_parses_is_in_the_protocols_own_form(content, reasoning, style, finish):
    found = normal_form(Reply(content, reasoning, finish=finish), style)
    found.text.encode("utf-8")
    assert set(found.changes) <= set(CHANGES)
    try:
        turn = parse_turn(found.text)
    except ProtocolError:
        return
    assert render_turn(turn) == found.text
    assert settle(Reply(found.text, finish=finish), style) == found.text


@given(st.text(), st.text())
def test_text_of_any_kind_is_read(content, reasoning):
    json.dumps(settle(Reply(content, reasoning), "long"))


def test_a_very_deep_call_is_malformed_and_no_crash():
    deep = "[" * 100_000
    with pytest.raises(ProtocolError):
        parse_turn(settle(Reply(f"{THINK}<tool_call>{deep}</tool_call>"), "short"))
