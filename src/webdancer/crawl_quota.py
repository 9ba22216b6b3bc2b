"""GitHub's quota: how many requests are left, when there are more, and what to do about it.

Part of 01_crawl, used by `sources_github`. In: requests to send. Out: their results, after a wait for the refill where
none was left. Departure from the paper: none known; how it asked GitHub is not published.
"""

import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

from webdancer.crawl_walk import TRIES

TOKEN = "GITHUB_TOKEN"  # the name of the environment variable
LONGEST = 3700.0  # seconds to wait for a quota, which is refilled once an hour
# What PyGithub raises for answers it does not expect, such as a redirect where a README should be.
UNEXPECTED = (AssertionError, AttributeError, KeyError, RuntimeError, TypeError, ValueError)
Result = TypeVar("Result")


class QuotaSpent(Exception):
    """No request is left, and the refill is further away than we want to wait; the message says how far."""


class Asker:
    """Asks GitHub with an eye on the quota that its answers announce.

    Args:
        client: a `github.Github`.
        longest: most seconds to wait for a refill; beyond that `QuotaSpent`.
        pause: seconds before a failed request is tried again, then twice that.
    """

    def __init__(self, client: Any, longest: float, pause: float) -> None:
        import github

        self.errors = (github.GithubException, OSError, *UNEXPECTED)
        self.client, self.longest, self.pause = client, longest, pause
        self._limit, self._missing = github.RateLimitExceededException, github.UnknownObjectException

    def look(self) -> None:
        """Learn the quota for everything but search, which has its own; this request is free. Never raises."""
        try:
            self.client.get_rate_limit()
        except self.errors:  # a server without quotas says 404
            return

    def __call__(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, tried up to `TRIES` times.

        Raises:
            QuotaSpent: see above. What `work` raised last, if it kept failing.
        """
        for attempt in range(TRIES):
            self._refill()
            try:
                return work()
            except self._missing:
                raise
            except self.errors as error:
                if isinstance(error, self._limit):
                    self.look()
                if attempt == TRIES - 1 and isinstance(error, self._limit):
                    raise QuotaSpent("refused") from error
                if attempt == TRIES - 1:
                    raise
                time.sleep(self.pause * 2**attempt)
        raise AssertionError("not reached: the last try returns or raises")

    def _refill(self) -> None:
        """Return at once while requests are left; else wait for the refill."""
        requester = self.client.requester  # its `rate_limiting` never asks the site, the client's own may
        left, size = requester.rate_limiting
        seconds = requester.rate_limiting_resettime + 1 - time.time()
        if size < 0 or left > 0 or seconds <= 0:
            return
        if seconds > self.longest:
            raise QuotaSpent(f"refilled in {seconds:.0f} s")
        hint = "" if os.environ.get(TOKEN) else f"; a token in {TOKEN} gives 5,000 an hour"
        print(f"GitHub: all {size} requests are used, waiting {seconds:.0f} s for more{hint}")
        time.sleep(seconds)
