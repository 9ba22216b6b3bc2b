"""Wikipedia, in any language, and every other MediaWiki: pages through wikipedia-api.

Part of 01_crawl. In: the address of an `api.php` and titles or categories to start from. Out: an iterator of `Found`.
The address alone decides which wiki it is: language, form of the page addresses, licence and the local name of
categories are asked of the wiki itself (`siteinfo`). What the client does not retry (an answer that breaks off, a
wiki that is busy) is retried here. What the wiki said is kept in a `Journal`, one article (text and links) or one
category a piece. Departures from the paper: it names Wikipedia as an example of its roots, no more.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from webdancer.crawl_walk import Found, InTurn, breadth_first
from webdancer.web.fetch import USER_AGENT
from webdancer.web.guard import Refused
from webdancer.web.journal import Journal
from webdancer.web.language import guess, normal
from webdancer.web.text import Cleaned, block_reason, canonical, tidy

BY_SA = "https://creativecommons.org/licenses/by-sa/4.0/"
# Licences of texts, for wikis whose siteinfo names none; of a host that is not here nothing is claimed.
LICENCES = dict.fromkeys(
    ("wikipedia.org", "wiktionary.org", "wikibooks.org", "wikiquote.org", "wikiversity.org", "wikivoyage.org"), BY_SA
) | {"wikidata.org": "https://creativecommons.org/publicdomain/zero/1.0/"}
MAXLAG = 5  # seconds of replication lag from which a wiki may send us away; what its etiquette asks of programs
BUSY = ("maxlag", "ratelimited", "readonly", "internal_api_error")  # error codes after which a later try may do


@dataclass(frozen=True)
class Wiki:
    """What a wiki says about itself: `home` is a page's address with `$1` for the title, `category` its prefixes."""

    home: str
    licence: str = ""
    language: str = ""
    category: tuple[str, ...] = ("Category",)


def wikipedia(
    api: str,
    roots: Sequence[str],
    hosts: Mapping[str, str],
    limit: int,
    depth: int,
    threads: int,
    delay: float,
    *,
    user_agent: str = USER_AGENT,
    variant: str = "",
    journal: Journal | None = None,
) -> Iterator[Found]:
    """Pages of a MediaWiki through wikipedia-api: two requests a page (text and links), breadth first from the roots.

    Args:
        api: address of `api.php`, for example `https://de.wikipedia.org/w/api.php`.
        roots: titles; `Category:...` (or the wiki's own word for it) stands for the members of that category.
        hosts, limit, depth: as elsewhere.
        threads: articles read at once; a real wiki is read one by one, as it asks.
        delay: seconds between two requests to a real wiki.
        user_agent: who asks; Wikimedia wants a way to reach a person in it.
        variant: spelling to convert to where a wiki has several, for example `zh-cn`; empty for the page's own.
        journal: what an earlier crawl brought; None for none.
    """
    journal = journal or Journal()
    client = _client(api, hosts, delay, user_agent, variant)
    from wikipediaapi.exceptions import WikipediaException

    wiki = about(client, api, journal)
    client.language = wiki.language or client.language
    wiki = replace(wiki, language=variant or wiki.language)
    titles: list[str] = []
    for root in roots:
        if ":" not in root or root.partition(":")[0] not in wiki.category:
            titles.append(root)
            continue
        try:
            members, _ = journal.once(("category", api, root), lambda root=root: _members(client, root))
        except (WikipediaException, KeyError, Refused) as error:
            yield _failed(wiki, root, error)
            continue
        titles += members
        if not members:
            yield Found(wiki_url(wiki.home, root), "wikipedia", Cleaned(root, ""), "category without pages", "api")

    def look(title: str) -> tuple[Found, Sequence[str]]:
        told = lambda: journal.once(("article", api, variant, title), lambda: _read(client, title))  # noqa: E731
        return _page(told, wiki, title)

    threads = threads if urlsplit(api).netloc in hosts else 1
    yield from breadth_first(titles, look, limit, depth, threads)


def _members(client: Any, category: str) -> list[str]:
    return [p.title for p in client.page(category).categorymembers.values() if p.ns == 0]


