"""Executed notebooks as pages of the site: everything embedded, no script, folded where long.

In: `results/<profile>/NN_name.ipynb`. Out: HTML text. Used by `site`. nbconvert's filters turn Markdown and code into
HTML, but not its templates, which load scripts from the network. Formulas become SVG by matplotlib's mathtext, with
their TeX as the text of the picture. Not in the paper.
"""

import base64
import io
import re
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

import nbformat

LONG = 30  # lines of printed output from which it is folded
FOLDED = {
    "defaults": "parameters that are rarely set",
    "parameters": "parameters",
    "injected-parameters": "parameters of this run",
}
SHORT = {r"\\ge\b": r"\\geq", r"\\le\b": r"\\leq"}  # TeX that mathtext has under another name
_MATH = re.compile(
    r"\$\$(?P<block>.+?)\$\$|(?<![\\$\w])\$(?P<inline>[^\s$](?:[^$\n]*?[^\s$\\])?)\$(?![\w$])", re.DOTALL
)
_CODE = re.compile(r"(```.*?```|`[^`\n]+`)", re.DOTALL)
_HEADLESS = re.compile(r"<thead>\s*<tr>\s*(?:<th>\s*</th>\s*)+</tr>\s*</thead>")  # of a table with `| | |` on top
_EMPTY = re.compile(r"<th>\s*</th>")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def body(path: Path) -> str:
    """The notebook as HTML, cell by cell; parameters are folded.

    Raises:
        ValueError: not a notebook; the message names the file.
    """
    try:
        cells = nbformat.read(path, as_version=4).cells
    except Exception as error:  # nbformat has several error types of its own
        raise ValueError(f"{path.name} is not a notebook ({type(error).__name__}): run it again") from error
    return '<div class="notebook">\n' + "\n".join(map(_cell, cells)) + "\n</div>"


def _cell(cell: Mapping[str, Any]) -> str:
    if cell["cell_type"] == "markdown":
        return f'<div class="cell prose">{markdown(cell["source"])}</div>'
    if cell["cell_type"] != "code" or not cell["source"].strip():
        return ""
    count = cell.get("execution_count")
    source = (
        f'<div class="source" role="group" tabindex="0" aria-label="Code {count or ""}">{code(cell["source"])}</div>'
    )
    for tag in set(cell["metadata"].get("tags", ())) & set(FOLDED):
        source = f"<details><summary>{FOLDED[tag]}</summary>{source}</details>"
    return f'<div class="cell">{source}{"".join(_output(o, count) for o in cell["outputs"])}</div>'


def markdown(source: str) -> str:
    """Markdown as HTML; formulas between dollar signs become pictures, those in code stay as they are."""
    from nbconvert.filters import markdown2html_mistune

    pictures: list[str] = []

    def keep(match: re.Match[str]) -> str:
        pictures.append(formula(match["block"] or match["inline"], bool(match["block"])))
        return f"@@math{len(pictures) - 1}@@"

    parts = _CODE.split(source)
    plain = "".join(part if i % 2 else _MATH.sub(keep, part) for i, part in enumerate(parts))
    done = re.sub(r'<a class="anchor-link".*?</a>', "", markdown2html_mistune(plain))
    done = _EMPTY.sub("<td></td>", _HEADLESS.sub("", done))
    return re.sub(r"@@math(\d+)@@", lambda m: pictures[int(m[1])], done)


@lru_cache(maxsize=1024)
def formula(tex: str, block: bool = False) -> str:
    """TeX as an inline SVG in the text's colour; as plain TeX if matplotlib cannot set it."""
    import matplotlib as mpl
    from matplotlib.mathtext import math_to_image

    out, known = io.BytesIO(), tex.strip()
    for name, other in SHORT.items():
        known = re.sub(name, other, known)
    try:
        with mpl.rc_context({"svg.hashsalt": "math", "mathtext.fontset": "stix"}):
            depth = math_to_image(f"${known}$", out, format="svg", dpi=72)
    except (ValueError, RuntimeError):
        return f'<code class="math">{escape(tex)}</code>'
    svg = out.getvalue().decode()
    inner = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    width, height = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', inner).groups()
    view = re.search(r'viewBox="([^"]+)"', inner)[1]
    drawn = inner[inner.index(">") + 1 : inner.rindex("</svg>")]
    size = f"width:{float(width) / 10:.2f}em;height:{float(height) / 10:.2f}em;vertical-align:{-depth / 10:.2f}em"
    picture = (
        f'<svg style="{size}" viewBox="{view}" role="img" aria-label="{escape(tex.strip())}">{_themed(drawn)}</svg>'
    )
    return f"<p>{picture}</p>" if block else picture


def _themed(drawn: str) -> str:
    """Paths in the colour of the text, without the white ground and without the ids that repeat in every picture."""
    drawn = re.sub(r"<style.*?</style>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r'<g id="patch_1">.*?</g>', "", drawn, flags=re.DOTALL)
    return f'<g fill="currentColor">{drawn}</g>'


def code(source: str) -> str:
    """Python with the parts of speech in spans; the colours are in site.css."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return highlight(source, PythonLexer(), HtmlFormatter(cssclass="hl"))


def _output(output: Mapping[str, Any], count: int | None) -> str:
    """One output: a picture, HTML (the notebook's own code made it, escaped), or text."""
    if output["output_type"] == "stream":
        kind = "stderr" if output["name"] == "stderr" else ""
        return _printed(output["text"], kind)
    if output["output_type"] == "error":
        return _printed("\n".join(output["traceback"]), "stderr")
    data = output["data"]
    for kind in ("image/png", "image/jpeg"):
        if kind in data:
            alt = f"Figure made by the code above, cell {count}"
            return _framed(f'<img loading="lazy" src="data:{kind};base64,{_packed(data[kind])}" alt="{alt}">')
    if "text/html" in data:
        return _framed(_tamed(data["text/html"]))
    if "text/markdown" in data:
        return f'<div class="prose">{markdown(data["text/markdown"])}</div>'
    return _printed(data.get("text/plain", ""), "")


def _packed(data: str) -> str:
    """Base64 without line breaks, checked: it goes into an attribute."""
    return base64.b64encode(base64.b64decode(data)).decode()


def _tamed(text: str) -> str:
    """HTML without script and style elements (the page's policy stops scripts; styles would reach the whole page), and
    without the empty header cells of pandas, which a screen reader would read out as headers.
    """
    plain = re.sub(r"<(script|style)\b.*?</\1\s*>", "", text, flags=re.DOTALL | re.IGNORECASE)
    return _EMPTY.sub("<td></td>", plain)


def _framed(inner: str) -> str:
    return f'<div class="output" role="group" tabindex="0" aria-label="Output">{inner}</div>'


def _printed(text: str, kind: str) -> str:
    """Printed text without terminal colours; a long one is folded."""
    plain = _ANSI.sub("", text).rstrip()
    if not plain:
        return ""
    lines = plain.count("\n") + 1
    shown = f'<div class="output {kind}"><pre>{escape(plain)}</pre></div>'
    return f"<details><summary>{lines} lines of output</summary>{shown}</details>" if lines > LONG else shown
