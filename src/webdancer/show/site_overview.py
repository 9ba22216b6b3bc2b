"""The first page of the site: scores, what became of the episodes, the funnels, training curves, the runs.

In: the markers of a profile and `figures/*.csv`, as far as they are there. Out: HTML text. Used by `site`. Every number
is read from the results; what is missing is named, with the command that makes it. Not in the paper.
"""

from collections.abc import Collection, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from webdancer.evaluate_outcomes import OUTCOMES
from webdancer.show import site_charts, site_data, site_pages
from webdancer.show.trajectory import Html

Markers = Mapping[str, Mapping[str, Any]]
NAMES = {"base": "before SFT", "sft": "after SFT (05)", "dapo": "after DAPO (06)"}
SCORES = {"pass_at_1": "Pass@1", "pass_at_3": "Pass@3", "cons_at_3": "Cons@3", "invalid_rate": "invalid"}
DAPO = (
    ("Tries that are right", {"practice": "pass_rate", "dev questions": "dev"}),
    ("Reward", {"reward": "reward"}),
    ("Tries in the right form", {"form": "format_rate"}),
    ("Entropy in nats", {"entropy": "entropy"}),
    ("Tool calls a try", {"calls": "tool_calls"}),
    ("Tokens written a try", {"tokens": "tokens_written"}),
)
STAND_IN = " Authors, teachers and judges are rule-based stand-ins for language models."
MEAN = 5  # steps that a training curve is averaged over


def body(profile: str, markers: Markers, figures: Path, notebooks: Collection[str] = ()) -> str:
    """The page between header and footer.

    Args:
        markers: by notebook name; any may be missing. figures: `results/<profile>/figures`. notebooks: names of those
            that have a page.
    """
    parts = [
        f"<h1>WebDancer, profile {escape(profile)}</h1>",
        "<p>An independent reproduction, not by the authors of WebDancer. Every number on these pages is read from "
        f"<code>results/{escape(profile)}/</code>.{STAND_IN if stand_in(markers) else ''}</p>",
        *_section("Scores", scores(markers), "07_evaluate", profile),
        *_section("What became of the episodes", fates(figures, stand_in(markers)), "07_evaluate", profile),
        *_section("From drafts to questions", drafts(markers), "02_synthesize", profile),
        *_section("The funnel of the trajectories", funnel(figures), "04_filter", profile),
        *_section("Supervised training", sft(figures), "05_sft", profile),
        *_section("Reinforcement learning", dapo(figures), "06_dapo", profile),
        *_section("Runs", runs(markers, notebooks), "01_crawl", profile),
    ]
    return "\n".join(parts)


def _section(title: str, content: str, writer: str, profile: str) -> list[str]:
    """A heading with its content, or with the command that makes what is missing."""
    lacks = site_pages.note(
        [Html(f"Not there yet: <code>python -m webdancer.run {escape(profile)}</code> runs {writer}.")]
    )
    return [f"<h2>{title}</h2>", content or lacks]


def stand_in(markers: Markers) -> bool:
    """Whether teachers, authors and judges were rule-based stand-ins: some stage was given no endpoint."""
    return any(not m["parameters"].get("endpoint", "?") for m in markers.values())


def scores(markers: Markers) -> str:
    """One row an agent: shares in percent with 95 % intervals, tool calls; then the difference that DAPO made."""
    metrics = markers.get("07_evaluate", {}).get("metrics", {})
    rows = []
    for agent, found in metrics.get("models", {}).items():
        called = site_data.agent(agent, stand_in(markers))
        filters = {"stage": site_data.STAGES[3], "agent": called}
        link = site_pages.explorer_link(NAMES.get(agent, called), filters)
        cells = [_percent(found[key]) for key in SCORES]
        rows.append([link, *cells, f"{found['tool_calls']['value']:.1f}", f"{found['pass_at_1']['n']:,}"])
    if not rows:
        return ""
    head = ["agent", *SCORES.values(), "tool calls", "questions"]
    table = site_pages.table(head, rows, "scores of the agents", range(1, 7))
    gain = metrics.get("dapo_minus_sft")
    says = f"<p>DAPO minus SFT, paired by question: {_points(gain)}.</p>" if gain else ""
    return f"<p>Percent, with 95 % intervals over questions on a web that no agent was trained on.</p>{table}{says}"


def _percent(estimate: Mapping[str, Any]) -> Html:
    low, high = (100 * bound for bound in estimate["ci95"])
    return Html(f'{100 * estimate["value"]:.1f} <span class="range">{low:.1f} to {high:.1f}</span>')


def _points(gain: Mapping[str, Any]) -> str:
    low, high = (100 * bound for bound in gain["ci95"])
    return f"{100 * gain['value']:+.1f} points (95 % interval {low:+.1f} to {high:+.1f})"


