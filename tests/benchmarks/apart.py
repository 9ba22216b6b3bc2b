"""A benchmark's worker in a process of its own, with threads that sleep while they wait."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def once(worker: Path, role: str, folder: Path, options: dict[str, Any], peer: str, timeout: float) -> dict[str, Any]:
    """What `worker` printed as its result, with `threads` of the options (1 without); roles peer_* run with `peer`."""
    command = [peer if role.startswith("peer") else sys.executable, str(worker), role, str(folder), json.dumps(options)]
    env = os.environ | {"OMP_NUM_THREADS": str(options.get("threads", 1)), "GOMP_SPINCOUNT": "0", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=timeout)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        raise RuntimeError(f"{role} gave no result: {done.stderr[-2000:]}")
    return json.loads(lines[-1].removeprefix("RESULT "))
