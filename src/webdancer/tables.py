"""The tables of README.md and results/README.md, made from the committed markers: `python -m webdancer.tables`.

In: `results/laptop/NN_name.json`, those of its other seeds and of `study`, `results/bench/`, `notebooks/`, both files.
Out: both with what stands between `<!-- table: NAME -->` and `<!-- /table -->` replaced. No number in these tables is
typed by hand; a test compares them with the markers.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from webdancer import tables_judge, tables_slices, tables_study, tables_training
from webdancer.core.record import atomic_path, repo_root
from webdancer.tables_parts import PROFILE, evaluated, table

FILES = ("README.md", "results/README.md")
NOT_RUN = "*Not run yet: `make reproduce`, then `make tables`.*"
MODELS = {
    "base": "random weights",
    "sft": "after SFT (05)",
    "dapo": "after DAPO (06)",
    "teacher": "the rule-based stand-in teacher",
}
_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- /table -->)", re.DOTALL)


def markers(root: Path) -> dict[str, dict[str, Any]]:
    """The markers of the committed profile by notebook name, in order."""
    files = sorted((root / "results" / PROFILE).glob("[0-9][0-9]_*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in files}


def notebooks(root: Path, found: dict[str, dict[str, Any]]) -> str:
    """One row a notebook: link, what it does (its title), measured time and peak memory; a last row with the sum.

    What the profile leaves out stands with the numbers of the study, if it has them; the sum is the profile's.
    """
    rows = [["notebook", "what it does", "time", "peak memory"]]
    for path in sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        marker = found.get(path.stem)
        time = f"{marker['seconds']:.0f} s" if marker else "-"
        study = root / "results" / "study" / f"{path.stem}.json"  # committed too; other profiles are the user's own
        if not marker and study.is_file():
            marker = json.loads(study.read_text(encoding="utf-8"))
            spent = max(marker["seconds"], marker["metrics"].get("seconds_of_arms", 0))
            time = f"{spent / 60:.0f} min (`study`)"
        memory = f"{marker['machine']['peak_memory_mib'] / 1024:.1f} GiB" if marker else "-"
        rows.append([f"[{path.stem}](notebooks/{path.name})", title(path), time, memory])
    if found:
        seconds = sum(m["seconds"] for m in found.values())
        memory = max(m["machine"]["peak_memory_mib"] for m in found.values()) / 1024
        rows.append(
            ["**all**", _machine(next(iter(found.values()))), f"**{seconds / 60:.1f} min**", f"**{memory:.1f} GiB**"]
        )
    return table(rows)


def title(notebook: Path) -> str:
    """What stands in the notebook's first heading, without its number."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    heading = next(
        (line for c in cells if c["cell_type"] == "markdown" for line in "".join(c["source"]).splitlines()), ""
    )
    return re.sub(r"^#+\s*(\d\d\S*)?\s*[·:.-]?\s*", "", heading)


def _machine(marker: dict[str, Any]) -> str:
    machine = marker["machine"]
    return f"{machine['system']} {machine['processor']}, {machine['threads'] or machine['cpus']} threads"


def results(root: Path, found: dict[str, dict[str, Any]]) -> str:
    """One row a model: Pass@1, Pass@3, Cons@3 with 95 % intervals, invalid outputs, tool calls, and its command."""
    if "07_evaluate" not in found:
        return NOT_RUN
    models = found["07_evaluate"]["metrics"]["models"]
    rows = [["policy", "Pass@1", "Pass@3", "Cons@3", "invalid", "tool calls", "command"]]
    for name, says in MODELS.items():
        if name in models:
            m = models[name]
            shares = [percent(m[key]) for key in ("pass_at_1", "pass_at_3", "cons_at_3", "invalid_rate")]
            rows.append([says, *shares, f"{m['tool_calls']['value']:.1f}", "`make reproduce`"])
    n = models["sft"]["pass_at_1"]["n"]
    note = f"{n} questions on the held-out web, percent with 95 % bootstrap intervals over questions."
    return f"{table(rows)}\n\n{note} {lift(found)}"


def lift(found: dict[str, dict[str, Any]]) -> str:
    """A sentence with the paired difference between DAPO and SFT."""
    gain = found["07_evaluate"]["metrics"]["dapo_minus_sft"]
    low, high = (100 * bound for bound in gain["ci95"])
    value = f"{100 * gain['value']:+.1f} points (95 % interval {low:+.1f} to {high:+.1f})"
    return f"DAPO minus SFT, paired by question: {value}."


