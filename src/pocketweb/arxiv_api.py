"""The paper site's `/api/query`: arXiv's Atom feed as `arxiv` 4.0 asks for it.

Serves 01_crawl. In: the papers of the pocket web. Out: Atom with `opensearch:totalResults`, paging by `start` and
`max_results`, `id_list`, `sortBy` and `sortOrder`, and `search_query` with the fields ti, au, abs, co, jr, cat, id and
all, quoted phrases, brackets, AND, OR and ANDNOT; and the papers as PDF. Departures from arXiv: words are matched whole
(no stemming), relevance is the number of words matched, no date ranges.

The client is pointed here by one attribute (`delay_seconds=0`: nobody else waits for this server):

    client = arxiv.Client(page_size=100, delay_seconds=0)
    client.query_url_format = net.hosts["arxiv.pocket.test"] + "/api/query?{}"
    client.results(arxiv.Search("cat:cs.LG AND ti:lattices"))

`Result.entry_id` is the stored address, `http://arxiv.pocket.test/abs/4301.00012v1`.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from xml.sax.saxutils import escape, quoteattr

from pocketweb import typeset

PAGE_LIMIT = 2000  # the most entries arXiv sends at once
_ID = re.compile(r"(\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(v\d+)?")
_TOKEN = re.compile(r'\(|\)|(?:[a-z]+:)?"[^"]*"|[^\s()]+')
_WORD = re.compile(r"\w+")
_FIELDS = ("ti", "au", "abs", "co", "jr", "cat", "id")
_FEED = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
  <title type="html">{title}</title>
  <id>{site}/api/query</id>
  <updated>2024-01-01T00:00:00-05:00</updated>
  <opensearch:totalResults xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">{total}</opensearch:totalResults>
  <opensearch:startIndex xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">{start}</opensearch:startIndex>
  <opensearch:itemsPerPage xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">{size}</opensearch:itemsPerPage>
{entries}</feed>
"""
BODY = (
    "1 Introduction",
    "This section would say why the matter is worth a paper. Comparable approaches are discussed elsewhere.",
    "2 Measurements",
    "Everything was measured three times, and the middle value is reported throughout.",
    "References",
)

Test = Callable[["Paper"], bool]


@dataclass(frozen=True)
class Paper:
    """One paper: `id` with its version (`4301.00012v1`), abstract in `summary`, `date` as YYYY-MM-DD."""

    id: str
    title: str
    summary: str
    authors: tuple[str, ...] = ()
    affiliation: str = ""
    comment: str = ""
    categories: tuple[str, ...] = ("cs.LG",)
    date: str = "2020-01-01"


class ArxivError(ValueError):
    """A request that arXiv refuses with status 400; the message is what the error entry says."""


