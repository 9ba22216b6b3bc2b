"""What one response says, read within limits: shared by `fetch` (threads) and `download` (asyncio).

Used by 01_crawl. In: status, headers and raw chunks. Out: a `Fetched`, the target if it is a redirect, and the seconds
that Retry-After asks for. An answer that breaks off is an error that begins with "connection", so that it is tried
again. Departure from the paper: none known; how WebDancer fetched its pages is not published.
"""

import codecs
import dataclasses
import email.utils
import re
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from webdancer.web.body import ACCEPT, Body, read

RETRY_STATUS = (429, 500, 502, 503, 504)
CUT = "connection: the page breaks off"
HTML = ("", "text/html", "application/xhtml+xml")
_TEXT = re.compile(r"text/|application/(?:[a-z.]+\+)?(?:xml|json)|application/xhtml")
_GZIP = ("application/gzip", "application/x-gzip", "application/octet-stream", "binary/octet-stream")
_META = re.compile(rb"""<meta[^>]+charset=["']?([\w-]+)""", re.IGNORECASE)


@dataclass(frozen=True)
class Fetched:
    """What came of one request. `url` is the address after redirects; `error` is empty exactly if there is a page.

    `robots` is "allowed", "disallowed" or "unreachable" (robots.txt could not be read, which counts as a no), or ""
    if not asked. `etag` and `modified` are what a later request can ask with; `not_modified` says that the server
    answered such a request with 304 and no text. `body` holds the bytes of a PDF where the fetcher accepts those.
    """

    url: str
    status: int = 0
    content_type: str = ""
    text: str = ""
    error: str = ""
    robots: str = ""
    etag: str = ""
    modified: str = ""
    not_modified: bool = False
    body: bytes = b""


def ask(user_agent: str, etag: str = "", modified: str = "") -> dict[str, str]:
    """The headers of a request; with an ETag or a Last-Modified it asks only for what has changed since."""
    headers = {"user-agent": user_agent, "accept": "text/html,*/*", "accept-encoding": ACCEPT}
    if etag:
        headers["if-none-match"] = etag
    if modified:
        headers["if-modified-since"] = modified
    return headers


class Answer:
    """Takes one response: look at `wanted`, feed it the raw chunks if so, then ask for the `result`.

    Args:
        url: the address asked.
        status, headers: of the response.
        limit: most bytes of the body, after decompression.
        seconds: the longest that the body may take.
        accept_pdf: whether to keep the bytes of a PDF.
    Raises (also `feed` and `result`):
        Refused: the body is too large or packed in an unknown way.
    """

    def __init__(
        self, url: str, status: int, headers: httpx.Headers, limit: int, seconds: float, accept_pdf: bool = False
    ) -> None:
        self.status = status
        self.target = _target(url, status, headers)
        self.wait = retry_after(headers)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        self._headers = headers
        self._limit = limit
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._pdf = accept_pdf and kind == "application/pdf"
        packed = kind in _GZIP and urlsplit(url).path.endswith(".gz")
        kept = {"etag": headers.get("etag", ""), "modified": headers.get("last-modified", "")}
        self._got = Fetched(url, status, "" if self.target else kind, **kept)
        self._foreign = bool(kind) and not (_TEXT.match(kind) or packed or self._pdf)
        self.wanted = not (self.target or self._foreign or status == 304)
        self._body = Body(headers.get("content-encoding", ""), limit) if self.wanted else None

    def feed(self, chunk: bytes) -> bool:
        """Take one raw chunk; False if the body has taken too long and should be left."""
        self._body.feed(chunk)
        return time.monotonic() <= self._deadline

    def result(self) -> Fetched:
        """What came; `error` says what is wrong with it."""
        got = self._got
        if self.target:
            return got
        if self.status == 304:
            return dataclasses.replace(got, not_modified=True)
        if self._foreign:
            return dataclasses.replace(got, error=f"not text: {got.content_type}")
        if time.monotonic() > self._deadline:
            return dataclasses.replace(got, error=f"slower than {self._seconds:g} seconds")
        error = "" if self.status < 400 else f"status {self.status}"
        data = self._body.data()
        if self._pdf:
            return dataclasses.replace(got, body=data, error=error)
        if data[:2] == b"\x1f\x8b":  # a gzip file, such as sitemap.xml.gz
            data = read([data], "gzip", self._limit)
        text = decode(data, self._headers)
        return dataclasses.replace(got, text=text, error=error or self._cut(text))

    def _cut(self, text: str) -> str:
        """`CUT` if a page ends inside a tag, or has no end where nothing else tells whether all of it came."""
        if self._got.content_type not in HTML:
            return ""
        tail = text[-2000:]
        inside = tail.rfind("<") > tail.rfind(">") and re.search(r"<[/!a-zA-Z][^<>]*\Z", tail)
        told = "content-length" in self._headers or "transfer-encoding" in self._headers
        endless = not told and re.search(r"<html\b", text[:2000], re.IGNORECASE) and "</html" not in tail.lower()
        return CUT if inside or endless else ""


def as_it_is(got: Fetched) -> Fetched:
    """A page that breaks off each time it is asked for is taken as it is: that is how its author left it."""
    return dataclasses.replace(got, error="") if got.error == CUT else got


def passes(got: Fetched) -> bool:
    """Whether what went wrong may be gone at the next try: 429, some 5xx, a broken connection, half a page."""
    return got.status in RETRY_STATUS or got.error.startswith("connection")


def _target(url: str, status: int, headers: httpx.Headers) -> str:
    """Where a redirect leads, absolute; empty if the answer is none."""
    if status not in (301, 302, 303, 307, 308) or "location" not in headers:
        return ""
    return str(httpx.URL(url).join(headers["location"]))


def retry_after(headers: httpx.Headers) -> float | None:
    """Seconds that a Retry-After header asks for, given as a number or a date; None without one."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time()) if value else None
    except (ValueError, TypeError, OverflowError):
        return None


def decode(body: bytes, headers: httpx.Headers) -> str:
    """Text of a body: by the header's charset, the page's own, or UTF-8; bytes that do not fit are replaced."""
    charset = re.search(r"""charset=["']?([\w.:-]+)""", headers.get("content-type", ""), re.IGNORECASE)
    named = _META.search(body[:2048])
    name = charset[1] if charset else named[1].decode("ascii", "ignore") if named else "utf-8"
    try:
        codec = codecs.lookup(name).name
        return body.decode("utf-8" if codec == "punycode" else codec, "replace")  # punycode takes quadratic time
    except (LookupError, UnicodeError):  # unknown, or a codec that is no charset, such as idna
        return body.decode("utf-8", "replace")
