"""Does E2HQA make questions harder in fact? Tool calls and right answers by the number of rewrites, from 0 to 4.

    python tests/benchmarks/bench_difficulty.py     runs it and writes results/bench/difficulty.{json,csv}
    pytest tests/benchmarks/bench_difficulty.py     the same as a test: calls grow with every rewrite

On two webs of the pocket web, 200 questions with four rewrites each are written by the stage of 02 (author and teacher
are rule-based stand-ins at a local endpoint), and the short teacher answers all five versions of every question once,
with the tools and the temperature of 03. Versions of a question are compared with one another, so what grows is the
effect of the rewrites and not of other questions. Intervals are bootstraps over questions.
"""

import asyncio
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd

from pocketweb import pages, serve, world
from webdancer import distill, distill_tables, e2hqa
from webdancer.agent.llm import LLM, wait
from webdancer.agent.react import Settings
from webdancer.core import machine, record
from webdancer.core.schema import Page, Question, Trajectory, iter_jsonl
from webdancer.web.search import SearchIndex
from webdancer.web.tools import Tools

QUESTIONS, REWRITES, WORLDS, SIZE = 200, 4, (21, 22), 1_000
TEMPERATURE = 0.7


def stored() -> list[Page]:
    """The pages of both webs."""
    docs = [d for seed in WORLDS for d in pages.render(world.build(seed, SIZE))]
    return [Page(d.url, d.title, d.text, d.links, date=d.date) for d in docs if d.kind not in ("redirect", "dead")]


async def written(author: LLM, index: SearchIndex, found: Sequence[Page]) -> tuple[list[Question], int]:
    """So many questions with four rewrites, no two alike, and the number of drafts it took."""
    questions: dict[str, Question] = {}
    starts = Random("difficulty").sample(list(found), len(found))
    drafts = 0
    for batch in _batches(starts, 50):
        outcomes = await asyncio.gather(*(e2hqa.write(author, index.search, p, REWRITES, i) for i, p in batch))
        drafts += len(batch)
        for outcome in outcomes:
            if isinstance(outcome, Question):
                questions.setdefault(outcome.rewrites[0], outcome)
        if len(questions) >= QUESTIONS:
            break
    chosen = list(questions.values())[:QUESTIONS]
    return [replace(q, id=f"e{i:03d}", split="sft") for i, q in enumerate(chosen)], drafts


def _batches(starts: Sequence[Page], size: int) -> Iterator[list[tuple[int, Page]]]:
    numbered = list(enumerate(starts))
    return (numbered[i : i + size] for i in range(0, len(numbered), size))


def measure() -> dict[str, Any]:
    """Everything, ready for JSON."""
    found = stored()
    index = SearchIndex.build(found, snippet_words=14)
    tools = Tools(index, found, results=2, snippet_words=14, max_observation_chars=1200)
    with serve.start([], endpoint="process") as net, tempfile.TemporaryDirectory() as folder:
        questions, drafts = wait(written(LLM("pocket-author", net.endpoint), SearchIndex.build(found), found))
        versions = [v for q in questions for v in distill.versions(q)]
        settings = Settings(date="2025-01-01", temperature=TEMPERATURE, max_turns=16)
        out = Path(folder) / "trajectories.jsonl"
        teacher = LLM("pocket-short", net.endpoint, concurrency=16)
        distill.run([(teacher, settings, 1, versions)], tools, out, progress=False)
        table = distill_tables.difficulty(iter_jsonl(out, Trajectory))
    return {
        "benchmark": "difficulty",
        "teacher": f"pocket-short, a rule-based stand-in, temperature {TEMPERATURE}",
        "pages": len(found),
        "drafts": drafts,
        "questions": len(questions),
        "example": [v.question for v in distill.versions(questions[0])] if questions else [],
        "by_rewrites": json.loads(table.round(4).to_json(orient="records")),
        "versions": machine.versions(),
        "machine": machine.hardware(),
    }


def write(result: dict[str, Any]) -> Path:
    """Write `results/bench/difficulty.json`, and the table in it as CSV."""
    path = record.repo_root() / "results" / "bench" / "difficulty.json"
    record.write_json(path, result)
    with record.atomic_path(path.with_suffix(".csv")) as temporary:
        pd.DataFrame(result["by_rewrites"]).to_csv(temporary, index=False)
    return path


def test_every_rewrite_makes_the_teacher_call_more() -> None:
    result = measure()
    rows = result["by_rewrites"]
    assert [r["questions"] for r in rows] == [QUESTIONS] * (REWRITES + 1)
    assert all(r["more_calls_low"] > 0 for r in rows[1:]), rows


def main() -> None:
    """Measure, write, print."""
    result = measure()
    print(json.dumps({k: v for k, v in result.items() if k not in ("versions", "machine")}, indent=1))
    print("written to", write(result).relative_to(record.repo_root()))


if __name__ == "__main__":
    main()