def seeds(root: Path, found: dict[str, dict[str, Any]]) -> str:
    """One row a seed of the profile: Pass@1 before and after DAPO, the lift, Pass@3 of SFT, invalid outputs."""
    head = ["seed", "SFT Pass@1", "DAPO Pass@1", "lift in points", "SFT Pass@3", "DAPO above it", "invalid SFT, DAPO"]
    rows = [[*head, "time"]]
    for folder in evaluated(root):
        runs = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("0[1-7]_*.json"))]
        metrics = runs[-1]["metrics"]
        sft, dapo, gain = (*(metrics["models"][name] for name in ("sft", "dapo")), metrics["dapo_minus_sft"])
        low, high = (100 * bound for bound in gain["ci95"])
        over = 100 * (dapo["pass_at_1"]["value"] - sft["pass_at_3"]["value"])
        rows.append([str(runs[-1]["seed"]), percent(sft["pass_at_1"]), percent(dapo["pass_at_1"])])
        rows[-1] += [
            f"{100 * gain['value']:+.1f} ({low:+.1f} to {high:+.1f})",
            percent(sft["pass_at_3"]),
            f"{over:+.1f}",
        ]
        rows[-1].append(", ".join(f"{100 * m['invalid_rate']['value']:.1f}" for m in (sft, dapo)))
        rows[-1].append(f"{sum(run['seconds'] for run in runs) / 60:.1f} min")
    return table(rows) if len(rows) > 1 else NOT_RUN


def parts(root: Path, found: dict[str, dict[str, Any]]) -> str:
    """Pass@1 by kind of question and by hops, a column a model; n is that of the model with most questions."""
    if "07_evaluate" not in found:
        return NOT_RUN
    models = {k: v for k, v in found["07_evaluate"]["metrics"]["models"].items() if k in MODELS}
    rows = [["questions", "n", *(MODELS[name] for name in models)]]
    for part, label in (("by_kind", "{}"), ("by_hops", "{} hops")):
        for key in sorted({key for m in models.values() for key in m[part]}):
            cells = [f"{100 * m[part][key]['value']:.0f} %" if key in m[part] else "-" for m in models.values()]
            most = max(m[part][key]["n"] for m in models.values() if key in m[part])
            rows.append([label.format(key), str(most), *cells])
    return table(rows)


def benches(root: Path, found: dict[str, dict[str, Any]]) -> str:
    """What `make bench` measured, ours beside a peer, from `results/bench/`; medians of the runs named there."""
    crawl, search, blocked = (tables_training.bench_file(root, name) for name in ("crawl", "search", "blocked"))
    rows = [["measured", "ours", "peer", "ratio"]]
    if crawl:
        ours, peer = (crawl[who]["pages_per_second"]["median"] for who in ("ours", "peer"))
        ratio = f"{crawl['ratio']['median']:.1f}"
        rows.append(["crawl of the pocket web, pages a second (Scrapy)", f"{ours:.0f}", f"{peer:.0f}", ratio])
        sizes = ", ".join(f"{m['peak_memory_mib']} at {m['pages']:,}" for m in crawl["memory"])
        rows.append(["memory of a crawl in MiB, by pages", sizes, "-", "-"])
        sizes = ", ".join(f"{m['peak_memory_mib']} at {m['pages']:,}" for m in crawl.get("notebook_memory", []))
        rows.append(["memory of the whole of 01_crawl in MiB, by pages", sizes or "-", "-", "-"])
    if search:
        what = f"index of {search['passages']:,} real Wikipedia passages, seconds (plain bm25s)"
        rows.append(_pair(search, "index_seconds", what, 2))
        rows.append(_pair(search, "queries_per_second_without_snippets", "ranking only, queries a second", 0))
        rows.append(
            ["with snippets, queries a second", f"{search['ours']['queries_per_second']['median']:.0f}", "-", "-"]
        )
    if blocked:
        held = blocked["kinds"]["held"]["dropped"]
        says = " and ".join(f"{held[k]['right']} of {held[k]['of']}" for k in ("precision", "recall"))
        rows.append(["walls and error pages recognised, unseen set: precision and recall", says, "-", "-"])
    return table(rows)


def _pair(bench: dict[str, Any], key: str, says: str, digits: int) -> list[str]:
    """A row with our median, the peer's and the ratio."""
    ours, peer = (bench[who][key]["median"] for who in ("ours", "peer"))
    return [says, f"{ours:.{digits}f}", f"{peer:.{digits}f}", f"{bench['ratio'][key]:.1f}"]


def percent(estimate: dict[str, Any]) -> str:
    """`{"value": 0.5, "ci95": [0.4, 0.6]}` as `50.0 (40.0 to 60.0)`."""
    low, high = estimate["ci95"]
    return f"{100 * estimate['value']:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def fill(text: str, root: Path) -> str:
    """`text` with every table between its marks made anew.

    Raises:
        ValueError: a mark names a table that does not exist.
    """
    found = markers(root)
    makers = {
        "notebooks": notebooks,
        "results": results,
        "parts": parts,
        "seeds": seeds,
        "benches": benches,
        "judges": tables_judge.judges,
        "training": tables_training.training,
        "slices": tables_slices.slices,
        "study": tables_study.study,
        "findings": tables_study.findings,
    }

    def replaced(match: re.Match[str]) -> str:
        if match[2] not in makers:
            raise ValueError(f"unknown table {match[2]!r} in the README: wanted one of {', '.join(makers)}")
        return f"{match[1]}{makers[match[2]](root, found)}\n{match[3]}"

    return _BLOCK.sub(replaced, text)


def main() -> int:
    """Rewrite both files, those that there are; returns 0."""
    for name in FILES:
        path = repo_root() / name
        if path.is_file():
            new = fill(path.read_text(encoding="utf-8"), repo_root())
            with atomic_path(path) as temporary:
                temporary.write_text(new, encoding="utf-8")
            print(f"{name}: tables made from results/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
