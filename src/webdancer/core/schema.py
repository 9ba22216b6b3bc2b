"""The three records that pass between the stages, and the JSONL files that hold them.

A `Page` is what the crawler stored, a `Question` what the synthesis wrote, a `Trajectory` one episode of an agent. A
trajectory row has the keys of the released WebDancer file (`type, task, messages, functions, tool_calls, answer,
tag`) and ours beside them, so that a file of theirs opens as a file of ours and the other way round.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from webdancer.core.record import atomic_path

VERSION = 1  # raised when a field changes its meaning
KINDS = ("count", "multihop", "intersection", "comparison", "difference", "e2hqa")
SPLITS = ("sft", "rl", "eval")


@dataclass(frozen=True)
class Page:
    """One stored page: `text` clean plain text, `links` absolute URLs, `sha256` of the text, `robots` the verdict."""

    url: str
    title: str
    text: str
    links: tuple[str, ...] = ()
    source: str = "web"  # wikipedia, arxiv, github or web
    fetched_at: str = ""  # ISO 8601, UTC
    sha256: str = ""
    licence: str = ""
    robots: str = "allowed"
    date: str = ""  # publication date, shown in search results
    language: str = ""  # BCP 47, such as en or zh-Hans; empty: not told
    version: int = VERSION


@dataclass(frozen=True)
class Question:
    """A question with its one short answer and how it came about.

    `hops` counts the relations to follow, `evidence` the URLs and `support` the sentences that carry them, in the
    order of the hops; `offsets` says at which character of its page's text each support sentence starts (-1: not
    found there as it stands); `rewrites` holds the earlier versions of an E2HQA question, oldest first; `checks` the
    names of the checks passed.
    """

    id: str
    question: str
    answer: str
    kind: str
    hops: int
    evidence: tuple[str, ...] = ()
    support: tuple[str, ...] = ()
    rewrites: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    split: str = ""
    offsets: tuple[int, ...] = ()
    version: int = VERSION


@dataclass(frozen=True)
class Trajectory:
    """One episode as chat messages (`{"role", "content"}`), exactly in the released WebDancer form.

    `answer` is the gold as released (`[[gold, alias, ...]]`), `tag` the question's kind, `n_calls` the tool calls
    made, `tokens` prompt plus completion tokens billed, `cost` in US dollars. `stop` is one of `protocol.STOPS`.
    `ratings` are the scores from 1 to 5 of the criteria non-redundant, aligned with the goal, logical and accurate; ()
    if nobody rated it.
    """

    messages: tuple[dict[str, str], ...]
    answer: tuple[tuple[str, ...], ...]
    tag: str = ""
    question_id: str = ""
    style: str = ""
    sample: int = 0
    hops: int = 0
    prediction: str = ""
    stop: str = ""
    n_calls: int = 0
    tokens: int = 0
    cost: float = 0.0
    ratings: tuple[int, ...] = ()
    type: str = "chatml"
    task: str = "agent/multiturn_search"
    functions: tuple[dict[str, Any], ...] = ()
    tool_calls: tuple[Any, ...] = ()
    version: int = VERSION


Record = TypeVar("Record", Page, Question, Trajectory)


def text_hash(text: str) -> str:
    """SHA-256 of `text` in UTF-8, hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def to_row(record: Page | Question | Trajectory) -> dict[str, Any]:
    """The record as a plain dictionary ready for JSON."""
    return dataclasses.asdict(record)


def from_row(row: dict[str, Any], cls: type[Record]) -> Record:
    """Build a record from a JSON object; lists become tuples, unknown keys are an error.

    Raises:
        ValueError: a key is missing or unknown, or a value has the wrong type; the message names key, got and wanted.
    """
    if not isinstance(row, dict):
        raise ValueError(f"got a JSON {type(row).__name__}, wanted an object with the fields of {cls.__name__}")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    unknown = sorted(set(row) - set(fields))
    missing = sorted(n for n, f in fields.items() if n not in row and f.default is dataclasses.MISSING)
    if unknown or missing:
        raise ValueError(f"not a {cls.__name__}: missing {missing or 'nothing'}, unknown {unknown or 'nothing'}")
    values = {name: _typed(cls, name, fields[name].type, value) for name, value in row.items()}
    return cls(**values)


def _typed(cls: type, name: str, kind: Any, value: Any) -> Any:
    """`value` with lists as tuples, after a check against the outer type of the field."""
    wanted = {"tuple": list | tuple, "str": str, "int": int, "float": int | float}[
        kind.__name__ if kind in (str, int, float) else "tuple"
    ]
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise ValueError(f"{cls.__name__}.{name}: got {value!r:.60}, wanted {getattr(kind, '__name__', kind)}")
    if isinstance(value, list):
        return tuple(tuple(v) if isinstance(v, list) else v for v in value)
    return value


def iter_jsonl(path: str | Path, cls: type[Record]) -> Iterator[Record]:
    """Yield the records of a JSONL file one by one.

    Raises:
        FileNotFoundError: names the file and the stage that writes it.
        ValueError: a malformed line; the message gives file, line number and what was wrong.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path.name} is missing (looked for {path}): run the notebook that writes it first")
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                yield from_row(json.loads(line), cls)
            except ValueError as error:
                raise ValueError(f"{path.name}, line {number}: {error}") from error


def read_jsonl(path: str | Path, cls: type[Record]) -> list[Record]:
    """All records of a JSONL file; errors as in `iter_jsonl`."""
    return list(iter_jsonl(path, cls))


def write_jsonl(path: str | Path, records: Iterable[Page | Question | Trajectory]) -> int:
    """Write the records atomically, one JSON object a line; returns how many."""
    count = 0
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as out:
        for record in records:
            out.write(json.dumps(to_row(record), ensure_ascii=False) + "\n")
            count += 1
    return count
