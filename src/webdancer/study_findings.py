"""Part of the study (08): the findings of the paper that a tiny agent can be held against, each as a number of ours.

In: the sizes of the study. Out: `Claim` records, and the table that sets them beside our numbers. They are the findings
of section 5 of arXiv 2505.22648 (figures 3 to 5, table 3) in our words; its figures stand where it prints them in text
or table, and nothing was read off a plot. What is left out, because nothing here could tell: the memorising test, and
that performance moves with the web itself (ours stands still).
"""

from collections.abc import Callable

import pandas as pd

from webdancer.study import Setup
from webdancer.study_claims import Claim, Term, decide, minus
from webdancer.study_measure import METRICS, Results

NEAR = 0.05  # "about the same", for shares: ours, the paper gives no bound
FAILS = 0.1  # a Pass@3 below it is a failure: ours, the paper's is 5 %


def claims(setup: Setup) -> list[Claim]:
    """All findings that the study can be held against."""
    parts: tuple[Callable[[Setup], list[Claim]], ...] = (_practice, _data, _thoughts, _temperature, _patterns)
    return [claim for part in parts for claim in part(setup)]


def table(results: Results, setup: Setup) -> pd.DataFrame:
    """`decide` for every claim, a row each."""
    return pd.DataFrame([decide(claim, results) for claim in claims(setup)])


def _practice(setup: Setup) -> list[Claim]:
    """RL on an instruct and on a reasoning model, and alone."""
    found = [
        Claim(
            "practice",
            f"RL raises the {METRICS[m]} of instruct models substantially (fig. 4)",
            f"{METRICS[m]} after RL minus before, short thoughts",
            minus("short, RL", "short", m),
        )
        for m in ("pass_at_3", "cons_at_3")
    ]
    near = Claim(
        "practice",
        "Pass@1 after RL is comparable to Pass@3 before it, for instruct models (fig. 4)",
        "Pass@1 after RL minus Pass@3 before, short thoughts",
        minus("short, RL", "short", "pass_at_1", "pass_at_3"),
        "near",
        NEAR,
    )
    alone = Claim(
        "practice",
        "RL without SFT first reaches a Pass@3 of 5 % only (on GAIA)",
        "Pass@3 after RL of a policy without SFT",
        ((1.0, "RL alone", "pass_at_3"),),
        "below",
        FAILS,
        "Ours has never read an assistant's turn, so it cannot call a tool at all; the paper's QwQ could.",
    )
    return [*found, near, *_reasoning(), alone]


def _reasoning() -> list[Claim]:
    """RL on a reasoning model."""
    style = "Here the long-thought policy is no reasoning model: only its thoughts are longer."
    gains = (*minus("short, RL", "short", "pass_at_1"), *minus("long", "long, RL", "pass_at_1"))
    steadier = (*minus("long, RL", "long", "cons_at_3"), *minus("long", "long, RL", "pass_at_3"))
    return [
        Claim(
            "practice",
            "reasoning models gain little from RL, instruct models much (fig. 4)",
            "gain in Pass@1 with short thoughts minus gain with long ones",
            gains,
            caveat=style,
        ),
        Claim(
            "practice",
            "what reasoning models gain is mostly consistency (fig. 4)",
            "gain in Cons@3 minus gain in Pass@3, long thoughts",
            steadier,
            caveat=style,
        ),
    ]


def _data(setup: Setup) -> list[Claim]:
    """Kinds of questions, and the funnel."""
    found = [
        Claim(
            "data",
            "the filtered set of both kinds does better than every other in low-data regimes (fig. 3)",
            f"Pass@1, both kinds minus {name} alone, {setup.few} trajectories each",
            minus("both", label, "pass_at_1"),
            caveat="The evaluation asks both kinds, as the training set of both does.",
        )
        for label, name in (("crawlqa", "CRAWLQA"), ("e2hqa", "E2HQA"))
    ]
    noise = "The teachers are rule-based stand-ins; their faults are simpler than those of language models."
    pairs = [("both", "few, unfiltered", f"{setup.few} of each"), ("short", "unfiltered", "all of each")]
    for metric in ("pass_at_1", "invalid_rate"):
        says = "filtering matters: the filtered set does better" + (" (fig. 3)" if metric == "pass_at_1" else "")
        for label, raw, size in pairs:
            terms = minus(label, raw, metric) if metric == "pass_at_1" else minus(raw, label, metric)
            ours = f"{METRICS[metric]}, filtered minus unfiltered, {size}, equal tokens"
            if metric == "invalid_rate":
                ours = f"{METRICS[metric]}, unfiltered minus filtered, {size}, equal tokens"
            found.append(Claim("data", says, ours, terms, caveat=noise))
    return found


