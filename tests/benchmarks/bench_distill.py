"""2,000 episodes of the short teacher against the local endpoint: episodes a second, and memory as they come.

    python tests/benchmarks/bench_distill.py     runs it, prints the table and writes results/bench/distill.json
    pytest tests/benchmarks/bench_distill.py     the same as a test, with the targets of the project

The endpoint of the rule-based stand-ins runs in a process of its own, as in 03_distill, so two cores are at work: one
on episodes, one on replies. Questions of one, two and three hops are composed from the sentences of one world by the
world's own grammar; settings are those of 03 (head as released, 16 at once, temperature 0.7). Steady state is from the
500th episode on. CPU time is given beside wall time, because other work on the machine slows only the latter.
"""

import json
import os
import random
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from pocketweb import pages, reading, serve, world
from webdancer import distill
from webdancer.agent import partial
from webdancer.agent.llm import LLM
from webdancer.agent.react import Settings
from webdancer.core import machine, record
from webdancer.core.schema import Page, Question, Trajectory, iter_jsonl
from webdancer.web.search import SearchIndex
from webdancer.web.tools import Tools

EPISODES, SAMPLES, MARK = 2_000, 2, 500
TARGET = 40.0  # episodes a second in steady state, two cores with nothing else to do
GROWTH = 1.10  # memory at the last episode, times that at the 500th, at most
BUSY = 2.5  # load above which the speed says nothing


def chains(docs: list[pages.Doc]) -> list[tuple[str, str, int]]:
    """Questions of one to three hops with answers and hops: each fact, and facts about what a fact leads to."""
    facts = [f for d in docs for f in reading.facts_in(d.text) if len(f.objects) == 1]
    about: dict[str, list[reading.Fact]] = {}
    for fact in facts:
        about.setdefault(fact.subject, []).append(fact)
    found: dict[str, tuple[str, int]] = {}

    def ask(text: str, fact: reading.Fact, hops: int) -> None:
        relation = reading.BY_LABEL[fact.label]
        if relation.many:
            return
        found.setdefault(relation.asks[0].format(x=text), (fact.objects[0], hops))
        if hops < 3:
            for later in about.get(fact.objects[0], ()):
                ask(relation.phrase.format(x=text), later, hops + 1)

    for fact in facts:
        ask(fact.subject, fact, 1)
    return [(question, *rest) for question, rest in found.items()]


def questions(docs: list[pages.Doc], count: int) -> list[Question]:
    """As many of each number of hops as that goes, spread over the world."""
    asked = chains(docs)
    chosen = []
    for hops in (1, 2, 3):
        ours = [a for a in asked if a[2] == hops and reading.parse_question(a[0])]
        chosen += ours[:: max(1, len(ours) // (count // 3 + 1))][: count // 3 + 1]
    random.Random(0).shuffle(chosen)  # so that every mark has seen the same mix
    return [Question(f"q{i}", q, a, "multihop", hops) for i, (q, a, hops) in enumerate(chosen[:count])]


def resident() -> float:
    """Memory of this process now, in MiB."""
    pages_held = int(Path("/proc/self/statm").read_text().split()[1])
    return pages_held * os.sysconf("SC_PAGE_SIZE") / 2**20


class Watch:
    """Notes time and memory at every `MARK` episodes that are added to the part file."""

    def __init__(self, monkey: Any) -> None:
        self.count = 0
        self.marks = [self._now()]
        original = partial.PartFile.add

        def add(part: partial.PartFile, finished: partial.Finished) -> None:
            original(part, finished)
            self.count += 1
            if self.count % MARK == 0:
                self.marks.append(self._now())

        monkey.setattr(partial.PartFile, "add", add)

    def _now(self) -> dict[str, float]:
        return {
            "episodes": self.count,
            "wall_seconds": time.perf_counter(),
            "cpu_seconds": time.process_time(),
            "memory_mib": round(resident(), 1),
        }


def measure() -> dict[str, Any]:
    """Everything, ready for JSON."""
    docs = [d for d in pages.render(world.build(11, 1_000)) if d.kind not in ("redirect", "dead")]
    asked = questions(docs, EPISODES // SAMPLES)
    stored = [Page(d.url, d.title, d.text, date=d.date) for d in docs]
    tools = Tools(SearchIndex.build(stored, snippet_words=14), stored, results=2, snippet_words=14)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkey:
        out = Path(folder) / "trajectories.jsonl"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with serve.start([], endpoint="process") as net:
            teacher = LLM("pocket-short", net.endpoint, concurrency=16)
            watch = Watch(monkey)
            distill.run([(teacher, Settings(date="2025-01-01"), SAMPLES, asked)], tools, out, progress=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        calls = sum(t.n_calls for t in iter_jsonl(out, Trajectory))
        size = out.stat().st_size
    first, last = watch.marks[1], watch.marks[-1]
    steady = last["episodes"] - first["episodes"]
    start = watch.marks[0]
    return {
        "benchmark": "distill",
        "episodes": watch.count,
        "tool_calls_an_episode": round(calls / watch.count, 2),
        "dataset_mib": round(size / 2**20, 1),
        "episodes_per_second": round(steady / (last["wall_seconds"] - first["wall_seconds"]), 1),
        "episodes_per_cpu_second": round(steady / (last["cpu_seconds"] - first["cpu_seconds"]), 1),
        "endpoint_cpu_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "load_before": round(load, 2),
        "load_after": round(os.getloadavg()[0], 2),
        "memory_growth": round(last["memory_mib"] / first["memory_mib"], 3),
        "marks": [m | {k: round(m[k] - start[k], 2) for k in ("wall_seconds", "cpu_seconds")} for m in watch.marks],
        "targets": {"episodes_per_second": TARGET, "memory_growth": GROWTH},
        "versions": machine.versions(),
        "machine": machine.hardware(),
    }


def write(result: dict[str, Any]) -> Path:
    """Write `results/bench/distill.json`."""
    path = record.repo_root() / "results" / "bench" / "distill.json"
    record.write_json(path, result)
    return path


def test_two_thousand_episodes_are_fast_and_memory_is_flat() -> None:
    result = measure()
    assert result["episodes"] == EPISODES
    assert result["memory_growth"] <= GROWTH, result["marks"]
    if result["load_after"] > BUSY and result["episodes_per_second"] < TARGET:
        pytest.skip(f"load {result['load_after']}: run it on a quiet machine")
    assert result["episodes_per_second"] >= TARGET


def main() -> None:
    """Measure, write, print."""
    result = measure()
    print(json.dumps({k: v for k, v in result.items() if k not in ("versions", "machine")}, indent=1))
    print("written to", write(result).relative_to(record.repo_root()))


if __name__ == "__main__":
    main()
