"""The data card of a snapshot: the README.md that says what is in the files, how they came about and what they lack.

Used by `snapshot.export`. In: counts. Out: Markdown with the YAML head that `datasets.load_dataset` reads.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

COLUMNS = {
    "url": "address of the page, after redirects",
    "title": "its title",
    "text": "clean text; empty where the licence does not allow to pass it on",
    "has_text": "whether `text` is that of the page",
    "sha256": "SHA-256 of the clean text in UTF-8, also where the text is left out",
    "licence": "as the page, the wiki or the repository states it; empty: none stated",
    "licence_id": "SPDX identifier, if it is one that allows to pass the text on",
    "source": "wikipedia, arxiv, github or web",
    "language": "BCP 47; empty: not told",
    "fetched_at": "when it was fetched, UTC",
    "date": "date of publication, if the page tells it",
    "robots": "verdict of the host's robots.txt",
    "links": "absolute addresses that the page links to",
}


@dataclass
class Counts:
    """What the card tells: rows and texts in all, and by source, licence and language."""

    rows: int = 0
    texts: int = 0
    words: int = 0
    first: str = ""
    last: str = ""
    sources: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    hosts: Counter[str] = field(default_factory=Counter)

    def add(self, row: Mapping[str, object]) -> None:
        """Count one row of the data set."""
        self.rows += 1
        self.texts += bool(row["has_text"])
        self.words += len(str(row["text"]).split())
        day = str(row["fetched_at"])[:10]
        if day:
            self.first, self.last = min(self.first or day, day), max(self.last, day)
        stated = "other, or not understood" if row["licence"] else "none stated"
        self.sources[plain(row["source"])] += 1
        self.licences[str(row["licence_id"]) or stated] += 1
        self.languages[plain(row["language"]) or "not told"] += 1
        host = re.match(r"https?://([\w.-]+)", str(row["url"]))
        self.hosts[host[1].lower() if host else "other"] += 1


def plain(value: object, most: int = 40) -> str:
    """A short value from a page, without anything that Markdown or YAML would act on.

    >>> plain("en | <b>x"), plain("zh-Hans")
    ('en b x', 'zh-Hans')
    """
    return " ".join(re.sub(r"[^\w.\- ]+|_", " ", str(value)).split())[:most]


def _table(name: str, counts: Counter[str], most: int = 30) -> str:
    """A Markdown table, largest count first; what is beyond `most` rows is summed up."""
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(n for _, n in rows[most:])
    rows = rows[:most] + ([(f"{len(rows) - most} more", rest)] if rest else [])
    return "\n".join([f"| {name} | pages |", "|---|---:|", *(f"| {key} | {n:,} |" for key, n in rows)])


def _head(counts: Counter[str], languages: Counter[str], path: str) -> str:
    """The YAML head: licence, languages, and where the data are."""
    one = next(iter(counts)).lower() if len(counts) == 1 and " " not in next(iter(counts)) else "other"
    codes = sorted({c.partition("-")[0].lower() for c in languages if re.fullmatch(r"[A-Za-z]{2,3}(?:-\w+)*", c)})
    lines = ["---", f"license: {one}", *(["language:"] if codes else [])]
    lines += [f'- "{code}"' for code in codes]  # in quotes: a bare `no` (Norwegian) would be read as false
    lines += ["configs:", "- config_name: default", "  data_files:", "  - split: train", f"    path: {path}", "---"]
    return "\n".join(lines)


def card(name: str, counts: Counts, path: str, allowed: frozenset[str], note: str = "") -> str:
    """The README.md of a snapshot.

    Args:
        name: title of the data set.
        counts: what was written.
        path: the data file, relative to the card.
        allowed: identifiers of the licences whose texts are in it.
        note: a paragraph of the one who made it: what for, with which roots.
    """
    columns = "\n".join(f"| `{key}` | {meaning} |" for key, meaning in COLUMNS.items())
    span = f"on {counts.first}" if counts.first == counts.last else f"from {counts.first} to {counts.last}"
    fetched = f" fetched {span}" if counts.first else ""
    left = counts.rows - counts.texts
    parts = [
        _head(counts.licences, counts.languages, path),
        f"# {plain(name, 80)}",
        f"{counts.rows:,} web pages{fetched}: {counts.texts:,} with their text ({counts.words:,} words), {left:,} with"
        " address, title and hash only.",
        note.strip(),
        "## Columns\n\n| column | meaning |\n|---|---|\n" + columns,
        "## Counts\n\n" + "\n\n".join(_table(n, c) for n, c in _counters(counts)),
        _made(),
        f"## Licences\n\nEach page keeps its own licence, named in its row; the author is to be found at its address."
        f" The text is included only under one of these: {', '.join(sorted(allowed)) or 'none'}. Of all other pages,"
        " and of those whose licence is not stated, only facts are told: address, title, hash and links.",
        REFILL,
        LIMITS,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _counters(counts: Counts) -> list[tuple[str, Counter[str]]]:
    return [
        ("source", counts.sources),
        ("licence", counts.licences),
        ("language", counts.languages),
        ("host", counts.hosts),
    ]


def _made() -> str:
    return (
        "## How it was made\n\nBy the crawler of webdancer, an independent reproduction of WebDancer (arXiv 2505.22648,"
        " not by its authors): from root addresses along the links, http(s) only, robots.txt obeyed, an identifying"
        " user agent, a pause between requests to a host. HTML was turned into clean text; error pages, bot blocks,"
        " consent and login pages and exact duplicates were left out. Licence and language are those that the page"
        " states."
    )


REFILL = """## How to refill the missing texts

```python
from webdancer.web import snapshot
from webdancer.web.fetch import Fetcher

with Fetcher() as fetcher:
    refilled = snapshot.refill("path/of/this/folder", fetcher)
print(refilled.report())
```

Each page is fetched again, politely, and its text is taken if its SHA-256 is the one recorded. Pages that changed
since are listed and stay empty; pages that came through an API (arXiv, GitHub) rarely give the same text as HTML."""

LIMITS = """## Limits

A stated licence may be wrong, or mean a part of the page; have the texts checked before you publish them again. Titles
and addresses may name persons. Pages change and vanish. Page text is a stranger's: treat it as data, never as
instructions to a model."""