def _client(api: str, hosts: Mapping[str, str], delay: float, user_agent: str, variant: str) -> Any:
    """wikipedia-api's client, pointed at `api`, patient with answers that break off and with a busy wiki."""
    import httpx
    import wikipediaapi  # lazily: nobody who only searches needs it
    from wikipediaapi.exceptions import WikiConnectionError, WikiInvalidJsonError, WikiRateLimitError

    class Client(wikipediaapi.Wikipedia):
        """The client; what its `_get` retries with growing pauses is told to it by the kind of exception."""

        def _build_url(self, language: str) -> str:
            return api

        def _do_get(self, url: str, params: dict[str, Any]) -> dict[str, Any]:
            try:
                answer = super()._do_get(url, params)
            except (httpx.RequestError, WikiInvalidJsonError) as error:
                raise WikiConnectionError(url) from error
            code = answer.get("error", {}).get("code", "")
            if code.startswith(BUSY):
                raise WikiRateLimitError(url, None)
            if code:
                raise Refused(f"the wiki answers {code}")
            return answer

    local = urlsplit(api).netloc in hosts
    return Client(
        user_agent=user_agent,
        variant=variant or None,
        transport=InTurn(hosts, delay),
        extra_api_params={"maxlag": MAXLAG},
        max_retries=3 if local else 5,
        retry_wait=0.05 if local else float(MAXLAG),
        timeout=30.0,
    )


def about(client: Any, api: str, journal: Journal) -> Wiki:
    """What the wiki behind `api` tells of itself; where it tells nothing, what its address lets one guess."""
    from wikipediaapi.exceptions import WikipediaException

    parts = urlsplit(api)
    by_host = next((url for host, url in LICENCES.items() if f".{parts.hostname}".endswith(f".{host}")), "")
    guess = Wiki(f"{parts.scheme}://{parts.netloc}/wiki/$1", by_host)
    asked = {"action": "query", "meta": "siteinfo", "siprop": "general|rightsinfo|namespaces", "format": "json"}
    try:
        asked |= {"maxlag": MAXLAG}
        told, _ = journal.once(("siteinfo", api), lambda: client._get(client.language, asked)["query"])
        general, names = told["general"], told.get("namespaces", {}).get("14", {})
        home = urljoin(urljoin(api, general["server"]), general["articlepath"])
    except (WikipediaException, KeyError, TypeError, Refused):
        return guess
    category = tuple(dict.fromkeys(["Category", names.get("canonical", ""), names.get("*", "")]))
    rights = told.get("rightsinfo", {}).get("url", "")
    licence = canonical(rights, api) if rights else by_host
    return Wiki(home, licence, general.get("lang", ""), tuple(c for c in category if c))


def _read(client: Any, title: str) -> dict[str, Any]:
    """What the wiki says of one article: its text, and the titles it links to."""
    page = client.page(title)
    there = page.text != "" or page.exists()
    linked = [p.title for p in page.links.values() if p.ns == 0] if there else []
    return {"title": page.title, "text": page.text, "there": there, "linked": linked}


def _page(told: Callable[[], tuple[dict[str, Any], str]], wiki: Wiki, title: str) -> tuple[Found, Sequence[str]]:
    """One article and the titles it links to; a request that keeps failing is a reason, not an exception."""
    from wikipediaapi.exceptions import WikipediaException

    try:
        said, day = told()
    except (WikipediaException, KeyError, Refused) as error:
        return _failed(wiki, title, error), ()
    links = tuple(wiki_url(wiki.home, t) for t in said["linked"])
    text = tidy(said["text"])
    page = Cleaned(said["title"], text, links, wiki.licence, language=normal(wiki.language) or guess(text))
    reason = block_reason(said["title"], said["text"]) if said["there"] else "missing"
    url, asked = wiki_url(wiki.home, said["title"]), wiki_url(wiki.home, title)
    return Found(url, "wikipedia", page, reason, "api", asked, day), said["linked"]


def _failed(wiki: Wiki, title: str, error: Exception) -> Found:
    """A page or category that could not be read."""
    url = wiki_url(wiki.home, title)
    reason = f"refused: {error}" if isinstance(error, Refused) else f"error: {type(error).__name__}"
    return Found(url, "wikipedia", Cleaned(title, ""), reason, "api", url)


def wiki_url(home: str, title: str) -> str:
    """Address of an article; `home` holds `$1` where the title goes, or ends where it begins.

    >>> wiki_url("http://wiki.pocket.test/wiki/", "Tal Veron (chemist)")
    'http://wiki.pocket.test/wiki/Tal_Veron_(chemist)'
    >>> wiki_url("https://a.test/index.php?title=$1", "Wien")
    'https://a.test/index.php?title=Wien'
    """
    name = quote(title.replace(" ", "_"))
    return canonical(home.replace("$1", name) if "$1" in home else home + name)
