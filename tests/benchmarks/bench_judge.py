"""How well answers are judged: agreement, false accepts and false rejects on labelled pairs, with intervals.

    python tests/benchmarks/bench_judge.py                                     writes results/bench/judge.json
    python tests/benchmarks/bench_judge.py --endpoint URL/v1 --model NAME      prints the figures of a judge of yours

The pairs (`tests/data/judge`, its README tells how they came about) were written by hand for this project. Judged are
the two rules and the rule-based stand-in that has the judge's role on the pocket web. No language model has been
measured here.
"""

import argparse
import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

from pocketweb import oracle
from webdancer.agent import agreement
from webdancer.agent.llm import LLM, Reply
from webdancer.core import machine, record

DATA = Path(__file__).resolve().parent.parent / "data" / "judge" / "pairs.jsonl"
STAND_IN = "judge role: rule-based stand-in"


class StandIn:
    """The pocket web's judge without a server."""

    async def chat(self, messages: list[dict[str, str]], *, seed: int = 0) -> Reply:
        """Its reply at temperature 0."""
        reply = oracle.reply({"model": "pocket-judge", "messages": messages, "temperature": 0.0, "seed": seed})
        return Reply(reply["choices"][0]["message"]["content"])


def pairs() -> list[agreement.Pair]:
    """All labelled pairs."""
    return [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]


def judges(rows: list[agreement.Pair]) -> dict[str, list[bool | None]]:
    """The verdicts of every judge on all pairs."""
    return {
        "exact match": agreement.by_rule(rows, exact=True),
        "match by rule": agreement.by_rule(rows, exact=False),
        STAND_IN: asyncio.run(agreement.by_model(StandIn(), rows)),
    }


def measure() -> dict[str, Any]:
    """The figures by part, and those of the held part by category and by language."""
    rows = pairs()
    verdicts = judges(rows)

    def scores(**wanted: str) -> dict[str, Any]:
        picked = [i for i, row in enumerate(rows) if all(row[key] == value for key, value in wanted.items())]
        truth = agreement.labels(rows[i] for i in picked)
        return {name: agreement.score(truth, [said[i] for i in picked]) for name, said in verdicts.items()}

    def held_by(key: str) -> dict[str, Any]:
        counts = Counter(row[key] for row in rows if row["part"] == "held")
        return {value: {"pairs": n} | scores(part="held", **{key: value}) for value, n in counts.items() if n >= 5}

    parts = ("dev", "held")
    return {
        "benchmark": "judge",
        "versions": machine.versions(),
        "pairs": {part: dict(Counter(row["label"] for row in rows if row["part"] == part)) for part in parts},
        "judges": {part: scores(part=part) for part in parts},
        "held_by_category": held_by("category"),
        "held_by_language": held_by("language"),
    }


def test_figures_are_as_committed() -> None:
    """The committed file is what this code and these pairs make."""
    committed = json.loads((record.repo_root() / "results" / "bench" / "judge.json").read_text(encoding="utf-8"))
    found = measure()
    assert all(committed[key] == found[key] for key in ("pairs", "judges", "held_by_category"))


def show(name: str, found: dict[str, Any]) -> None:
    """Print a line."""
    told = (f"{key} {found[key]['count']}/{found[key]['of']} {found[key]['ci95']}" for key in list(found)[:3])
    print(f"{name:34}", *told, f"unread {found['unread']}", sep="  ")


def main() -> None:
    """Measure the judges of the repository and write, or one at an endpoint and print."""
    options = argparse.ArgumentParser(description="agreement of judges with labelled pairs")
    options.add_argument("--endpoint", default="", help="address up to /v1; the key is taken from OPENAI_API_KEY")
    options.add_argument("--model", default="", help="the judge's name there")
    chosen = options.parse_args()
    if chosen.endpoint:
        rows = [row for row in pairs() if row["part"] == "held"]
        verdicts = asyncio.run(agreement.by_model(LLM(chosen.model, chosen.endpoint), rows))
        show(f"held {chosen.model}", agreement.score(agreement.labels(rows), verdicts))
        return
    found = measure()
    record.write_json(record.repo_root() / "results" / "bench" / "judge.json", found)
    for part, scores in found["judges"].items():
        for name, one in scores.items():
            show(f"{part} {name}", one)


if __name__ == "__main__":
    main()
