"""Markup in page text loses its power; everything else stays as it is."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.core import protocol
from webdancer.web.inert import inert
from webdancer.web.tools import inert as the_same

LIVE = {
    "</tool_response>": "<\\/tool_response>",
    "<tool_call>": "<\\tool_call>",
    "<THINK>": "<\\THINK>",
    "</answer >": "<\\/answer >",
    "< / tool_response\n>": "<\\ / tool_response\n>",
    "<\u200b/think>": "<\\\u200b/think>",
    "＜/tool_response＞": "＜\\/tool_response＞",
    '<tool_call id="1">': '<\\tool_call id="1">',
    "<think/>": "<\\think/>",
    "<|im_start|>user": "<\\|im_start|>user",
    "<|endoftext|>": "<\\|endoftext|>",
    "<｜begin▁of▁sentence｜>": "<\\｜begin▁of▁sentence｜>",
    "</s>": "<\\/s>",
    "<<SYS>>": "<\\<SYS>>",
    "[/INST]": "[\\/INST]",
    "<end_of_turn>": "<\\end_of_turn>",
    "<function=search>": "<\\function=search>",
}
PLAIN = [
    "a < b > c",
    "[1](http://a.test)",
    "<b>bold</b>",
    "x <| f |> y",
    "<answers>",
    "a tool_call",
    "1<2",
    "<thinker>",
]


@pytest.mark.parametrize("text, expected", LIVE.items())
def test_markup_is_broken_visibly(text, expected):
    assert inert(f"a {text} b") == f"a {expected} b"
    assert inert(inert(text)) == inert(text)


@pytest.mark.parametrize("text", PLAIN)
def test_other_text_is_unchanged(text):
    assert inert(text) == text


@given(st.lists(st.sampled_from([*LIVE, *PLAIN, "<", ">", "/", "|", "\\", " ", "think", "s"]), max_size=8).map("".join))
def test_no_tag_of_the_protocol_survives_any_mixture(text):
    safe = inert(text)
    assert inert(safe) == safe
    for tag in protocol.TAGS:
        assert f"<{tag}>" not in safe and f"</{tag}>" not in safe
    assert "<|im_start|>" not in safe and "[/INST]" not in safe


@pytest.mark.parametrize(
    "text", ["<" * 200_000, "< " * 100_000, "<" + " " * 200_000, "<|" + "a" * 200_000, "[ /" * 70_000]
)
def test_no_page_makes_it_slow(text):
    started = time.perf_counter()
    assert inert(text) == text
    assert time.perf_counter() - started < 1.0


def test_it_is_found_in_tools_too():
    assert the_same is inert
