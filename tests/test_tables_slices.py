"""The table of the slices from hand-made markers of two seeds."""

from webdancer import tables_slices
from webdancer.core import record


def marker(seed: int, up: float) -> dict:
    def row(name, model, value):
        return {"slice": name, "model": model, "value": value}

    measures = [{"slice": "names", "changed": "other names", "questions": 10 + seed}]
    measures.append({"slice": "hops", "changed": "more hops", "questions": 12})
    scores = [row(n, m, v) for n in ("names", "hops") for m, v in (("sft", 0.5), ("dapo", 0.5 + up))]
    gains = [{"slice": n, "value": up, "low": up - 0.1, "high": up + 0.1} for n in ("names", "hops")]
    return {"seed": seed, "metrics": {"slices": {"measures": measures, "scores": scores, "gains": gains}}}


def test_a_row_a_slice_and_a_column_a_seed(root):
    record.write_json(root / "results" / "laptop" / "07_evaluate.json", marker(0, 0.125))
    record.write_json(root / "results" / "laptop_seed1" / "07_evaluate.json", marker(1, -0.25))
    record.write_json(root / "results" / "laptop_other" / "07_evaluate.json", marker(9, 0.0))
    lines = tables_slices.slices(root, {}).splitlines()
    first, second = (f"seed {n}: SFT, DAPO, difference" for n in (0, 1))
    assert lines[0] == f"| slice | what is new | {first} | {second} |"
    up, down = "50.0, 62.5, +12.5 (+2.5 to +22.5)", "50.0, 25.0, -25.0 (-35.0 to -15.0)"
    assert lines[2:4] == [f"| names | other names | {up} | {down} |", f"| hops | more hops | {up} | {down} |"]
    assert lines[-1].startswith("10 to 12 questions a slice and seed")


def test_markers_without_slices_say_how_to_get_them(root):
    none = {"slices": {"measures": [], "scores": [], "gains": []}}
    record.write_json(root / "results" / "laptop" / "07_evaluate.json", {"seed": 0, "metrics": none})
    assert tables_slices.slices(root, {}) == tables_slices.NOT_RUN
    record.write_json(root / "results" / "laptop" / "07_evaluate.json", {"seed": 0, "metrics": {}})
    assert tables_slices.slices(root, {}) == tables_slices.NOT_RUN
