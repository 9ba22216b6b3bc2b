"""Under which licence a page says that it stands.

Used by `web.text`, shown in 01_crawl. In: a parsed page. Out: the address or the name of a licence, or nothing. Asked
in this order: `rel=license`, `<meta name=license>`, JSON-LD, then a link to a known licence, or its name, in the foot
of the page. A licence of one picture in the middle of an article is not the page's. The paper names no licences.
"""

import json
import re
from collections import deque
from collections.abc import Callable
from typing import Any

from lxml import html

_CC = re.compile(
    r"https?://(?:www\.)?creativecommons\.org/(licenses|publicdomain)/([a-z+-]+)/(\d\.\d)(/[a-z]{2})?(?:[/?#]|$)"
)
_KNOWN = re.compile(
    r"^https?://(?:www\.)?(?:creativecommons\.org/(?:licenses|publicdomain)/|opensource\.org/licenses?/"
    r"|gnu\.org/(?:licenses|copyleft)/|apache\.org/licenses/|opendatacommons\.org/licenses/"
    r"|nationalarchives\.gov\.uk/doc/open-government-licence)",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\b(?:CC0(?: 1\.0)?|CC[ -]BY(?:-(?:NC|SA|ND))*(?:[ -]\d\.\d)?|GFDL|(?:the )?MIT License)(?!\w)")
_LICENCE_META = (
    "//meta[translate(@name, 'DCTERMS.LINSE', 'dcterms.linse')='license' or @name='dcterms.license'"
    " or @property='dcterms:license' or @itemprop='license' or @property='license']/@content"
)
_FOOT = (
    "//footer | //*[@role='contentinfo'] | //*[contains(@id, 'footer') or contains(@class, 'footer')"
    " or contains(@class, 'licen') or contains(@id, 'licen') or contains(@class, 'copyright')]"
)
MAX_JSON, MAX_NODES, MAX_FEET, LONGEST = 200_000, 2_000, 20, 300


def licence(tree: html.HtmlElement, absolute: Callable[[str], str]) -> str:
    """Address or name of the licence that the page states, or "".

    Args:
        tree: the page.
        absolute: makes an address of the page absolute; "" for what is none.

    >>> page = html.fromstring('<p><a rel="license" href="//creativecommons.org/licenses/by/4.0/deed.de">CC</a></p>')
    >>> licence(page, lambda href: "https:" + href)
    'https://creativecommons.org/licenses/by/4.0/'
    """
    stated = tree.xpath("//*[@rel][contains(concat(' ', @rel, ' '), ' license ')]/@href")
    told = next((url for href in stated if (url := absolute(str(href)))), "")
    told = told or next((str(value) for value in tree.xpath(_LICENCE_META) if str(value).strip()), "")
    return _tidy(told or _json(tree) or _foot(tree, absolute))


def _tidy(told: str) -> str:
    """One spelling: https for Creative Commons, and the deed, not one of its translations."""
    told = " ".join(told.split())[:LONGEST]
    found = _CC.match(told.lower())
    return f"https://creativecommons.org/{found[1]}/{found[2]}/{found[3]}{found[4] or ''}/" if found else told


def _json(tree: html.HtmlElement) -> str:
    """The `license` of a JSON-LD block: a text, or an object with an address or a name."""
    for script in tree.iterfind(".//script[@type='application/ld+json']"):
        source = script.text or ""
        if len(source) > MAX_JSON or "license" not in source:
            continue
        try:
            queue: deque[Any] = deque([json.loads(source, strict=False)])
        except (ValueError, RecursionError):
            continue
        for _ in range(MAX_NODES):
            if not queue:
                break
            node = queue.popleft()
            if isinstance(node, dict):
                if value := _text(node.get("license")):
                    return value
                queue.extend(v for v in node.values() if isinstance(v, dict | list))
            elif isinstance(node, list):
                queue.extend(v for v in node[:MAX_NODES] if isinstance(v, dict | list))
    return ""


def _text(value: Any) -> str:
    if isinstance(value, list):
        value = value[0] if value else ""
    if isinstance(value, dict):
        value = next((value[k] for k in ("@id", "url", "name") if isinstance(value.get(k), str)), "")
    return value.strip() if isinstance(value, str) else ""


def _foot(tree: html.HtmlElement, absolute: Callable[[str], str]) -> str:
    """A known licence that the foot of the page links to, else names."""
    feet = tree.xpath(_FOOT)[-MAX_FEET:]
    for foot in feet:
        for link in foot.iter("a"):
            if (url := absolute(link.get("href") or "")) and _KNOWN.match(url):
                return url
    for foot in feet:
        if foot.tag not in ("html", "body") and (found := _NAMED.search(foot.text_content()[:5_000])):
            return " ".join(found[0].split())
    return ""
