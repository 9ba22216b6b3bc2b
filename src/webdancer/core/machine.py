"""Where a number came from: commit, hardware, versions; and `scrub`, which keeps names of machines and people out.

Used by `record` for the markers and by `show.clean` for executed notebooks. Not in the paper.
"""

import contextlib
import os
import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

# Packages whose version a marker names (when installed); the rest follows from constraints.txt.
PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "bm25s", "trafilatura", "openai", "papermill", "unsloth")
_PATH = re.compile(r"(?:/|~|\.\./|[A-Za-z]:\\)\S*")  # leads out of the checkout


def git_state(root: Path) -> dict[str, Any]:
    """Commit and whether the tree differs from it, leaving `results/` out; empty outside a repository."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, timeout=30)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        commit = git("rev-parse", "HEAD")
        dirty = bool(git("status", "--porcelain", "--", ".", ":!results")) if commit else None
    except (OSError, subprocess.SubprocessError):
        commit, dirty = "", None
    return {"commit": commit, "dirty": dirty}


def hardware() -> dict[str, Any]:
    """Kind of machine and this process's peak memory in MiB; nothing that names the machine or its user."""
    torch = sys.modules.get("torch")
    gpu = torch.cuda.get_device_name(0) if torch is not None and torch.cuda.is_available() else ""
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cpus": os.cpu_count(),
        "threads": int(os.environ.get("OMP_NUM_THREADS", "0") or 0),
        "gpu": gpu,
        "peak_memory_mib": peak_memory_mib(),
    }


def peak_memory_mib() -> int:
    """The most memory this process held at once, in MiB; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes, Linux KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit


def versions() -> dict[str, str]:
    """Versions of Python and of those of `PACKAGES` that are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def scrub(value: Any, root: Path) -> Any:
    """Plain data without what names a machine or a person: as `scrub_text`, and paths elsewhere cut to their last part.

    >>> scrub({"model": "/somewhere/models/tiny"}, Path("/elsewhere"))
    {'model': 'tiny'}
    """
    if isinstance(value, dict):
        return {scrub(k, root): scrub(v, root) for k, v in value.items()}
    if isinstance(value, list):
        return [scrub(v, root) for v in value]
    if not isinstance(value, str):
        return value
    text = scrub_text(value, root)
    return re.split(r"[/\\]", text.rstrip("/\\"))[-1] if _PATH.fullmatch(text) else text


def scrub_text(text: str, root: Path) -> str:
    """`text` with `.` for the checkout `root`, `~` for the home folder, `.venv` for the environment, `***` for keys."""
    for name, secret in os.environ.items():
        if name.upper().endswith(("KEY", "TOKEN", "SECRET", "PASSWORD")) and len(secret) >= 8:
            text = text.replace(secret, "***")
    for folder, shown in ((sys.prefix, ".venv"), (str(root), "."), (str(Path.home()), "~")):
        if len(folder) > 1:
            text = re.sub(re.escape(folder) + r"(?![\w-])", shown, text)
    return text
