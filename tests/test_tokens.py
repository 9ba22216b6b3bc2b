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
FORGETFUL = "{% for m in messages %}<|{{ m.role }}|>{{ m.content.split('</think>')[-1] }}<|end|>{% endfor %}"

# In the manner of Qwen3's own template: thoughts stay only after the last user message that is no tool response, and
# where they stay, an empty line follows them.
STOCK = """{%- set ns = namespace(last=-1) -%}
{%- for m in messages -%}
{%- if m.role == 'user' and not (m.content.startswith('<tool_response>') and m.content.endswith('</tool_response>')) -%}
{%- set ns.last = loop.index0 -%}{%- endif -%}{%- endfor -%}
{%- for m in messages -%}
{{- '<|im_start|>' + m.role + '\n' -}}
{%- if m.role == 'assistant' and '</think>' in m.content -%}
{%- if loop.index0 > ns.last -%}
{{- m.content.split('</think>')[0] + '</think>\n\n' + m.content.split('</think>')[-1].lstrip('\n') -}}
{%- else -%}{{- m.content.split('</think>')[-1].lstrip('\n') -}}{%- endif -%}
{%- else -%}{{- m.content -}}{%- endif -%}
{{- '<|im_end|>\n' -}}
{%- endfor -%}{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}"""


@pytest.fixture(scope="module")
def bpe():
    """A byte-level BPE tokenizer with ChatML, as Qwen's models have it; trained here on a few sentences."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    frame = Tokenizer(models.BPE())
    frame.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    frame.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        show_progress=False,
    )
    frame.train_from_iterator([m["content"] for m in MESSAGES] * 5, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=frame, pad_token="<|endoftext|>", eos_token="<|im_end|>", chat_template=tokens.CHATML
    )


def with_template(tokenizer, template):
    import copy

    other = copy.deepcopy(tokenizer)
    other.chat_template = template
    return other


def test_chatml_with_bpe_masks_what_the_assistant_wrote_and_no_more(bpe):
    done = tokens.render(bpe, MESSAGES)
    whole = bpe.apply_chat_template(MESSAGES, tokenize=False)
    assert bpe.decode(done.ids) == whole
    # by hand: what stands between "assistant\n" and the end token that follows, for each of the two turns
    assert [bpe.decode(done.ids[a:b]) for a, b in done.spans] == [
        CALL + "<|im_end|>",
        MESSAGES[4]["content"] + "<|im_end|>",
    ]
    assert [i for i, m in enumerate(done.mask) if m] == [i for a, b in done.spans for i in range(a, b)]
    # the end token that the user spelled out is text, so the episode has one end token a message
    assert done.ids.count(bpe.eos_token_id) == len(MESSAGES)


def test_a_bpe_episode_grown_turn_by_turn_keeps_its_ids(bpe):
    grown = tokens.render(bpe, MESSAGES[:2], generate=True).ids
    grown = grown + tokens.encode(bpe, CALL) + [bpe.eos_token_id] + tokens.bridge(bpe, SEEN)
    assert grown == tokens.render(bpe, MESSAGES[:4], generate=True).ids


def test_ids_that_were_sampled_may_differ_from_those_of_their_text(bpe):
    """Why rollouts keep their ids: one text has many tokenisations, and the policy may have sampled another one."""
    best = tokens.encode(bpe, "The mayor")
    letters = [bpe.convert_tokens_to_ids(c) for c in "TheĠmayor"]
    assert bpe.decode(letters) == bpe.decode(best) and letters != best


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        (MESSAGES, "message 2 .assistant.: the space inside it is another"),  # observations wrapped exactly
        (MESSAGES[:3] + [{"role": "user", "content": SEEN + "\n"}, MESSAGES[4]], "message 2 .*: its thought is gone"),
        (MESSAGES[:3], "message 2 .assistant.: the space inside it is another"),
    ],
    ids=["wrapped", "one newline", "single turn"],
)
def test_qwen3_s_own_template_cannot_be_trained_on_and_the_error_says_why(bpe, messages, why):
    with pytest.raises(ValueError, match=f'{why}.*chat_template="chatml"'):
        tokens.render(with_template(bpe, STOCK), messages)
    assert tokens.render(with_template(bpe, tokens.CHATML), messages).spans


def test_a_message_that_spells_a_role_is_found_in_its_own_place(bpe):
    odd = [{"role": "user", "content": "user"}, {"role": "assistant", "content": "assistant"}]
    done = tokens.render(bpe, odd)
    assert bpe.decode(done.ids[slice(*done.spans[0])]) == "assistant<|im_end|>"
    assert bpe.decode(done.ids[: done.spans[0][0]]).endswith("<|im_start|>assistant\n")


def test_a_template_that_adds_a_system_message_of_its_own_is_fine(bpe):
    own = "{% if messages[0].role != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n{% endif %}" + tokens.CHATML
    other = with_template(bpe, own)
    done = tokens.render(other, MESSAGES[1:])
    assert other.decode(done.ids).startswith("<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nWho")
    assert len(done.spans) == 2


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


@pytest.mark.parametrize("template", [tokens.TEMPLATE, tokens.CHATML], ids=["ours", "chatml"])
def test_bridge_grows_an_episode_to_the_same_ids(tokenizer, template):
    other = with_template(tokenizer, template)
    if template == tokens.CHATML:
        other.add_special_tokens({"additional_special_tokens": ["<|im_start|>"], "eos_token": "<|im_end|>"})
    whole = tokens.render(other, MESSAGES[:4], generate=True)
    grown = tokens.render(other, MESSAGES[:2], generate=True).ids
    grown = grown + tokens.encode(other, CALL) + [other.eos_token_id] + tokens.bridge(other, SEEN)
    assert grown == whole.ids


def test_a_template_that_drops_thoughts_is_refused(tokenizer):
    with pytest.raises(ValueError, match="changed or dropped message 2 .assistant.: its thought is gone"):
        tokens.render(with_template(tokenizer, FORGETFUL), MESSAGES)


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
