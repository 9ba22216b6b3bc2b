"""A `Doc` as HTML, as messy as a real site: navigation, banner, related links and footer around the article.

In: a `Doc` of `pages`. Out: an HTML page, served by `sites` and cleaned again by `webdancer.web.text`. Shown in
`01_crawl`. The boilerplate holds no fact, so that a cleaner that keeps it costs tokens and not truth.
"""

import re
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pocketweb.pages import Doc

LICENCE = "https://creativecommons.org/publicdomain/zero/1.0/"
NAVIGATION = (("Home", "/"), ("Events", "/events/"), ("News", "/news/"))
BANNER = "We use a few cookies. Accept all or choose."
NEWSLETTER = "Subscribe to our letter and get a postcard every month."
FOOTER = "Printed on recycled electrons. All times are local times. Imprint, privacy, contact."


def linked(text: str, anchors: tuple[tuple[str, str], ...], form: str) -> str:
    """`text` with every title of `anchors` that occurs in it turned into a link.

    Longer titles win over shorter ones that they contain, so a namesake's link never ends before its bracket.

    Args:
        text: the text, already escaped if `form` is HTML.
        anchors: pairs of title and URL; titles that do not occur are left out.
        form: the link, `{0}` the title and `{1}` the URL.

    >>> linked("By Tal Veron.", (("Tal Veron", "http://w/T"),), "[{0}]({1})")
    'By [Tal Veron](http://w/T).'
    """
    if not anchors:
        return text
    urls = dict(anchors)
    titles = sorted(urls, key=len, reverse=True)
    pattern = r"(?<!\w)(" + "|".join(map(re.escape, titles)) + r")(?!\w)"
    return re.sub(pattern, lambda found: form.format(found[1], urls[found[1]]), text)


def page(doc: "Doc") -> str:
    """The HTML page of a `Doc`: an article between boilerplate, or a bare challenge if its kind is `block`."""
    if doc.kind == "block":
        return _challenge(doc)
    # Titles hold no character that HTML escapes, so they can be looked for in the escaped text.
    told = [linked(escape(s, quote=False), doc.anchors, '<a href="{1}">{0}</a>') for s in doc.sentences]
    paragraphs = "\n".join(f"<p>{' '.join(told[k : k + 3])}</p>" for k in range(0, len(told), 3))
    others = [(title, url) for title, url in doc.anchors if title not in doc.text]
    items = "".join(f'<li><a href="{escape(url)}">{escape(title)}</a></li>' for title, url in others)
    related = f'<aside class="related"><h2>See also</h2><ul>{items}</ul></aside>\n' if others else ""
    menu = "".join(f'<a href="{path}">{name}</a> ' for name, path in NAVIGATION)
    title = escape(doc.title)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<meta property="article:published_time" content="{doc.date}">
<link rel="license" href="{LICENCE}">
<link rel="canonical" href="{escape(doc.url)}">
<script>var visits = 0;</script>
<style>nav {{ float: left }}</style>
</head>
<body>
<header><nav>{menu}</nav></header>
<div class="cookie-banner" role="dialog">{BANNER}</div>
<main><article>
<h1>{title}</h1>
<time datetime="{doc.date}">{doc.date}</time>
{paragraphs}
</article></main>
{related}<aside class="newsletter">{NEWSLETTER}</aside>
<footer>{FOOTER} <a rel="license" href="{LICENCE}">CC0</a></footer>
</body>
</html>
"""


def _challenge(doc: "Doc") -> str:
    """The page of a bot check: words that a crawler should recognise and drop, and no content."""
    words = "".join(f"<p>{escape(s)}</p>" for s in doc.sentences)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><title>{escape(doc.title)}</title>'
        f'<meta name="robots" content="noindex"></head><body><div id="challenge-running">{words}</div>'
        "<script>var challenge = 1;</script></body></html>\n"
    )
