"""Tables and folders that the README's tables are made of."""

from webdancer import tables_parts
from webdancer.core import record


def test_a_bar_in_a_cell_is_escaped_once():
    assert tables_parts.table([["h"], ["a|b"], [r"a\|b"]]) == "| h |\n|---|\n| a\\|b |\n| a\\|b |"


def test_only_the_profile_and_its_seeds_count(root):
    for name in ("laptop", "laptop_seed2", "laptop_other", "laptop2", "quick"):
        record.write_json(root / "results" / name / "07_evaluate.json", {})
    record.write_json(root / "results" / "laptop_seed3" / "06_dapo.json", {})  # not evaluated yet
    assert [path.name for path in tables_parts.evaluated(root)] == ["laptop", "laptop_seed2"]
