"""The benchmark for a GPU runs on a CPU too, on a tiny model with a sixteenth of the work."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parent / "benchmarks"))
import bench_gpu


@pytest.mark.skipif(torch.cuda.is_available(), reason="here is a GPU: run tests/benchmarks/bench_gpu.py itself")
def test_every_part_gives_a_speed_and_memory(monkeypatch):
    monkeypatch.setattr(bench_gpu, "TURNS", 1)
    monkeypatch.setattr(bench_gpu, "WARM", 0)
    found = bench_gpu.measure("tiny", "torch", 4, False, 16)
    assert all(
        found[part]["tokens_per_second"] > 0 and found[part]["gib"] > 0 for part in ("sft", "decode", "dapo_updates")
    )
    assert found["sft"]["loss"] == pytest.approx(torch.tensor(float(bench_gpu_vocabulary())).log().item(), rel=0.05)


def bench_gpu_vocabulary() -> int:
    """Size of the tokenizer of the tiny model: an untrained one gives every token about the same chance."""
    return len(bench_gpu.tokens.train_tokenizer(["Who is the mayor of Orlen Ford?"], 2000))


def test_without_a_gpu_it_says_so_and_writes_nothing(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert bench_gpu.main([]) == 2
    assert "nothing was measured" in capsys.readouterr().err
