"""The README's table of judges, made from `results/bench/judge.json`; `tables` puts it between its marks.

In: what `tests/benchmarks/bench_judge.py` wrote. Out: Markdown. Also used by 04_filter. Not in the paper, which
publishes no figure on its judge.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd

NOT_RUN = "*Not measured yet: `python tests/benchmarks/bench_judge.py`, then `make tables`.*"
MEASURES = {
    "agreement": "agreement",
    "false_accept": "wrong answers accepted",
    "false_reject": "right answers rejected",
}


def load(root: Path) -> dict[str, Any]:
    """The committed figures, empty if there are none."""
    path = root / "results" / "bench" / "judge.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def judges(root: Path, found: dict[str, Any] | None = None) -> str:
    """One row a judge: agreement, wrong answers accepted, right answers rejected, on the held part with intervals.

    Args:
        root: of the repository. found: the markers, which the other tables of the README need and this one does not.
    """
    data = load(root)
    if not data:
        return NOT_RUN
    rows = [["judge", *MEASURES.values()]]
    for name, measured in data["judges"]["held"].items():
        rows.append([name, *(percent(measured[key]) for key in MEASURES)])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    right, wrong = (data["pairs"]["held"][label] for label in ("right", "wrong"))
    note = (
        f"{right + wrong} labelled answers ({right} right, {wrong} wrong), run once when the rules were finished; "
        "percent with Wilson's 95 % intervals. They are hard on purpose, and the stand-in reads only the pocket web's "
        "English. No language model was measured here: `python tests/benchmarks/bench_judge.py --endpoint URL/v1 "
        "--model NAME` measures yours."
    )
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]) + "\n\n" + note


def percent(measured: dict[str, Any]) -> str:
    """`{"value": 0.5, "ci95": [0.4, 0.6]}` as `50.0 (40.0 to 60.0)`, "-" where nothing was counted."""
    if measured["value"] is None:
        return "-"
    low, high = measured["ci95"]
    return f"{100 * measured['value']:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def frame(data: dict[str, Any]) -> pd.DataFrame:
    """The figures of both parts, for a notebook: columns `part`, `judge` and one of text for each measure."""
    rows = [
        (part, name, *(percent(measured[key]) for key in MEASURES))
        for part, found in data.get("judges", {}).items()
        for name, measured in found.items()
    ]
    return pd.DataFrame(rows, columns=["part", "judge", *MEASURES.values()])


def by_category(data: dict[str, Any]) -> pd.DataFrame:
    """Agreement of each judge on the held part, a row a category: `category`, `pairs`, then "right of all" a judge."""
    rows = []
    for category, found in data.get("held_by_category", {}).items():
        told = {name: one["agreement"] for name, one in found.items() if name != "pairs"}
        rows.append(
            {"category": category, "pairs": found["pairs"]}
            | {name: f"{one['count']} of {one['of']}" for name, one in told.items()}
        )
    return pd.DataFrame(rows)
