"""Line charts of the site as inline SVG, which follows the page's colours, light or dark, and its width.

In: points. Out: HTML text. Used by `site_overview`; the notebooks' own figures are made by `plots` and its parts. Lines
differ in colour and dashes. Not in the paper.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 220, 46, 10, 10, 34
STYLES = 4  # line styles in site.css
Points = Sequence[tuple[float, float]]


def chart(title: str, series: Mapping[str, Points], xlabel: str) -> str:
    """A figure with up to four lines; points that are no finite number are left out.

    Args:
        title: what is drawn, with its unit. series: name to (x, y) points, in the order of x.
    Raises:
        ValueError: more than four series, or no point at all.
    """
    known = {name: [p for p in points if all(map(math.isfinite, p))] for name, points in series.items()}
    every = [p for points in known.values() for p in points]
    if len(series) > STYLES or not every:
        raise ValueError(
            f"{title}: got {len(series)} series with {len(every)} points, wanted 1 to {STYLES} and some points"
        )
    xs, ys = ticks(min(x for x, _ in every), max(x for x, _ in every)), ticks(0.0, max(y for _, y in every))
    ys = ys if min(y for _, y in every) >= 0 else ticks(min(y for _, y in every), max(y for _, y in every))
    span = (min(x for x, _ in every), max(x for x, _ in every), ys[0], ys[-1])
    lines = "".join(_line(points, span, i) for i, points in enumerate(known.values()) if points)
    last = ", ".join(f"{name} ends at {number(points[-1][1])}" for name, points in known.items() if points)
    body = _frame(xs, ys, span, xlabel) + lines
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(f"{title}: {last}")}">{body}</svg>'
    return f"<figure><figcaption>{escape(title)}</figcaption>{svg}{_key(list(known))}</figure>"


def smooth(points: Points, width: int = 5) -> list[tuple[float, float]]:
    """Each value replaced by the mean of it and up to `width` - 1 values before it.

    >>> smooth([(0, 1.0), (1, 3.0), (2, 5.0)], 2)
    [(0, 1.0), (1, 2.0), (2, 4.0)]
    """
    rows = list(points)
    return [
        (x, sum(y for _, y in rows[max(0, i - width + 1) : i + 1]) / min(i + 1, width)) for i, (x, _) in enumerate(rows)
    ]


def ticks(low: float, high: float) -> list[float]:
    """Three to seven round numbers that reach around `low` and `high`.

    >>> ticks(0, 0.6)
    [0.0, 0.2, 0.4, 0.6]
    """
    room = (high - low) or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(room / 3))
    step = next(power * m for m in (1, 2, 5, 10) if room / (power * m) <= 4.000001)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * i, 10) for i in range(first, max(last, first + 1) + 1)]


def number(value: float) -> str:
    """A number as text, three significant digits.

    >>> number(0.12345), number(1200.0), number(0.0)
    ('0.123', '1,200', '0')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _place(x: float, y: float, span: tuple[float, float, float, float]) -> tuple[float, float]:
    """Where a point lies in the picture."""
    x0, x1, y0, y1 = span
    return (
        LEFT + (x - x0) / ((x1 - x0) or 1) * (WIDTH - LEFT - RIGHT),
        HEIGHT - BOTTOM - (y - y0) / ((y1 - y0) or 1) * (HEIGHT - TOP - BOTTOM),
    )


def _line(points: Points, span: tuple[float, float, float, float], style: int) -> str:
    if len(points) == 1:
        points = [points[0], points[0]]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (_place(*p, span) for p in points))
    return f'<polyline class="line l{style}" points="{path}"/>'


def _frame(xs: Sequence[float], ys: Sequence[float], span: tuple[float, float, float, float], xlabel: str) -> str:
    """Axes, rules and their numbers."""
    parts = []
    for y in ys:
        at = _place(span[0], y, span)[1]
        parts.append(f'<path class="rule" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{number(y)}</text>')
    for x in xs:
        if span[0] <= x <= span[1]:
            at = _place(x, span[2], span)[0]
            parts.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{number(x)}</text>')
    parts.append(f'<path class="axis" d="M{LEFT} {HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 4}" text-anchor="middle">{escape(xlabel)}</text>')
    return "".join(parts)


def _key(names: Sequence[str]) -> str:
    """Which line is which; a single line needs none."""
    if len(names) < 2:
        return ""
    sample = '<svg viewBox="0 0 32 10" aria-hidden="true"><path class="line l{}" d="M0 5H32"/></svg>'
    items = [f"<span>{sample.format(i)} {escape(name)}</span>" for i, name in enumerate(names)]
    return f'<div class="key">{"".join(items)}</div>'
