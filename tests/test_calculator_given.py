"""Assumptions are printed with their numbers and sources, and what would divide by nothing is refused."""

import pytest

from webdancer.scale import calculator_given as given
from webdancer.scale.calculator_rates import Range


def test_every_range_can_say_where_it_comes_from():
    ranges = [name for name, value in vars(given.Assumed()).items() if isinstance(value, Range)]
    said = given.Assumed().say(*ranges)
    assert len(ranges) == 9 and said.count(" to ") >= 9
    assert "training 0.3 to 0.5 (share of the peak in training; assumed" in said
    assert "gpu_price 1 to 3 (assumed" in said
    mine = given.Assumed(live=Range(0.4, 0.5), live_from="measured by me")
    assert mine.say("live") == "live 0.4 to 0.5 (measured by me)"


def test_length_of_an_episode_by_hand():
    """Table 4: short 4.56 actions and 510 tokens of thought; 90 tokens a call and 2,000 an observation as released."""
    short, long = given.episode("short"), given.episode("long")
    assert short.written == pytest.approx(510 + 4.56 * 90) and short.calls == pytest.approx(3.56)
    assert long.written == pytest.approx(1599 + 2.31 * 90)
    assert short.read - long.read == pytest.approx((4.56 - 2.31) * 2000)
    assert given.episode("").written == pytest.approx((short.written + long.written) / 2)


@pytest.mark.parametrize("wrong", [{"gpus": 0}, {"model": "33B"}, {"live": Range(0, 1)}, {"training": Range(0, 0.5)}])
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="wanted"):
        given.Assumed(**wrong)
    assert given.Assumed(gpu_price=Range(0, 0)).gpu_price.high == 0  # a cluster of one's own
