"""Rollouts with tools beside TRL: measured together with the whole step, see `bench_dapo_step`.

    python tests/benchmarks/bench_rollouts.py [PYTHON]    writes results/bench/rollouts.json

One run of the peer gives both figures, the rollouts and the step they belong to; this file measures and writes the
first alone, for those who change the rollouts.
"""

import json
import sys

from bench_dapo_step import artifacts, measure

from webdancer.core import record


def main() -> None:
    """Measure, write and print."""
    if artifacts() is None:
        raise SystemExit("no artifacts of laptop or quick: run make reproduce PROFILE=quick first")
    result, _ = measure(sys.argv[1] if len(sys.argv) > 1 else sys.executable)
    record.write_json(record.repo_root() / "results" / "bench" / "rollouts.json", result)
    print(json.dumps({k: result[k] for k in ("ours", "peer", "ratio", "per_token", "peak_mib")}, indent=1))


if __name__ == "__main__":
    main()
