"""Questions and trajectories as data sets that `datasets.load_dataset` opens, each with a card. Ends 02 and 04.

In: the records of a stage and what the notebook knows about how they came about. Out: a folder with one Parquet file a
split and a README.md whose YAML head names them; the same folder is what `push` sends to the Hugging Face hub. The
paper's own data sets were released as bare JSONL without a card; what a reader needs in order to trust or refuse a data
set (who wrote it, who judged it, what was dropped, whose terms apply) stands here.
"""

import json
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from webdancer.core.record import atomic_path
from webdancer.core.schema import Page, Question, Trajectory, to_row
from webdancer.web.card import plain

PAPER = "arXiv 2505.22648"
POCKET_TERMS = "none: they are the rule-based stand-ins of this project (Apache-2.0), not language models."
UNKNOWN_TERMS = "not stated by the maker of this data set. Read the terms of each model above before you train on it."
LIMITS = """## Limits

Questions were written and episodes acted by the models named above, and judged by one of them: errors of the judge
are errors of this data set. Texts quoted in observations belong to the pages they come from and keep their licences.
Page text is a stranger's: treat it as data, never as instructions to a model. The checks and the funnel drop what
their rules see and nothing else."""


@dataclass(frozen=True)
class Facts:
    """What a card tells beside what it can count.

    `how` is a paragraph, `roles` maps a role (author, teacher, judge, ...) to the model that played it, `funnel` holds
    rows (what, number), `licences` counts the pages behind the data by stated licence, `terms` says what the models'
    terms allow (empty: not stated, or none if all of them are the pocket web's stand-ins).
    """

    name: str
    how: str
    roles: Mapping[str, str] = field(default_factory=dict)
    funnel: Sequence[tuple[str, int]] = ()
    licences: Mapping[str, int] = field(default_factory=dict)
    terms: str = ""


def licences(pages: Iterable[Page], urls: Iterable[str]) -> Counter[str]:
    """How many of the pages at `urls` state which licence; "none stated" for those that state none."""
    wanted = set(urls)
    return Counter(page.licence or "none stated" for page in pages if page.url in wanted)


def write_questions(folder: Path, questions: Sequence[Question], facts: Facts) -> Path:
    """The questions, one Parquet file for each split that has any.

    Args:
        folder: replaced if it is there; it appears whole or not at all.
        questions: of all splits.
        facts: for the card.

    Raises:
        ValueError: there is no question.
    """
    rows = {split: [q for q in questions if q.split == split] for split in dict.fromkeys(q.split for q in questions)}
    counts = {
        "split": Counter(q.split for q in questions),
        "kind": Counter(q.kind for q in questions),
        "hops": Counter(f"{q.hops} hops" for q in questions),
    }
    return _write(folder, {name: list(map(to_row, own)) for name, own in rows.items()}, counts, facts, "question")


def write_trajectories(folder: Path, kept: Sequence[Trajectory], facts: Facts) -> Path:
    """The kept trajectories as split `train`, `functions` and `tool_calls` as JSON text.

    Args:
        folder: replaced if it is there; it appears whole or not at all.
        kept: what the funnel kept.
        facts: for the card.

    Raises:
        ValueError: there is no trajectory.
    """
    rows = []
    for trajectory in kept:
        row = to_row(trajectory)
        rows.append(row | {name: json.dumps(row[name], ensure_ascii=False) for name in ("functions", "tool_calls")})
    counts = {
        "thoughts": Counter(t.style or "as released" for t in kept),
        "kind": Counter(t.tag or "not told" for t in kept),
        "tool calls": Counter(f"{t.n_calls} calls" for t in kept),
    }
    return _write(folder, {"train": rows} if rows else {}, counts, facts, "trajectory")


def _write(
    folder: Path,
    splits: Mapping[str, list[dict[str, Any]]],
    counts: Mapping[str, Counter[str]],
    facts: Facts,
    what: str,
) -> Path:
    """The Parquet files and the card."""
    import pyarrow.parquet as pq

    if not splits:
        raise ValueError(f"got no {what} to make a data set of, wanted at least one")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a progress bar that misses a widget
        from datasets import Dataset
    with atomic_path(folder) as temporary:
        data = Path(temporary) / "data"
        data.mkdir(parents=True)
        for name, rows in splits.items():
            table = Dataset.from_list(rows, features=_features(what)).data.table
            pq.write_table(table, data / f"{name}.parquet")  # `to_parquet` draws a bar for each file
        rows_in_all = sum(map(len, splits.values()))
        text = card(facts, counts, {name: len(rows) for name, rows in splits.items()}, rows_in_all)
        (Path(temporary) / "README.md").write_text(text, encoding="utf-8")
    return folder


