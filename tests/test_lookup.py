"""Names that resolve, that do not, and that take for ever."""

import asyncio
import socket
import threading
import time

import pytest

from webdancer.web import lookup
from webdancer.web.download import AsyncFetcher
from webdancer.web.fetch import Fetcher


@pytest.fixture
def hanging(monkeypatch):
    """A resolver that does not answer before the test is over."""
    over = threading.Event()

    def resolve(*_, **__):
        over.wait(30)
        raise OSError("nobody")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(lookup, "SECONDS", 0.2)
    yield
    over.set()
    for thread in threading.enumerate():
        if thread.name == "lookup":
            thread.join(5)


def test_addresses_in_the_resolvers_order(monkeypatch):
    found = [(0, 0, 0, "", (a, 80)) for a in ("2600::1", "93.184.216.34")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert lookup.addresses("a.test", 80) == ["2600::1", "93.184.216.34"]


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), UnicodeError("label too long"), ValueError("port")])
def test_what_the_resolver_raises_is_raised(monkeypatch, error):
    def resolve(*_, **__):
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(type(error), match=str(error).partition("]")[2].strip() or str(error)):
        lookup.addresses("a.test", 80)


def test_a_name_that_hangs_is_given_up_in_time(hanging):
    began = time.monotonic()
    with pytest.raises(lookup.TooSlow, match="hang.example was not resolved within 0.2 seconds"):
        lookup.addresses("hang.example", 80)
    assert 0.15 < time.monotonic() - began < 2


def test_hanging_names_do_not_fill_the_machine_with_threads(hanging, monkeypatch):
    monkeypatch.setattr(lookup, "_free", threading.BoundedSemaphore(2))
    for _ in range(2):
        with pytest.raises(lookup.TooSlow, match="was not resolved"):
            lookup.addresses("hang.example", 80, 0.05)
    with pytest.raises(lookup.TooSlow, match="names are being looked up"):
        lookup.addresses("hang.example", 80, 0.05)
    assert sum(thread.name == "lookup" for thread in threading.enumerate()) == 2


def test_both_fetchers_give_a_reason_that_lets_a_crawl_try_again(hanging):
    with Fetcher(delay=0.0, retries=0, respect_robots=False) as fetcher:
        assert fetcher.get("http://hang.example/").error == "connection: ConnectTimeout"

    async def one():
        async with AsyncFetcher({}) as fetcher:
            return (await fetcher.hop("http://hang.example/")).got.error

    assert asyncio.run(one()) == "connection: ConnectTimeout"
