"""The client of the snapshot service where there is no such service; what it says where there is one is in
test_service.
"""

import asyncio
import http.server
import pickle
import threading

import pytest

from webdancer.scale.client import MAX_BODY, TOO_LONG, Client, ServiceError


class Fake(http.server.BaseHTTPRequestHandler):
    """Answers with what the server's `reply` says, and counts connections and requests."""

    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        self.server.connections += 1
        super().setup()

    def do_POST(self) -> None:
        self.server.asked.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
        status, kind, body = self.server.reply
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.server.hang_up

    def do_GET(self) -> None:
        self.headers["content-length"] = "0"
        self.do_POST()

    def log_message(self, *arguments) -> None:
        """Stay quiet."""


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fake) as one:
        one.daemon_threads = True
        one.asked, one.connections, one.hang_up = [], 0, False
        one.reply = 200, "text/plain; charset=utf-8", "Tee – 茶".encode()
        one.url = f"http://127.0.0.1:{one.server_address[1]}"
        threading.Thread(target=one.serve_forever, args=(0.01,), daemon=True).start()
        yield one
        one.shutdown()


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "https://a.test", "ftp://a.test", "http://", "http://a.test/v1"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ValueError, match="wanted the address of a service"):
        Client(url)


def test_one_connection_serves_many_calls_and_a_closed_one_is_opened_again(server):
    client = Client(server.url + "/")
    assert [client.search("a"), client.visit("http://a.test", "b")] == ["Tee – 茶"] * 2
    assert server.connections == 1
    assert server.asked == [
        ("/search", b'{"query": "a"}'),
        ("/visit", b'{"url": "http://a.test", "goal": "b"}'),
    ]
    server.hang_up = True
    assert [client.search("c") for _ in range(3)] == ["Tee – 茶"] * 3
    assert server.connections == 3


def test_no_service_is_an_error_that_says_what_to_do(server):
    url = server.url
    server.shutdown()
    server.server_close()
    with pytest.raises(ServiceError, match=f"no answer from {url} .*check the address, or start") as caught:
        Client(url, retries=1).search("tea")
    assert caught.value.fatal


@pytest.mark.parametrize("reply", [(404, "text/html", b"<html>"), (200, "text/html", b"tea"), (500, "x", b"")])
def test_another_service_is_an_error(server, reply):
    server.reply = reply
    with pytest.raises(ServiceError, match=f"/search answered {reply[0]} .*is it a snapshot service"):
        Client(server.url).search("tea")
    assert len(server.asked) == 1
    server.reply = 200, "application/json", b'{"service": "other"}'
    with pytest.raises(ServiceError, match="is no snapshot service"):
        Client(server.url).about()


def test_calls_go_in_few_requests_and_come_back_in_order(server):
    server.reply = 200, "application/json", b'["one", "two"]'
    client = Client(server.url)
    calls = [("search", {"query": {1, 2}}), ("search", {"query": "a"}), ("search", {"query": "x" * MAX_BODY})]
    calls += [("visit", {"url": "b", "goal": "c"})]
    failed = "Error: search failed (TypeError). Try another call."
    assert client.call_many(calls) == [failed, "one", TOO_LONG, "two"]
    assert server.asked == [("/calls", b'[["search", {"query": "a"}],["visit", {"url": "b", "goal": "c"}]]')]
    assert client.call_many([]) == []


def test_calls_too_long_for_one_request_go_in_two(server):
    server.reply = 200, "application/json", b'["one"]'
    long = ("search", {"query": "x" * (MAX_BODY // 2)})
    assert Client(server.url).call_many([long, long]) == ["one", "one"]
    assert len(server.asked) == 2 and all(len(body) < MAX_BODY for _, body in server.asked)


def test_an_agent_can_await_it(server):
    server.reply = 200, "application/json", b'["one"]'

    async def both() -> list[str]:
        client = Client(server.url)
        return await asyncio.gather(client.call("search", {"query": "a"}), client.call("fly", {}))

    assert asyncio.run(both()) == ["one", "one"]


def test_a_copy_in_another_process_has_its_own_connections(server):
    client = Client(server.url, timeout=5.0, retries=2)
    client.search("a")
    copy = pickle.loads(pickle.dumps(client))
    assert (copy.url, copy.timeout, copy.retries) == (client.url, 5.0, 2)
    assert copy.search("a") == "Tee – 茶" and server.connections == 2
    client.close()
    client.close()
    assert client.search("b") == "Tee – 茶" and server.connections == 3
