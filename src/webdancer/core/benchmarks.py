"""The published benchmarks of this field: what each file looks like, how many questions it holds, what may be shown.

Read by 07_evaluate. In: the name of a benchmark and its file as published, or the hub's data set where it can be
reached. Out: items with question, right answers, level, kind and language. A file with other counts than published is
refused: scores on a subset that nobody names are what makes numbers of this field hard to compare. Of encrypted and
gated sets (`secret`) nothing in plain text may be written anywhere; this module decrypts in memory and its messages
show no cell. The counts are those of the papers and of the files named in `home`, looked up in 2026.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from webdancer.core import qa_files
from webdancer.core.schema import Question

FOREIGN = 0.1  # share of questions that may be in another script than that of the benchmark's language
_CJK = re.compile(r"[\u3400-\u9fff\u3040-\u30ff\uac00-\ud7af]")


class BenchmarkError(ValueError):
    """A benchmark that is unknown, or a file that is not it; the message says what was expected and shows no cell."""


@dataclass(frozen=True)
class Benchmark:
    """What is published about a benchmark.

    `count` questions, of each level `levels`; `columns` maps `id`, `level`, `kind`, `aliases` and `language` to columns
    (in small letters, also inside a column that holds an object, as on the hub; question and answer are found by
    `qa_files`); `language` of all questions, "" where it differs; `secret`: encrypted or gated; `hub` is data set,
    configuration and split.
    """

    name: str
    title: str
    count: int = 0
    levels: Mapping[str, int] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    language: str = "en"
    secret: bool = False
    home: str = ""
    hub: tuple[str, str, str] = ("", "", "")


@dataclass(frozen=True)
class Item:
    """A question of a benchmark; `answers` are equally right, the first is the one that is published as the answer."""

    id: str
    question: str
    answers: tuple[str, ...]
    level: str = ""
    kind: str = ""
    language: str = "en"
    hops: int = 0

    def asked(self) -> Question:
        """The item as the agent's tools and the evaluation take it; further right answers are not in it."""
        kind = self.kind or (f"level {self.level}" if self.level else "benchmark")
        return Question(self.id, self.question, self.answers[0], kind, self.hops, split="eval")


_GAIA = {"id": "task_id", "level": "level"}
_GAIA_HUB = ("gaia-benchmark/GAIA", "2023_all", "validation")
ALL = {
    b.name: b
    for b in (
        Benchmark(
            "gaia", "GAIA, validation", 165, {"1": 53, "2": 86, "3": 26}, _GAIA, secret=True,
            home="gated: huggingface.co/datasets/gaia-benchmark/GAIA, 2023/validation/metadata.jsonl", hub=_GAIA_HUB,
        ),
        Benchmark(
            "gaia_text", "GAIA, the 103 text-only validation questions", 103, {"1": 39, "2": 52, "3": 12},
            {"id": "id", "level": "level"}, secret=True, home="github.com/RUC-NLPIR/WebThinker: data/GAIA/dev.json",
        ),
        Benchmark(
            "webwalkerqa", "WebWalkerQA", 680, {"easy": 160, "medium": 280, "hard": 240},
            {"level": "difficulty_level", "kind": "type", "language": "lang"}, language="",
            home="github.com/RUC-NLPIR/WebThinker: data/WebWalkerQA/test.json",
            hub=("callanwu/WebWalkerQA", "", "main"),
        ),
        Benchmark(
            "browsecomp", "BrowseComp", 1266, secret=True,
            home="openaipublic.blob.core.windows.net/simple-evals/browse_comp_test_set.csv",
        ),
        Benchmark(
            "browsecomp_zh", "BrowseComp-ZH", 289, language="zh", secret=True,
            home="github.com/PALIN2018/BrowseComp-ZH: data/browsecomp-zh-encrypted.xlsx",
        ),
        Benchmark(
            "xbench_deepsearch", "xbench-DeepSearch 2505", 100, columns={"id": "id"}, language="zh", secret=True,
            home="github.com/xbench-ai/xbench-evals: data/DeepSearch.csv",
        ),
        Benchmark(
            "simpleqa", "SimpleQA", 4326, home="openaipublic.blob.core.windows.net/simple-evals/simple_qa_test_set.csv",
        ),
        Benchmark(
            "hotpotqa", "HotpotQA, development, distractor", 7405, columns={"id": "_id", "kind": "type"},
            home="hotpotqa.github.io: hotpot_dev_distractor_v1.json",
            hub=("hotpotqa/hotpot_qa", "distractor", "validation"),
        ),
        Benchmark(
            "2wikimultihopqa", "2WikiMultihopQA, development", 12576, columns={"id": "_id", "kind": "type"},
            home="github.com/Alab-NII/2wikimultihop: dev.json",
        ),
        Benchmark(
            "musique", "MuSiQue-Ans, development", 2417, columns={"id": "id", "aliases": "answer_aliases"},
            home="github.com/StonyBrookNLP/musique: musique_ans_v1.0_dev.jsonl",
        ),
        Benchmark(
            "frames", "FRAMES", 824, columns={"kind": "reasoning_types"},
            home="huggingface.co/datasets/google/frames-benchmark: test.tsv",
            hub=("google/frames-benchmark", "", "test"),
        ),
        Benchmark("questions", "a file of questions and answers", columns={"id": "id", "level": "level"}, language=""),
    )
}  # fmt: skip


