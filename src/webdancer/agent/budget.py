"""A limit on what a run may spend, shared by the clients of all its roles.

Part of `agent.llm` (02, 03, 04 and 07). In: what each reply cost. Out: `BudgetSpent` before the first request that
would start with nothing left. The run then ends as it does for any other fatal error: stages keep what is finished,
replies are in the cache, and the same command with a larger budget goes on from there. Not in the paper.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from webdancer.agent.completion import EndpointError


class BudgetSpent(EndpointError):
    """A request was not started because the budget is spent; raise it and run again to go on."""

    @property
    def fatal(self) -> bool:
        """Always: no later request can be paid either."""
        return True


class Budget:
    """US dollars and tokens that the clients given this object may spend together.

    A request starts only while something is left. Those in flight at that moment end, count and are kept, so the limit
    can be passed by what they cost: at most one request for each that may be in flight. Cached replies cost nothing.
    What a run before this one spent does not count, nor does a reply whose server reports no tokens.

    Args:
        dollars: most US dollars by the prices of the clients; 0: no limit.
        tokens: most tokens, of prompts and replies; 0: no limit. The limit for endpoints without a price.

    Raises:
        ValueError: a limit below 0.

    >>> purse = Budget(0.02)
    >>> purse.add(0.03, 1000); purse.spent
    True
    """

    def __init__(self, dollars: float = 0.0, tokens: int = 0) -> None:
        if dollars < 0 or tokens < 0:
            raise ValueError(
                f"got a budget of {dollars} dollars and {tokens} tokens, wanted none below 0 (0: no limit)"
            )
        self.dollars, self.tokens = dollars, tokens
        self.spent_dollars, self.spent_tokens = 0.0, 0
        self._flying: set[asyncio.Future[None]] = set()

    @property
    def spent(self) -> bool:
        """Whether a limit is reached."""
        return 0 < self.dollars <= self.spent_dollars or 0 < self.tokens <= self.spent_tokens

    def add(self, dollars: float, tokens: int) -> None:
        """Count a reply."""
        self.spent_dollars += dollars
        self.spent_tokens += tokens

    @asynccontextmanager
    async def flight(self) -> AsyncIterator[None]:
        """Around one request.

        Raises:
            BudgetSpent: before the block; only once all other requests have ended, because the error makes callers
                cancel what runs beside them, and those replies are paid for.
        """
        loop = asyncio.get_running_loop()
        while self.spent:
            others = [f for f in self._flying if f.get_loop() is loop]
            if not others:
                raise BudgetSpent(self._message())
            await asyncio.wait(others)
        done = loop.create_future()
        self._flying.add(done)
        try:
            yield
        finally:
            self._flying.discard(done)
            if not done.done():
                done.set_result(None)

    def _message(self) -> str:
        of = f" of {self.dollars:.4f}" if self.dollars else ""
        tokens = f" of {self.tokens:,}" if self.tokens else ""
        return (
            f"the budget is spent: {self.spent_dollars:.4f}{of} US dollars, {self.spent_tokens:,}{tokens} tokens. "
            "What is finished is kept: raise the budget and run again to go on"
        )
