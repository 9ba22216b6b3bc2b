"""What each stage of a profile would take: the work from its parameter file, the speed from `calculator_rates`.

In: checked parameters and `Assumed`. Out: lines with the sum that makes each. Shown in 09_scale. Lengths of episodes
are those of the paper's table 4 and of the 200 released trajectories.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webdancer import crawl, crawl_plan, synthesize_plan
from webdancer.agent import estimate, roles
from webdancer.core import benchmarks, record
from webdancer.scale import calculator_rates as rates
from webdancer.scale.calculator_given import Assumed, Episode, Line, episode
from webdancer.scale.calculator_rates import Range

EXAMS = ("gaia_text", "webwalkerqa", "browsecomp", "browsecomp_zh")  # the paper's, tables 1 and 2
PAGES = 28 / 222  # visited a tool call, counted in the 200 released trajectories
PAGE = Range(2000, 16000)  # tokens of a page that the summariser reads


def crawling(P: Mapping[str, Any]) -> list[Line]:
    """Requests and the time that politeness asks for: `webdancer.crawl_plan`, which asks no site."""
    rows = [row for plan in crawl.plans(dict(P)) for row in crawl_plan.rows(plan, token=True)]
    requests, seconds = sum(r.requests for r in rows), [r.seconds for r in rows]
    apart = Range(max(seconds) / rates.HOUR, sum(seconds) / rates.HOUR)
    how = f"{sum(r.pages for r in rows):,} pages wanted; all sources at once, or one after the other"
    return [
        Line("01 crawl", "requests", rates.of(requests), "requests", how, "nothing fails"),
        Line("01 crawl", "time", apart, "hours", how, f"`delay` = {P['delay']:g} s; GITHUB_TOKEN is set"),
    ]


def writing(P: Mapping[str, Any]) -> list[Line]:
    """The author's calls, tokens and money."""
    author = _role(P, "author")
    counts = {split: P[f"n_{split}"] for split in ("sft", "rl", "eval")}
    kinds = {name[6:]: value for name, value in P.items() if name.startswith("share_")}
    wanted = [(c.kind, c.hops, c.wanted) for c in synthesize_plan.plan(counts, kinds, P["hop_shares"])]
    few, many = (estimate.questions(author, wanted, page_tokens=1500, drafts=n) for n in (1.5, 4.0))
    what = f"{sum(counts.values()):,} questions by {author.model}"
    return _paid("02 questions", what, few, many, "1.5 to 4 drafts a kept question, 1,500 tokens a page")


def distilling(P: Mapping[str, Any], asked: int, a: Assumed) -> list[Line]:
    """Episodes of both teachers, their searches, and money or GPU hours.

    Args:
        asked: questions for each teacher, if `short_questions` and `long_questions` do not say fewer.
    """
    lines = []
    for style in ("short", "long"):
        number, samples = P[f"{style}_questions"] or asked, P[f"{style}_samples"]
        count = Range(min(P["enough"] or samples, samples) * number, samples * number)
        if not count.high:
            continue
        teacher, shape, part = _role(P, style), episode(style), f"03 teacher, {style} thoughts"
        how = f"{number:,} questions, {count.low / number:g} to {samples} samples"
        lines += [Line(part, "episodes", count, "episodes", how, "how soon a right one comes is unknown")]
        lines += _searched(part, count * shape.calls, a, f"{shape.calls:.2f} calls an episode (table 4)")
        if teacher.price_out:
            few, many = (estimate.episodes(style, teacher, n, style=style) for n in (count.low, count.high))
            lines += _paid(part, f"episodes by {teacher.model}", few, many, "lengths of table 4")
        else:
            lines += [_served(part, "32B", count, shape, a, teacher.model)]
    return lines


def judging(P: Mapping[str, Any], count: Range, a: Assumed) -> list[Line]:
    """What the funnel's two models take for so many episodes; one with a price is paid, the other is served."""
    judge, shape = _role(P, "judge"), episode("")
    few, many = (estimate.calls("judge", judge, "correctness", n, 450, 40) for n in (count.low, count.high))
    whole = (shape.written + shape.read) * 2 * rates.worked(rates.MODELS["72B"])
    rated = rates.hours(count * Range(0.3, 1.0) * whole, a.gpu, a.prefill)
    how = "2 * 71.5e9 * tokens of 30 % to all of the episodes, which is what the first two stages may leave (assumed)"
    paid = _paid("04 funnel", f"verdicts by {judge.model}", few, many, "450 tokens a verdict")
    return [*paid, Line("04 funnel", "quality model", rated, "GPU hours", how, a.say("prefill"))]


