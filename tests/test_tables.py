"""The README's tables from hand-made markers."""

import json

import nbformat
import pytest

from webdancer import tables
from webdancer.core import record


def estimate(value: float) -> dict:
    return {"value": value, "n": 300, "ci95": [value - 0.05, value + 0.05]}


@pytest.fixture
def results(root):
    folder = root / "results" / "laptop"
    for name, seconds, mib in (("05_sft", 300.4, 1024), ("07_evaluate", 59.6, 512)):
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(f"# {name[:2]} · Learn | ask\n\nText.")])
        nbformat.write(book, root / "notebooks" / f"{name}.ipynb")
        machine = {"system": "Linux", "processor": "x86_64", "cpus": 8, "threads": 2, "peak_memory_mib": mib}
        record.write_json(folder / f"{name}.json", {"seconds": seconds, "machine": machine, "metrics": {}})
    names = ("pass_at_1", "pass_at_3", "cons_at_3", "invalid_rate", "tool_calls")
    part = {"by_kind": {"count": estimate(0.5)}, "by_hops": {"2": estimate(0.25)}}
    models = {m: {k: estimate(v) for k in names} | part for m, v in (("sft", 0.5), ("dapo", 0.625))}
    metrics = {"models": models, "dapo_minus_sft": {"value": 0.125, "n": 300, "ci95": [0.08, 0.17]}}
    record.write_json(folder / "07_evaluate.json", {"seconds": 59.6, "machine": machine, "metrics": metrics})
    return root


def test_notebooks_with_measured_times(results):
    lines = tables.notebooks(results, tables.markers(results)).splitlines()
    assert lines[2] == r"| [05_sft](notebooks/05_sft.ipynb) | Learn \| ask | 300 s | 1.0 GiB |"
    assert lines[-1] == "| **all** | Linux x86_64, 2 threads | **6.0 min** | **1.0 GiB** |"


def test_a_notebook_that_only_another_profile_runs(results):
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# 08 · Ask")])
    nbformat.write(book, results / "notebooks" / "08_analyze.ipynb")
    assert tables.notebooks(results, tables.markers(results)).splitlines()[-2].endswith("| Ask | - | - |")
    marker = {"seconds": 90.0, "machine": {"peak_memory_mib": 2048}, "metrics": {"seconds_of_arms": 5400}}
    record.write_json(results / "results" / "study" / "08_analyze.json", marker)
    lines = tables.notebooks(results, tables.markers(results)).splitlines()
    assert lines[-2].endswith("| Ask | 90 min (`study`) | 2.0 GiB |")
    (results / "results" / "study" / "08_analyze.json").unlink()
    record.write_json(results / "results" / "quick" / "08_analyze.json", marker)  # the user's own: not in the README
    assert tables.notebooks(results, tables.markers(results)).splitlines()[-2].endswith("| Ask | - | - |")
    assert "**6.0 min**" in lines[-1]


def test_results_with_intervals_and_command(results):
    text = tables.results(results, tables.markers(results))
    share = "50.0 (45.0 to 55.0)"
    assert f"| after SFT (05) | {share} | {share} | {share} | {share} | 0.5 | `make reproduce` |" in text
    assert "300 questions" in text and "+12.5 points (95 % interval +8.0 to +17.0)" in text
    assert "teacher" not in text  # not in the marker


def test_parts(results):
    lines = tables.parts(results, tables.markers(results)).splitlines()
    assert lines[0] == "| questions | n | after SFT (05) | after DAPO (06) |"
    assert lines[2:] == ["| count | 300 | 50 % | 50 % |", "| 2 hops | 300 | 25 % | 25 % |"]


def test_a_row_for_each_seed(results):
    marker = json.loads((results / "results" / "laptop" / "07_evaluate.json").read_text())
    record.write_json(results / "results" / "laptop" / "07_evaluate.json", marker | {"seed": 0})
    record.write_json(results / "results" / "laptop_seed4" / "07_evaluate.json", marker | {"seed": 4, "seconds": 90.0})
    record.write_json(results / "results" / "laptop_other" / "07_evaluate.json", marker | {"seed": 9})
    lines = tables.seeds(results, {}).splitlines()
    share, after = "50.0 (45.0 to 55.0)", "62.5 (57.5 to 67.5)"
    row = f"| {share} | {after} | +12.5 (+8.0 to +17.0) | {share} | +12.5 | 50.0, 62.5 |"
    assert lines[2:] == [f"| 0 {row} 6.0 min |", f"| 4 {row} 1.5 min |"]


def test_fill_replaces_only_between_the_marks(results):
    text = "a\n<!-- table: results -->\nold\n<!-- /table -->\nb <!-- note -->\n"
    new = tables.fill(text, results)
    assert new.startswith("a\n<!-- table: results -->\n| policy |") and new.endswith(
        "<!-- /table -->\nb <!-- note -->\n"
    )
    assert "old" not in new and tables.fill(new, results) == new


def test_without_results_it_says_so(root):
    new = tables.fill("<!-- table: parts -->\n<!-- /table -->\n<!-- table: notebooks -->\nx\n<!-- /table -->", root)
    assert tables.NOT_RUN in new and "| notebook |" in new


def test_an_unknown_table_is_an_error(root):
    with pytest.raises(ValueError, match="unknown table 'funel' in the README: wanted one of notebooks"):
        tables.fill("<!-- table: funel -->\n<!-- /table -->", root)


@pytest.mark.parametrize("file", tables.FILES)
def test_main_rewrites_the_files_that_there_are(results, capsys, file):
    (results / file).write_text("<!-- table: parts -->\n<!-- /table -->\n")
    assert tables.main() == 0
    assert "| count |" in (results / file).read_text()
    assert capsys.readouterr().out == f"{file}: tables made from results/\n"


def test_benchmarks_beside_their_peers(root):
    assert tables.benches(root, {}).count("\n") == 1  # a head and no row: nothing was run
    speed = {"pages_per_second": {"median": 480.4}}
    crawl = {"ours": speed, "peer": {"pages_per_second": {"median": 240.2}}, "ratio": {"median": 2.0}}
    record.write_json(
        root / "results" / "bench" / "crawl.json", crawl | {"memory": [{"pages": 1000, "peak_memory_mib": 128}]}
    )
    held = {"precision": {"right": 57, "of": 57}, "recall": {"right": 57, "of": 82}}
    record.write_json(root / "results" / "bench" / "blocked.json", {"kinds": {"held": {"dropped": held}}})
    text = tables.benches(root, {})
    assert "| crawl of the pocket web, pages a second (Scrapy) | 480 | 240 | 2.0 |" in text
    assert "| 128 at 1,000 |" in text and "57 of 57 and 57 of 82" in text
