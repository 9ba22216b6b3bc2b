"""Episodes: which ends are the policy's own."""

import pytest

from webdancer.agent.episode import Episode

ENDS = [("answer", False), ("malformed", False), ("cut", True), ("turn_cap", True), ("context_cap", True)]


@pytest.mark.parametrize(("stop", "by_a_limit"), ENDS)
def test_an_episode_ended_by_a_limit_is_truncated(stop, by_a_limit):
    assert Episode("q", 0, [], [], [], [], stop=stop).truncated is by_a_limit
