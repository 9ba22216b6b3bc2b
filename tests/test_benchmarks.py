"""Published benchmarks: their counts, their forms by hand, refusals that show no cell, decryption checked by hash."""

import base64
import csv
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from webdancer.core import benchmarks, qa_files
from webdancer.core.benchmarks import ALL, BenchmarkError, Item, load

SHARED = Path(__file__).parents[2] / "shared" / "data" / "benchmarks"
FILES = {
    "webwalkerqa": ("webwalkerqa.json", 680, {"easy": 160, "medium": 280, "hard": 240}),
    "browsecomp_zh": ("browsecomp-zh-encrypted.xlsx", 289, {"": 289}),
    "xbench_deepsearch": ("xbench-deepsearch-2505.csv", 100, {"": 100}),
}
needs = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the published benchmark files (see `home` in benchmarks)")


def small(monkeypatch, name: str, count: int, levels: dict[str, int] | None = None):
    """Pretend that a benchmark was published with few questions."""
    changed = replace(ALL[name], count=count, levels=levels if levels is not None else ALL[name].levels)
    monkeypatch.setitem(ALL, name, changed)


@needs
@pytest.mark.parametrize("name", FILES)
def test_the_published_files_hold_what_was_published(name):
    file, count, levels = FILES[name]
    items = load(name, SHARED / file)
    assert len(items) == len({i.id for i in items}) == count == ALL[name].count
    assert {level: sum(i.level == level for i in items) for level in levels} == levels


@needs
def test_languages_and_kinds_of_webwalkerqa():
    items = load("webwalkerqa", SHARED / FILES["webwalkerqa"][0])
    assert [sum(i.language == v for i in items) for v in ("zh", "en")] == [433, 247]  # 58 rows do not say: by script
    assert [sum(i.kind == v for i in items) for v in ("single_source", "multi_source")] == [340, 340]


@needs
@pytest.mark.parametrize(
    ("name", "digest", "hashed"),
    [
        ("browsecomp_zh", "b4efa402b4289ddd64e82f75d0f011fc88c710c3b9b8f65104ffdfa5013f8d60", True),
        ("xbench_deepsearch", "874646d5b09148932e8f509af3a7213fa80744dbe108d7633501f1cab24e74d1", False),
    ],
)
def test_the_plain_text_by_its_hash_and_by_another_way_to_decrypt(name, digest, hashed):
    """The texts are compared as hashes: a failure must not print them."""
    path = SHARED / FILES[name][0]
    items = load(name, path)
    assert hashlib.sha256("\n".join(f"{i.question}\t{i.answers[0]}" for i in items).encode()).hexdigest() == digest
    rows = list(qa_files.rows(path))
    for item, row in zip(items, rows, strict=True):
        key = hashlib.sha256(row["canary"].encode()).digest() if hashed else row["canary"].encode()
        coded = np.frombuffer(base64.b64decode(row.get("question") or row["prompt"]), dtype=np.uint8)
        plain = (coded ^ np.resize(np.frombuffer(key, dtype=np.uint8), len(coded))).tobytes().decode().strip()
        assert hashlib.sha256(plain.encode()).digest() == hashlib.sha256(item.question.encode()).digest()


@needs
@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_benchmark_is_refused(name):
    for other in set(FILES) - {name}:
        with pytest.raises(BenchmarkError, match=f"wanted {ALL[name].count}"):
            load(name, SHARED / FILES[other][0])


def gaia(n: int) -> list[dict]:
    return [
        {"task_id": f"t{i}", "Question": f"What is {i}?", "Level": 1 + i % 3, "Final answer": str(i), "file_name": ""}
        for i in range(n)
    ]


def test_gaia_with_its_own_names_of_columns(tmp_path, monkeypatch):
    small(monkeypatch, "gaia", 6, {"1": 2, "2": 2, "3": 2})
    path = tmp_path / "metadata.jsonl"
    path.write_text("\n".join(map(json.dumps, gaia(6))))
    assert load("gaia", path)[1] == Item("gaia-t1", "What is 1?", ("1",), "2")


