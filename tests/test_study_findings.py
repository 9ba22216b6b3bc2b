"""The list of findings: complete, about arms that there are, and decided as they should be on numbers made up."""

from dataclasses import replace

from study_files import SETUP

from webdancer import study
from webdancer.study_claims import WAYS
from webdancer.study_findings import claims, table
from webdancer.study_measure import METRICS, SUMS, VERDICTS, Results


def test_every_finding_is_about_arms_and_metrics_that_there_are():
    known = study.labels(SETUP)
    for claim in claims(SETUP):
        assert claim.paper and claim.ours and claim.way in WAYS
        for weight, label, metric in claim.terms:
            assert weight in (1.0, -1.0) and label in known and metric in METRICS
            assert label in study.cells(SETUP)[claim.analysis], f"{label} is in no comparison of {claim.analysis}"


def test_every_analysis_has_findings_and_no_two_ask_the_same():
    found = claims(SETUP)
    assert {claim.analysis for claim in found} == set(study.cells(SETUP))
    assert len({claim.ours for claim in found}) == len({claim.terms for claim in found}) == len(found)


def made(right, seeds=(0, 1, 2), questions=60):
    """Results in which every arm has 1 right sample of 3 on every other question, but those in `right` have more."""
    found, labels = {}, study.labels(SETUP)
    words = {labels[label]: word for label, word in right.items()}
    for arm in labels.values():
        word = words.get(arm, ("100", "000"))
        kept = dict.fromkeys(VERDICTS, " ".join(word[n % 2] for n in range(questions)))
        for seed in seeds:
            found[replace(arm, seed=seed).name] = kept | dict.fromkeys(SUMS, " ".join("3" for _ in range(questions)))
    return Results(found, labels, list(seeds))


def verdicts(rows):
    return dict(zip(rows["ours"], rows["verdict"], strict=True))


def test_practice_that_helps_short_thoughts_alone_agrees_with_the_paper():
    found = verdicts(table(made({"short, RL": ("111", "100"), "RL alone": ("000", "000")}), SETUP))
    assert found["Pass@3 after RL minus before, short thoughts"] == "agrees"
    assert found["gain in Pass@1 with short thoughts minus gain with long ones"] == "agrees"
    assert found["Pass@3 after RL of a policy without SFT"] == "agrees"  # none of 60 questions: 6 % at most
    assert found["Pass@1, both kinds minus CRAWLQA alone, 3 trajectories each"] == "cannot tell"


def test_practice_that_harms_disagrees():
    found = verdicts(table(made({"short, RL": ("000", "000")}), SETUP))
    assert found["Cons@3 after RL minus before, short thoughts"] == "disagrees"


def test_one_seed_decides_nothing():
    rows = table(made({"short, RL": ("111", "111")}, seeds=(0,)), SETUP)
    assert set(rows["verdict"]) == {"cannot tell"} and set(rows["seeds"]) == {1}
    assert list(rows.columns[:3]) == ["analysis", "paper", "ours"]
