"""What we measured ourselves, on two CPU cores, as rates for the calculator; each with the file that it comes from.

In: `results/bench/*.json` and the markers of `results/laptop*/`. Out: lines. Shown in 09_scale. A file that is not
there leaves its line out: nothing is made up. The paper publishes no rates.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from webdancer.core import record
from webdancer.scale import calculator_rates as rates
from webdancer.scale.calculator_given import Assumed, Line
from webdancer.scale.calculator_rates import Range


def _read(name: str) -> dict[str, Any]:
    """A file of `results/`, or nothing where it is not there."""
    path = record.repo_root() / "results" / name
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _markers(stage: str) -> list[tuple[Path, dict[str, Any]]]:
    """The markers of a stage in all laptop runs, with their paths from the repository's root."""
    root = record.repo_root()
    files = sorted(root.glob(f"results/laptop*/{stage}.json"))
    return [(file.relative_to(root), json.loads(file.read_text(encoding="utf-8"))) for file in files]


def live_share() -> tuple[Range, str]:
    """Share of groups that are live, in the first and the last steps of our laptop runs, and where it comes from.

    Without such a run: the range that `Assumed` has.
    """
    found = [m["metrics"]["live_share"] for _, m in _markers("06_dapo")]
    if not found:
        return Assumed().live, Assumed().live_from
    shares = [share for ends in found for share in (ends["first"], ends["last"]) if share]
    return rates.spread(shares), f"live groups, measured by us on {len(found)} laptop run(s), a tiny model"


def lines() -> list[Line]:
    """Rates of the parts that a larger model does not change, then what our tiny model does."""
    found = []
    if crawl := _read("bench/crawl.json"):
        runs = rates.spread(crawl["ours"]["pages_per_second"]["runs"])
        found.append(_line("pages fetched and cleaned", runs, "pages a second", "crawl.json, no pauses"))
    if search := _read("bench/search.json"):
        runs = rates.spread(search["ours"]["queries_per_second"]["runs"])
        found.append(
            _line("searches, one thread", runs, "searches a second", f"search.json, {search['passages']:,} passages")
        )
    if service := _read("bench/service.json"):
        runs = rates.spread(service["ours"]["three"]["searches_per_second"]["runs"])
        how = f"service.json, {service['clients']} clients, three searches a request, {service['workers']} workers"
        found.append(_line("searches, snapshot service", runs, "searches a second", how))
    if distill := _read("bench/distill.json"):
        rate = rates.of(distill["episodes_per_cpu_second"])
        found.append(_line("episodes of a teacher, our side", rate, "episodes a CPU second", "distill.json"))
    if rollouts := _read("bench/rollouts.json"):
        both = Range(rollouts["ours"]["min"], rollouts["ours"]["max"])
        found.append(_line("rollouts, tiny model", both, "episodes a second", "rollouts.json"))
    return found + _training()


def _training() -> list[Line]:
    """Tokens a second of SFT in the laptop runs, and the operations that makes by the same 6 N D."""
    marks = [m["metrics"] for _, m in _markers("05_sft")]
    if not marks:
        return []
    speed = rates.spread([m["tokens_per_second"] for m in marks])
    size = marks[0]["parameters"]
    where = f"laptop*/05_sft.json, {size:,} parameters, two cores"
    reached = speed * (6 * size / 1e9)
    return [
        _line("SFT, tiny model", speed, "tokens a second", where),
        _line("operations reached", reached, "10^9 a second", f"6 * {size:,} * tokens a second"),
    ]


def _line(what: str, amount: Range, unit: str, how: str) -> Line:
    return Line("measured by us", what, amount, unit, how, "")


def at_our_speed(planned: Sequence[Line], ours: Sequence[Line], model: str = "32B") -> list[Line]:
    """How long our two cores would take for a part of the plan, for a feeling of its size.

    Args:
        planned: lines of a profile, for `model`. ours: of `lines`.
    Returns:
        One line for each rate that is there and has its work in the plan: searches, and training by operations.
    """
    speed = {x.what: x.amount for x in ours}
    found = []
    if "searches, one thread" in speed:
        searches = sum((x.amount for x in planned if x.unit == "searches"), Range(0.0, 0.0))
        amount = searches / speed["searches, one thread"] * (1 / rates.HOUR)
        found.append(_line("all searches, over a snapshot", amount, "hours of one thread", "searches / rate"))
    training = [x for x in planned if (x.part, x.what) == ("05 SFT", "tokens")]
    if training and "operations reached" in speed:
        work = training[0].amount * (6 * rates.worked(rates.MODELS[model]) / 1e9)
        amount = work / speed["operations reached"] * (1 / rates.HOUR / 24 / 365)
        found.append(_line(f"SFT of {model}", amount, "years of two cores", "6 N D / operations reached"))
    return found
