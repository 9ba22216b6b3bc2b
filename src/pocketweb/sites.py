"""The four sites of the pocket web as one Starlette application: HTML, robots.txt, sitemap.xml and the three APIs.

Serves 01_crawl. In: worlds. Out: an application that tells its sites apart by the first part of the path or by the Host
header, so that one port serves all of them: `/wiki.pocket.test/wiki/Orlen_Ford` and `/wiki/Orlen_Ford` with
`Host: wiki.pocket.test` are the same page. The paper crawls the real web; this one is ours.

    wiki.pocket.test     /wiki/Title   /w/api.php (see `wiki_api`)
    www.pocket.test      /events/slug  /news/slug   /drafts/slug (disallowed by robots.txt)
    arxiv.pocket.test    /abs/id       /pdf/id   /api/query (see `arxiv_api`)
    github.pocket.test   /owner/name   /repos/... /search/... /users/... /rate_limit and the like (see `github_api`)
    all                  /             /robots.txt  /sitemap.xml
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Host, Mount, Route, Router

from pocketweb.arxiv_api import Arxiv, Paper
from pocketweb.faults import Faults, Gate
from pocketweb.github_api import GitHub, Repository
from pocketweb.github_extras import extras
from pocketweb.grammar import BY_KEY
from pocketweb.pages import ARXIV, DISALLOWED, GITHUB, WIKI, WWW, Doc, render
from pocketweb.wiki_api import Article, Wiki
from pocketweb.world import World

SITES = {"wiki": WIKI, "www": WWW, "arxiv": ARXIV, "github": GITHUB}
HOSTS = tuple(site.partition("://")[2] for site in SITES.values())
FRONT = 100  # links on a front page, at most
PAPER_PEOPLE = ("paper.author", "paper.university")  # what arXiv gives beside the abstract
FORBIDDEN = {"wiki": "/w/index.php", "www": DISALLOWED, "arxiv": "/e-print/", "github": "/search"}


def app(worlds: Sequence[World], log: list[tuple[str, str]] | None = None, faults: Faults | None = None) -> Starlette:
    """The application that serves some worlds side by side.

    Args:
        worlds: worlds of different seeds.
        log: every request is appended as (host, path with query).
        faults: which requests fail; None for none.

    Raises:
        ValueError: two worlds of one seed, whose pages would share their addresses; the message names the seed.
    """
    seeds = [world.seed for world in worlds]
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"got the world seeds {seeds}, wanted each at most once: their pages share addresses")
    docs = [(world, doc) for world in worlds for doc in render(world)]
    log = [] if log is None else log
    gates = {}
    for name, site in SITES.items():
        own = [(world, doc) for world, doc in docs if doc.site == name]
        routes = [*_API[name](own), *_pages(name, [doc for _, doc in own])]
        host = site.partition("://")[2]
        gates[host] = Gate(Router(routes), host, log, faults or Faults())
    # The path comes first: a client that rewrites addresses may send both, the prefix and the name it was asked for.
    mounts: list[BaseRoute] = [Mount(f"/{host}", gate) for host, gate in gates.items()]
    return Starlette(routes=mounts + [Host(host, gate) for host, gate in gates.items()])


def _pages(name: str, docs: Sequence[Doc]) -> list[Route]:
    """robots.txt, the sitemap, the front pages and the pages of a site as people read them."""
    site = SITES[name]
    by_path = {unquote(doc.url.removeprefix(site)): doc for doc in docs if doc.kind != "dead"}
    shown = [doc for path, doc in by_path.items() if doc.kind != "redirect" and not path.startswith(DISALLOWED)]
    robots = f"User-agent: *\nDisallow: {FORBIDDEN[name]}\n\nSitemap: {site}/sitemap.xml\n"
    sitemap = _sitemap(shown)
    entities = [doc for doc in shown if doc.kind == "entity"]
    some = entities[:: len(entities) // FRONT + 1]  # spread over the worlds
    fronts = {"/": _front(f"Front page of {name}", some)}
    if name == "wiki":
        fronts["/wiki/Main_Page"] = _front("Main Page", _portal(docs))
    if name == "www":
        fronts["/events/"] = _front("Events", [d for p, d in by_path.items() if p.startswith("/events/")])
        # The news page links to drafts as well: it is robots.txt that keeps a polite crawler out.
        fronts["/news/"] = _front("News", [d for p, d in by_path.items() if not p.startswith("/events/")])

    async def page(request: Request) -> Response:
        path = "/" + request.path_params["path"]
        return HTMLResponse(fronts[path]) if path in fronts else _page(by_path.get(path))

    async def robots_txt(_: Request) -> Response:
        return PlainTextResponse(robots)

    async def sitemap_xml(_: Request) -> Response:
        return Response(sitemap, media_type="application/xml")

    return [Route("/robots.txt", robots_txt), Route("/sitemap.xml", sitemap_xml), Route("/{path:path}", page)]


def _page(doc: Doc | None) -> Response:
    """The response that shows a page, leads on from a redirect, bars the way to a blocked page or misses a dead one."""
    if doc is None:
        return HTMLResponse("<!DOCTYPE html><title>Not found</title><p>404: there is no such page.</p>", 404)
    if doc.kind == "redirect":
        return RedirectResponse("./" + doc.anchors[0][1].rpartition("/")[2], 301)
    # Real bot checks come with 403 or with 200: both occur, so that a crawler cannot go by the status alone.
    barred = doc.kind == "block" and hashlib.sha256(doc.url.encode()).digest()[0] % 2 == 0
    return HTMLResponse(doc.html, 403 if barred else 200)


def _sitemap(docs: Sequence[Doc]) -> str:
    """The sitemap of a site: every page that robots.txt allows."""
    rows = (f"<url><loc>{escape(d.url)}</loc>{f'<lastmod>{d.date}</lastmod>' if d.date else ''}</url>" for d in docs)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
    return head + "\n".join(rows) + "\n</urlset>\n"


def _front(title: str, docs: Sequence[Doc]) -> str:
    """A page that lists other pages."""
    items = "\n".join(f'<li><a href="{escape(d.url)}">{escape(d.title)}</a></li>' for d in docs)
    head = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>"
    return f"{head}<body><h1>{title}</h1>\n<ul>\n{items}\n</ul></body></html>\n"


def _portal(docs: Sequence[Doc]) -> list[Doc]:
    """The pages that the wiki's main page links to: the regions, from which everything else can be reached."""
    return [doc for doc in docs if "Regions" in doc.categories]


