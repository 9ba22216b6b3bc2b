"""A parsed page as lines of text in which headings, lists and tables can still be seen.

Used by `web.text`, shown in 01_crawl. In: an element of a page. Out: `Line`s. Headings keep their rank (`## History`),
list items their dash or number, and every row of a table is one line that can be read, found and quoted on its own:
`Year: 1950 | Inhabitants: 7,894`. The paper does not say in which form its agents read pages; this one is ours.
"""

import re
from dataclasses import dataclass, field

from lxml import etree, html

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
SKIPPED = frozenset("script style noscript template nav header footer aside form svg button select iframe".split())
_ALWAYS = frozenset("script style template svg iframe head title".split())
_MENUS = frozenset("nav header footer".split())
_BLOCKS = frozenset(
    "address article aside blockquote body br button caption center dd details dialog div dl dt fieldset figcaption"
    " figure footer form frameset h1 h2 h3 h4 h5 h6 header hr html legend li main menu nav noscript noframes ol option"
    " p pre section select summary table tbody td tfoot th thead tr ul".split()
)
_ROLES = frozenset(("navigation", "search", "banner", "contentinfo", "complementary", "dialog", "alertdialog"))
_NOISE = re.compile(
    r"(?<![a-z])(?:cookies?|consent|newsletter|subscribe|share|sharing|social|sidebar|breadcrumbs?|comments|related|"
    r"recommended|advert|ads|promo|popup|modal|toc|noprint|navbox|navbar|editsection|headerlink|catlinks|printfooter|"
    r"pagination|pager|paywall-banner|skip-link|sitesub|footer)(?![a-z])"
)
_MARK = re.compile(r"^(?:#{1,6}|-|\d{1,6}\.) ")
_CALLOUT = re.compile(r"note|admonition|warning|tip|callout|footnote|topic|pullquote")
_MARKS = re.compile(r"(?:\[edit\]|[¶#🔗])$")
CELL, LABEL, SPAN, WIDE = 600, 60, 50, 200  # characters of a data cell and of a column's label; columns


@dataclass
class Line:
    """A line of text, and how many of its characters (blanks not counted) are the text of links."""

    text: str
    linked: int = 0


@dataclass
class _Writer:
    """What has been written, and the line that is being written."""

    lines: list[Line] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    mark: str = ""  # what the line begins with if it comes to be: "## ", "- "
    linked: int = 0
    link: int = 0  # how many <a> are open
    pre: int = 0  # how many <pre> are open
    lists: list[int] = field(default_factory=list)  # an open list each: the number of its last item, -1 for a dash

    def add(self, text: str | None) -> None:
        """Text of the page; in preformatted text a new line is one."""
        if not text:
            return
        if self.pre and "\n" in text:
            *rows, text = text.split("\n")
            for row in rows:
                self.add(row)
                self.end()
        self.parts.append(text)
        if self.link:
            self.linked += visible(text)

    def end(self) -> None:
        """End the line; an empty one leaves nothing, and its mark waits for the next."""
        text = " ".join("".join(self.parts).split())
        if text:
            self.lines.append(Line(self.mark + text, self.linked))
            self.mark = ""
        self.parts, self.linked = [], 0


def visible(text: str) -> int:
    """Number of characters that are no blanks.

    >>> visible("a b\\n c")
    3
    """
    return len("".join(text.split()))


def size(line: Line) -> int:
    """Number of characters of a line that are no blanks, without its dash, number or rank.

    >>> size(Line("12. a b"))
    2
    """
    return visible(_MARK.sub("", line.text))


def lines(root: html.HtmlElement, title: str = "", everything: bool = False) -> list[Line]:
    """The text under `root`, a line a block.

    Left out: scripts, navigation, forms, banners and what calls itself a sidebar, a cookie notice and the like, unless
    it holds most of the text; marks of footnotes; dates that stand alone.

    Args:
        root: any element.
        title: an `<h1>` that says just this is left out.
        everything: leave in notices, forms and boxes: what a page says that says nothing else.
    """
    out = _Writer()
    half = len(root.text_content()) / 2 if isinstance(root, html.HtmlElement) else 0
    walk = etree.iterwalk(root, events=("start", "end", "comment", "pi"))
    left_out = None
    for event, element in walk:
        if event == "start":
            if element is not root and _left_out(element, everything, half, out, title):
                left_out = element
                walk.skip_subtree()
            elif element.tag == "table" and (rows := _rows(element)) is not None:
                out.end()
                out.lines += rows
                left_out = element
                walk.skip_subtree()
            else:
                _open(element, out)
        else:
            if event == "end" and element is not left_out:
                _close(element, out)
            if element is not root:
                out.add(element.tail)
    out.end()
    return out.lines


def _left_out(element: html.HtmlElement, everything: bool, half: float, out: _Writer, title: str) -> bool:
    """Whether an element is no part of the text."""
    tag = element.tag
    if tag in _ALWAYS:
        return True
    if everything:
        return tag in _MENUS
    if tag == "h1":
        return bool(title) and heading(element) == title
    if tag == "time":
        return not "".join(out.parts).strip() and not (element.tail or "").strip()
    attributes = element.attrib
    if not attributes and tag not in SKIPPED:
        return False
    if tag == "sup":
        return "reference" in attributes.get("class", "")
    if tag == "span" or tag == "a":
        return any(c in attributes.get("class", "") for c in ("editsection", "headerlink", "noprint"))
    if out.pre:
        return False
    if tag in SKIPPED:
        callout = tag == "aside" and _CALLOUT.search(attributes.get("class", ""))
        return not callout and (tag != "form" or len(element.text_content()) <= half)
    if attributes.get("role") in _ROLES or "hidden" in attributes or attributes.get("aria-hidden") == "true":
        return len(element.text_content()) <= half
    name = f"{attributes.get('class', '')} {attributes.get('id', '')}".lower()
    return bool(_NOISE.search(name)) and len(element.text_content()) <= half


