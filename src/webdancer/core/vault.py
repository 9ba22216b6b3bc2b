"""Secrecy: what a run may write of a benchmark that is published encrypted or behind a gate.

Used by 07_evaluate. In: the questions and answers of such a set, decrypted in memory. Out: a `Vault`, the one switch
of a run: whoever writes episodes or replies asks it first. Ids, verdicts, counts and stop reasons stay readable; every
text that says or repeats a question or an answer is sealed, whole, so that an episode can be scored again without
being run again. None of this is in the paper, whose authors keep their predictions to themselves.

The key is made from the questions in plain: who has the benchmark can open the file, nobody else, a crawler least of
all. (A key from the canary would lie beside the published file, and gated sets have none.) The cipher is AES-SIV
(RFC 5297) of the library `cryptography`: equal texts give equal files, and a changed line is noticed. The scheme of the
published files, XOR with a short repeated key, was not taken: whoever knows how an episode begins could read all of it.
"""

import base64
import contextlib
import hashlib
import json
import logging
import re
import traceback
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from webdancer.core.schema import Trajectory, from_row, to_row

SEALED = "sealed"  # the role of the one message of a sealed trajectory
PIECE = 18  # bytes in a row (18 letters, 6 Chinese characters) by which a text is known again
TEXTS = ("messages", "answer", "prediction", "functions", "tool_calls")  # fields that may hold a piece of the set


class VaultError(ValueError):
    """A text that this vault cannot open, or one that it must not show."""