@pytest.mark.parametrize("rows", [5, 7])
def test_a_file_cut_off_or_too_long_is_refused_with_both_numbers(tmp_path, monkeypatch, rows):
    small(monkeypatch, "gaia", 6, {"1": 2, "2": 2, "3": 2})
    path = tmp_path / "metadata.jsonl"
    path.write_text("\n".join(map(json.dumps, gaia(rows))))
    with pytest.raises(
        BenchmarkError, match=rf"metadata.jsonl: got {rows} questions.*wanted 6, by level .*gated"
    ) as said:
        load("gaia", path)
    assert "What is" not in str(said.value)
    assert len(load("gaia", path, whole=False)) == rows


def test_the_right_number_with_other_levels_is_refused(tmp_path, monkeypatch):
    small(monkeypatch, "gaia", 6, {"1": 3, "2": 2, "3": 1})
    path = tmp_path / "metadata.jsonl"
    path.write_text("\n".join(map(json.dumps, gaia(6))))
    with pytest.raises(BenchmarkError, match="by level {'1': 2, '2': 2, '3': 2}, wanted 6, by level {'1': 3"):
        load("gaia", path)


def test_the_right_number_in_another_language_is_refused(tmp_path, monkeypatch):
    small(monkeypatch, "xbench_deepsearch", 3)
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(json.dumps({"prompt": f"Who is {n}?", "answer": "b", "id": n}) for n in range(3)))
    with pytest.raises(BenchmarkError, match="got 3 of 3 questions in another script than that of 'zh'") as said:
        load("xbench_deepsearch", path)
    assert "Who" not in str(said.value)
    small(monkeypatch, "frames", 3)
    path.write_text("\n".join(json.dumps({"prompt": "塔尔是谁?", "answer": "b"}) for n in range(3)))
    with pytest.raises(
        BenchmarkError, match="3 of 3 questions in another script than that of 'en', the language of FR"
    ):
        load("frames", path)


def test_webwalkerqa_as_the_hub_has_it(tmp_path, monkeypatch):
    """There level, kind and language stand inside a column `info`."""
    small(monkeypatch, "webwalkerqa", 1, {"hard": 1})
    info = {"difficulty_level": "hard", "lang": "zh", "type": "multi_source", "domain": "game"}
    (tmp_path / "w.json").write_text(json.dumps([{"question": "Who?", "answer": "Tal", "info": info}]))
    assert load("webwalkerqa", tmp_path / "w.json") == [
        Item("webwalkerqa-1", "Who?", ("Tal",), "hard", "multi_source", "zh")
    ]


def test_browsecomp_in_english(tmp_path, monkeypatch):
    small(monkeypatch, "browsecomp", 2)
    rows = [("Which river?", "Tal"), ("Which hill?", "Orlen")]
    path = tmp_path / "browse_comp_test_set.csv"

    def coded(text, canary):
        key = hashlib.sha256(canary.encode()).digest()
        return base64.b64encode(bytes(b ^ key[i % 32] for i, b in enumerate(text.encode()))).decode()

    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["problem", "answer", "problem_topic", "canary"])
        table.writerows([coded(q, f"c{n}"), coded(a, f"c{n}"), "x", f"c{n}"] for n, (q, a) in enumerate(rows))
    assert [(i.question, i.answers) for i in load("browsecomp", path)] == [(q, (a,)) for q, a in rows]


def test_a_wrong_canary_shows_nothing(tmp_path, monkeypatch):
    small(monkeypatch, "browsecomp", 1)
    path = tmp_path / "b.csv"
    path.write_text("problem,answer,canary\nV2hvIGlzIFRhbD8gWWVz,SGlsbCBub3cgYW5k,zzz\n")
    with pytest.raises(ValueError, match="encrypted in no known way") as said:
        load("browsecomp", path)
    assert "V2hv" not in str(said.value)


