"""The dry run: requests and times by hand, nothing asked of the network, and the committed parameters of `gpu`."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer import crawl, crawl_plan
from webdancer.core import params

ROOT = Path(__file__).parents[1]
GPU = ROOT / "params" / "gpu" / "01_crawl.yaml"
REAL = {
    "wiki_roots": ("Category:Rivers", "Category:Lakes", "Rhine"),
    "arxiv_query": "cat:cs.IR",
    "github_query": "topic:x",
    "web_roots": ("https://a.test/", "https://b.test/x", "https://a.test/y"),
}


def rows(token=False, **options):
    plan = crawl.Plan(**REAL | {"limit": 1200, "depth": 2, "delay": 1.0, "contact": "mail@example.org"} | options)
    return {row.source: row for row in crawl_plan.rows(plan, token)}


def test_wikipedia_asks_once_for_itself_thrice_for_a_category_and_twice_for_a_page():
    row = rows()["wikipedia"]
    assert (row.hosts, row.pages, row.requests) == ("en.wikipedia.org", 1200, 1 + 2 * 3 + 2 * 1200)
    assert row.seconds == row.requests and rows(delay=0.5)["wikipedia"].seconds == row.requests / 2
    assert rows(depth=0, wiki_roots=["Rhine"])["wikipedia"].pages == 1  # no links followed: the roots alone


def test_arxiv_by_hundreds_and_a_request_a_pdf():
    assert (rows()["arxiv"].requests, rows()["arxiv"].seconds) == (12, 36.0)
    row = rows(arxiv_pdf=20)["arxiv"]
    assert (row.requests, row.seconds) == (1212, 36.0 + 1200 * 15.0)


@pytest.mark.parametrize(
    "token, extras, requests, seconds",
    [
        (False, (0, 0, 0), 1000 + 10, 16 * 3600.0),  # 60 at once, then 60 an hour: 940 wait, in 16 portions
        (True, (0, 0, 0), 1000 + 10, 1010 * 0.25),
        (True, (2, 30, 3), 7 * 1000 + 10, 3600.0),  # README, 2 folders, 2 files, issues, releases; one refill
        (False, (0, 1, 0), 2 * 1000 + 10, 33 * 3600.0),
    ],
)
def test_github_by_the_quota(token, extras, requests, seconds):
    names = ("github_docs", "github_issues", "github_releases")
    row = rows(token, **dict(zip(names, extras, strict=True)))["github"]
    assert (row.requests, row.seconds) == (requests, seconds)


def test_plain_sites_with_robots_and_sitemaps_and_hosts_of_this_machine():
    row = rows()["web"]
    assert (row.hosts, row.requests, row.seconds) == ("a.test, b.test", 1200 + 2 * 51, 1251.0)
    assert rows(use_sitemaps=False, delay=2.0)["web"].seconds == 2.0 * 1201
    row = rows(host_limit=100, use_sitemaps=False)["web"]
    assert (row.pages, row.requests, row.seconds) == (200, 202, 101.0)
    row = rows(host_limit=100, web_hosts=["*.c.test"], max_hosts=5, use_sitemaps=False)["web"]
    assert (row.hosts, row.pages, row.requests) == ("a.test, b.test, *.c.test", 700, 700 + 2 + 5)
    own = rows(web_roots=["http://www.pocket.test/"])["web"]
    assert (own.seconds, own.pace) == (0.0, "on this machine, no pause")
    assert rows(web_roots=()).keys() == {"wikipedia", "arxiv", "github"}


@given(st.floats(0, 1e6))
def test_a_duration_is_never_less_than_it_was(seconds):
    shown = crawl_plan.duration(seconds)
    numbers = [int(n) for n in re.findall(r"\d+", shown)]
    units = {"s": [1], "min": [60]} if " h " not in shown else {"min": [3600, 60]}
    total = sum(n * u for n, u in zip(numbers, units[shown.rpartition(" ")[2]], strict=True))
    assert total >= seconds - 0.5 and total <= seconds + 60


class Network(AssertionError):
    """Something wanted to leave."""


def test_the_report_on_the_gpu_parameters_asks_no_one_and_shows_no_secret(monkeypatch):
    def refuse(*_, **__):
        raise Network

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    shown = crawl_plan.report(GPU, {"GITHUB_TOKEN": "the-secret"})
    assert "the-secret" not in shown and "GITHUB_TOKEN (optional)" in shown and ": set." in shown
    assert "GITHUB_TOKEN (optional)" in crawl_plan.report(GPU, {}) and ": not set." in crawl_plan.report(GPU, {})
    assert "16 h 0 min  60 an hour without GITHUB_TOKEN" in crawl_plan.report(GPU, {})
    for host in ("en.wikipedia.org", "export.arxiv.org", "api.github.com", "docs.python.org", "www.postgresql.org"):
        assert f"from {host}" in shown or f", {host}" in shown
    assert all(len(line) <= 120 for line in shown.split("\n"))


def test_the_sum_is_the_sum(monkeypatch):
    shown = crawl_plan.report(GPU, {})
    table = [int(n.replace(",", "")) for n in re.findall(r"^  together +[\d,]+ +([\d,]+)", shown, re.M)]
    total = int(re.search(r"All of it: ([\d,]+) requests", shown)[1].replace(",", ""))
    assert len(table) == 2 and sum(table) == total


def test_the_gpu_parameters_pass_the_check_with_a_reason_for_every_value():
    values = params.check_file(GPU, "01_crawl")
    assert values["profile"] == "gpu" and not values["train_worlds"] and not values["heldout_worlds"]
    train, heldout = crawl.plans(values)
    for name in ("wiki_roots", "arxiv_query", "github_query", "web_roots"):
        assert getattr(train, name) and getattr(heldout, name) and getattr(train, name) != getattr(heldout, name)
    above = ""  # a value has its reason on its own line, or in the comment above its block
    for line in GPU.read_text().split("\n"):
        above = "" if not line.strip() else line if line.startswith("#") else above
        assert not line.strip() or line.startswith(("#", "profile:", "  - ")) or " # " in line or above, line


def test_the_pocket_web_needs_nothing():
    shown = crawl_plan.report(ROOT / "params" / "laptop" / "01_crawl.yaml", {})
    assert "No request leaves this machine." in shown and "practice web" in shown


def test_the_command(tmp_path):
    command = [sys.executable, "-m", "webdancer.crawl_plan", "--dry-run"]
    good = subprocess.run([*command, str(GPU)], capture_output=True, text=True, cwd=tmp_path)
    assert good.returncode == 0 and good.stdout.startswith("Dry run of 01_crawl, profile gpu: nothing is fetched.")
    bad = tmp_path / "01_crawl.yaml"
    bad.write_text("profile: gpu\nwiki_rots: []\n")
    wrong = subprocess.run([*command, str(bad)], capture_output=True, text=True)
    assert wrong.returncode == 2 and "did you mean" in wrong.stderr and not wrong.stdout
    assert json.dumps(wrong.stderr).count("Traceback") == 0
