"""The sums of each stage against sums by hand, on settings with round numbers and on those of `params/paper`."""

import pytest

from webdancer.core import params
from webdancer.core.record import repo_root
from webdancer.scale import calculator_rates as rates
from webdancer.scale import calculator_stages as stages
from webdancer.scale.calculator_given import Assumed, episode
from webdancer.scale.calculator_rates import Gpu, Range

ONE = Range(1, 1)
PLAIN = Assumed(
    gpu=Gpu("G", 100, 80, 2.0, ""),
    gpus=10,
    model="7B",
    live=Range(0.5, 0.5),
    training=ONE,
    prefill=ONE,
    bandwidth=ONE,
    longer=ONE,
    tool_seconds=ONE,
    queries=Range(2, 2),
    search_price=Range(0.001, 0.001),
)
DAPO = {"groups": 4, "samples": 5, "max_rounds": 3, "max_tokens": 20_000, "max_turns": 10, "steps": 7}


def paper(name):
    return params.check_file(repo_root() / "params" / "paper" / f"{name}.yaml", name)


def by_name(lines):
    return {(x.part, x.what): x.amount for x in lines}


def test_sft_by_hand():
    P = {"steps": 100, "batch_tokens": 1000, "max_length": 4096}
    found = by_name(stages.teaching(P, PLAIN))
    work = rates.worked(rates.MODELS["7B"])
    assert found["05 SFT", "tokens"].low == 100_000
    assert found["05 SFT", "training"].high == pytest.approx(6 * work * 1e5 / 1e14 / 3600)
    needed = found["05 SFT", "memory"].low
    assert rates.fsdp_gib(rates.MODELS["7B"], int(needed), 4096)["all"] <= 72


def test_a_step_of_dapo_by_hand():
    """20 live rollouts at a live share of one half: 40 sampled; 8 N D for the 20 in the loss, on ten GPUs."""
    step, shape, work = stages.practice(DAPO, PLAIN), episode("long"), rates.worked(rates.MODELS["7B"])
    assert step.sampled == Range(40, 40)
    assert step.written.low == pytest.approx(40 * shape.written)
    assert step.updates.low == pytest.approx(8 * work * 20 * (shape.written + shape.read) / 1e14 / 3600 / 10)
    fast = rates.decoding(rates.MODELS["7B"], PLAIN.gpu, shape.written + shape.read, ONE, ONE, 4)
    assert fast.episodes == 4 * fast.gpus
    wrote = 40 * shape.written / fast.rate.low * fast.gpus / 3600 / 10
    read = 2 * work * 40 * shape.read / 1e14 / 3600 / 10
    assert step.rollouts.low == pytest.approx(wrote + read)
    longest = (20_000 - shape.read) / fast.each.low + 10 * 1
    assert step.slowest.high == pytest.approx(longest / 3600)
    assert step.slowest.low == pytest.approx((shape.written / fast.each.high + shape.calls) / 3600)
    assert step.hours.high == pytest.approx(max(step.rollouts.high, step.slowest.high) + step.updates.high)


def test_rounds_bound_what_is_sampled():
    few = Assumed(**vars(PLAIN) | {"live": Range(0.01, 0.5)})
    assert stages.practice(DAPO, few).sampled == Range(40, 60)  # 20 wanted, three rounds of 20


def test_dapo_lines_add_up_over_the_steps():
    found, step = by_name(stages.practising(DAPO, PLAIN)), stages.practice(DAPO, PLAIN)
    assert found["06 DAPO", "episodes"].low == 7 * 40
    calls = 7 * 40 * episode("long").calls
    assert found["06 DAPO", "searches"].low == pytest.approx(2 * calls)
    assert found["06 DAPO", "search API"].low == pytest.approx(0.002 * calls)
    assert found["06 DAPO", "on the clock"].high == pytest.approx(7 * step.hours.high)
    assert found["06 DAPO", "training and rollouts"].high == pytest.approx(70 * step.hours.high)


def test_more_gpus_shorten_a_step_but_never_below_its_slowest_episode():
    P = paper("06_dapo")
    steps = [stages.practice(P, Assumed(gpus=n)) for n in (32, 128, 512, 4096)]
    hours = [s.hours.high for s in steps]
    assert hours == sorted(hours, reverse=True)
    assert all(s.hours.low >= s.slowest.low and s.hours.high >= s.slowest.high for s in steps)


def test_distillation_counts_between_the_first_right_sample_and_all():
    found = by_name(stages.distilling(paper("03_distill"), 1000, Assumed()))
    for style in ("short", "long"):
        assert found[f"03 teacher, {style} thoughts", "episodes"] == Range(1000, 5000)
    paid = found["03 teacher, short thoughts", "API"]
    assert paid.high == pytest.approx(5 * paid.low, rel=0.01)
    all_samples = by_name(stages.distilling(paper("03_distill") | {"enough": 0}, 1000, Assumed()))
    assert all_samples["03 teacher, long thoughts", "episodes"] == Range(5000, 5000)
    fewer = by_name(stages.distilling(paper("03_distill") | {"short_questions": 10}, 1000, Assumed()))
    assert fewer["03 teacher, short thoughts", "episodes"] == Range(10, 50)


def test_verdicts_by_hand():
    """1,000 verdicts of 450 tokens in and 40 out at 2.50 and 10 dollars a million: 1.125 and 0.4 dollars."""
    found = by_name(stages.judging(paper("04_filter"), Range(1000, 1000), Assumed()))
    assert found["04 funnel", "API"].low == pytest.approx(1.52, abs=0.01)  # cents are kept


def test_the_four_benchmarks_by_hand():
    """103 + 680 + 1,266 + 289 questions, 3 samples, 2 agents."""
    found = by_name(stages.examining(paper("07_evaluate"), Assumed()))
    assert found["07 evaluation", "episodes"].low == 2338 * 6


def test_politeness_sets_the_time_of_a_crawl():
    found = by_name(stages.crawling(paper("01_crawl")))
    slower = by_name(stages.crawling(paper("01_crawl") | {"delay": 2.0}))
    assert slower["01 crawl", "time"].high > 1.5 * found["01 crawl", "time"].high


def test_a_role_that_is_missing_is_named():
    with pytest.raises(ValueError, match="wanted a block with a model and prices"):
        stages.writing(paper("02_synthesize") | {"roles": ""})
