"""Trajectories as HTML: static, escaped, every turn there, four kinds of block told apart without colour."""

import re
from html.parser import HTMLParser

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
TAGS = {"div", "details", "summary", "pre", "p", "b", "span"}  # all that a trajectory is made of


class Tags(HTMLParser):
    """Collects the tags and attributes of a piece of HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def text_of(html: str) -> str:
    return re.sub(r"<[^>]*>", "", html)


def test_a_record_shows_gold_prediction_and_every_turn():
    text = trajectory.html(RECORD)
    assert text.count("<details") == text.count("</details>") == 3
    assert "gold <b>Tal Veron, T. Veron</b>, predicted <b>Tal &lt;b&gt;Veron</b>, 1 calls, stop: answer" in text
    assert "user: User: Who is the mayor of Kestin?" in text
    plain = text_of(text)
    for part in ("thought: Look.", "call search: Kestin mayor | Kestin", "thought: Found.", "answer: Tal Veron"):
        assert part in plain
    assert text._repr_html_() == text


def test_blocks_differ_in_sign_and_border_as_well_as_colour():
    signs, borders, colours = zip(*trajectory.BLOCKS.values(), strict=True)
    assert len(set(signs)) == len(set(borders)) == len(trajectory.BLOCKS)
    four = [trajectory.BLOCKS[kind][2] for kind in ("thought", "call", "observation", "answer")]
    assert len(set(four)) == 4
    plain = trajectory.html(MESSAGES)
    for kind in ("thought", "call", "observation", "answer"):
        assert f"{trajectory.BLOCKS[kind][0]} " in plain


def test_only_what_the_agent_was_given_is_folded():
    folded = re.findall(r"<details.*?</details>", trajectory.html(MESSAGES), re.DOTALL)
    assert [re.search(r"<summary>\S+ (\w+)", block)[1] for block in folded] == ["system", "user", "observation"]


def test_page_text_is_escaped_and_nothing_runs():
    text = trajectory.html(MESSAGES)
    assert "<script" not in text and "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &#x27;quotes&#x27;" in text
    assert not re.search(r"\son\w+=|javascript:", text)


HOSTILE = st.sampled_from(
    ["<img src=x onerror=hack()>", "</pre></details><script>hack()</script>", "' onclick='hack()"]
)
ANY = st.one_of(st.text(), HOSTILE, st.builds(str.__add__, st.text(max_size=9), HOSTILE))


@given(ANY, ANY, ANY, ANY)
def test_no_text_of_a_trajectory_becomes_a_tag_or_attribute(thought, query, seen, answer):
    messages = (
        {"role": "system", "content": seen},
        {"role": "user", "content": answer},
        {"role": "assistant", "content": render_turn(Turn(thought, query, {"query": [query], "n": 1}))},
        {"role": "user", "content": render_response(seen)},
        {"role": "assistant", "content": render_turn(Turn(thought, answer=answer))},
    )
    record = Trajectory(messages, ((answer,),), prediction=query, stop=thought)
    found = Tags(trajectory.html(record, dropped=seen, turns={query: [1, 2]}))
    assert found.tags <= TAGS and found.attributes <= {"style", "open"}


def test_long_messages_are_cut_and_say_so():
    text = trajectory.html([{"role": "user", "content": "x" * 50}], cut=20, open_all=True)
    assert "x" * 20 + "\n... (30 more characters)" in text and "<details open" in text


def test_a_turn_off_protocol_is_named_as_such():
    assert "<b>not in the protocol</b>" in trajectory.html(
        [{"role": "assistant", "content": "<answer>no thought</answer>"}]
    )


def test_numbers_of_a_turn_reward_and_reason_are_shown():
    spent = {"tokens": [31, 25], "seconds": [0.25, 1.5]}
    plain = text_of(trajectory.html(RECORD, turns=spent, reward=0.1, dropped="quality: repeated call"))
    assert "thought, 31 tokens, 0.25 seconds: Look." in plain and "thought, 25 tokens, 1.5 seconds: Found." in plain
    assert "reward 0.10" in plain and "dropped: quality: repeated call" in plain


def test_numbers_of_a_turn_must_fit_the_turns():
    with pytest.raises(ValueError, match=r"turns\['seconds'\]: got 1 numbers, wanted 2"):
        trajectory.html(RECORD, turns={"seconds": [0.25]})


def test_tokens_by_turn_are_the_runs_of_the_mask():
    assert trajectory.tokens_by_turn([0, 1, 1, 0, 0, 1]) == [2, 1] and trajectory.tokens_by_turn([]) == []


def test_side_by_side():
    both = trajectory.side_by_side(trajectory.Html("<i>l</i>"), trajectory.Html("<i>r</i>"), ("a < b", "c"))
    assert "a &lt; b" in both and both.count("<td") == 2


def test_tokens_of_the_mask_are_bold():
    text = trajectory.token_html(["ask", "<page>", "an", "swer\n"], [False, False, True, True])
    assert re.findall(r"<b [^>]*>([^<]*)</b>", text) == ["an", "swer&#9166;\n"]
    assert "2 of 4 tokens count in the loss" in text and "&lt;page&gt;" in text


def test_values_colour_by_sign_and_show_on_hover():
    text = trajectory.token_html(["a", "b", "c"], [True, True, False], [2.0, -1.0, 9.0][:2] + [0.0], label="advantage")
    assert "title='advantage +2.000' style='background:rgba(0,114,178,0.60);margin" in text
    assert "title='advantage -1.000' style='background:rgba(230,159,0,0.30);text-decoration:underline" in text


def test_log_probabilities_stand_above_unsure_tokens_of_the_mask():
    text = trajectory.token_html(["a", "b", "c"], [False, True, True], [0, 1, 1], label="A", logp=[-9.0, -0.1, -2.303])
    assert re.findall(r"<ruby><b[^>]*>(\w)</b><rt[^>]*>([^<]*)</rt>", text) == [("c", "-2.3")]
    assert "title='A +1.000, log-probability -0.100'" in text and "-9.0" not in text


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="got 2 tokens, 1 mask entries, no values"):
        trajectory.token_html(["a", "b"], [True])
    with pytest.raises(ValueError, match="3 values"):
        trajectory.token_html(["a"], [True], [1, 2, 3])
    with pytest.raises(ValueError, match="2 log-probabilities"):
        trajectory.token_html(["a"], [True], logp=[-1.0, -2.0])


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
