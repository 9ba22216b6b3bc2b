"""One request in asyncio: guard, limits and failures are values."""

import asyncio

import pytest
from test_fetch import PRIVATE, Server, ok, server  # noqa: F401 - the fixture

from webdancer.web.answer import Fetched
from webdancer.web.download import AsyncFetcher, Hop


def hop(hosts, url, **options):
    async def one():
        async with AsyncFetcher(hosts, "me", timeout=5.0, max_bytes=1000) as fetcher:
            return await fetcher.hop(url, **options)

    return asyncio.run(one())


@pytest.fixture
def hosts(server: Server):  # noqa: F811
    return {"a.test": server.base}


def test_a_page_a_redirect_and_a_retry_after(server, hosts):  # noqa: F811
    server.put("/x", ok("<p>tea</p>", etag='"1"'))
    server.put("/old", (301, {"location": "/x"}, ""))
    server.put("/busy", (429, {"retry-after": "7"}, ""))
    assert hop(hosts, "http://a.test/x") == Hop(Fetched("http://a.test/x", 200, "text/html", "<p>tea</p>", etag='"1"'))
    assert hop(hosts, "http://a.test/old").target == "http://a.test/x"
    busy = hop(hosts, "http://a.test/busy")
    assert (busy.got.status, busy.wait) == (429, 7.0)
    assert set(server.names) == {"a.test"} and server.asked == ["/x", "/old", "/busy"]


def test_limits(server, hosts):  # noqa: F811
    server.put("/large", ok(b"x" * 1001))
    server.put("/cut", (200, {"content-length": "100"}, "only this"))
    assert hop(hosts, "http://a.test/large").got.error == "larger than 1000 bytes"
    assert hop(hosts, "http://a.test/large", max_bytes=2000).got.error == ""
    assert hop(hosts, "http://a.test/cut").got.error == "connection: RemoteProtocolError"
    assert hop({"b.test": "http://127.0.0.1:9"}, "http://b.test/").got.error == "connection: ConnectError"


@pytest.mark.parametrize(
    "url", [*PRIVATE, "file:///etc/passwd", "", "x", "http://", "http://a b/", "http://a.test:99999/"]
)
def test_what_is_guarded(url):
    assert hop({}, url).got.error.startswith("refused: ")


def test_a_server_that_sends_nothing_is_left():
    async def work():
        silent = await asyncio.start_server(lambda r, w: asyncio.sleep(9), "127.0.0.1", 0)
        base = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
        async with AsyncFetcher({"a.test": base}, timeout=0.05) as fetcher:
            return await fetcher.hop("http://a.test/")

    assert asyncio.run(work()).got.error in ("connection: ReadTimeout", "slower than 0.2 seconds")
