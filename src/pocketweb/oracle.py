"""The rule-based stand-ins for language models: one chat request in, one chat completion out.

Stages 02, 03, 04 and 07 talk to them through `endpoint`, tests and prototypes may call `reply` in process. A
stand-in sees only the messages of the request, as a language model would: no world, no gold answer. The reply is a
pure function of messages, model, temperature and seed. Departure from the paper: GPT-4o, QwQ-Plus and Qwen-2.5-72B
are replaced by these rules wherever the pocket web is used.
"""

import hashlib
import json
import random
import re
from typing import Any

from pocketweb import oracle_author, oracle_judge, oracle_memory, oracle_summariser
from pocketweb.oracle_errors import answer_block, call_block, mistaken_turn
from pocketweb.oracle_paths import OTHER, USUAL
from pocketweb.oracle_teacher import Message, Step, next_step
from pocketweb.oracle_thoughts import long_thought, short_thought

MODELS = (
    "pocket-author",
    "pocket-author-other",
    "pocket-short",
    "pocket-long",
    "pocket-summariser",
    "pocket-judge",
)
VOICES = {"pocket-author": USUAL, "pocket-author-other": OTHER}
CREATED = 1735689600  # 2025-01-01: a constant, so that a reply depends on nothing but the request


class RequestError(ValueError):
    """A request that no OpenAI-compatible endpoint would serve; `status` is the HTTP status, `code` OpenAI's word
    for it."""

    def __init__(self, message: str, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def reply(request: dict[str, Any]) -> dict[str, Any]:
    """Answer a chat-completion request.

    Args:
        request: the JSON body of `POST /v1/chat/completions`: `model`, `messages`, and optionally `temperature`
        (absent: 0),
            `seed` (absent: 0), `stop`, `max_tokens`. Other keys play no part.

    Returns:
        The JSON body of the reply. Tokens in `usage` are words separated by white space.

    Raises:
        RequestError: unknown model (404) or a malformed request (400); the message says what was got and wanted.
    """
    model, messages, temperature, seed = _checked(request)
    key = json.dumps([model, messages, temperature, seed], ensure_ascii=False, sort_keys=True)
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    reasoning, content = _speak(model, messages, temperature, random.Random(digest))
    reasoning, content, finish = _limited(reasoning, content, request)
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if reasoning is not None:
        message["reasoning_content"] = reasoning
    prompt = sum(len(m["content"].split()) for m in messages)
    completion = len((reasoning or "").split()) + len(content.split())
    return {
        "id": f"chatcmpl-{digest[:24]}",
        "object": "chat.completion",
        "created": CREATED,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion},
    }


def _checked(request: Any) -> tuple[str, list[Message], float, int]:
    """The fields that matter, each checked."""
    if not isinstance(request, dict):
        raise RequestError(f"got a JSON {type(request).__name__}, wanted an object with model and messages")
    model, messages = request.get("model"), request.get("messages")
    if not isinstance(model, str):
        raise RequestError(f"got model {model!r}, wanted one of {', '.join(MODELS)}")
    if model not in MODELS:
        message = (
            f"The model `{model}` does not exist. This endpoint serves the rule-based stand-ins {', '.join(MODELS)}."
        )
        raise RequestError(message, 404, "model_not_found")
    if not isinstance(messages, list) or not messages or not all(map(_is_message, messages)):
        raise RequestError(
            'got malformed messages, wanted a list of {"role": ..., "content": "text"} that is not empty'
        )
    temperature, seed = request.get("temperature"), request.get("seed")
    temperature, seed = 0 if temperature is None else temperature, 0 if seed is None else seed
    if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not 0 <= temperature <= 2:
        raise RequestError(f"got temperature {temperature!r}, wanted a number from 0 to 2")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise RequestError(f"got seed {seed!r}, wanted an integer")
    if request.get("stream") or request.get("n") not in (None, 1):
        raise RequestError(
            "got stream or n > 1, wanted one whole reply: send a request a sample, each with its own seed"
        )
    return model, messages, float(temperature), seed


def _is_message(message: Any) -> bool:
    """Whether this is a chat message with plain text."""
    good = isinstance(message, dict) and message.get("role") in ("system", "user", "assistant", "tool")
    return good and isinstance(message.get("content"), str)


def _speak(model: str, messages: list[Message], temperature: float, rng: random.Random) -> tuple[str | None, str]:
    """Reasoning (None for models that show none) and content of the reply."""
    if model in VOICES:
        return None, oracle_author.reply(messages, temperature, rng, VOICES[model])
    if model == "pocket-summariser":
        return None, oracle_summariser.reply(messages, temperature, rng)
    if model == "pocket-judge":
        return None, oracle_judge.reply(messages, temperature, rng)
    long = model == "pocket-long"
    if oracle_memory.is_asked(messages):
        return ("No page was shown to me." if long else None), oracle_memory.reply(messages)

    def render(step: Step) -> tuple[str, str]:
        body = answer_block(step.answer) if step.action == "answer" else call_block(step.action, step.arguments)
        return long_thought(step) if long else short_thought(step), body

    thought, body = mistaken_turn(next_step(messages), messages, temperature, rng, render)
    return (thought, body) if long else (None, f"<think>\n{thought}\n</think>\n{body}")


def _limited(reasoning: str | None, content: str, request: dict[str, Any]) -> tuple[str | None, str, str]:
    """Apply `stop` to the content and `max_tokens` to both; the third value is the finish reason."""
    stop = request.get("stop") or []
    for mark in [stop] if isinstance(stop, str) else stop:
        content = content.partition(mark)[0] if isinstance(mark, str) and mark else content
    limit = request.get("max_completion_tokens") or request.get("max_tokens")
    if not isinstance(limit, int) or limit <= 0:
        return reasoning, content, "stop"
    kept, spent = (None, 0) if reasoning is None else _first_words(reasoning, limit)
    text, total = _first_words(content, limit - spent)
    cut = text != content or kept != reasoning
    return kept, text, "length" if cut and spent + total >= limit else "stop"


def _first_words(text: str, limit: int) -> tuple[str, int]:
    """The text up to its `limit`-th word, white space kept, and the number of words in it."""
    words = list(re.finditer(r"\S+", text))
    if len(words) <= limit:
        return text, len(words)
    return (text[: words[limit - 1].end()] if limit > 0 else ""), max(limit, 0)
