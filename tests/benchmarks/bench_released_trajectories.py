"""What the funnel of 04_filter does with the 200 trajectories that the WebDancer authors released.

    python tests/benchmarks/bench_released_trajectories.py     prints it and writes results/released/04_filter.json

Bounds are the notebook's own, correctness is by rule, and no model is asked. Counts and row numbers (from 0) are
committed, no text. The file is looked for in `../shared/data/webdancer`.
"""

import json
import sys
from typing import Any

import pytest

from webdancer import filters
from webdancer.agent.judge import max_ngram
from webdancer.core import machine, params, record
from webdancer.core.protocol import turns_of
from webdancer.core.schema import Trajectory, read_jsonl
from webdancer.show import plots

ROOT = record.repo_root()
SAMPLE = ROOT.parent / "shared" / "data" / "webdancer" / "sample_traj.jsonl"


def measure() -> dict[str, Any]:
    """The funnel, every rule alone, and the rows that break each."""
    rows = read_jsonl(SAMPLE, Trajectory)
    result = filters.funnel(rows, rules=filters.Rules.of(params.defaults("04_filter")))
    found: dict[str, list[int]] = {}
    for number, faults in enumerate(result.faults):
        for stage, reason in faults:
            found.setdefault(f"{stage}: {reason}", []).append(number)
    return {
        "funnel": result.table().to_dict("records"),
        "reasons": result.reasons().to_dict("records"),
        "alone": result.alone().to_dict("records"),
        "rows": found,
        "readings": filters.readings(rows).to_dict("records"),
        "before": filters.numbers(rows),
        "kept": filters.numbers(result.kept),
        "survival": filters.survival(result).to_dict("records"),
        "most_repeated_10_gram": max(max_ngram(" ".join(turns_of(t.messages))) for t in rows),
    }


@pytest.mark.skipif(not SAMPLE.is_file(), reason="the released trajectories are not in ../shared/data/webdancer")
def test_the_committed_counts_are_what_the_rules_say() -> None:
    """The marker is that of this code, and all 200 are valid."""
    committed = json.loads((ROOT / "results" / "released" / "04_filter.json").read_text(encoding="utf-8"))["metrics"]
    assert committed == json.loads(json.dumps(measure(), default=record._plain))
    assert committed["funnel"][1] == {"stage": "validity", "kept": 200, "dropped": 0}


def main() -> int:
    """Measure, write the marker and the figures, print."""
    found = measure()
    marker = {"stage": "04_filter", "parameters": {"profile": "released"}, "versions": machine.versions()}
    marker |= {"inputs": {SAMPLE.name: record.describe(SAMPLE)}, "outputs": {}, "metrics": found}
    record.write_json(record.results_dir("released") / "04_filter.json", marker)
    result = filters.funnel(read_jsonl(SAMPLE, Trajectory), rules=filters.Rules.of(params.defaults("04_filter")))
    table, alone, survival = result.table(), result.alone(), filters.survival(result)
    share = len(result.kept) / len(result.faults)
    figure = plots.funnel(table, title=f"{share:.0%} of the released trajectories survive, correctness by rule")
    plots.save(figure, "04_funnel", table, "released")
    broken = alone[alone["broken"] > 0]
    says = {"xlabel": "trajectories that the rule alone would drop", "ylabel": "rule"}
    figure = plots.bars_across(broken, "rule", "broken", title="Most are lost to matching by rule", **says)
    plots.save(figure, "04_reasons", broken, "released")
    says = {"xlabel": "kind of question", "ylabel": "share kept"}
    figure = plots.bars(survival, "kind", "share", title="E2HQA answers match by rule less often", **says)
    plots.save(figure, "04_survival", survival, "released")
    print(table.to_string(index=False), alone.to_string(index=False), sep="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
