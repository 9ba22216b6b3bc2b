"""How well bot checks, errors, consent and login walls are told from pages: precision and recall, with intervals.

    python tests/benchmarks/bench_blocked.py      prints the table and writes results/bench/blocked.json

The labelled pages (`tests/data/blocked`, its README tells how they came about) were written for this project. Part
`tune` was seen while the rules were made; part `held` was written when the rules were finished, and they have not been
changed since. One hand wrote pages and rules. Real pages that must be kept are the Wikipedia passages of
2WikiMultihopQA in `../shared/data/wikipedia`; without that folder they are left out.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from webdancer.core import machine, record
from webdancer.web.blocked import SHORT, interval, score, wall

DATA = Path(__file__).resolve().parent.parent / "data" / "blocked" / "pages.jsonl"


def real_pages() -> dict[str, Any]:
    """Real passages, short enough to be looked at, that the detector would wrongly drop; empty without the folder."""
    path = record.repo_root().parent / "shared" / "data" / "wikipedia" / "2wiki_corpus.json"
    if not path.is_file():
        return {}
    rows = [row for row in json.loads(path.read_text(encoding="utf-8")) if len(row["text"]) < SHORT]
    lost = sum(bool(wall(row["title"], row["text"])) for row in rows)
    return {"pages": len(rows), "dropped": lost, "share_ci95": [round(x, 5) for x in interval(lost, len(rows))]}


def measure() -> dict[str, Any]:
    """The figures of both parts, by kind and by language, and of the real passages."""
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    parts = {part: [row for row in rows if row["part"] == part] for part in ("tune", "held")}
    languages = sorted({row["lang"] for row in rows})
    return {
        "benchmark": "blocked",
        "versions": machine.versions(),
        "pages": {part: dict(Counter(row["label"] or "good" for row in own)) for part, own in parts.items()},
        "kinds": {part: score(own) for part, own in parts.items()},
        "held_by_language": {
            lang: score(row for row in parts["held"] if row["lang"] == lang)["dropped"] for lang in languages
        },
        "real_passages": real_pages(),
    }


def test_figures_are_as_committed() -> None:
    """The committed file is what this code and these pages make."""
    committed = json.loads((record.repo_root() / "results" / "bench" / "blocked.json").read_text(encoding="utf-8"))
    found = measure()
    assert committed["kinds"] == found["kinds"] and committed["pages"] == found["pages"]


def main() -> None:
    """Measure, write and print."""
    found = measure()
    record.write_json(record.repo_root() / "results" / "bench" / "blocked.json", found)
    for part, kinds in found["kinds"].items():
        for kind, measured in kinds.items():
            told = (f"{name} {m['right']}/{m['of']} {m['ci95']}" for name, m in measured.items())
            print(f"{part:5} {kind:11}", *told, sep="  ")
    print("held, by language:", {lang: m["recall"]["value"] for lang, m in found["held_by_language"].items()})
    print("real passages:", found["real_passages"])


if __name__ == "__main__":
    main()
