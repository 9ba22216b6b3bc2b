"""The quota of GitHub by hand: waited for, given up, and what fails for other reasons."""

import functools

import pytest

from webdancer.crawl_quota import Asker, QuotaSpent


class Requester:
    rate_limiting, rate_limiting_resettime = (0, 60), 1999.0


class Client:
    requester = Requester()


def test_the_asker_by_hand(monkeypatch):
    slept = []
    monkeypatch.setattr("webdancer.crawl_quota.time.sleep", slept.append)
    monkeypatch.setattr("webdancer.crawl_quota.time.time", lambda: 1000.0)
    with pytest.raises(QuotaSpent, match="refilled in 1000 s"):
        Asker(Client(), 999.0, 0.0)(lambda: 7)
    assert Asker(Client(), 1000.0, 0.0)(lambda: 7) == 7 and slept.pop() == 1000.0
    monkeypatch.setattr(Requester, "rate_limiting", (1, 60))
    with pytest.raises(AssertionError, match="odd"):
        Asker(Client(), 10.0, 2.0)(functools.partial(fail, AssertionError("odd")))
    assert slept == [2.0, 4.0]


def fail(error):
    raise error
