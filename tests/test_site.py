"""Building the site: whole, partial and refused; everything local, and an older site is replaced."""

import re
import shutil

import pytest
from site_files import profile

from webdancer.show import site


@pytest.fixture
def results(root):
    return profile(root)


def test_the_whole_site(results, capsys):
    (results / "site").mkdir()
    (results / "site" / "old.html").write_text("old")
    assert site.main(["tiny"]) == 0
    folder = results / "site"
    assert "results/tiny/site/index.html: open it in a browser" in capsys.readouterr().out
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert {"index.html", "notebooks/07_evaluate.html", "figures/04_funnel.png", "data/part_000.js"} <= files
    assert "old.html" not in files and "explorer.html" in files


def test_every_link_of_the_site_leads_somewhere_in_it(results):
    folder, _ = site.build("tiny")
    for path in folder.rglob("*.html"):
        for target in re.findall(r'(?:src|href)="([^"#]+)', path.read_text()):
            found = target.startswith("data:") or (path.parent / target).exists()
            assert found, f"{path.name} leads to {target}"


def test_without_artifacts_the_explorer_says_what_makes_them(results):
    shutil.rmtree(results / "artifacts")
    folder, notes = site.build("tiny")
    text = (folder / "explorer.html").read_text()
    assert "make reproduce PROFILE=tiny" in text and "<script" not in text and len(notes) == 2
    assert "Pass@1" in (folder / "index.html").read_text()


def test_an_empty_profile_still_has_a_site(root):
    (root / "results" / "new").mkdir(parents=True)
    folder, notes = site.build("new")
    assert "Not there yet" in (folder / "index.html").read_text() and len(notes) == 2


def test_notebooks_that_were_not_run_are_named(results, root):
    (root / "notebooks" / "08_analyze.ipynb").write_text("{}")
    assert any(n.startswith("08_analyze was not run for this profile") for n in site.build("tiny")[1])


@pytest.mark.parametrize("name", ["none", "../tiny", ""])
def test_an_unknown_profile_is_refused(results, name, capsys):
    (results / "01_crawl.json").write_text("{}")
    assert site.main([name]) == 2
    assert "no results of the profile" in capsys.readouterr().err


def test_a_broken_marker_is_named_and_the_older_site_stays(results, capsys):
    site.build("tiny")
    (results / "07_evaluate.json").write_text("{")
    assert site.main(["tiny"]) == 2
    assert "07_evaluate.json is not JSON" in capsys.readouterr().err
    assert (results / "site" / "index.html").is_file() and not list(results.glob(".site*"))
