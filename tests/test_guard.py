"""The guard: which URLs are refused at sight, which addresses, and that the checked address is the one connected to."""

import asyncio
import http.server
import socket
import threading

import httpcore
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.web import guard
from webdancer.web.guard import AsyncHostsTransport, HostsTransport, Refused, check_url, is_public, public_address

PUBLIC = "93.184.216.34"


@pytest.fixture
def server():
    """A server on loopback that answers with the Host header and the path."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"{self.headers['host']} {self.path}".encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments) -> None:
            """Stay quiet."""

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{running.server_address[1]}"
    running.shutdown()
    running.server_close()


@pytest.fixture
def dns(monkeypatch):
    """A resolver of our own: name to the answers it gives in turn (the last one stays)."""
    table: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def resolve(host, port, *args, **options):
        if host not in table:
            return real(host, port, *args, **options) if host[:1].isdigit() or ":" in host else missing()
        answers = table[host]
        return [
            (socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port))
            for a in (answers.pop(0) if len(answers) > 1 else answers[0])
        ]

    def missing():
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return table


@pytest.fixture
def connected(monkeypatch):
    """The addresses to which a connection was tried; none succeeds."""
    tried: list[tuple[str, int]] = []

    def connect(address, *args, **options):
        tried.append(address[:2])
        raise OSError("no network in a test")

    monkeypatch.setattr(socket, "create_connection", connect)
    return tried


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.7",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "0.0.0.0",
        "192.0.0.192",
        "198.18.0.1",
        "203.0.113.5",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "192.88.99.1",
        "::",
        "::1",
        "fe80::1",
        "fec0::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "ff0e::1",
        "2001:db8::1",
        "3fff::1",
        "4000::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::7f00:1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:a00:1::",
        "2001:0:7f00:1::",
    ],
)
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", [PUBLIC, "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"]
)
def test_public_addresses(address):
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_every_way_to_wrap_an_address_gives_its_own_verdict(address):
    number = int(address)
    wrapped = (
        f"::ffff:{address}",
        f"64:ff9b::{number >> 16:x}:{number & 0xFFFF:x}",
        f"2002:{number >> 16:x}:{number & 0xFFFF:x}::",
    )
    assert {is_public(form) for form in wrapped} == {is_public(address)}


GOOD = [
    "http://example.org/",
    "https://example.org:443/x?q=1#f",
    "HTTP://Example.ORG./",
    "http://bücher.example/ü",
    "http://8.8.8.8/",
    "https://[2606:4700::1111]/",
    "http://a_b.example.org",
    "http://example.org:80/@x",
    "http://1.example.org/",
    "http://xn--bcher-kva.example/",
]


@pytest.mark.parametrize("url", GOOD)
def test_urls_of_the_public_web(url):
    check_url(url, {})


def test_ports_can_be_added_and_listed_hosts_have_none_to_keep():
    with pytest.raises(Refused, match=r"got port 8080, wanted one of \[80, 443\]"):
        check_url("http://example.org:8080/", {})
    check_url("http://example.org:8080/", {}, ports=(80, 8080))
    check_url("http://localhost:22/", {"localhost": "http://127.0.0.1:1"})
    check_url("http://bücher.test./", {"bücher.test": "http://127.0.0.1:1"})
    with pytest.raises(Refused, match="user name or password"):
        check_url("http://joe@a.test/", {"a.test": "http://127.0.0.1:1"})
    with pytest.raises(Refused, match="wanted http or https"):
        check_url("ftp://a.test/", {"a.test": "http://127.0.0.1:1"})


@given(st.integers(0, 2**32 - 1), st.sampled_from(["{}", "0x{:x}", "0{:o}", "0x{:X}", "00{:o}"]))
def test_a_number_is_never_a_host(number, form):
    with pytest.raises(Refused):
        check_url(f"http://{form.format(number)}/", {})


@given(st.text(max_size=60))
def test_any_text_is_checked_or_refused(text):
    for url in (text, "http://" + text):
        try:
            check_url(url, {})
        except Refused as refused:
            assert str(refused)


def test_all_addresses_of_a_name_must_be_public(dns):
    dns["good.org"] = [[PUBLIC, "2606:4700::1111"]]
    dns["half.org"] = [[PUBLIC, "10.0.0.1"]]
    dns["zone.org"] = [["fe80::1%eth0"]]
    dns["none.org"] = [[]]
    assert public_address("good.org", 80) == PUBLIC
    for name in ("half.org", "zone.org", "none.org"):
        with pytest.raises(Refused, match=f"{name} is not a public address: list it in `hosts`"):
            public_address(name, 80)
    with pytest.raises(Refused, match="unknown host nowhere.org"):
        public_address("nowhere.org", 80)
    with pytest.raises(Refused, match="unknown host"):
        public_address("x" * 70 + ".org", 80)


def test_the_connection_goes_to_the_address_that_was_checked(dns, connected):
    dns["rebind.org"] = [[PUBLIC], ["127.0.0.1"]]  # public when it is checked, private for whoever asks again
    with httpx.Client(transport=HostsTransport({})) as client:
        with pytest.raises(httpx.ConnectError):
            client.get("https://rebind.org/")
        assert connected == [(PUBLIC, 443)]
        with pytest.raises(Refused):
            client.get("https://rebind.org/")
    assert len(connected) == 1


def test_if_one_family_is_dead_the_other_is_tried(dns, connected):
    dns["dual.org"] = [["2606:4700::1", "2606:4700::2", PUBLIC]]
    with httpx.Client(transport=HostsTransport({})) as client, pytest.raises(httpx.ConnectError):
        client.get("http://dual.org/")
    assert connected == [("2606:4700::1", 80), (PUBLIC, 80)]


def test_the_async_transport_connects_only_to_what_was_checked(dns, monkeypatch):
    tried: list[str] = []

    async def connect(self, host, port, *args, **options):
        tried.append(host)
        raise httpcore.ConnectError("no network in a test")

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    dns["rebind.org"] = [[PUBLIC, "2606:4700::1"], ["169.254.169.254"]]

    async def ask() -> None:
        async with httpx.AsyncClient(transport=AsyncHostsTransport({})) as client:
            with pytest.raises(httpx.ConnectError):
                await client.get("http://rebind.org/")
            for url in ("http://rebind.org/", "http://127.0.0.1/", "http://localhost/"):
                with pytest.raises(Refused):
                    await client.get(url)

    asyncio.run(ask())
    assert tried == [PUBLIC, "2606:4700::1"]


def test_listed_hosts_are_reached_under_their_own_name(server):
    hosts = {"a.test": server + "/wiki/", "bücher.test": server}
    wanted = {
        "http://a.test/x?q=1#f": "a.test /wiki/x?q=1",
        "http://A.test.:99/y": "a.test.:99 /wiki/y",
        "http://bücher.test/": "xn--bcher-kva.test /",
    }
    with httpx.Client(transport=HostsTransport(hosts)) as client:
        assert {url: client.get(url).text for url in wanted} == wanted
        for url in (server, server.replace("127.0.0.1", "localhost"), "http://a.test@127.0.0.1/", "http://b.a.test/"):
            with pytest.raises(Refused):
                client.get(url)

    async def ask() -> dict[str, str]:
        async with httpx.AsyncClient(transport=AsyncHostsTransport(hosts, connections=2)) as client:
            with pytest.raises(Refused):
                await client.get(server)
            return {url: (await client.get(url)).text for url in wanted}

    assert asyncio.run(ask()) == wanted


def test_an_address_that_a_listed_host_stands_on_is_not_listed_by_that(server, dns):
    port = int(server.rpartition(":")[2])
    dns["evil.org"] = [["127.0.0.1"]]
    transport = HostsTransport({"a.test": server}, ports=(80, port))
    with httpx.Client(transport=transport) as client:
        assert client.get("http://a.test/").status_code == 200
        for url in (f"http://127.0.0.1:{port}/", f"http://evil.org:{port}/", f"http://127.1:{port}/"):
            with pytest.raises(Refused):
                client.get(url)


def test_an_httpx_that_cannot_be_guarded_is_not_used(monkeypatch):
    transport = httpx.HTTPTransport()
    monkeypatch.setattr(transport, "_pool", object())
    with pytest.raises(RuntimeError, match="wanted httpx 0.28"):
        guard._guard_pool(transport, None)
