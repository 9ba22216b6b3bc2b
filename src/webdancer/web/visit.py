"""Open one page that is not stored: fetched by a guarded reader, cleaned, and refused if it is no page at all.

Used by `web.tools.Tools(reader=...)`. In: a URL that a model chose, and a reader, which must be guarded
(`web.fetch.Fetcher`, or `web.frozen.Frozen` around one). Out: a `Page`, or a reason that the agent can read. Departure
from the paper: it reads pages through a commercial service; ours are fetched politely and cleaned by `web.text`.
"""

from typing import Protocol

from webdancer.core.schema import Page
from webdancer.web.fetch import Fetched
from webdancer.web.frozen import MISS
from webdancer.web.pdf import pdf_text
from webdancer.web.text import Cleaned, block_reason, clean, markdown, tidy

SHOWN = 200  # characters of a URL or a reason in an observation


class Reader(Protocol):
    """What fetches a page: `fetch.Fetcher` or `frozen.Frozen`."""

    def get(self, url: str) -> Fetched: ...


class Unreadable(ValueError):
    """A page that cannot be shown; the message says why and becomes the observation."""


def open_page(reader: Reader, url: str) -> Page:
    """The page at `url`.

    Raises:
        Unreadable: not an http(s) address, not fetched (the reader's reason), not in the recording, or not a page for
            readers (`text.block_reason`).
    """
    url, shown = url.strip(), url.strip()[:SHOWN]
    if not url.lower().startswith(("http://", "https://")):
        raise Unreadable(f"{shown} is not an http or https address. Visit a URL from the search results.")
    got = reader.get(url)
    if got.error == MISS:
        raise Unreadable(f"{shown} is not in the recording (replay mode). Visit another URL.")
    if got.error:
        raise Unreadable(f"{shown} could not be opened ({got.error[:SHOWN]}). Visit another URL.")
    page = _cleaned(got)
    reason = block_reason(page.title, page.text, link_share=page.link_share)
    if reason:
        raise Unreadable(f"{shown} was opened, but it is no page to read ({reason}). Visit another URL.")
    return Page(got.url, page.title, page.text, page.links, licence=page.licence, robots=got.robots, date=page.date)


def _cleaned(got: Fetched) -> Cleaned:
    """Title and text by the kind of content."""
    kind = got.content_type
    if kind == "application/pdf":
        read = pdf_text(getattr(got, "body", b""))
        if read.reason:
            raise Unreadable(f"{got.url[:SHOWN]} was opened, but could not be read ({read.reason}). Visit another URL.")
        return Cleaned(read.text.partition("\n")[0][:SHOWN], read.text)
    if kind == "text/markdown":
        return markdown(got.text, got.url)
    if kind.startswith("text/") and kind != "text/html" or kind == "application/json":
        return Cleaned("", tidy(got.text))
    return clean(got.text, got.url)
