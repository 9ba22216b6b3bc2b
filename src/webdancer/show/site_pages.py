"""The frame of the site's pages, and its tables, bars and figures as HTML that needs neither a server nor a network.

In: texts, numbers, the files of `results/<profile>/figures`. Out: HTML text. Used by `site` and `site_overview`.
All text is escaped. Each page forbids by a policy of its own (CSP) what it does not need: scripts everywhere but in the
explorer, and the network everywhere. Not in the paper.
"""

import csv
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from urllib.parse import urlencode

from webdancer.show.trajectory import Html

PAGES = {
    "index.html": "Overview",
    "notebooks.html": "Notebooks",
    "figures.html": "Figures",
    "explorer.html": "Explorer",
}
ROWS = 60  # of a figure's data that stand on the page; a longer file is linked only
_NOTHING = "default-src 'none'; img-src 'self' file: data:; style-src 'self' file: 'unsafe-inline'"
_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<link rel="icon" href="data:,">
{styles}
</head>
<body{kind}>
<a class="skip" href="#main">Skip to the content</a>
<header class="site"><nav aria-label="Site"><span class="name">{name}</span>
{links}
</nav></header>
<main id="main">
"""


def page(title: str, body: str, *, profile: str, here: str = "", up: str = "", scripts: Sequence[str] = ()) -> str:
    """A whole page.

    Args:
        body: HTML, escaped by the caller. here: the file of `PAGES` that this is, or belongs to. up: "../" for a page
            in a folder. scripts: files beside it; without any, none may run.
    """
    styles = ["site.css", *(["explorer.css"] if scripts else [])]
    links = "\n".join(_link(up + file, name, file == here) for file, name in PAGES.items())
    head = _HEAD.format(
        policy=_NOTHING + ("; script-src 'self' file:" if scripts else ""),
        title=escape(f"{title} · WebDancer, {profile}"),
        styles="\n".join(f'<link rel="stylesheet" href="{up}{name}">' for name in styles),
        kind=' class="explorer"' if scripts else "",
        name=escape(f"WebDancer · {profile}"),
        links=links,
    )
    tail = "\n".join(f'<script src="{name}"></script>' for name in scripts)
    return f"{head}{body}\n</main>\n{tail}\n</body>\n</html>\n"


def _link(href: str, name: str, current: bool) -> str:
    return f'<a href="{href}"{" aria-current=" + chr(34) + "page" + chr(34) if current else ""}>{name}</a>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]], label: str, numbers: Sequence[int] = ()) -> str:
    """A table that scrolls by itself where the page is narrow.

    Args:
        head, rows: texts, escaped here unless they are `trajectory.Html`. label: what the table holds, for a screen
            reader. numbers: columns that are set to the right.
    """
    aligned = [' class="n"' if i in numbers else "" for i in range(len(head))]
    top = "".join(f'<th scope="col"{a}>{text(h)}</th>' for h, a in zip(head, aligned, strict=True))
    body = "".join(
        f'<tr><th scope="row">{text(row[0])}</th>'
        + "".join(f"<td{a}>{text(c)}</td>" for c, a in zip(row[1:], aligned[1:], strict=True))
        + "</tr>\n"
        for row in rows
    )
    return (
        f'<div class="scroll" role="group" tabindex="0" aria-label="{escape(label)}"><table>'
        f"<thead><tr>{top}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


def text(value: str) -> str:
    """The value escaped, or as it is if it is HTML already (`Html`)."""
    return str(value) if isinstance(value, Html) else escape(str(value))


def bars(rows: Sequence[tuple[str, int]], top: int | None = None) -> str:
    """Labelled bars, each with its number; labels may be `Html`.

    Args:
        top: the number of a full bar; the largest one if not given.
    """
    most = top or max((n for _, n in rows), default=0) or 1
    items = "".join(
        f'<dt>{text(name)}</dt><dd class="bar" aria-hidden="true"><i style="width:{100 * n / most:.2f}%"></i></dd>'
        f'<dd class="n">{n:,}</dd>'
        for name, n in rows
    )
    return f'<dl class="bars">{items}</dl>'


def note(lines: Sequence[str]) -> str:
    """Sentences set apart; nothing if there are none."""
    return f'<div class="note">{"".join(f"<p>{text(x)}</p>" for x in lines)}</div>' if lines else ""


def explorer_link(label: str, filters: Mapping[str, str]) -> Html:
    """A link into the explorer with some filters set."""
    return Html(f'<a href="explorer.html#{escape(urlencode(filters))}">{escape(label)}</a>')


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file; none if there is no such file."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def figures(folder: Path, notebooks: Sequence[str]) -> str:
    """The figures in `results/<profile>/figures`, by notebook, each with its data as a folded table or a link."""
    parts = ["<h1>Figures</h1>", "<p>Each with the numbers it shows. Wide ones can be opened alone by a click.</p>"]
    for notebook in notebooks:
        found = sorted(folder.glob(f"{notebook[:2]}_*.png"))
        if found:
            parts.append(f'<h2>{escape(notebook)}</h2>\n<div class="figures">')
            parts += [_figure(path) for path in found]
            parts.append("</div>")
    return "\n".join(parts if len(parts) > 2 else [*parts, note(["There are no figures yet: run the notebooks."])])


def _figure(path: Path) -> str:
    name = path.stem[3:].replace("_", " ")
    rows = read_csv(path.with_suffix(".csv"))
    file = f"figures/{escape(path.name)}"
    data = ""
    if rows:
        link = f'<a href="figures/{escape(path.stem)}.csv">{escape(path.stem)}.csv</a>, {len(rows):,} rows'
        data = f"<p>{link}</p>"
        if len(rows) <= ROWS:
            shown = table(list(rows[0]), [[_short(v) for v in r.values()] for r in rows], f"data of the figure {name}")
            data = f"<details><summary>the numbers</summary>{shown}{data}</details>"
    alt = f"Figure {name} of notebook {path.stem[:2]}; its numbers are below"
    picture = f'<a href="{file}"><img loading="lazy" src="{file}" alt="{escape(alt)}"></a>'
    return f"<figure>{picture}<figcaption>{escape(name)}</figcaption>{data}</figure>"


def _short(value: str | None) -> str:
    """A cell of a CSV file; long decimals with four significant digits.

    >>> _short("0.28020833333333367"), _short("12"), _short("wrong hop")
    ('0.2802', '12', 'wrong hop')
    """
    try:
        return f"{float(value or ''):.4g}" if "." in (value or "") else value or ""
    except ValueError:
        return value or ""