def fates(figures: Path, stand_ins: bool = False) -> str:
    """The share of each outcome, a row an agent; each number leads to its episodes."""
    rows = site_pages.read_csv(figures / "07_outcomes.csv")
    shown = [name for name in OUTCOMES if any(float(r.get(name) or 0) > 0 for r in rows)]
    agents = [site_data.agent(r["index"], stand_ins) for r in rows]
    cells = [[a, *(_share(a, n, float(r.get(n) or 0)) for n in shown)] for a, r in zip(agents, rows, strict=True)]
    table = site_pages.table(["agent", *shown], cells, "outcomes of the episodes", range(1, len(shown) + 1))
    says = "<p>Percent of episodes, by the rules of <code>evaluate_outcomes</code>; each number leads to them.</p>"
    return says + table if rows else ""


def _share(agent: str, name: str, value: float) -> str:
    filters = {"stage": site_data.STAGES[3], "agent": agent, "outcome": name}
    return site_pages.explorer_link(f"{100 * value:.1f}", filters) if value else "0"


def drafts(markers: Markers) -> str:
    """Drafts of questions, why some were dropped, and what was left."""
    found = markers.get("02_synthesize", {}).get("metrics", {})
    if "drafts" not in found:
        return ""
    drops = sorted(found.get("drops", {}).items(), key=lambda pair: -pair[1])
    rows = [
        ("drafts", found["drafts"]),
        *((f"dropped: {k.replace('_', ' ')}", n) for k, n in drops),
        ("kept", found["questions"]),
    ]
    return site_pages.bars(rows)


def funnel(figures: Path) -> str:
    """Trajectories left after each stage of the filter, and the reasons, which lead to the episodes."""
    stages = site_pages.read_csv(figures / "04_funnel.csv")
    if not stages:
        return ""
    left = site_pages.bars([(f"left after {r['stage']}" if i else "all", int(r["kept"])) for i, r in enumerate(stages)])
    reasons = site_pages.read_csv(figures / "04_reasons.csv")
    rows = [(_reason(r), int(r["dropped"])) for r in reasons]
    return left + (f"<h3>Why some were dropped</h3>{site_pages.bars(rows, int(stages[0]['kept']))}" if rows else "")


def _reason(row: Mapping[str, str]) -> Html:
    name = f"{row['stage']}: {row['reason']}"
    return site_pages.explorer_link(name, {"reason": name})


def sft(figures: Path) -> str:
    """The loss on trained tokens, a line a phase, and on trajectories set aside."""
    rows = site_pages.read_csv(figures / "05_loss.csv")
    phases = list(dict.fromkeys(r["phase"] for r in rows if r.get("phase")))
    series: dict[str, Sequence[tuple[float, float]]] = {}
    for phase in phases[: site_charts.STYLES - 1]:
        series[phase] = site_charts.smooth(_points_of([r for r in rows if r["phase"] == phase], "loss"), MEAN)
    if aside := _points_of(rows, "aside"):
        series["set aside"] = aside
    return _curves([("Loss in nats a token", series)])


def dapo(figures: Path) -> str:
    """How practice went, a small chart a number."""
    rows = site_pages.read_csv(figures / "06_curves.csv")
    charts = []
    for title, columns in DAPO:
        series = {name: _points_of(rows, column) for name, column in columns.items()}
        charts.append(
            (title, {n: p if n == "dev questions" else site_charts.smooth(p, MEAN) for n, p in series.items() if p})
        )
    return _curves(charts)


def _curves(charts: Sequence[tuple[str, Mapping[str, Sequence[tuple[float, float]]]]]) -> str:
    drawn = "".join(site_charts.chart(title, series, "step") for title, series in charts if any(series.values()))
    says = f"<p>Means over {MEAN} steps, but what was set aside and dev questions are shown as measured.</p>"
    return f'{says}<div class="curves">{drawn}</div>' if drawn else ""


def _points_of(rows: Sequence[Mapping[str, str]], column: str) -> list[tuple[float, float]]:
    """(step, value) where the column has a value."""
    known = [r for r in rows if (r.get(column) or "").strip() not in ("", "nan")]
    return [(float(r["step"]), float(r[column])) for r in known]


def runs(markers: Markers, notebooks: Collection[str] = ()) -> str:
    """One row a notebook: time, memory, cost, commit; the executed notebook behind its name."""
    rows = []
    for name, m in markers.items():
        link = Html(f'<a href="notebooks/{escape(name)}.html">{escape(name)}</a>') if name in notebooks else name
        commit = str(m["git"].get("commit") or "")[:10] or "not told"
        changed = ", with changes" if m["git"].get("dirty") else ""
        cost = f"{m['cost'].get('cost', 0):.2f}"
        memory = f"{m['machine'].get('peak_memory_mib') or 0:,}"
        rows.append([link, f"{m['seconds']:,.0f}", memory, cost, f"{commit}{changed}"])
    if not rows:
        return ""
    total = sum(m["seconds"] for m in markers.values())
    first = next(iter(markers.values()))["machine"]
    gpu = f", {first['gpu']}" if first.get("gpu") else ""
    place = f"{first.get('system')} {first.get('processor')}, {first.get('cpus')} cores{gpu}"
    head = ["notebook", "seconds", "peak MiB", "US dollars", "commit"]
    table = site_pages.table(head, rows, "runs of the notebooks", (1, 2, 3))
    return f"{table}<p>{total / 60:.1f} minutes in all on {escape(place)}.</p>"