@pytest.mark.parametrize(
    ("name", "row", "wanted"),
    [
        (
            "simpleqa",
            {"metadata": "{}", "problem": "Who is Tal?", "answer": "A mayor"},
            Item("simpleqa-1", "Who is Tal?", ("A mayor",)),
        ),
        (
            "hotpotqa",
            {"_id": "5a", "question": "Who is Tal?", "answer": "yes", "type": "bridge", "level": "hard"},
            Item("hotpotqa-5a", "Who is Tal?", ("yes",), "", "bridge"),
        ),
        (
            "2wikimultihopqa",
            {"_id": "9", "question": "Who is Tal?", "answer": "no", "type": "comparison"},
            Item("2wikimultihopqa-9", "Who is Tal?", ("no",), "", "comparison"),
        ),
        (
            "musique",
            {"id": "3hop1__8_9_7", "question": "Who is Tal?", "answer": "Orlen", "answer_aliases": ["Orlen Ford", ""]},
            Item("musique-3hop1__8_9_7", "Who is Tal?", ("Orlen", "Orlen Ford"), hops=3),
        ),
        (
            "frames",
            {"": "0", "Prompt": "Who is Tal?", "Answer": "Orlen", "reasoning_types": "Multiple constraints"},
            Item("frames-1", "Who is Tal?", ("Orlen",), "", "Multiple constraints"),
        ),
        (
            "questions",
            {"id": "a", "question": "塔尔是谁?", "answer": "市长", "level": "2"},
            Item("questions-a", "塔尔是谁?", ("市长",), "2", "", "zh"),
        ),
    ],
)
def test_open_sets_in_their_own_form(tmp_path, monkeypatch, name, row, wanted):
    small(monkeypatch, name, 1)
    path = tmp_path / "data.json"
    path.write_text(json.dumps([row]))
    assert load(name, path) == [wanted]
    assert load(name, path)[0].asked().answer == wanted.answers[0]


def test_from_the_hub_with_its_configuration(monkeypatch):
    import datasets

    asked = []

    def loaded(name, config, split, streaming):
        asked.append((name, config, split, streaming))
        return datasets.Dataset.from_list(gaia(6))

    small(monkeypatch, "gaia", 6, {"1": 2, "2": 2, "3": 2})
    monkeypatch.setattr(datasets, "load_dataset", loaded)
    assert load("gaia")[5].level == "3"
    assert asked == [("gaia-benchmark/GAIA", "2023_all", "validation", True)]  # secret: no copy in the hub's cache
    small(monkeypatch, "frames", 6)
    assert load("frames")[0].question == "What is 0?" and asked[1][3] is False


def test_a_hub_that_cannot_be_reached_or_has_no_such_set(monkeypatch):
    import datasets

    def fails(*_, **__):
        raise ConnectionError("Who is Tal?")

    monkeypatch.setattr(datasets, "load_dataset", fails)
    with pytest.raises(BenchmarkError, match=r"could not be loaded \(ConnectionError\).*download the file") as said:
        load("frames")
    assert "Tal" not in str(said.value) and said.value.__cause__ is None
    with pytest.raises(BenchmarkError, match="needs a file"):
        load("browsecomp")


def test_unknown_names_and_rows_without_an_answer(tmp_path):
    with pytest.raises(BenchmarkError, match="got benchmark 'gaya', wanted one of gaia, gaia_text"):
        load("gaya")
    path = tmp_path / "q.jsonl"
    path.write_text('{"question": "Who?", "answer": "Tal"}\n{"question": "Who?", "answer": ""}')
    with pytest.raises(BenchmarkError, match=r"q.jsonl, row 2: no question or no answer") as said:
        load("questions", path)
    assert "Who" not in str(said.value)
    with pytest.raises(FileNotFoundError, match="none.csv is missing"):
        load("simpleqa", tmp_path / "none.csv")


def test_one_id_for_two_questions_is_refused(tmp_path, monkeypatch):
    small(monkeypatch, "hotpotqa", 2)
    path = tmp_path / "h.json"
    path.write_text(json.dumps([{"_id": "a", "question": f"{n}?", "answer": "b", "type": "c"} for n in range(2)]))
    with pytest.raises(BenchmarkError, match="some ids stand for several questions"):
        load("hotpotqa", path)


def test_encrypted_and_gated_sets_are_marked():
    secret = {name for name, b in ALL.items() if b.secret}
    assert secret == {"gaia", "gaia_text", "browsecomp", "browsecomp_zh", "xbench_deepsearch"}
    assert benchmarks.ALL["gaia_text"].count == sum(benchmarks.ALL["gaia_text"].levels.values()) == 103