def teaching(P: Mapping[str, Any], a: Assumed) -> list[Line]:
    """GPU hours of SFT, and on how many GPUs it fits at least."""
    config, tokens = rates.MODELS[a.model], P["steps"] * P["batch_tokens"]
    how = f"6 * {rates.worked(config) / 1e9:.1f}e9 * {tokens / 1e6:.0f}M tokens on {a.gpu.name}"
    needed = rates.fewest(config, a.gpu, P["max_length"])
    each = rates.fsdp_gib(config, needed, P["max_length"])["all"]
    return [
        Line("05 SFT", "tokens", rates.of(tokens), "tokens", f"{P['steps']} updates of {P['batch_tokens']:,}"),
        Line(
            "05 SFT",
            "training",
            rates.hours(6 * rates.worked(config) * tokens, a.gpu, a.training),
            "GPU hours",
            how,
            a.say("training"),
        ),
        Line(
            "05 SFT",
            "memory",
            rates.of(needed),
            "GPUs at least",
            f"{each:.0f} GiB of {a.gpu.gib:g} on each with one trajectory of {P['max_length']:,} tokens",
            "FSDP, AdamW, a power of two of GPUs, a tenth of the memory left over",
        ),
    ]


@dataclass(frozen=True)
class Practice:
    """One step of DAPO: episodes sampled, tokens written, and hours on the clock by part."""

    sampled: Range
    written: Range
    rollouts: Range
    slowest: Range
    updates: Range

    @property
    def hours(self) -> Range:
        """Rollouts go on beside the slowest episode, updates come after."""
        return rates.longer(self.rollouts, self.slowest) + self.updates


def practice(P: Mapping[str, Any], a: Assumed, style: str = "long") -> Practice:
    """One step of DAPO on `a.gpus`, for thoughts in a style.

    A step cannot end before its slowest episode: between a mean one and one that is cut off at `max_tokens`.
    """
    config, shape, live = rates.MODELS[a.model], episode(style), P["groups"] * P["samples"]
    wanted = rates.of(live) / a.live
    sampled = Range(wanted.low, min(wanted.high, live * P["max_rounds"]))
    written, read = shape.written * a.longer, shape.read * a.longer
    size = min(written.high + read.high, P["max_tokens"])
    fast = rates.decoding(config, a.gpu, size, a.prefill, a.bandwidth, sampled.high / a.gpus)
    work = rates.worked(config)
    rollouts = sampled * written / fast.rate * (fast.gpus / rates.HOUR)
    rollouts += rates.hours(2 * work * sampled * read, a.gpu, a.prefill)
    cut = max(P["max_tokens"] - shape.read, shape.written)
    mean = written.low / fast.each.high + shape.calls * a.tool_seconds.low
    last = cut / fast.each.low + P["max_turns"] * a.tool_seconds.high
    updates = rates.hours(8 * work * live * (written + read), a.gpu, a.training)  # 6 to train, 2 for old log-probs
    slowest = Range(mean / rates.HOUR, max(mean, last) / rates.HOUR)
    return Practice(sampled, sampled * written, rollouts * (1 / a.gpus), slowest, updates * (1 / a.gpus))


def practising(P: Mapping[str, Any], a: Assumed) -> list[Line]:
    """All steps of DAPO: episodes, tokens, searches, hours on the clock and GPU hours."""
    step, steps, shape = practice(P, a), P["steps"], episode("long")
    sampled, whole = step.sampled * steps, step.hours * steps
    parts = {"rollouts": step.rollouts, "slowest episode": step.slowest, "updates": step.updates}
    how = "; ".join(f"{name} {60 * r.low:.0f} to {60 * r.high:.0f} min a step" for name, r in parts.items())
    rests = a.say("live", "longer", "training", "prefill", "bandwidth", "tool_seconds")
    given = f"{steps} steps, {P['groups']} live groups of {P['samples']}, at most {P['max_rounds']} rounds"
    return [
        Line("06 DAPO", "episodes", sampled, "episodes", given, a.say("live")),
        Line("06 DAPO", "tokens written", step.written * steps, "tokens", "table 4, long thoughts", a.say("longer")),
        *_searched("06 DAPO", sampled * shape.calls * a.longer, a, f"{shape.calls:.2f} calls an episode (table 4)"),
        _read("06 DAPO", sampled * shape.calls * a.longer, a),
        Line("06 DAPO", "on the clock", whole, "hours", how, rests),
        Line(
            "06 DAPO", "training and rollouts", whole * a.gpus, "GPU hours", f"{a.gpus} {a.gpu.name}, all held", rests
        ),
    ]


