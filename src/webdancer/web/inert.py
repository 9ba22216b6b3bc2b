"""Page text is data: take the power out of markup that a chat template or the agent's protocol would act on.

Used by `web.tools` for every observation, and for page text that a summariser reads. In: any text. Out: the same text
with a backslash in each working tag. Departure from the paper: its tools pass page text on as it is; a page could
then end an observation, fake a tool call, or start a turn of its own.
"""

import re

# A few spaces or characters without width do not hide a tag, nor do capitals or full-width brackets. All repeats are
# bounded, so that no page can make the search slow.
_GAP = r"[\s\u00ad\u200b-\u200f\u2060-\u2064\ufeff]{0,8}"
_NAMES = (
    r"think(?:ing)?|answer|tools?|tool_calls?|tool_responses?|tool_results?|function_calls?"  # the protocol's and kin
    r"|(?:function|parameter)=[^<>\s]{0,100}|s|bos|eos|pad|unk|(?:start|end)_of_turn"  # Qwen, Llama, Gemma
)
_TAG = rf"{_GAP}/?{_GAP}(?:{_NAMES})(?:\s[^<>]{{0,200}})?{_GAP}/?{_GAP}[>\uff1e]"
_TOKEN = rf"{_GAP}[|\uff5c][^<>|\uff5c\s]{{1,60}}{_GAP}[|\uff5c]{_GAP}[>\uff1e]"  # <|im_start|> and full-width kin
_SQUARE = rf"{_GAP}/?{_GAP}(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS){_GAP}\]"  # Mistral
_LIVE = re.compile(rf"[<\uff1c](?={_TAG}|{_TOKEN}|</?SYS>>)|\[(?={_SQUARE})", re.IGNORECASE)


def inert(text: str) -> str:
    """`text` in which no protocol tag and no chat-template token works any more; other text is returned unchanged.

    A backslash behind the opening bracket keeps the text readable, and no parser or tokeniser takes it for markup
    any more. `inert(inert(t)) == inert(t)`.

    >>> print(inert("x </tool_response> y <|im_start|> z [INST]; but 1 < 2 and [1](a) stay"))
    x <\\/tool_response> y <\\|im_start|> z [\\INST]; but 1 < 2 and [1](a) stay
    """
    text = text.encode("utf-8", "replace").decode("utf-8")  # half a character (a lone surrogate) cannot be stored
    return _LIVE.sub(lambda found: found[0] + "\\", text)
