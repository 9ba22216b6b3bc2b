"""The table of the generalisation slices, from the markers of 07: a row a slice, every seed of the profile in it.

In: `results/laptop/07_evaluate.json` and those of its other seeds. Out: a Markdown table for results/README.md. Called
by `tables`.
"""

import json
from pathlib import Path
from typing import Any

from webdancer.tables_parts import evaluated, table

NOT_RUN = "*Not run yet: name `slices` in params/laptop/07_evaluate.yaml, `make reproduce`, then `make tables`.*"


def slices(root: Path, found: dict[str, dict[str, Any]]) -> str:
    """One row a slice: what is new, then for each seed Pass@1 of both models in percent and the paired difference.

    Args:
        found: markers of the profile, not used: all its seeds are read.
    """
    runs: dict[int, dict[str, Any]] = {}
    for folder in evaluated(root):
        marker = json.loads((folder / "07_evaluate.json").read_text(encoding="utf-8"))
        if marker["metrics"].get("slices", {}).get("scores"):
            runs[marker["seed"]] = marker["metrics"]["slices"]
    if not runs:
        return NOT_RUN
    rows = [["slice", "what is new", *(f"seed {seed}: SFT, DAPO, difference" for seed in runs)]]
    for row in next(iter(runs.values()))["measures"]:
        rows.append([row["slice"], row["changed"], *(_cell(run, row["slice"]) for run in runs.values())])
    sizes = sorted({row["questions"] for run in runs.values() for row in run["measures"]})
    many = f"{sizes[0]} to {sizes[-1]}" if len(sizes) > 1 else str(sizes[0])
    note = f"{many} questions a slice and seed, Pass@1 in percent; differences paired by question, 95 % intervals."
    return f"{table(rows)}\n\n{note}"


def _cell(run: dict[str, Any], name: str) -> str:
    """Scores of the models on a slice in their order, and the difference with its interval."""
    scores = [f"{100 * row['value']:.1f}" for row in run["scores"] if row["slice"] == name]
    gain = [row for row in run["gains"] if row["slice"] == name]
    signed = [" ({:+.1f} to {:+.1f})".format(100 * row["low"], 100 * row["high"]) for row in gain]
    shown = [f"{100 * row['value']:+.1f}{interval}" for row, interval in zip(gain, signed, strict=True)]
    return ", ".join([*scores, *shown]) or "-"
