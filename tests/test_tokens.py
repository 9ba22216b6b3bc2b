"""Tokenizer, rendering and masks: any text survives, nothing in a message acts as a special token, ids never change."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webdancer.agent import tokens

CALL = (
    "<think>\nTal Veron.\n</think>\n<tool_call>\n"
    '{"name": "search", "arguments": {"query": ["Tal Veron mayor"]}}\n</tool_call>'
)
SEEN = (
    "<tool_response>\nA search for 'Tal Veron mayor' found 1 results:\n\n## Web Results\n"
    "1. [Tal Veron](http://wiki.pocket.test/wiki/Tal_Veron)\n\nThe mayor\n</tool_response>"
)
MESSAGES = [
    {"role": "system", "content": "Search, visit, answer."},
    {"role": "user", "content": "Who is the mayor of Tal Veron? <|end|>"},
    {"role": "assistant", "content": CALL},
    {"role": "user", "content": SEEN},
    {"role": "assistant", "content": "<think>\nKor Hask.\n</think>\n<answer>\nKor Hask\n</answer>"},
]
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
FORGETFUL = "{% for m in messages %}<|{{ m.role }}|>{{ m.content.split('</think>')[-1] }}<|end|>{% endfor %}"


@pytest.fixture(scope="module")
def tokenizer():
    texts = [m["content"] for m in MESSAGES] * 20 + ["The mayor of Tal Veron is Kor Hask."] * 20
    return tokens.train_tokenizer(texts, 600, ["http://wiki.pocket.test/wiki/"])


def test_a_name_is_the_same_tokens_in_prose_and_in_a_url(tokenizer):
    name = tokens.encode(tokenizer, "Tal Veron")
    url = tokens.encode(tokenizer, "http://wiki.pocket.test/wiki/Tal_Veron")
    assert len(name) == 2 and len(url) == 4
    assert [url[1], url[3]] == name


def test_protocol_pieces_are_single_tokens(tokenizer):
    # <think>\n, Tal, Veron, ".", call head, Tal, Veron, mayor, call tail
    assert len(tokens.encode(tokenizer, CALL)) == 9


@settings(max_examples=300, deadline=None)
@given(
    st.text()
    | st.lists(st.sampled_from(["Tal", " ", "  ", "Veron", "_", "é", "中", "⟨", "Ġ", "<|end|>", "\n", "7", CALL]))
)
def test_any_text_survives_the_round_trip(tokenizer, text):
    text = "".join(text)
    text = text.encode("utf-8", "ignore").decode()  # lone surrogates are not text
    ids = tokens.encode(tokenizer, text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.eos_token_id not in ids


def test_mask_covers_exactly_what_the_assistant_wrote(tokenizer):
    done = tokens.render(tokenizer, MESSAGES)
    written = [tokenizer.decode(done.ids[a : b - 1]) for a, b in done.spans]
    assert written == [MESSAGES[2]["content"], MESSAGES[4]["content"]]
    assert sum(done.mask) == sum(b - a for a, b in done.spans)
    assert all(done.ids[b - 1] == tokenizer.eos_token_id and done.mask[b - 1] for _, b in done.spans)


@pytest.mark.parametrize("template", [tokens.TEMPLATE, CHATML], ids=["ours", "chatml"])
def test_bridge_grows_an_episode_to_the_same_ids(tokenizer, template):
    import copy

    other = copy.deepcopy(tokenizer)
    other.chat_template = template
    if template == CHATML:
        other.add_special_tokens({"additional_special_tokens": ["<|im_start|>"], "eos_token": "<|im_end|>"})
    whole = tokens.render(other, MESSAGES[:4], generate=True)
    grown = tokens.render(other, MESSAGES[:2], generate=True).ids
    grown = grown + tokens.encode(other, CALL) + [other.eos_token_id] + tokens.bridge(other, SEEN)
    assert grown == whole.ids


def test_a_template_that_drops_thoughts_is_refused(tokenizer):
    import copy

    other = copy.deepcopy(tokenizer)
    other.chat_template = FORGETFUL
    with pytest.raises(ValueError, match="changed or dropped message 2"):
        tokens.render(other, MESSAGES)


def test_saved_tokenizer_gives_the_same_ids(tokenizer, tmp_path):
    from transformers import AutoTokenizer

    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert tokens.render(again, MESSAGES) == tokens.render(tokenizer, MESSAGES)


def test_url_pieces_are_shared_directories():
    urls = [f"http://a.test/wiki/{i}" for i in range(30)] + ["http://b.test/x/1"]
    assert tokens.url_pieces(urls) == ["http://a.test/wiki/"]


def test_too_small_a_vocabulary_is_refused():
    with pytest.raises(ValueError, match="got size=100, wanted at least 600"):
        tokens.train_tokenizer(["a"], 100)


def test_numbers_go_by_two_digits_and_years_stay_whole():
    tokenizer = tokens.train_tokenizer(["founded in 1948 and 1948"] * 3, 600)
    pieces = {
        "4504.00009": ["⟨45", "04", ".", "⟨00", "00", "9"],
        "in 1948": ["⟨in", "⟨1948"],
        "19485": ["⟨19", "48", "5"],
        "1 22 7": ["⟨1", "⟨22", "⟨7"],
    }
    for text, wanted in pieces.items():
        ids = tokens.encode(tokenizer, text)
        assert tokenizer.convert_ids_to_tokens(ids) == wanted and tokenizer.decode(ids) == text