def _json(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Response:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, dict(headers or {}), media_type="application/json")


def _wiki_title(url: str) -> str:
    return unquote(url.removeprefix(f"{WIKI}/wiki/")).replace("_", " ")


def _wiki_api(docs: Sequence[tuple[World, Doc]]) -> list[Route]:
    """Articles with their titles, links and categories, and the aliases as redirects, behind `api.php`."""
    articles, redirects = [], {}
    for _, doc in docs:
        titles = tuple(_wiki_title(url) for url in doc.links if url.startswith(WIKI))
        if doc.kind == "redirect":
            redirects[doc.title] = titles[0]
        elif doc.kind != "dead":
            articles.append(Article(doc.title, doc.text, titles, doc.categories, doc.date or "2040-01-01"))
    regions = tuple(doc.title for doc in _portal([doc for _, doc in docs]))
    articles.append(Article("Main Page", "This wiki tells of the regions below.", regions, (), "2040-01-01"))
    wiki = Wiki(articles, redirects, WIKI)

    async def api(request: Request) -> Response:
        return _json(200, wiki.query(request.query_params))

    return [Route("/w/api.php", api)]


def _arxiv_api(docs: Sequence[tuple[World, Doc]]) -> list[Route]:
    """Papers with author, affiliation and, in the comment, their links, behind `/api/query`."""
    papers = []
    for world, doc in docs:
        author, place = (world.objects(world.entities[doc.entity], BY_KEY[key])[0] for key in PAPER_PEOPLE)
        comment = f"Links: {' '.join(doc.links)}" if doc.links else ""
        number = doc.url.rpartition("/")[2]
        papers.append(Paper(number, doc.title, doc.text, (author,), place, comment, doc.categories, doc.date))
    arxiv = Arxiv(papers, ARXIV)

    async def query(request: Request) -> Response:
        status, feed = arxiv.query(request.query_params)
        return Response(feed, status, media_type="application/atom+xml")

    async def pdf(request: Request) -> Response:
        data = arxiv.pdf(request.path_params["number"])
        return _page(None) if data is None else Response(data, media_type="application/pdf")

    return [Route("/api/query", query), Route("/pdf/{number}", pdf)]


def _github_api(docs: Sequence[tuple[World, Doc]]) -> list[Route]:
    """Repositories with a README, one source file and what `extras` adds, behind GitHub's REST paths."""
    repositories = []
    for _, doc in docs:
        full_name = doc.url.removeprefix(f"{GITHUB}/")
        code = f'"""{doc.title}: see README.md."""\n'
        files = (("README.md", doc.markdown), (f"src/{doc.title.replace('-', '_')}.py", code))
        more, issues, releases = extras(full_name.partition("/")[2], doc.date)
        about = (f"Code of {doc.title}", (*files, *more), doc.categories, "Python", doc.date, issues, releases)
        repositories.append(Repository(full_name, *about))
    github = GitHub(repositories, GITHUB)
    own_host = GITHUB.partition("://")[2]

    async def rest(request: Request) -> Response:
        # PyGithub only follows addresses of the host it called; a client that sends our name knows the stored ones.
        asked, prefix = request.headers.get("host", ""), request.scope["root_path"]
        base = GITHUB if asked == own_host else f"http://{asked}{prefix}"
        path = request.scope["path"].removeprefix(prefix)
        if path.startswith("/api/v3/"):
            path, base = path.removeprefix("/api/v3"), f"{base}/api/v3"
        return _json(*github.get(path, request.query_params, base))

    heads = ("/repos/", "/repositories/", "/search/", "/users/", "/orgs/", "/api/v3/")
    return [Route("/rate_limit", rest), *(Route(f"{head}{{rest:path}}", rest) for head in heads)]


_API = {"wiki": _wiki_api, "www": lambda _: [], "arxiv": _arxiv_api, "github": _github_api}