PRINTED = "table 3: 21.4 % against 0.7 % for 7B, 13.6 against 4.2 for 32B, 13.3 against 1.0 for QwQ"


def _gap(metric: str, size: str) -> tuple[Term, ...]:
    """Long thoughts minus short ones, in one width."""
    return minus(f"long, {size}", f"short, {size}", metric)


def _wider(metric: str, more: str, less: str) -> tuple[Term, ...]:
    """The gap in one width minus the gap in another."""
    return (*_gap(metric, more), *((-w, label, m) for w, label, m in _gap(metric, less)))


def _thoughts(setup: Setup) -> list[Claim]:
    """Short and long thoughts over widths."""
    small, large = (f"width {w}" for w in (min(setup.widths), max(setup.widths)))
    invalid = [
        Claim(
            "thoughts",
            f"long thoughts make more outputs invalid ({PRINTED})",
            f"invalid, long minus short, {size}",
            _gap("invalid_rate", size),
        )
        for size in (small, large)
    ]
    repeated = Claim(
        "thoughts",
        "invalid outputs are often repetitions, above all in small models",
        f"repetition, long minus short, {small}",
        _gap("repetition_rate", small),
    )
    cost = Claim(
        "thoughts",
        f"long thoughts cost small models more of their outputs ({PRINTED})",
        "invalid, long minus short: the smallest width minus the largest",
        _wider("invalid_rate", small, large),
        caveat="The paper's larger models are also better trained, ours only wider.",
    )
    return [*invalid, repeated, cost, *_strength(small, large)]


def _strength(small: str, large: str) -> list[Claim]:
    """For whom long thoughts pay."""
    equal = "At equal tokens a policy sees fewer of the longer episodes."
    return [
        Claim(
            "thoughts",
            "long thoughts lift Pass@3 more where the model is strong (table 3: 34.0 to 35.9 for 7B, 42.7 to 45.6 for "
            "32B, 44.7 to 58.3 for QwQ)",
            "Pass@3, long minus short: the largest width minus the smallest",
            _wider("pass_at_3", large, small),
            caveat=equal,
        ),
        Claim(
            "thoughts",
            "long thoughts also work for models that are no reasoners (table 3)",
            f"Pass@3, long minus short, {large}",
            _gap("pass_at_3", large),
            caveat=equal,
        ),
    ]


def _temperature(setup: Setup) -> list[Claim]:
    """The coolest against the hottest measurement."""
    low, high = min(setup.temperatures), max(setup.temperatures)
    return [
        Claim(
            "temperature",
            "the decoding temperature has minimal impact on the final performance (fig. 5c)",
            f"Pass@1 at {high} minus at {low}, {name}",
            minus(f"{label} at {high}", f"{label} at {low}", "pass_at_1"),
            "near",
            NEAR,
            "The paper does not say which temperatures; a vocabulary learned from nothing leaves more to chance.",
        )
        for label, name in (("short", "after SFT"), ("short, RL", "after RL"))
    ]


def _patterns(setup: Setup) -> list[Claim]:
    """What grows with practice; before SFT the policy does nothing that could be counted."""
    return [
        Claim("patterns", says, f"{METRICS[metric]}, after RL minus before, {label} thoughts", _grown(label, metric))
        for metric, says in (
            ("tool_calls", "RL supports more complex acting: more actions (fig. 5b)"),
            ("thought_words", "RL brings longer reasoning (fig. 5b)"),
            ("repeated_calls", "RL brings deeper exploration and re-checking (its cases)"),
            ("checking_thoughts", "RL brings deeper exploration and re-checking (its cases)"),
        )
        for label in ("short", "long")
        if (metric, label) != ("checking_thoughts", "short")  # whose teacher never speaks of checking
    ]


def _grown(label: str, metric: str) -> tuple[Term, ...]:
    return minus(f"{label}, RL", label, metric)