class Vault:
    """Seals and opens the texts of one secret benchmark.

    `mark` names the key, 8 digits that tell nothing of it.

    Args:
        name: of the benchmark.
        questions: all of it, in plain, in any order: the same file gives the same key.
        answers: in plain; by them and the questions a message is known that must not be shown.

    Raises:
        ValueError: no questions.
    """

    def __init__(self, name: str, questions: Sequence[str], answers: Sequence[str] = ()) -> None:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        if not questions:
            raise ValueError(f"got no question of {name}, wanted the whole set: its questions are the key")
        self.name = name
        coded = [text.encode("utf-8", "surrogatepass") for text in questions]
        secret = b"".join(sorted(hashlib.sha256(text).digest() for text in coded))
        key = HKDF(hashes.SHA256(), 64, None, f"webdancer vault 1, {name}".encode()).derive(secret)
        self.mark = hashlib.sha256(b"mark of " + key).hexdigest()[:8]
        self._cipher = AESSIV(key)
        escaped = [json.dumps(text).encode() for text in questions if not text.isascii()]
        self._questions = b"\0".join(coded + escaped)
        self._answers = [a for a in dict.fromkeys(answers) if len(a.encode("utf-8", "surrogatepass")) >= 4]

    def seal(self, data: Any, about: str) -> str:
        """Plain JSON data as a token that only this vault can read.

        Args:
            about: what the token belongs to; it opens there and nowhere else.
        """
        text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
        coded = self._cipher.encrypt(zlib.compress(text.encode(), 6), [about.encode()])
        return f"{self.mark}.{base64.b64encode(coded).decode()}"

    def open(self, token: str, about: str) -> Any:
        """What `seal` was given.

        Raises:
            VaultError: sealed with another key, or changed since; the message names both keys.
        """
        from cryptography.exceptions import InvalidTag

        mark, _, coded = token.partition(".")
        if mark != self.mark:
            raise VaultError(
                f"{about}: sealed with the key {mark[:8]!r}, and the questions of {self.name} give {self.mark!r}: "
                "load the same benchmark file that the run had"
            )
        try:
            data = self._cipher.decrypt(base64.b64decode(coded, validate=True), [about.encode()])
            return json.loads(zlib.decompress(data))
        except (InvalidTag, ValueError, zlib.error):
            raise VaultError(
                f"{about}: the sealed text is damaged or belongs elsewhere: run this episode again"
            ) from None

    def hide(self, trajectory: Trajectory) -> Trajectory:
        """The trajectory with all its texts in one sealed message; what it counts stays as it is."""
        if is_sealed(trajectory):
            return trajectory
        row = to_row(trajectory)
        token = self.seal({name: row[name] for name in TEXTS}, _about(trajectory))
        empty = dict.fromkeys(("functions", "tool_calls", "answer"), ())
        return replace(trajectory, messages=({"role": SEALED, "content": token},), prediction="", **empty)

    def show(self, trajectory: Trajectory) -> Trajectory:
        """The trajectory that `hide` was given; one in plain comes back as it is.

        Raises:
            VaultError: as `open`.
        """
        if not is_sealed(trajectory):
            return trajectory
        texts = self.open(trajectory.messages[0]["content"], _about(trajectory))
        return from_row(to_row(trajectory) | texts, Trajectory)

    def veil(self, trajectory: Trajectory) -> Trajectory:
        """The trajectory for a screen: its turns in order, each with its length in the place of its text."""
        told = [{"role": m["role"], "content": _length(m["content"])} for m in trajectory.messages]
        golds = tuple(tuple(map(_length, golds)) for golds in trajectory.answer)
        prediction = _length(trajectory.prediction)
        return replace(trajectory, messages=tuple(told), answer=golds, prediction=prediction, tool_calls=())

    def tells(self, text: str) -> bool:
        """Whether a text holds an answer, or a piece of a question, of `PIECE` bytes or more."""
        said = text.encode("utf-8", "surrogatepass")
        pieces = (said[i : i + PIECE] for i in range(len(said) - PIECE + 1))
        if any(piece in self._questions for piece in dict.fromkeys(pieces)):
            return True
        return any(
            re.search(rf"(?<!\w){re.escape(a)}(?!\w)" if a.isascii() else re.escape(a), text) for a in self._answers
        )

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """Around whatever handles the plain texts: nothing that leaves the block as an error or a log line tells them.

        Servers quote a request in their error messages, and libraries log requests. Inside the block no log line below
        WARNING is written, and an error whose words hold a piece of the set is replaced by one that names its kind and
        place.

        Raises:
            VaultError: in the place of such an error.
        """
        off, watch = logging.root.manager.disable, _Watch(self)
        handlers = [logging.lastResort, *logging.getLogger().handlers]
        logging.disable(max(off, logging.INFO))
        for handler in filter(None, handlers):
            handler.addFilter(watch)
        try:
            yield
        except Exception as error:
            if not self.tells(_words(error)):
                raise
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{last.filename.rpartition('/')[2]}, line {last.lineno}"
            raise VaultError(
                f"{type(error).__name__} ({place}): its message quotes {self.name} and is withheld; the same with an "
                "open benchmark, or a request of yours to the endpoint, will show it"
            ) from None
        finally:
            logging.disable(off)
            for handler in filter(None, handlers):
                handler.removeFilter(watch)


class _Watch(logging.Filter):
    """Lets a log line pass if it tells nothing."""

    def __init__(self, vault: Vault) -> None:
        super().__init__()
        self.vault = vault

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line may be written."""
        error = record.exc_info[1] if record.exc_info else None
        return not self.vault.tells(f"{record.getMessage()}\n{_words(error)}")


def is_sealed(trajectory: Trajectory) -> bool:
    """Whether the texts of a trajectory are sealed: what is computed from them would be wrong."""
    return len(trajectory.messages) == 1 and trajectory.messages[0].get("role") == SEALED


def _words(error: BaseException | None) -> str:
    """All that a traceback would print of an error: its message and notes, and those of the errors behind it."""
    if error is None:
        return ""
    behind = [error.__cause__, None if error.__suppress_context__ else error.__context__]
    behind += error.exceptions if isinstance(error, BaseExceptionGroup) else []
    return "\n".join([str(error), *getattr(error, "__notes__", ()), *map(_words, behind)])


def _about(trajectory: Trajectory) -> str:
    return f"{trajectory.question_id}, sample {trajectory.sample}"


def _length(text: str) -> str:
    return f"(hidden, {len(text):,} characters)" if text else ""