def load(name: str, path: str | Path = "", *, whole: bool = True) -> list[Item]:
    """The items of a benchmark, in the order of its file.

    Args:
        name: a key of `ALL`; "questions" takes any file.
        path: the published file; "" asks the hub through `datasets`, where the benchmark is there.
        whole: refuse a file with other counts than published.

    Raises:
        BenchmarkError: unknown name; not on the hub or the hub cannot be reached; other counts; an item without a
            question or an answer.
        FileNotFoundError: no such file. ValueError: not readable (`qa_files.rows`).
    """
    if name not in ALL:
        raise BenchmarkError(f"got benchmark {name!r}, wanted one of {', '.join(ALL)}")
    benchmark = ALL[name]
    rows = qa_files.rows(path) if path else _hub(benchmark)
    items = [_item(benchmark, row, number, Path(path).name or name) for number, row in enumerate(rows, 1)]
    if whole and benchmark.count:
        _counted(benchmark, items, Path(path).name or name)
    return items


def _item(benchmark: Benchmark, row: Mapping[str, Any], number: int, source: str) -> Item:
    """One row; raises `BenchmarkError` if question or answer is missing."""
    pair = qa_files.pair(row, number, source)
    if not pair.question or not pair.answer:
        raise BenchmarkError(
            f"{source}, row {number}: no question or no answer, wanted both: is this {benchmark.title}?"
        )
    inner = {str(k).lower(): v for value in row.values() if isinstance(value, Mapping) for k, v in value.items()}
    plain = {key: {**inner, **row}.get(column) for key, column in benchmark.columns.items()}
    text = {key: "" if value is None else str(value).strip() for key, value in plain.items()}
    aliases = plain.get("aliases")
    more = [str(a).strip() for a in aliases if str(a).strip()] if isinstance(aliases, Sequence) else []
    told = text.get("language") or benchmark.language
    return Item(
        f"{benchmark.name}-{text.get('id') or number}",
        pair.question,
        tuple(dict.fromkeys([pair.answer, *more])),
        text.get("level", "").removeprefix("Level ").removeprefix("level "),
        text.get("kind", ""),
        told if told in ("en", "zh") else "zh" if _CJK.search(pair.question) else "en",
        int(match[1]) if (match := re.match(r"(\d)hop", text.get("id", ""))) else 0,
    )


def _counted(benchmark: Benchmark, items: Sequence[Item], source: str) -> None:
    """Compare with what is published; raises `BenchmarkError` with both numbers."""
    found = Counter(item.level for item in items)
    wrong = {level: n for level, n in benchmark.levels.items() if found[level] != n}
    if len(items) != benchmark.count or wrong or (benchmark.levels and set(found) != set(benchmark.levels)):
        levels = f", by level {dict(benchmark.levels)}" if benchmark.levels else ""
        got = f", by level {dict(sorted(found.items()))}" if benchmark.levels else ""
        raise BenchmarkError(
            f"{source}: got {len(items)} questions{got}, wanted {benchmark.count}{levels}, as {benchmark.title} was "
            f"published ({benchmark.home}): cut off, or another version? whole=False takes it, under another name"
        )
    chinese = sum(bool(_CJK.search(item.question)) for item in items)
    strange = {"zh": len(items) - chinese, "en": chinese}.get(benchmark.language, 0)
    if strange > FOREIGN * len(items):
        raise BenchmarkError(
            f"{source}: got {strange} of {len(items)} questions in another script than that of {benchmark.language!r}, "
            f"the language of {benchmark.title}: is this its file?"
        )
    if len({item.id for item in items}) != len(items):
        raise BenchmarkError(f"{source}: some ids stand for several questions, wanted each once")


def _hub(benchmark: Benchmark) -> list[dict[str, Any]]:
    """The rows from the hub, their columns in small letters."""
    name, config, split = benchmark.hub
    if not name:
        raise BenchmarkError(f"{benchmark.title} needs a file (not on the hub in its published form): {benchmark.home}")
    import datasets

    try:
        # Streamed, a secret set leaves no copy in the hub's cache on this disk.
        found = list(datasets.load_dataset(name, config or None, split=split, streaming=benchmark.secret))
    except Exception as error:  # of the hub, of the network, of a gate: each library has its own
        raise BenchmarkError(
            f"{benchmark.title}: the hub's {name} could not be loaded ({type(error).__name__}); without a network, or "
            f"before its terms are accepted there, download the file and name it: {benchmark.home}"
        ) from None
    return [{str(key).strip().lower(): value for key, value in row.items()} for row in found]