def heading(element: html.HtmlElement) -> str:
    """The text of a heading, without the sign that links to it.

    >>> heading(html.fromstring("<h2>Errors<a href='#e'>¶</a></h2>"))
    'Errors'
    """
    return _MARKS.sub("", " ".join(element.text_content().split())).strip()


def _open(element: html.HtmlElement, out: _Writer) -> None:
    """Begin an element: end the line before a block, and set the mark of the next."""
    tag = element.tag
    if tag in _BLOCKS:
        told = tag == "dd" and out.parts and not _has_block(element)
        if told:
            out.add(": ")
        else:
            out.end()
        if tag in HEADINGS:
            out.mark = "#" * int(tag[1]) + " "
        elif tag == "li":
            if out.lists and out.lists[-1] >= 0:
                out.lists[-1] += 1
                out.mark = f"{out.lists[-1]}. "
            else:
                out.mark = "- "
        elif tag == "ol" or tag == "ul":
            out.lists.append(0 if tag == "ol" else -1)
        elif tag == "pre":
            out.pre += 1
    elif tag == "a":
        out.link += 1
    out.add(element.text)


def _has_block(element: html.HtmlElement) -> bool:
    return any(child.tag in _BLOCKS for child in element)


def _close(element: html.HtmlElement, out: _Writer) -> None:
    """End an element. The line of a term stays open: its definition may follow."""
    tag = element.tag
    if tag in _BLOCKS:
        if tag != "dt":
            out.end()
        if tag in HEADINGS or tag == "li":
            out.mark = ""  # an empty one leaves no mark
        elif (tag == "ol" or tag == "ul") and out.lists:
            out.lists.pop()
        elif tag == "pre":
            out.pre -= 1
    elif tag == "a":
        out.link -= 1


def _rows(table: html.HtmlElement) -> list[Line] | None:
    """The rows of a table of data, a line each; None for a table that only arranges a page."""
    if table.get("role") == "presentation" or next(table.iter("h1", "h2", "h3", "pre", "form", "dl"), None) is not None:
        return None
    if table.find(".//table") is not None:
        return None
    grid = [_cells(tr) for tr in table.iter("tr")]
    cells = [cell for row in grid for _, cell, _, _ in row]
    if max(map(len, grid), default=0) < 2 or any(len(cell.text) > CELL for cell in cells):
        return None
    caption = table.find("caption")
    told = [Line(text, 0)] if caption is not None and (text := " ".join(caption.text_content().split())) else []
    labels: dict[int, str] = {}
    carried: dict[int, tuple[int, Line]] = {}
    for number, row in enumerate(grid):
        placed = _placed(row, carried)
        if (
            not labels
            and number < 2
            and len(row) > 1
            and all(is_head for is_head, *_ in row)
            and number + 1 < len(grid)
        ):
            labels = {column: cell.text for column, (_, cell) in placed.items() if len(cell.text) <= LABEL}
        elif line := _row(placed, labels):
            told.append(line)
    return told


def _cells(tr: html.HtmlElement) -> list[tuple[bool, Line, int, int]]:
    """The cells of a row: whether it is a heading, its text, and over how many columns and rows it stands."""
    found = []
    for cell in tr:
        if cell.tag in ("td", "th"):
            inside = lines(cell) if len(cell) else [Line(" ".join((cell.text or "").split()))]
            text = "; ".join(line.text.removeprefix("- ") for line in inside)
            spans = (_span(cell.get("colspan")), _span(cell.get("rowspan")))
            found.append((cell.tag == "th", Line(text, sum(line.linked for line in inside)), *spans))
    return found[:WIDE]


def _span(value: str | None) -> int:
    return min(int(value), SPAN) if value and re.fullmatch("[1-9][0-9]{0,3}", value) else 1


def _placed(
    row: list[tuple[bool, Line, int, int]], carried: dict[int, tuple[int, Line]]
) -> dict[int, tuple[bool, Line]]:
    """The cells of a row by column, with those of earlier rows that reach down into it (`carried`, which is kept)."""
    placed = {column: (False, cell) for column, (_, cell) in carried.items()}
    for column, (left, cell) in list(carried.items()):
        if left > 1:
            carried[column] = (left - 1, cell)
        else:
            del carried[column]
    column = 0
    for is_head, cell, wide, deep in row:
        while column in placed:
            column += 1
        placed[column] = (is_head, cell)
        if deep > 1 and len(cell.text) <= LABEL and column < WIDE:
            carried[column] = (deep - 1, Line(cell.text))
        column += wide
    return dict(sorted(placed.items()))


def _row(placed: dict[int, tuple[bool, Line]], labels: dict[int, str]) -> Line | None:
    """A row in words: `Year: 1950 | Inhabitants: 7,894`, or `Country: Merrow` where its heading stands before it."""
    cells = [(column, is_head, cell) for column, (is_head, cell) in placed.items() if cell.text]
    if not cells:
        return None
    linked = sum(cell.linked for *_, cell in cells)
    if not labels and len(cells) > 1 and cells[0][1] and not cells[1][1]:
        return Line(f"{cells[0][2].text}: " + " | ".join(cell.text for *_, cell in cells[1:]), linked)
    named = (f"{labels[c]}: {cell.text}" if labels.get(c) and len(cells) > 1 else cell.text for c, _, cell in cells)
    return Line(" | ".join(named), linked)
