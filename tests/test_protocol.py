"""The protocol: strict where a verdict is needed, exact in both directions."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.core import protocol
from webdancer.core.protocol import ProtocolError, Turn

RELEASED = Path(__file__).parents[2] / "shared" / "data" / "webdancer" / "sample_traj.jsonl"
# Text without the protocol's own tags; line breaks at the ends belong to the rendering.
plain = st.text(max_size=40).filter(lambda t: not protocol._TAG.search(t)).map(lambda t: t.strip("\n"))
values = st.recursive(
    st.integers() | st.text(max_size=8) | st.booleans(), lambda x: st.lists(x, max_size=3), max_leaves=4
)
arguments = st.dictionaries(st.text(max_size=6), values, max_size=3)


def no_tag(arguments) -> bool:
    return not protocol._TAG.search(json.dumps(arguments, ensure_ascii=False))


@given(plain, plain)
def test_answers_round_trip(thought, answer):
    turn = Turn(thought, answer=answer)
    assert protocol.parse_turn(protocol.render_turn(turn)) == turn


@given(plain, st.text(max_size=10).filter(no_tag), arguments.filter(no_tag))
def test_calls_round_trip(thought, name, call):
    turn = Turn(thought, name, call)
    assert protocol.parse_turn(protocol.render_turn(turn)) == turn


def test_a_call_as_in_the_released_data():
    text = '<think>\nLook.\n</think>\n<tool_call>\n{"name": "search", "arguments": {"query": ["a", "b"]}}\n</tool_call>'
    assert protocol.parse_turn(text) == Turn("Look.", "search", {"query": ["a", "b"]})


CALL = '<tool_call>\n{"name": "search", "arguments": {}}\n</tool_call>'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "wanted <think>"),
        ("just text", "wanted <think>"),
        ("<think>\na\n</think>", "wanted <think>"),
        (CALL, "wanted <think>"),
        (f"<think>\na\n</think>\n{CALL}\n<answer>\nb\n</answer>", "wanted <think>"),
        (f"<think>\na\n</think>\n{CALL}\n{CALL}", "not valid JSON"),
        (f"<think>\na\n</think>\nso\n{CALL}", "wanted <think>"),
        (f"<think>\na\n</think>\n{CALL}\nso", "wanted <think>"),
        ("<think>\na\n</think>\n<answer>\nb <answer> c\n</answer>", "the tag <answer> inside a block"),
        ("<think>\na <think> b\n</think>\n<answer>\nc\n</answer>", "the tag <think> inside a block"),
        ("<think>\na\n</think>\n<tool_call>\n{broken\n</tool_call>", "not valid JSON"),
        ("<think>\na\n</think>\n<tool_call>\n[]\n</tool_call>", "and no other key"),
        ('<think>\na\n</think>\n<tool_call>\n{"name": 3, "arguments": {}}\n</tool_call>', "and no other key"),
        ('<think>\na\n</think>\n<tool_call>\n{"name": "x", "arguments": []}\n</tool_call>', "and no other key"),
        (
            '<think>\na\n</think>\n<tool_call>\n{"name": "x", "arguments": {}, "id": 1}\n</tool_call>',
            "and no other key",
        ),
    ],
)
def test_what_breaks_the_form_is_refused(text, says):
    with pytest.raises(ProtocolError, match=says):
        protocol.parse_turn(text)


def test_a_call_nested_too_deep_is_an_error_not_a_crash():
    with pytest.raises(ProtocolError):
        protocol.parse_call('{"name": "x", "arguments": ' + "[" * 200_000)


@given(st.text(max_size=60))
def test_an_observation_cannot_end_itself(page):
    message = protocol.render_response(page)
    assert message.count("</tool_response>") == 1
    seen = protocol.parse_response(message)
    assert seen == page or protocol._TAG.search(page)


@pytest.mark.parametrize("tag", ["</tool_response>", "<tool_call>", "</think>", "<answer>"])
def test_tags_in_a_page_are_defused(tag):
    assert protocol.parse_response(protocol.render_response(f"a {tag} b")) == f"a &lt;{tag[1:]} b"


def test_other_messages_are_no_observations():
    with pytest.raises(ProtocolError, match="wanted a message inside <tool_response> tags"):
        protocol.parse_response("Who is the mayor?")


def test_the_question_is_behind_the_last_user_mark():
    released = [{"role": "system", "content": "s"}, {"role": "user", "content": "tools\nUser: example\nUser: Who? \n"}]
    assert protocol.question_of(released) == "Who?"
    assert protocol.question_of([{"role": "user", "content": "Who?"}]) == "Who?"
    with pytest.raises(ProtocolError, match="without a user turn"):
        protocol.question_of([{"role": "system", "content": "s"}])


@pytest.mark.skipif(not RELEASED.is_file(), reason="the released trajectories are not here (../shared/data/webdancer)")
def test_all_422_released_turns_are_well_formed():
    turns, names = 0, []
    for line in RELEASED.open(encoding="utf-8"):
        messages = json.loads(line)["messages"]
        for text in protocol.turns_of(messages):
            turn = protocol.parse_turn(text)
            turns += 1
            names += [turn.name] if turn.name else []
        for message in messages[3::2]:
            assert protocol.render_response(protocol.parse_response(message["content"])).count("<tool_response>") == 1
    assert turns == 422
    assert (names.count("search"), names.count("visit")) == (204, 18)
