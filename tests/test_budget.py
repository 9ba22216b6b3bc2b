"""webdancer.agent.budget: what is spent, when nothing more starts, and who is waited for."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.agent.budget import Budget, BudgetSpent
from webdancer.agent.completion import EndpointError


def test_a_limit_is_reached_not_passed():
    purse = Budget(dollars=1.0)
    purse.add(0.75, 10**9)
    assert not purse.spent
    purse.add(0.25, 0)
    assert purse.spent
    tokens = Budget(tokens=10)
    tokens.add(99.0, 9)
    assert not tokens.spent
    tokens.add(0.0, 1)
    assert tokens.spent
    assert not Budget().spent


@pytest.mark.parametrize(("dollars", "tokens"), [(-0.1, 0), (0.0, -1)])
def test_below_nothing_is_refused(dollars, tokens):
    with pytest.raises(ValueError, match="wanted none below 0"):
        Budget(dollars, tokens)


def test_the_error_is_fatal_and_says_what_to_do():
    purse = Budget(dollars=2.0, tokens=5)
    purse.add(2.5, 1234)

    async def ask():
        async with purse.flight():
            raise AssertionError("started")

    with pytest.raises(
        BudgetSpent, match=r"2\.5000 of 2\.0000 US dollars, 1,234 of 5 tokens.*raise the budget"
    ) as caught:
        asyncio.run(ask())
    assert isinstance(caught.value, EndpointError) and caught.value.fatal


def test_who_comes_too_late_waits_for_those_in_flight_before_it_fails():
    purse, order = Budget(tokens=1), []

    async def first(name, seconds, fails):
        async with purse.flight():
            purse.add(0.0, 1)
            await asyncio.sleep(seconds)
            order.append(name)
            if fails:
                raise KeyError(name)

    async def late():
        await asyncio.sleep(0.001)
        try:
            async with purse.flight():
                order.append("started")
        except BudgetSpent:
            order.append("refused")

    async def run():
        # Both start before anything is counted: tasks run in the order in which they were made.
        await asyncio.gather(first("b", 0.02, False), late(), return_exceptions=True)

    asyncio.run(run())
    assert order == ["b", "refused"]
    order.clear()
    purse.tokens = 10
    asyncio.run(asyncio.wait_for(_both(purse, order), 5))
    assert order == ["failed", "refused"]


async def _both(purse, order):
    async def failing():
        async with purse.flight():
            purse.add(0.0, 100)
            await asyncio.sleep(0.01)
            order.append("failed")
            raise KeyError

    async def late():
        await asyncio.sleep(0.001)
        try:
            async with purse.flight():
                pass
        except BudgetSpent:
            order.append("refused")

    await asyncio.gather(failing(), late(), return_exceptions=True)


@given(st.lists(st.integers(1, 50), max_size=30), st.integers(1, 200), st.integers(1, 5))
def test_no_more_is_passed_than_what_was_in_flight(costs, limit, workers):
    """The law: tokens over the limit are those of at most one request a worker."""
    purse, todo = Budget(tokens=limit), iter(costs)

    async def worker():
        for cost in todo:
            async with purse.flight():
                await asyncio.sleep(0)
                purse.add(0.0, cost)

    async def run():
        return await asyncio.gather(*(worker() for _ in range(workers)), return_exceptions=True)

    ends = asyncio.run(run())
    assert all(e is None or isinstance(e, BudgetSpent) for e in ends)
    assert purse.spent_tokens < limit + workers * 50
    if purse.spent_tokens < limit:
        assert purse.spent_tokens == sum(costs)
