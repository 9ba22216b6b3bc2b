"""Faults on request: which requests fail, and what a client sees of each kind."""

import time

import arxiv
import github
import httpx
import pytest
import wikipediaapi
from hypothesis import given
from hypothesis import strategies as st

from pocketweb import serve
from pocketweb.faults import FAULTS, Faults, read

SHARES = {"429": 0.2, "500": 0.1, "slow": 0.1, "truncated": 0.1, "redirect": 0.05}


def test_shares_are_kept() -> None:
    faults = read(SHARES)
    hit = [faults.fault(f"/page/{k}", 0) for k in range(4000)]
    # The loops are drawn first: the others share what is left.
    for name, share in SHARES.items():
        wanted = share if name == "redirect" else share * 0.95
        assert hit.count(name) / 4000 == pytest.approx(wanted, abs=0.02)


@given(address=st.text(), attempt=st.integers(0, 5), seed=st.integers(0, 9))
def test_a_fault_depends_on_nothing_else_and_ends(address: str, attempt: int, seed: int) -> None:
    faults = read(SHARES | {"seed": seed})
    first = faults.fault(address, attempt)
    assert first == faults.fault(address, attempt)
    assert first in ("", *FAULTS)
    if attempt >= faults.failing:
        assert first in ("", "redirect")
    assert (first == "redirect") == (faults.fault(address, 0) == "redirect")


def test_none_by_default() -> None:
    assert Faults().fault("/", 0) == ""
    assert read(None) == Faults()


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"404": 0.1}, "got the fault '404'"),
        ({"429": 0.7, "500": 0.7}, "at most 1"),
        ({"slow": -0.1}, "numbers from 0"),
    ],
)
def test_a_wrong_specification_is_refused(spec: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read(spec)


def served(**spec: float) -> serve.Net:
    return serve.start([1], pages=200, endpoint=False, faults=spec)


def test_too_many_requests_and_server_errors_pass() -> None:
    with served(**{"429": 1.0, "retry_after": 3, "failing": 1}) as net:
        first, second = (httpx.get(net.hosts["www.pocket.test"] + "/") for _ in range(2))
        assert (first.status_code, first.headers["retry-after"], second.status_code) == (429, "3", 200)
    with served(**{"500": 1.0}) as net:
        url = net.hosts["www.pocket.test"] + "/"
        assert [httpx.get(url).status_code for _ in range(3)] == [500, 500, 200]
        assert httpx.get(net.hosts["www.pocket.test"] + "/robots.txt").status_code == 200


def test_a_truncated_answer_breaks_off_and_a_slow_one_waits(capfd: pytest.CaptureFixture) -> None:
    with served(truncated=1.0, failing=1) as net:
        url = net.hosts["www.pocket.test"] + "/"
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(url)
        assert httpx.get(url).status_code == 200
    with served(slow=1.0, delay=0.3, failing=1) as net:
        begin = time.monotonic()
        assert httpx.get(net.hosts["www.pocket.test"] + "/").status_code == 200
        assert time.monotonic() - begin >= 0.3
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("host", "path"), [("www.pocket.test", "/"), ("wiki.pocket.test", "/w/api.php?action=query")])
def test_a_redirect_loop_never_ends(host: str, path: str) -> None:
    with served(redirect=1.0) as net, httpx.Client(follow_redirects=True, max_redirects=4) as client:
        with pytest.raises(httpx.TooManyRedirects):
            client.get(net.hosts[host] + path)
        assert set(net.log) == {(host, path)}


def test_the_real_clients_get_through() -> None:
    with served(**{"429": 0.4, "500": 0.4, "retry_after": 0}) as net:

        class PocketWikipedia(wikipediaapi.Wikipedia):
            def _build_url(self, language: str) -> str:
                return net.hosts["wiki.pocket.test"] + "/w/api.php"

        wiki = PocketWikipedia("webdancer-tests/0.1", "en", retry_wait=0)
        regions = wiki.page("Main Page").links
        assert all(page.text for page in regions.values())

        papers = arxiv.Client(page_size=5, delay_seconds=0)
        papers.query_url_format = net.hosts["arxiv.pocket.test"] + "/api/query?{}"
        found = [r.entry_id for r in papers.results(arxiv.Search("cat:cs.LG", max_results=None))]
        assert len(set(found)) == len(found) == 22

        with github.Github(base_url=net.hosts["github.pocket.test"], seconds_between_requests=0) as code:
            assert all(r.get_readme().decoded_content for r in code.search_repositories("topic:software"))
        times_asked = [net.log.count(entry) for entry in set(net.log)]
        assert 1 < max(times_asked) <= 3  # two faults at most, then an answer
