"""The README's table of how fast training is, from `results/bench/`: each row ours beside a peer, in the same run.

In: `rollouts.json`, `dapo_step.json`, `sft.json`, `decode.json`, `arithmetic.json`, as far as they are there. Out: a
Markdown table. Called by `tables`.
"""

import json
from pathlib import Path
from typing import Any

ROWS = {  # file: (what was measured, the peer)
    "rollouts": ("rollouts with tools, episodes a second", "TRL's GRPOTrainer, environment mode"),
    "dapo_step": ("one DAPO step, all in, seconds", "the same"),
    "sft": ("SFT, tokens a second", "TRL's SFTTrainer, packing on"),
    "decode": ("decoding, tokens a second", "`generate` of transformers at its best batch"),
}


def training(root: Path, found: dict[str, dict[str, Any]]) -> str:
    """One row a benchmark: medians, the ratio with its range, peak memory of both; each file says what was timed."""
    lines = ["| measured | peer | ours | peer's | times as fast | peak MiB |", "|---|---|---|---|---|---|"]
    for name, (what, peer) in ROWS.items():
        if bench := bench_file(root, name):
            ours, theirs = (_short(bench[who]["median"]) for who in ("ours", "peer"))
            ratio = bench["ratio"]
            times = f"{ratio['median']:.1f} ({ratio['min']:.1f} to {ratio['max']:.1f})"
            lines.append(f"| {what} | {peer} | {ours} | {theirs} | {times} | {_memory(bench)} |")
    if bench := bench_file(root, "arithmetic"):
        shares = [bench[name]["share"] for name in ("ours_padded", "ours_packed", "ours_muon")]
        says = f"{100 * min(shares):.0f} to {100 * max(shares):.0f} % of the rate of a plain fp32 product"
        lines.append(f"| arithmetic in SFT | one large matrix product | {says} | - | - | - |")
    return "\n".join(lines)


def bench_file(root: Path, name: str) -> dict[str, Any]:
    """A benchmark's file, empty if it was not run."""
    path = root / "results" / "bench" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _short(value: float) -> str:
    """A number with three digits that count, or whole."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _memory(bench: dict[str, Any]) -> str:
    """Peak memory of ours and the peer's."""
    if "peak_mb" in bench:
        return f"{bench['peak_mb']['ours_padded']}, {bench['peak_mb'][bench['peer']['name']]}"
    peak = bench.get("peak_mib", {})
    return ", ".join(f"{peak[name]:.0f}" for name in ("ours", "peer") if name in peak) or "-"
