"""What a profile would take: GPU hours, hours, tokens, searches and money, with every assumption beside its number.

In: the parameter files of a profile (the estimate is of the settings that would run) and `calculator_given.Assumed`:
hardware, prices, shares of the peak. Out: a table of ranges. Shown in 09_scale; `python -m webdancer.scale.calculator`
prints it. Rates that we measured come from `calculator_measured`; what belongs to models of billions, which we have not
run, from operations and bytes (`calculator_rates`). The paper publishes 32 nodes of 8 H20 (E.3) and no hours, tokens or
cost. Left out: GPUs that stand idle between stages, failed runs, storage, traffic, people, and the judge of 06 and 07.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from webdancer.core import params, record
from webdancer.scale import calculator_measured as measured
from webdancer.scale import calculator_rates as rates
from webdancer.scale import calculator_stages as stages
from webdancer.scale.calculator_given import Assumed, Line
from webdancer.scale.calculator_rates import Range

STAGES = ("01_crawl", "02_synthesize", "03_distill", "04_filter", "05_sft", "06_dapo", "07_evaluate")
COLUMNS = ["part", "what", "low", "high", "unit", "how", "assumed"]


def settings(profile: str) -> dict[str, dict[str, Any]]:
    """The checked parameters of the stages; raises `ParameterError` where a file is missing or wrong."""
    folder = record.repo_root() / "params" / profile
    return {name: params.check_file(folder / f"{name}.yaml", name) for name in STAGES}


def lines(P: dict[str, dict[str, Any]], assumed: Assumed) -> list[Line]:
    """All numbers of a profile, stage by stage.

    Args:
        P: of `settings`.
    Raises:
        RoleError: a file of roles lacks the author or a teacher. ValueError: a model does not fit.
    """
    taught = stages.distilling(P["03_distill"], P["02_synthesize"]["n_sft"], assumed)
    return [
        *stages.crawling(P["01_crawl"]),
        *stages.writing(P["02_synthesize"]),
        *taught,
        *stages.judging(P["04_filter"], added(taught, "episodes"), assumed),
        *stages.teaching(P["05_sft"], assumed),
        *stages.practising(P["06_dapo"], assumed),
        *stages.examining(P["07_evaluate"], assumed),
    ]


def added(found: Iterable[Line], unit: str) -> Range:
    """The sum of all amounts in a unit."""
    return sum((x.amount for x in found if x.unit == unit), Range(0.0, 0.0))


def table(found: Iterable[Line]) -> pd.DataFrame:
    """One row a line; amounts to three digits, so that nobody takes them for more than they are."""
    rows = [(x.part, x.what, _round(x.amount.low), _round(x.amount.high), x.unit, x.how, x.assumed) for x in found]
    return pd.DataFrame(rows, columns=COLUMNS)


def shown(found: Iterable[Line]) -> pd.DataFrame:
    """The same for a reader: each amount with its unit in one column."""
    rows = [(x.part, x.what, amount(x), x.how, x.assumed) for x in found]
    return pd.DataFrame(rows, columns=["part", "what", "amount", "how", "assumed"])


def amount(line: Line) -> str:
    """An amount in words, with three digits.

    >>> amount(Line("a", "x", Range(0.98765, 1234.5), "hours", ""))
    '0.988 to 1,230 hours'
    """
    ends = [_round(end) for end in (line.amount.low, line.amount.high)]
    low, high = (f"{end:,.0f}" if end >= 1000 else f"{end:.3g}" for end in ends)
    return f"{low if low == high else f'{low} to {high}'} {line.unit}"


def total(found: Sequence[Line], assumed: Assumed) -> list[Line]:
    """The sums over all stages: GPU hours, tokens, searches, and money by what it is paid for.

    >>> two = [Line("a", "x", Range(1, 2), "GPU hours", ""), Line("b", "y", Range(3, 3), "GPU hours", "")]
    >>> [(x.what, x.amount.low, x.amount.high) for x in total(two, Assumed(gpu_price=Range(1, 10)))][:2]
    [('GPU hours', 4.0, 5.0), ('GPUs', 4.0, 50.0)]
    """
    hours, paid = added(found, "GPU hours"), added(found, "US dollars")
    bill = hours * assumed.gpu_price
    said = assumed.say("gpu_price")
    return [
        Line("all", "GPU hours", hours, "GPU hours", "sum over the stages"),
        Line("all", "GPUs", bill, "US dollars", "GPU hours times the price", said),
        Line(
            "all",
            "APIs",
            paid,
            "US dollars",
            "questions, short thoughts, verdicts, searches",
            assumed.say("search_price"),
        ),
        Line("all", "money", bill + paid, "US dollars", "both together", said),
        Line("all", "searches", added(found, "searches"), "searches", "sum over the stages"),
    ]


def by_gpus(P: dict[str, dict[str, Any]], assumed: Assumed, counts: Sequence[int]) -> pd.DataFrame:
    """Hours of all DAPO steps on the clock against the number of GPUs, with what they are waiting for.

    Returns:
        Columns model, gpus, low, high, and the bounds of `slowest` (hours that no further GPU takes away); numbers of
        GPUs that do not hold the model in training are left out.
    """
    rows, steps = [], P["06_dapo"]["steps"]
    for model in rates.MODELS:
        needed = rates.fewest(rates.MODELS[model], assumed.gpu, P["05_sft"]["max_length"])
        for gpus in counts:
            if gpus >= needed:
                step = stages.practice(P["06_dapo"], replace(assumed, model=model, gpus=gpus))
                ends = (step.hours.low, step.hours.high, step.slowest.low, step.slowest.high)
                rows.append((model, gpus, *(steps * x for x in ends)))
    return pd.DataFrame(rows, columns=["model", "gpus", "low", "high", "slowest_low", "slowest_high"])


def memory(counts: Sequence[int], tokens: int) -> pd.DataFrame:
    """GiB on each GPU under FSDP by model and number of GPUs, its parts as columns; `tokens` at once on each."""
    rows = [
        {"model": name, "gpus": n, **rates.fsdp_gib(config, n, tokens)}
        for name, config in rates.MODELS.items()
        for n in counts
    ]
    return pd.DataFrame(rows)


def _round(value: float) -> float:
    """Three digits."""
    return float(f"{value:.3g}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: prints the table of a profile; returns 0, or 2 where an argument or a file is wrong."""
    parser = argparse.ArgumentParser(prog="python -m webdancer.scale.calculator", description=__doc__.split("\n")[0])
    parser.add_argument("--profile", default="paper", help="a folder in params/ (default: paper)")
    parser.add_argument("--gpu", default="H20", choices=list(rates.GPUS))
    parser.add_argument("--gpus", type=int, default=256, help="that train and roll out (default: the paper's 256)")
    parser.add_argument("--model", default="32B", choices=list(rates.MODELS))
    parser.add_argument("--gpu-price", type=float, nargs=2, metavar=("LOW", "HIGH"), help="US dollars an hour")
    args = parser.parse_args(arguments)
    try:
        live, live_from = measured.live_share()
        assumed = Assumed(rates.GPUS[args.gpu], args.gpus, args.model, live=live, live_from=live_from)
        if args.gpu_price:
            assumed = replace(assumed, gpu_price=Range(*args.gpu_price), gpu_price_from="given on the command line")
        found = lines(settings(args.profile), assumed)
    except ValueError as error:  # of parameters, roles and sizes alike
        print(f"Nothing was estimated. {error}", file=sys.stderr)
        return 2
    for x in [*found, *total(found, assumed)]:
        print(f"{x.part}: {x.what}: {amount(x)}")
        print("".join(f"    {text}\n" for text in (x.how, x.assumed and f"assumed: {x.assumed}") if text), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