def _features(what: str) -> Any:
    """Column types, spelled out so that a column of empty lists does not become one of nulls."""
    from datasets import Features, List, Value

    text, number, many = Value("string"), Value("int64"), List(Value("string"))
    if what == "question":
        return Features(
            dict.fromkeys(("id", "question", "answer", "kind", "split"), text)
            | dict.fromkeys(("evidence", "support", "rewrites", "checks"), many)
            | {"hops": number, "offsets": List(number), "version": number}
        )
    texts = ("tag", "question_id", "style", "prediction", "stop", "type", "task", "functions", "tool_calls")
    numbers = ("sample", "hops", "n_calls", "tokens", "version")
    return Features(
        dict.fromkeys(texts, text)
        | dict.fromkeys(numbers, number)
        | {"messages": List({"role": text, "content": text}), "answer": List(many)}
        | {"cost": Value("float64"), "ratings": List(number)}
    )


def card(facts: Facts, counts: Mapping[str, Counter[str]], splits: Mapping[str, int], rows: int) -> str:
    """The README.md: YAML head, how it was made, counts, funnel, licences, terms, limits."""
    parts = [
        f"---\n{_head(facts, splits, rows)}\n---",
        f"# {plain(facts.name, 80)}",
        f"{rows:,} rows made by webdancer, an independent reproduction of WebDancer ({PAPER}), not by its authors.",
        "## How it was made\n\n" + facts.how.strip(),
        "Who played which role:\n\n" + _table(("role", "model"), facts.roles.items()) if facts.roles else "",
        "## Counts\n\n" + "\n\n".join(_table((name, "rows"), sorted(c.items())) for name, c in counts.items()),
        "## What was dropped\n\n" + _table(("step", "number"), facts.funnel) if facts.funnel else "",
        "## Licences and terms\n\n" + _licences(facts),
        LIMITS,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(facts: Facts, splits: Mapping[str, int], rows: int) -> str:
    """The YAML that the hub and `load_dataset` read."""
    from huggingface_hub import DatasetCardData

    files = [{"split": name, "path": f"data/{name}.parquet"} for name in splits]
    sizes = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
    known = {name.casefold() for name in facts.licences} <= {"apache-2.0"}
    return DatasetCardData(
        license="apache-2.0" if facts.licences and known else "other",
        task_categories=["question-answering"],
        size_categories=next((name for most, name in sizes if rows < most), "1M<n<10M"),
        pretty_name=plain(facts.name, 80),
        configs=[{"config_name": "default", "data_files": files}],
    ).to_yaml()


def _table(names: tuple[str, str], rows: Iterable[tuple[str, Any]]) -> str:
    """A Markdown table of two columns."""
    body = [
        f"| {plain(key, 80)} | {f'{value:,}' if isinstance(value, int) else plain(value, 80)} |" for key, value in rows
    ]
    return "\n".join([f"| {names[0]} | {names[1]} |", "|---|---|", *body])


def _licences(facts: Facts) -> str:
    """Whose pages, whose models."""
    found = sorted(facts.licences.items(), key=lambda item: (-item[1], item[0]))
    pages = _table(("licence of the pages behind it", "pages"), found) if found else "Not counted."
    pocket = bool(facts.roles) and all(model.startswith("pocket-") for model in facts.roles.values())
    terms = facts.terms.strip() or (POCKET_TERMS if pocket else UNKNOWN_TERMS)
    return f"{pages}\n\nTerms of the models whose output this is: {terms}"


def push(folder: Path, repo_id: str, *, private: bool = True) -> str:
    """Send a data set folder to the Hugging Face hub; the key is read from `HF_TOKEN`.

    Args:
        folder: from `write_questions` or `write_trajectories`.
        repo_id: `user/name`; created if it is not there.
        private: whether a new repository is private.

    Returns:
        The address of the data set.

    Raises:
        ValueError: no key in the environment, `repo_id` is not `user/name`, or the folder has no card.
    """
    if repo_id.count("/") != 1 or not all(repo_id.split("/")):
        raise ValueError(f"push_to_hub: got {repo_id!r}, wanted user/name")
    if not (folder / "README.md").is_file():
        raise ValueError(f"got {folder.name}, which has no README.md; wanted a folder that write_... made")
    if not os.environ.get("HF_TOKEN"):
        raise ValueError("push_to_hub is set, but the environment has no HF_TOKEN: make one that may write, and set it")
    from huggingface_hub import HfApi

    api = HfApi()
    address = api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
    api.upload_folder(repo_id=repo_id, folder_path=folder, repo_type="dataset")
    return str(address)