class Arxiv:
    """The papers with every index that a query needs, built once."""

    def __init__(self, papers: Iterable[Paper], site: str) -> None:
        """`site` is the stored address of the paper site, e.g. `http://arxiv.pocket.test`."""
        self.papers = sorted(papers, key=lambda p: p.id)
        self.site = site
        self.by_id = {p.id: p for p in self.papers}
        self.by_id |= {p.id.rpartition("v")[0]: p for p in self.papers}
        self.fields = {p.id: _field_words(p) for p in self.papers}
        self.entries = {p.id: self._entry(p) for p in self.papers}

    def query(self, params: Mapping[str, str]) -> tuple[int, str]:
        """Status and Atom text for the parameters of one `/api/query` request; a refusal is 400 with an error entry."""
        try:
            found = self._found(params)
            start, size = _number(params, "start", 0), _number(params, "max_results", 10)
            if size > PAGE_LIMIT:
                raise ArxivError(f"max_results must be at most {PAGE_LIMIT}, got {size}")
        except ArxivError as error:
            entry = f"<id>{self.site}/api/errors</id><title>Error</title><summary>{escape(str(error))}</summary>"
            entries = f"  <entry>{entry}</entry>\n"
            return 400, _FEED.format(title="Error", site=self.site, total=1, start=0, size=1, entries=entries)
        entries = "".join(self.entries[p.id] for p in found[start : start + size])
        asked = f"search_query={params.get('search_query', '')}&id_list={params.get('id_list', '')}"
        title = escape(f"ArXiv Query: {asked}&start={start}&max_results={size}")
        return 200, _FEED.format(title=title, site=self.site, total=len(found), start=start, size=size, entries=entries)

    def pdf(self, number: str) -> bytes | None:
        """The paper as PDF; None for an unknown one and for one in sixteen (withdrawn). One in sixteen is broken."""
        paper = self.by_id.get(number)
        draw = hashlib.sha256(paper.id.encode()).digest()[0] % 16 if paper else 0
        if paper is None or draw == 0:
            return None
        data = typeset.document([paper.title, ", ".join(paper.authors), "Abstract", paper.summary, *BODY])
        return data[: len(data) // 3] if draw == 1 else data

    def _found(self, params: Mapping[str, str]) -> list[Paper]:
        """The papers that a request is about, in the order asked for."""
        text = params.get("search_query", "").strip()
        ids = [i.strip() for i in params.get("id_list", "").split(",") if i.strip()]
        bad = [i for i in ids if not _ID.fullmatch(i)]
        if bad:
            raise ArxivError(f"incorrect id format for {bad[0]}")
        found = [self.by_id[i] for i in dict.fromkeys(ids) if i in self.by_id] if ids else self.papers
        if text:
            test, asked = parse(text, self.fields), set(_WORD.findall(text.lower()))
            found = [p for p in found if test(p)]
            found.sort(key=lambda p: -len(asked & self.fields[p.id]["all"]))
        elif not ids:
            return []
        return self._sorted(found, params)

    def _sorted(self, found: list[Paper], params: Mapping[str, str]) -> list[Paper]:
        """`found`, which comes in order of relevance, sorted as `sortBy` and `sortOrder` say."""
        by, order = params.get("sortBy", "relevance"), params.get("sortOrder", "descending")
        if by not in ("relevance", "lastUpdatedDate", "submittedDate") or order not in ("ascending", "descending"):
            raise ArxivError(f"sortBy must be in: relevance, lastUpdatedDate, submittedDate, got {by} {order}")
        if by == "relevance":
            return found if order == "descending" else found[::-1]
        return sorted(found, key=lambda p: (p.date, p.id), reverse=order == "descending")

    def _entry(self, paper: Paper) -> str:
        """The Atom entry of a paper."""
        place = f"<arxiv:affiliation>{escape(paper.affiliation)}</arxiv:affiliation>" if paper.affiliation else ""
        lines = [f"<author><name>{escape(name)}</name>{place}</author>" for name in paper.authors]
        lines += [f"<arxiv:comment>{escape(paper.comment)}</arxiv:comment>"] if paper.comment else []
        lines += [f'<category term={quoteattr(c)} scheme="http://arxiv.org/schemas/atom"/>' for c in paper.categories]
        lines += [f"<arxiv:primary_category term={quoteattr(c)}/>" for c in paper.categories[:1]]
        body = "".join(f"    {line}\n" for line in lines)
        return (
            f'  <entry xmlns:arxiv="http://arxiv.org/schemas/atom">\n'
            f"    <id>{self.site}/abs/{paper.id}</id>\n"
            f"    <updated>{paper.date}T00:00:00Z</updated>\n    <published>{paper.date}T00:00:00Z</published>\n"
            f"    <title>{escape(paper.title)}</title>\n    <summary>{escape(paper.summary)}</summary>\n{body}"
            f'    <link href="{self.site}/abs/{paper.id}" rel="alternate" type="text/html"/>\n'
            f'    <link title="pdf" href="{self.site}/pdf/{paper.id}" rel="related" type="application/pdf"/>\n'
            "  </entry>\n"
        )


def parse(text: str, fields: Mapping[str, Mapping[str, Sequence[str] | frozenset[str]]]) -> Test:
    """The test that a `search_query` stands for.

    Args:
        text: The query, e.g. `cat:cs.LG AND (ti:"tidal lattices" OR au:veron)`; words side by side mean OR,
            as on arXiv.
        fields: For each paper id the words of each field.

    Raises:
        ArxivError: unbalanced brackets, an operator without operands or an unknown field; the message quotes it.
    """
    tokens = _TOKEN.findall(text)
    test = _any(tokens, fields)
    if tokens:
        raise ArxivError(f"got {tokens[0]!r} where the query should end, in {text!r}: check the brackets")
    return test


def _any(tokens: list[str], fields: Mapping) -> Test:
    """OR of the parts up to a closing bracket or the end; takes them off `tokens`. AND and ANDNOT bind tighter."""
    tests = [_all(tokens, fields)]
    while tokens and tokens[0] != ")":
        if tokens[0] == "OR":
            tokens.pop(0)
        tests.append(_all(tokens, fields))
    return lambda paper: any(test(paper) for test in tests)


def _all(tokens: list[str], fields: Mapping) -> Test:
    """A chain of AND and ANDNOT."""
    tests = [_one(tokens, fields)]
    while tokens and tokens[0] in ("AND", "ANDNOT"):
        negative = tokens.pop(0) == "ANDNOT"
        test = _one(tokens, fields)
        tests.append((lambda paper, test=test: not test(paper)) if negative else test)
    return lambda paper: all(test(paper) for test in tests)


def _one(tokens: list[str], fields: Mapping) -> Test:
    """A bracket or a single term."""
    token = tokens.pop(0) if tokens else ""
    if token == "(":
        test = _any(tokens, fields)
        if not tokens:
            raise ArxivError("got an opening bracket that is never closed")
        tokens.pop(0)
        return test
    if token in ("", ")", "AND", "OR", "ANDNOT"):
        raise ArxivError(f"got {token or 'the end of the query'!r}, wanted a search term")
    return _term(token, fields)


def _term(token: str, fields: Mapping) -> Test:
    """The test of one `field:words`; words in quotes must stand side by side, underscores count as spaces."""
    field, colon, value = token.partition(":")
    if not colon:
        field, value = "all", token
    if field not in (*_FIELDS, "all"):
        raise ArxivError(f"got the field {field!r} in {token!r}, wanted one of all, {', '.join(_FIELDS)}")
    if field == "cat":
        return lambda paper: any(fnmatchcase(c, value.strip('"')) for c in paper.categories)
    if field == "id":
        return lambda paper: value in (paper.id, paper.id.rpartition("v")[0])
    wanted = _WORD.findall(value.replace("_", " ").lower())
    phrase = f" {' '.join(wanted)} "
    names = [f for f in _FIELDS if f not in ("cat", "id")] if field == "all" else [field]

    def test(paper: Paper) -> bool:
        known = fields[paper.id]
        return set(wanted) <= known["all"] and any(phrase in known[name] for name in names)

    return test


def _field_words(paper: Paper) -> dict[str, str | frozenset[str]]:
    """Per field ` word word ` (so that a phrase is a substring), and under "all" the set of all words."""
    texts = {"ti": paper.title, "au": " . ".join(paper.authors), "abs": paper.summary, "co": paper.comment, "jr": ""}
    known: dict[str, str | frozenset[str]] = {f: f" {' '.join(_WORD.findall(t.lower()))} " for f, t in texts.items()}
    known["all"] = frozenset(word for text in texts.values() for word in _WORD.findall(text.lower()))
    return known


def _number(params: Mapping[str, str], name: str, default: int) -> int:
    """A whole number from 0 among the parameters."""
    value = params.get(name, str(default))
    if not value.isdecimal():
        raise ArxivError(f"{name} must be an integer from 0, got {value!r}")
    return int(value)
