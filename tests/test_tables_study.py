"""The table of the study from a hand-made marker."""

from study_files import SETUP

from webdancer import study, tables_study
from webdancer.core import record
from webdancer.study_claims import VERDICTS


def test_verdicts_are_counted_by_analysis(root):
    rows = [("practice", "agrees"), ("practice", "agrees"), ("practice", "disagrees"), ("patterns", "cannot tell")]
    said = {"paper": "RL helps | always", "ours": "Pass@1", "why": "+3.0 points."}
    verdicts = [{"analysis": a, "verdict": v, **said} for a, v in rows]
    metrics = {"verdicts": verdicts, "arms": 69, "seeds": [0, 1, 2], "seconds_of_arms": 5400}
    record.write_json(root / "results" / "study" / "08_analyze.json", {"metrics": metrics})
    lines = tables_study.study(root, {}).splitlines()
    assert lines[0] == "| analysis | agrees | disagrees | cannot tell |"
    assert lines[2].endswith("| 2 | 1 | 0 |") and lines[6].endswith("| 0 | 0 | 1 |")
    assert lines[-1] == "69 arms, 3 seeds, 1.5 hours of work on two cores."
    lines = tables_study.findings(root, {}).splitlines()
    assert len(lines) == 2 + len(rows)
    assert lines[4] == r"| RL helps \| always | Pass@1 | disagrees | +3.0 points. |"


def test_it_says_when_the_study_was_not_run(root):
    assert tables_study.study(root, {}) == tables_study.findings(root, {}) == tables_study.NOT_RUN


def test_it_knows_the_analyses_and_the_verdicts_of_the_study():
    assert list(tables_study.ASKED) == list(study.cells(SETUP)) and tables_study.VERDICTS == VERDICTS
