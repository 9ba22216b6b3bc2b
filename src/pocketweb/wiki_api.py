"""The wiki's `api.php`: the part of MediaWiki's query module that `wikipedia-api` 0.16 asks for.

Serves 01_crawl. In: articles and redirects of the pocket web. Out: the JSON of MediaWiki (`formatversion=1`) for
extracts, info, links, categories, category members, backlinks, search, random pages and siteinfo, with continuation,
redirects, normalised titles, missing pages, errors and warnings. Departures from MediaWiki: redirects are always
followed (the client always asks for it), search wants every word and ranks by title hits, "random" pages are always
the same.

The client is pointed here by overriding the one method that names the host:

    class PocketWikipedia(wikipediaapi.Wikipedia):
        def _build_url(self, language):
            return net.hosts["wiki.pocket.test"] + "/w/api.php"
"""

import hashlib
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

LIMIT = 500  # the most rows MediaWiki gives an anonymous client at once
CATEGORY = "Category:"
PROPS = ("extracts", "info", "links", "categories")
LISTS = ("search", "categorymembers", "backlinks", "random")
_WORD = re.compile(r"\w+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True)
class Article:
    """One article: plain `text`, the titles it links to, its categories without the prefix, `date` of its last edit."""

    title: str
    text: str
    links: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    date: str = "2020-01-01"


class QueryError(ValueError):
    """A request that MediaWiki refuses; `code` is the machine-readable part of the error it sends."""

    def __init__(self, code: str, info: str) -> None:
        super().__init__(info)
        self.code = code


def words(text: str) -> list[str]:
    """The lower-case words of `text`.

    >>> words("Orlen Ford, 1901")
    ['orlen', 'ford', '1901']
    """
    return _WORD.findall(text.lower())


def normal(title: str) -> str:
    """A title as MediaWiki stores it: underscores are spaces, the first letter is a capital.

    >>> normal("orlen_Ford ")
    'Orlen Ford'
    """
    title = " ".join(title.replace("_", " ").split())
    return title[:1].upper() + title[1:]


class Wiki:
    """The articles with every index that a query needs, built once."""

    def __init__(self, articles: Iterable[Article], redirects: Mapping[str, str], site: str) -> None:
        """`redirects` maps an alias to the title it leads to; `site` is the stored address of the wiki."""
        self.articles = sorted(articles, key=lambda a: a.title)
        self.redirects = {normal(alias): title for alias, title in redirects.items()}
        self.site = site
        self.by_title = {a.title: a for a in self.articles}
        self.members = _inverse((c, a.title) for a in self.articles for c in set(a.categories))
        self.backlinks = _inverse((link, a.title) for a in self.articles for link in set(a.links))
        titles = [*self.by_title, *(CATEGORY + name for name in sorted(self.members))]
        self.ids = {title: number for number, title in enumerate(titles, 1)}
        self.shuffled = sorted(self.by_title, key=lambda t: hashlib.sha256(t.encode()).digest())
        self.title_words = {a.title: frozenset(words(a.title)) for a in self.articles}

    @cached_property
    def text_words(self) -> dict[str, list[str]]:
        """For each word the titles of the pages that hold it in title or text; built by the first search."""
        return _inverse((w, a.title) for a in self.articles for w in {*words(a.title), *words(a.text)})

    def query(self, params: Mapping[str, str]) -> dict[str, Any]:
        """The answer to one `api.php` request; a refused one gives `{"error": {"code", "info"}}`, as MediaWiki does."""
        try:
            if params.get("action") != "query":
                raise QueryError("badvalue", f'Unrecognized value for parameter "action": {params.get("action", "")}.')
            if params.get("format") != "json":
                raise QueryError("badvalue", f'got format={params.get("format")!r}: this wiki only speaks "json".')
            answer: dict[str, Any] = {"batchcomplete": "", "query": {}}
            if "titles" in params:
                self._pages(params, answer)
            if "list" in params:
                self._list(params, answer)
            if params.get("meta") == "siteinfo":
                answer["query"] |= self._siteinfo(params)
            return answer
        except QueryError as error:
            return {"error": {"code": error.code, "info": str(error)}}

    def _pages(self, params: Mapping[str, str], answer: dict[str, Any]) -> None:
        """Fill `answer` with the properties asked of the titles."""
        found: list[dict[str, Any]] = []
        missing: list[dict[str, Any]] = []
        for title in dict.fromkeys(params["titles"].split("|")):
            (found if (page := self._find(title, answer["query"]))["pageid"] else missing).append(page)
        found.sort(key=lambda page: page["pageid"])
        asked = [p for p in params.get("prop", "").split("|") if p]
        unknown = [p for p in asked if p not in PROPS]
        if unknown:
            note = f'Unrecognized value for parameter "prop": {", ".join(unknown)}.'
            answer["warnings"] = {"query": {"*": note}}
        for page in found:
            if "extracts" in asked:
                page["extract"] = self._extract(page["title"], params)
            if "info" in asked:
                page |= self._info(page["title"])
        if "links" in asked:
            self._rows(found, "links", "pl", self._links, params, answer)
        if "categories" in asked:
            self._rows(found, "categories", "cl", self._categories, params, answer)
        pages = {str(page["pageid"]): page for page in found}
        for number, page in enumerate(missing, 1):
            pages[str(-number)] = {"ns": page["ns"], "title": page["title"], "missing": ""}
        answer["query"]["pages"] = pages

    def _find(self, asked: str, query: dict[str, Any]) -> dict[str, Any]:
        """Number, namespace and title of a page (number 0: missing); notes normalisation and redirect in `query`."""
        title = normal(asked)
        if title != asked:
            query.setdefault("normalized", []).append({"from": asked, "to": title})
        if title in self.redirects:
            query.setdefault("redirects", []).append({"from": title, "to": self.redirects[title]})
            title = self.redirects[title]
        return {"pageid": self.ids.get(title, 0), "ns": _namespace(title), "title": title}

    def _extract(self, title: str, params: Mapping[str, str]) -> str:
        """The text of a page: whole, its introduction or its first sentences; HTML unless plain text is asked for."""
        text = self.by_title[title].text if title in self.by_title else ""
        if "exintro" in params:
            text = text.partition("\n\n")[0]
        if "exsentences" in params:
            text = " ".join(_SENTENCE_END.split(text)[: _number(params, "exsentences", 1)])
        if "explaintext" in params:
            return text
        return "\n".join(f"<p>{html.escape(part, quote=False)}</p>" for part in text.split("\n\n") if part)

    def _info(self, title: str) -> dict[str, Any]:
        """What `prop=info` tells of a page."""
        article = self.by_title.get(title)
        url = f"{self.site}/wiki/{quote(title.replace(' ', '_'), safe='/:(),')}"
        return {
            "contentmodel": "wikitext",
            "pagelanguage": "en",
            "pagelanguagehtmlcode": "en",
            "pagelanguagedir": "ltr",
            "touched": f"{article.date if article else '2020-01-01'}T00:00:00Z",
            "lastrevid": self.ids[title],
            "length": len(article.text.encode()) if article else 0,
            "protection": [],
            "restrictiontypes": ["edit", "move"],
            "fullurl": url,
            "editurl": f"{self.site}/w/index.php?title={quote(title.replace(' ', '_'))}&action=edit",
            "canonicalurl": url,
            "readable": "",
            "displaytitle": html.escape(title, quote=False),
        }

    def _links(self, title: str) -> list[str]:
        return sorted(set(self.by_title[title].links)) if title in self.by_title else []

    def _categories(self, title: str) -> list[str]:
        return sorted(CATEGORY + c for c in self.by_title[title].categories) if title in self.by_title else []

    def _rows(
        self, pages: Sequence[dict], key: str, prefix: str, of: Any, params: Mapping[str, str], answer: dict[str, Any]
    ) -> None:
        """Give the pages their rows `key` (titles by `of`), at most the limit asked for over all pages together."""
        rows = [(page, title) for page in pages for title in of(page["title"])]
        for page, title in _window(rows, key, prefix, params, answer, 10):
            page.setdefault(key, []).append({"ns": _namespace(title), "title": title})

    def _list(self, params: Mapping[str, str], answer: dict[str, Any]) -> None:
        """Fill `answer` with a list that is not about given titles."""
        name = params["list"]
        if name == "search":
            self._search(params, answer)
        elif name == "random":
            titles = self.shuffled[: _number(params, "rnlimit", 1)]
            answer["query"][name] = [{"id": self.ids[t], "ns": 0, "title": t} for t in titles]
        elif name == "categorymembers":
            titles = self.members.get(normal(params.get("cmtitle", "")).removeprefix(CATEGORY), [])
            answer["query"][name] = [self._stub(t) for t in _window(titles, name, "cm", params, answer, 10)]
        elif name == "backlinks":
            titles = self.backlinks.get(normal(params.get("bltitle", "")), [])
            answer["query"][name] = [self._stub(t) for t in _window(titles, name, "bl", params, answer, 10)]
        else:
            raise QueryError("badvalue", f'Unrecognized value for parameter "list": {name}. Known: {", ".join(LISTS)}.')

    def _siteinfo(self, params: Mapping[str, str]) -> dict[str, Any]:
        """What the wiki tells of itself: names and addresses, licence (it claims none), its namespaces."""
        general = {"mainpage": "Main Page", "base": f"{self.site}/wiki/Main_Page", "sitename": "Pocket wiki"}
        general |= {"lang": "en", "articlepath": "/wiki/$1", "scriptpath": "/w", "script": "/w/index.php"}
        told = {
            "general": general | {"server": self.site, "servername": self.site.partition("://")[2]},
            "rightsinfo": {"url": "", "text": ""},
            "namespaces": {"0": {"id": 0, "*": ""}, "14": {"id": 14, "canonical": "Category", "*": "Category"}},
        }
        return {name: told[name] for name in params.get("siprop", "general").split("|") if name in told}

    def _stub(self, title: str) -> dict[str, Any]:
        return {"pageid": self.ids[title], "ns": 0, "title": title}

    def _search(self, params: Mapping[str, str], answer: dict[str, Any]) -> None:
        """`list=search`: the pages that hold every word; pages with the words in their title come first."""
        asked = words(params.get("srsearch", ""))
        if not asked:
            raise QueryError("missingparam", 'The "srsearch" parameter must be set.')
        titles = self._matching(asked, params.get("srwhat", "text"))
        offset, limit = _number(params, "sroffset", 0, low=0), _number(params, "srlimit", 10)
        answer["query"]["searchinfo"] = {"totalhits": len(titles)}
        answer["query"]["search"] = [self._hit(t, asked) for t in titles[offset : offset + limit]]
        if offset + limit < len(titles):
            answer["continue"] = {"sroffset": offset + limit, "continue": "-||"}

    def _matching(self, asked: Sequence[str], what: str) -> list[str]:
        """Titles of the pages with all words, best first: exact title, then most words in the title, then by title."""
        wanted = set(asked)
        sets = [set(self.text_words.get(word, ())) for word in wanted]
        hits = sorted(set.intersection(*sets))
        if what == "title":
            hits = [t for t in hits if wanted <= self.title_words[t]]
        elif what == "nearmatch":
            hits = [t for t in hits if words(t) == list(asked)]
        return sorted(hits, key=lambda t: (words(t) != list(asked), -len(wanted & self.title_words[t]), t))

    def _hit(self, title: str, asked: Sequence[str]) -> dict[str, Any]:
        """One search result; the snippet is the sentence with most of the words, marked as MediaWiki marks them."""
        article = self.by_title[title]
        sentences = _SENTENCE_END.split(article.text)
        best = max(sentences, key=lambda s: len(set(asked) & set(words(s))))
        pattern = re.compile(rf"\b({'|'.join(map(re.escape, asked))})\b", re.IGNORECASE)
        parts = [html.escape(part, quote=False) for part in pattern.split(best)]  # every second part is a match
        snippet = "".join(f'<span class="searchmatch">{p}</span>' if i % 2 else p for i, p in enumerate(parts))
        size = {"size": len(article.text.encode()), "wordcount": len(article.text.split())}
        return self._stub(title) | size | {"snippet": snippet, "timestamp": f"{article.date}T00:00:00Z"}


def _inverse(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """`{key: [values]}` in the order of the pairs."""
    groups: dict[str, list[str]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def _namespace(title: str) -> int:
    """14 for a category, else 0 (articles)."""
    return 14 if title.startswith(CATEGORY) else 0


def _number(params: Mapping[str, str], name: str, default: int, low: int = 1) -> int:
    """A whole number among the parameters, capped at `LIMIT` unless it is an offset; "max" is `LIMIT`."""
    value = params.get(name, str(default))
    if value == "max":
        return LIMIT
    if not value.isdecimal() or int(value) < low:
        raise QueryError("badinteger", f'Invalid value "{value}" for integer parameter "{name}".')
    return min(int(value), LIMIT) if low else int(value)


def _window(
    rows: Sequence[Any], key: str, prefix: str, params: Mapping[str, str], answer: dict[str, Any], default: int
) -> Sequence[Any]:
    """The rows of this request; when more remain, `answer["continue"]` says where the next request goes on."""
    token = params.get(f"{prefix}continue", "0|")
    start = token.partition("|")[0]
    if not start.isdecimal() or int(start) > len(rows):
        raise QueryError("badcontinue", f'Invalid continue param "{token}": pass on the value of the last answer.')
    end = int(start) + _number(params, f"{prefix}limit", default)
    if end < len(rows):
        answer.setdefault("continue", {"continue": "||"})[f"{prefix}continue"] = f"{end}|{key}"
        answer.pop("batchcomplete", None)
    return rows[int(start) : end]