def examining(P: Mapping[str, Any], a: Assumed) -> list[Line]:
    """The paper's four benchmarks by every agent of the file."""
    questions = sum(benchmarks.ALL[name].count for name in EXAMS)
    count, shape = rates.of(questions * P["samples"] * len(P["agents"])), episode("long")
    how = f"{questions:,} questions of {', '.join(EXAMS)}, {P['samples']} samples, {len(P['agents'])} agents"
    calls = count * shape.calls * a.longer
    return [
        Line("07 evaluation", "episodes", count, "episodes", how),
        *_searched("07 evaluation", calls, a, f"{shape.calls:.2f} calls an episode (table 4)"),
        _read("07 evaluation", calls, a),
        _served("07 evaluation", a.model, count * a.longer, shape, a, "both models"),
    ]


def _role(P: Mapping[str, Any], name: str) -> roles.Role:
    """The block of a role, without its key; raises `RoleError` where the file has none."""
    path = record.repo_root() / P["roles"] if P["roles"] else Path()
    blocks = roles.load(path) if P["roles"] else {}
    if name not in blocks:
        raise roles.RoleError(f"got no role {name!r} in roles={P['roles']!r}, wanted a block with a model and prices")
    return blocks[name]


def _paid(part: str, what: str, few: list, many: list, assumed: str) -> list[Line]:
    """Tokens and money of API calls, from the rows of `estimate` at both ends."""
    first, last = estimate.table(few).iloc[-1], estimate.table(many).iloc[-1]
    tokens = Range(first.tokens_in + first.tokens_out, last.tokens_in + last.tokens_out)
    return [
        Line(part, "tokens by API", tokens, "tokens", what, assumed),
        Line(part, "API", Range(first.dollars, last.dollars), "US dollars", what, f"{assumed}; prices in roles.yaml"),
    ]


def _searched(part: str, calls: Range, a: Assumed, how: str) -> list[Line]:
    """Queries of so many tool calls, and what they cost at a search API."""
    queries = calls * a.queries
    said = a.say("queries")
    return [
        Line(part, "searches", queries, "searches", how, said),
        Line(part, "search API", queries * a.search_price, "US dollars", how, f"{said}; {a.say('search_price')}"),
    ]


def _read(part: str, calls: Range, a: Assumed) -> Line:
    """GPU hours of the summariser, which reads the pages that are visited; what it writes is little beside."""
    operations = calls * PAGE * (PAGES * 2 * rates.worked(rates.MODELS["72B"]))
    how = f"2 * 71.5e9 * {PAGE.low:,} to {PAGE.high:,} tokens a page (assumed), {PAGES:.2f} pages a call (released)"
    return Line(part, "summariser", rates.hours(operations, a.gpu, a.prefill), "GPU hours", how, a.say("prefill"))


def _served(part: str, model: str, count: Range, shape: Episode, a: Assumed, name: str) -> Line:
    """GPU hours of playing episodes with a model that one serves oneself; what was read once stays in the cache."""
    config = rates.MODELS[model]
    fast = rates.decoding(config, a.gpu, shape.written + shape.read, a.prefill, a.bandwidth)
    found = count * shape.written / fast.rate * (fast.gpus / rates.HOUR)
    found += rates.hours(2 * rates.worked(config) * count * shape.read, a.gpu, a.prefill)
    how = f"{name} on {fast.gpus} {a.gpu.name}: {fast.episodes} episodes at once, {fast.rate.low:,.0f} to "
    how += f"{fast.rate.high:,.0f} tokens a second"
    return Line(part, "serving", found, "GPU hours", how, a.say("prefill", "bandwidth"))
