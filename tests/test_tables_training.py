"""The table of training benchmarks from hand-made files."""

from webdancer import tables_training
from webdancer.core import record


def test_rows_for_what_was_measured_and_no_others(root):
    folder = root / "results" / "bench"
    ratio = {"median": 6.25, "min": 5.0, "max": 7.0}
    made = {"ours": {"median": 12.344}, "peer": {"median": 1234.4}, "ratio": ratio, "peak_mib": {"ours": 9, "peer": 8}}
    record.write_json(folder / "rollouts.json", made)
    sft = made | {"peer": {"median": 2.0, "name": "trl"}, "peak_mb": {"ours_padded": 5, "trl": 7}}
    record.write_json(folder / "sft.json", sft)
    shares = {name: {"share": s} for name, s in (("ours_padded", 0.416), ("ours_packed", 0.44), ("ours_muon", 0.43))}
    record.write_json(folder / "arithmetic.json", shares)
    lines = tables_training.training(root, {}).splitlines()[2:]
    assert lines == [
        "| rollouts with tools, episodes a second | TRL's GRPOTrainer, environment mode | 12.3 | 1,234 "
        "| 6.2 (5.0 to 7.0) | 9, 8 |",
        "| SFT, tokens a second | TRL's SFTTrainer, packing on | 12.3 | 2 | 6.2 (5.0 to 7.0) | 5, 7 |",
        "| arithmetic in SFT | one large matrix product | 42 to 44 % of the rate of a plain fp32 product | - | - | - |",
    ]


def test_nothing_measured_leaves_the_head(root):
    assert len(tables_training.training(root, {}).splitlines()) == 2
