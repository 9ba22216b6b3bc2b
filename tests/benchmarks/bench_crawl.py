"""The crawl of the pocket web: pages a second beside Scrapy, and memory as the crawl grows.

    python tests/benchmarks/bench_crawl.py                       all of it; writes results/bench/crawl.json
    python tests/benchmarks/bench_crawl.py --sizes 1000 50000    other sizes for the memory
    python tests/benchmarks/bench_crawl.py --notebook 1000 50000 only the path of notebook 01, the rest stays as it is
    pytest tests/benchmarks/bench_crawl.py                       the same as a test, with the targets of the project

The four sites of the pocket web are served by a process of their own, and crawled as HTML without any pause. What the
two crawlers do is said in `crawlers`; ours has two processes for cleaning. They take turns, so that a machine that is
busy for a while slows both. Memory is the peak of the process that crawls, cleaning processes apart: those hold one
page at a time. `notebook_memory` is that of everything that notebook 01 does with as many pages: its index is bounded
by the parameter `index_pages`, so the peak before it is built is given apart.
"""

import argparse
import contextlib
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from webdancer.core import machine, record

PATH = record.repo_root() / "results" / "bench" / "crawl.json"
RUNS, SIZE, PARSERS = 3, 1_500, 2
SIZES = (1_000, 10_000)
TARGET = 300.0  # pages a second, two cores with nothing else to do
GROWTH = 1.25  # memory at the largest size, times that at the smallest, at most
WORLD = 5_000  # pages of one world at most
OTHER = 30  # the world of the second web


@contextlib.contextmanager
def sites(pages: int, first: int = 1) -> Iterator[dict[str, str]]:
    """The pocket web with at least so many pages in a process of its own, from world `first` on; yields its `hosts`."""
    worlds = -(-pages // WORLD)
    size = max(200, -(-pages // worlds))
    command = [sys.executable, "-m", "pocketweb.serve", "--port", "0", "--until-stdin-closes", "--pages", str(size)]
    command += ["--worlds", *map(str, range(first, first + worlds))]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    child.stdout.readline()  # the endpoint, of no use here
    lines = [child.stdout.readline().strip().removeprefix("http://") for _ in range(4)]
    try:
        yield dict(line.split(" is at ") for line in lines)
    finally:
        child.stdin.close()
        child.wait(60)
        child.stdout.close()


def run(which: str, hosts: dict[str, str], limit: int, **more: Any) -> dict[str, Any]:
    """One crawl in a process of its own: pages, seconds, peak memory."""
    options = json.dumps({"hosts": hosts, "limit": limit, "parsers": PARSERS, **more})
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(Path(__file__).with_name("crawlers.py")), which, options, f"{folder}/out.jsonl"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        urls = [json.loads(line)["url"] for line in Path(folder, "out.jsonl").open(encoding="utf-8")]
    found = json.loads(done.stdout.splitlines()[-1])
    return found | {"pages_per_second": found["pages"] / found["seconds"], "different": len(set(urls))}


def summary(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Median, spread (range over median) and the single runs of the pages a second."""
    rates = [round(r["pages_per_second"], 1) for r in runs]
    middle = statistics.median(rates)
    return {
        "pages": runs[0]["pages"],
        "pages_per_second": {
            "median": middle,
            "spread": round((max(rates) - min(rates)) / middle, 3),
            "runs": rates,
        },
        "peak_memory_mib": max(r["peak_memory_mib"] for r in runs),
    }


def speed(size: int = SIZE, runs: int = RUNS) -> dict[str, Any]:
    """Both crawlers on the same sites, in turn; Scrapy is left out where it is not installed."""
    names = ["ours"] + ["scrapy"] * bool(importlib.util.find_spec("scrapy"))
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    with sites(size) as hosts:
        for turn in range(runs):
            for name in names[:: 1 if turn % 2 else -1]:
                found[name].append(run(name, hosts, 10 * size))
    result = {"ours": summary(found["ours"]), "peer": None, "ratio": None}
    if "scrapy" in found:
        pairs = zip(found["ours"], found["scrapy"], strict=True)
        ratios = [round(a["pages_per_second"] / b["pages_per_second"], 3) for a, b in pairs]
        result |= {"peer": summary(found["scrapy"])}
        result |= {"ratio": {"median": statistics.median(ratios), "runs": ratios}}
    return result


def memory(sizes: Sequence[int] = SIZES) -> list[dict[str, Any]]:
    """Pages, seconds and peak memory of our crawl at each size."""
    rows = []
    for size in sizes:
        with sites(size) as hosts:
            found = run("ours", hosts, size)
        rows.append({name: round(found[name], 1) for name in ("pages", "seconds", "peak_memory_mib")})
    return rows


def notebook_memory(sizes: Sequence[int] = SIZES) -> list[dict[str, Any]]:
    """Pages, seconds and peak memory of what notebook 01 does at each size."""
    names, rows = ("pages", "seconds", "peak_memory_mib", "peak_before_index_mib"), []
    for size in sizes:
        with sites(size) as hosts, sites(200, OTHER) as others:
            found = run("notebook", hosts, size, others=others)
        rows.append({name: round(found[name], 1) for name in names})
    return rows


def measure(sizes: Sequence[int] = SIZES) -> dict[str, Any]:
    """Everything that goes into the result file."""
    versions = {name: metadata.version(name) for name in ("httpx", "lxml", "trafilatura", "protego")}
    if importlib.util.find_spec("scrapy"):
        versions["scrapy"] = metadata.version("scrapy")
    return {
        "benchmark": "crawl",
        "peer_is": "Scrapy in one process, the same sites, cleaner and output",
        "target_pages_per_second": TARGET,
        "cleaning_processes": PARSERS,
        **speed(),
        "memory": memory(sizes),
        "notebook_memory": notebook_memory(sizes),
        "versions": {**machine.versions(), **versions},
        "machine": machine.hardware(),
    }


def write(result: dict[str, Any]) -> Path:
    """Put the result under `results/bench`."""
    record.write_json(PATH, result)
    return PATH


def test_the_crawl_is_fast_and_its_memory_does_not_grow() -> None:
    """At least 300 pages a second, no slower than Scrapy, and no more memory for ten times the pages."""
    result = measure()
    write(result)
    small, large = result["memory"][0], result["memory"][-1]
    assert large["pages"] >= 9 * small["pages"]
    assert large["peak_memory_mib"] < GROWTH * small["peak_memory_mib"]
    small, large = result["notebook_memory"][0], result["notebook_memory"][-1]
    assert large["pages"] >= 9 * small["pages"]
    assert large["peak_before_index_mib"] < GROWTH * small["peak_before_index_mib"]
    if result["peer"] is None:
        pytest.skip("Scrapy is not installed (pip install '.[bench]'): measured alone")
    assert result["ours"]["pages"] == result["peer"]["pages"]
    assert result["ratio"]["median"] >= 1.0
    assert result["ours"]["pages_per_second"]["median"] >= TARGET


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="pages for the memory")
    parser.add_argument("--notebook", type=int, nargs="+", help="only the path of notebook 01, at these sizes")
    options = parser.parse_args()
    if options.notebook:
        result = json.loads(PATH.read_text(encoding="utf-8")) | {"notebook_memory": notebook_memory(options.notebook)}
    else:
        result = measure(options.sizes)
    shown = ("ours", "peer", "ratio", "memory", "notebook_memory")
    print(json.dumps({name: result[name] for name in shown}, indent=1))
    print("written to", write(result).relative_to(record.repo_root()))


if __name__ == "__main__":
    main()
