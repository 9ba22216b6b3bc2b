"""Trajectories as HTML: static, escaped, every turn there."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.core.protocol import Turn, render_response, render_turn
from webdancer.core.schema import Trajectory
from webdancer.show import trajectory

MESSAGES = (
    {"role": "system", "content": "Search, visit, answer."},
    {"role": "user", "content": "rules\nUser: Who is the mayor of Kestin?"},
    {"role": "assistant", "content": render_turn(Turn("Look.", "search", {"query": ["Kestin mayor", "Kestin"]}))},
    {"role": "user", "content": render_response("<script>alert(1)</script> & 'quotes'")},
    {"role": "assistant", "content": render_turn(Turn("Found.", answer="Tal Veron"))},
)
RECORD = Trajectory(MESSAGES, (("Tal Veron", "T. Veron"),), prediction="Tal <b>Veron", stop="answer", n_calls=1)


def test_a_record_shows_gold_prediction_and_every_turn():
    text = trajectory.html(RECORD)
    assert text.count("<details") == text.count("</details>") == 5
    assert "gold <b>Tal Veron, T. Veron</b>, predicted <b>Tal &lt;b&gt;Veron</b>, 1 calls, stop: answer" in text
    assert "<summary><b>search</b> Kestin mayor, Kestin</summary>" in text
    assert "<summary><b>answer</b> Tal Veron</summary>" in text
    assert "user: User: Who is the mayor of Kestin?" in text
    assert text._repr_html_() == text


def test_page_text_is_escaped_and_nothing_runs():
    text = trajectory.html(MESSAGES)
    assert "<script" not in text and "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &#x27;quotes&#x27;" in text
    assert not re.search(r"\son\w+=|javascript:", text)


def test_long_messages_are_cut_and_say_so():
    text = trajectory.html([{"role": "user", "content": "x" * 50}], cut=20, open_all=True)
    assert "x" * 20 + "\n... (30 more characters)" in text and "<details open" in text


def test_a_turn_off_protocol_is_named_as_such():
    assert "<b>not in the protocol</b>" in trajectory.html(
        [{"role": "assistant", "content": "<answer>no thought</answer>"}]
    )


def test_side_by_side():
    both = trajectory.side_by_side(trajectory.Html("<i>l</i>"), trajectory.Html("<i>r</i>"), ("a < b", "c"))
    assert "a &lt; b" in both and both.count("<td") == 2


def test_tokens_of_the_mask_are_bold():
    text = trajectory.token_html(["ask", "<page>", "an", "swer\n"], [False, False, True, True])
    assert re.findall(r"<b [^>]*>([^<]*)</b>", text) == ["an", "swer&#9166;\n"]
    assert "2 of 4 tokens count in the loss" in text and "&lt;page&gt;" in text


def test_values_colour_by_sign_and_show_on_hover():
    text = trajectory.token_html(["a", "b", "c"], [True, True, False], [2.0, -1.0, 9.0][:2] + [0.0], label="advantage")
    assert "title='advantage +2.000' style='background:rgba(0,114,178,0.60)" in text
    assert "title='advantage -1.000' style='background:rgba(230,159,0,0.30)" in text


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="got 2 tokens, 1 mask entries, no values"):
        trajectory.token_html(["a", "b"], [True])
    with pytest.raises(ValueError, match="3 values"):
        trajectory.token_html(["a"], [True], [1, 2, 3])


@given(st.lists(st.tuples(st.text(), st.booleans())))
def test_no_token_becomes_a_tag(pairs):
    tokens, mask = [t for t, _ in pairs], [m for _, m in pairs]
    body = trajectory.token_html(tokens, mask).split("</p>", 1)[1]
    assert len(re.findall(r"<(?:b|span) ", body)) == len(tokens)
    assert body.count("<") == 2 * len(tokens) + 2


def test_a_notebook_keeps_html_once():
    from IPython.core.formatters import DisplayFormatter

    shown, _ = DisplayFormatter().format(trajectory.Html("<b>" + "x" * 2000 + "</b>"))
    assert shown["text/html"].startswith("<b>x") and shown["text/plain"] == "<HTML, 2,007 characters>"
