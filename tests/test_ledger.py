"""The ledger of finished work: what it keeps, also of a file whose last line a kill cut short."""

from webdancer.core.ledger import Ledger, beside


def test_what_was_added_is_there_after_a_restart(tmp_path):
    first = Ledger(tmp_path / "a.partial")
    first.add("one", {"question": "上海\u2028?"})
    first.add("two", "refused")
    second = Ledger(tmp_path / "a.partial")
    assert len(second) == 2 and second["one"] == {"question": "上海\u2028?"} and second["two"] == "refused"
    assert "three" not in second
    second.close()
    assert list(tmp_path.iterdir()) == []


def test_a_line_cut_short_is_done_again_and_harms_no_other(tmp_path):
    path = tmp_path / "a.partial"
    Ledger(path).add("one", "x")
    whole = path.read_bytes()
    for cut in range(1, len(whole)):
        path.write_bytes(whole + whole[:cut].replace(b"one", b"two"))
        after = Ledger(path)
        assert after["one"] == "x" and ("two" in after) == (cut == len(whole) - 1)
        after.add("three", 3)
        again = Ledger(path)
        assert again["three"] == 3 and again["one"] == "x"


def test_without_a_file_it_only_remembers(tmp_path):
    ledger = Ledger(None)
    ledger.add("one", 1)
    assert ledger["one"] == 1
    ledger.close()


def test_the_name_changes_with_what_the_results_depend_on(tmp_path):
    path = tmp_path / "questions.jsonl"
    names = {beside(path, *what).name for what in (["m", 0.7, 0], ["m", 0.7, 1], ["n", 0.7, 0], ["m", 0.7, 0])}
    assert len(names) == 3 and all(n.startswith("questions.") and n.endswith(".partial") for n in names)
