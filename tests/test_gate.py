"""webdancer.agent.gate: slots of an endpoint, its Retry-After, addresses without secrets, keys."""

import asyncio

import pytest

from webdancer.agent import gate
from webdancer.agent.completion import EndpointError


def most_at_once(limits, requests=12):
    """The largest number in flight when clients with these limits send `requests` each."""
    now = most = 0

    async def one(door, own):
        nonlocal now, most
        async with door.slot(own):
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.001)
            now -= 1

    async def run():
        jobs = []
        for limit in limits:
            door, own = gate.gate_of("http://h/v1", limit), asyncio.Semaphore(limit)
            jobs += [one(door, own) for _ in range(requests)]
        await asyncio.gather(*jobs)

    asyncio.run(run())
    return most


@pytest.mark.parametrize(("limits", "most"), [([3], 3), ([3, 3], 3), ([2, 5], 5), ([5, 2], 5), ([1, 1, 1], 1)])
def test_clients_share_the_slots_of_an_endpoint(limits, most):
    assert most_at_once(limits) == most


def test_an_address_has_one_gate_in_a_loop():
    async def run():
        door = gate.gate_of("http://u:p@h/v1/", 2)
        assert gate.gate_of("http://h/v1", 1) is door and door.limit == 2
        assert gate.gate_of("http://h:1/v1", 1) is not door
        return door

    assert asyncio.run(run()) is not asyncio.run(run())


def test_the_longest_retry_after_counts_and_passes():
    async def run():
        door = gate.Gate()
        assert door.wait == 0
        door.close(9.0)
        door.close(2.0)
        assert door.wait == pytest.approx(9.0, abs=0.5)
        door = gate.Gate()
        door.close(0.0)
        assert door.wait == 0

    asyncio.run(run())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2", 2.0),
        ("0.5", 0.5),
        ("-1", 0.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_retry_after(value, seconds):
    assert gate.retry_after(value) == seconds


def test_missing_key_names_the_variable_except_on_loopback(monkeypatch):
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(EndpointError, match="set the environment variable SOME_KEY") as caught:
        gate.key("SOME_KEY", "https://user:pass@api.example.org/v1")
    assert "pass" not in str(caught.value) and caught.value.fatal
    assert gate.key("SOME_KEY", "http://localhost:1/v1") == gate.key("SOME_KEY", "http://[::1]:1/v1") == "EMPTY"
    monkeypatch.setenv("SOME_KEY", "k")
    assert gate.key("SOME_KEY", "https://api.example.org/v1") == "k"
