"""Tables of the study: how many of the paper's findings ours agree with, and each of them, from `results/study/`.

In: the marker of 08_analyze. Out: Markdown tables, the short one for README.md, the long one for results/README.md.
Called by `tables`.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from webdancer.tables_parts import table

NOT_RUN = "*Not run yet: `python -m webdancer.run study`, then `make tables`.*"
VERDICTS = ("agrees", "disagrees", "cannot tell")
ASKED = {
    "practice": "what RL adds, with short thoughts, with long ones, and without SFT",
    "data": "kinds of questions, the funnel, number of trajectories",
    "thoughts": "short against long thoughts over model widths",
    "temperature": "whether the decoding temperature matters",
    "patterns": "whether acting and thinking grow with RL",
}


def study(root: Path, found: dict[str, dict[str, Any]]) -> str:
    """One row an analysis with its verdicts counted, and a sentence with arms, seeds and hours.

    Args:
        found: markers of another profile, not used: the study has its own.
    """
    metrics = _metrics(root)
    if not metrics:
        return NOT_RUN
    rows = [["analysis", *VERDICTS]]
    for name, says in ASKED.items():
        count = Counter(row["verdict"] for row in metrics["verdicts"] if row["analysis"] == name)
        rows.append([says, *(str(count[v]) for v in VERDICTS)])
    hours = metrics["seconds_of_arms"] / 3600
    note = f"{metrics['arms']} arms, {len(metrics['seeds'])} seeds, {hours:.1f} hours of work on two cores."
    return f"{table(rows)}\n\n{note}"


def findings(root: Path, found: dict[str, dict[str, Any]]) -> str:
    """One row a finding of the paper: what it says, which number of ours, the verdict and why.

    Args:
        found: markers of another profile, not used.
    """
    metrics = _metrics(root)
    if not metrics:
        return NOT_RUN
    keys = ("paper", "ours", "verdict", "why")
    rows = [[str(row[key]) for key in keys] for row in metrics["verdicts"]]
    return table([["the paper", "our number", "verdict", "why"], *rows])


def _metrics(root: Path) -> dict[str, Any]:
    """What the marker holds, nothing if there is none."""
    path = root / "results" / "study" / "08_analyze.json"
    return json.loads(path.read_text(encoding="utf-8"))["metrics"] if path.is_file() else {}
