"""Which addresses may be asked at all: the guard between a URL that a page or a model chose and the network.

Used by everything that fetches (01_crawl, live `visit` in 03, 06 and 07). In: a URL. Out: nothing if it may go out,
`Refused` with the reason if not. Two checks: `check_url` reads the URL (scheme, user info, port, name, spelling of an
address); at the moment of connecting every address the name resolves to is checked, and the connection goes to one of
those very addresses, so that a name cannot change its mind in between (DNS rebinding). Each redirect is a request of
its own and passes both. Only the names in `hosts`, which the profile lists, may lead to this machine or its network.
Departure from the paper: none known; what its tools refuse is not published.
"""

import ipaddress
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

import anyio.to_thread
import httpcore
import httpx

from webdancer.web import lookup

PORTS = (80, 443)  # others are mail, databases, consoles: nothing that serves pages to strangers
MAX_URL = 4096  # characters
# Ends of names that the public DNS does not hold; a local resolver answers them with the local network.
LOCAL_ENDS = ("localhost", "localdomain", "local", "internal", "intranet", "lan", "home", "corp", "home.arpa")
_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)")  # a last label that browsers read as part of an IPv4 address
_DOTTED = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # the last 32 bits are the IPv4 address it stands for
_UNICAST6 = ipaddress.ip_network("2000::/3")  # all that is given out of IPv6
# Called global by the standard library, and still not the web: Azure's machine services, protocol addresses, relays.
_SPECIAL = tuple(map(ipaddress.ip_network, ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "3fff::/20")))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Refused(ValueError):
    """A URL that the guard does not let through; the message says why."""


def is_public(address: Address | str) -> bool:
    """Whether an IP address is on the public internet; IPv6 forms that wrap an IPv4 address count as that one.

    >>> is_public("93.184.216.34"), is_public("169.254.169.254"), is_public("::ffff:10.0.0.1")
    (True, False, False)
    """
    if isinstance(address, str):
        address = ipaddress.ip_address(address)
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            wrapped = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if wrapped is not None:
            return is_public(wrapped)
        if address not in _UNICAST6:
            return False
    return address.is_global and not address.is_multicast and not any(address in network for network in _SPECIAL)


def public_addresses(host: str, port: int) -> list[str]:
    """The IP addresses of `host`, after a check that all of them are public.

    Raises:
        Refused: the host is unknown, or one of its addresses is private, loopback, link-local or otherwise not public.
        httpcore.ConnectTimeout: the resolver took too long (`lookup.SECONDS`).
    """
    try:
        found = lookup.addresses(host, port)
    except lookup.TooSlow as error:
        raise httpcore.ConnectTimeout(str(error)) from error
    except (OSError, UnicodeError, ValueError) as error:
        raise Refused(f"unknown host {host[:80]}") from error
    if not found or not all(is_public(text.partition("%")[0]) for text in found):
        raise Refused(f"{host[:80]} is not a public address: list it in `hosts` if the profile may reach it")
    return list(dict.fromkeys(found))


def public_address(host: str, port: int) -> str:
    """The first of `public_addresses`, and its errors."""
    return public_addresses(host, port)[0]


def listed(url: httpx.URL, hosts: Mapping[str, str]) -> str | None:
    """The base URL that `hosts` gives for the host of `url`, or None. A dot behind the name makes no difference."""
    name = url.raw_host.decode("ascii").removesuffix(".")
    if name in hosts or not name.startswith("xn--"):
        return hosts.get(name)
    return hosts.get(url.host.removesuffix("."))  # `hosts` may spell it in letters of its own


def check_url(url: str | httpx.URL, hosts: Mapping[str, str], ports: Iterable[int] = PORTS) -> None:
    """Check what can be seen in a URL itself; nothing is resolved and nothing sent.

    Args:
        url: absolute.
        hosts: names that the profile lists; for them port and address are not checked.
        ports: ports that may be asked on any other host.
    Raises:
        Refused: not http(s), user name or password, a port or a name that is none of the public web, a private
            address, or an address in an unusual spelling.
    """
    try:
        if len(str(url)) > MAX_URL:
            raise Refused(f"got a URL of {len(str(url))} characters, wanted at most {MAX_URL}")
        url = httpx.URL(url)
        name = url.raw_host.decode("ascii").removesuffix(".")
    except (httpx.InvalidURL, TypeError, UnicodeError) as error:
        raise Refused("not a URL") from error
    if url.scheme not in ("http", "https"):
        raise Refused(f"got a {url.scheme[:20] or 'relative'} URL, wanted http or https")
    if not name:
        raise Refused("got a URL without a host")
    if name.startswith("xn--"):
        try:
            url.host  # noqa: B018 - decodes it; what reads this URL later must not stumble
        except ValueError as error:
            raise Refused(f"{name[:80]} is not the name of a host") from error
    if url.userinfo:
        raise Refused("got a user name or password in the URL, wanted none")
    if listed(url, hosts) is not None:
        return
    if url.port is not None and url.port not in tuple(ports):
        raise Refused(f"got port {url.port}, wanted one of {sorted(ports)}")
    _check_name(name)


def _check_name(name: str) -> None:
    """Refuse what is not the name or the plain address of a host of the public internet."""
    last = name.rpartition(".")[2]
    if ":" in name or _NUMBER.fullmatch(last):
        if ("%" in name) or (":" not in name and not _DOTTED.fullmatch(name)):
            raise Refused(f"{name[:80]} is an unusual spelling of an address")
        try:
            public = is_public(name)
        except ValueError as error:
            raise Refused(f"{name[:80]} is not an address") from error
        if not public:
            raise Refused(f"{name[:80]} is not a public address: list it in `hosts` if the profile may reach it")
    elif "." not in name or any(name == end or name.endswith(f".{end}") for end in LOCAL_ENDS):
        raise Refused(f"{name[:80]} is a local name: list it in `hosts` if the profile may reach it")
    elif len(name) > 253 or not _NAME.fullmatch(name):
        raise Refused(f"{name[:80]!r} is not the name of a host")


class _TimedStream(httpcore.NetworkStream):
    """A connection that gives up when an answer has not come in whole in time, however steadily its bytes drip."""

    def __init__(self, stream: httpcore.NetworkStream, seconds: float) -> None:
        self._stream = stream
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = self._end - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout(f"slower than {self._seconds:g} seconds")
        return self._stream.read(max_bytes, left if timeout is None else min(left, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._end = time.monotonic() + self._seconds  # a request: from now on the answer is waited for
        self._stream.write(buffer, timeout)

    def start_tls(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        return _TimedStream(self._stream.start_tls(*args, **options), self._seconds)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        self._stream.close()


class _Backend(httpcore.SyncBackend):
    """Connects to addresses that were checked (if `checked`), one of each family, in the resolver's order."""

    def __init__(self, checked: bool, seconds: float) -> None:
        self.checked = checked
        self.seconds = seconds

    def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> httpcore.NetworkStream:
        addresses = one_a_family(public_addresses(host, port)) if self.checked else [host]
        for address in addresses[:-1]:
            try:
                return _TimedStream(super().connect_tcp(address, port, *args, **options), self.seconds)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return _TimedStream(super().connect_tcp(addresses[-1], port, *args, **options), self.seconds)


class _AsyncBackend(httpcore.AnyIOBackend):
    """The same for asynchronous clients, which set time limits of their own; the resolver runs in a thread."""

    async def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        found = await anyio.to_thread.run_sync(public_addresses, host, port, abandon_on_cancel=True)
        addresses = one_a_family(found)
        for address in addresses[:-1]:
            try:
                return await super().connect_tcp(address, port, *args, **options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await super().connect_tcp(addresses[-1], port, *args, **options)


def one_a_family(addresses: Iterable[str]) -> list[str]:
    """The first IPv6 and the first IPv4 address, in the order given: enough for hosts of which one family is dead.

    >>> one_a_family(["2600::1", "2600::2", "8.8.8.8"])
    ['2600::1', '8.8.8.8']
    """
    first: dict[bool, str] = {}
    for address in addresses:
        first.setdefault(":" in address, address)
    return list(first.values())


def _prepare(request: httpx.Request, hosts: Mapping[str, str], ports: Iterable[int]) -> bool:
    """Check a request; if its host is listed, aim it at the address listed (the `Host` header keeps the name)."""
    check_url(request.url, hosts, ports)
    address = listed(request.url, hosts)
    if address is None:
        return False
    base = httpx.URL(address)
    path = base.raw_path.rstrip(b"/") + request.url.raw_path
    request.url = request.url.copy_with(scheme=base.scheme, host=base.host, port=base.port, raw_path=path)
    return True


class HostsTransport(httpx.BaseTransport):
    """Sends requests for the names in `hosts` to the addresses listed there, and all others only to public addresses.

    Args:
        hosts: host name to base URL, for example `{"wiki.pocket.test": "http://127.0.0.1:8000"}`.
        ports: ports that may be asked on hosts that are not listed.
        seconds: the longest that a whole answer may take once it is asked for, headers and body.
    """

    def __init__(self, hosts: Mapping[str, str], ports: Iterable[int] = PORTS, seconds: float = 120.0) -> None:
        self.hosts = dict(hosts)
        self.ports = tuple(ports)
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
        verify = httpx.create_ssl_context()
        self._inner = httpx.HTTPTransport(verify, limits=limits)
        self._public = httpx.HTTPTransport(verify, limits=limits)
        _guard_pool(self._inner, _Backend(False, seconds))
        _guard_pool(self._public, _Backend(True, seconds))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the `Host` header keeps the name asked for. Raises `Refused` for what is guarded."""
        inside = _prepare(request, self.hosts, self.ports)
        return (self._inner if inside else self._public).handle_request(request)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()
        self._public.close()


class AsyncHostsTransport(httpx.AsyncBaseTransport):
    """`HostsTransport` for `httpx.AsyncClient`.

    Args:
        hosts, ports: as there.
        connections: the most at once.
    """

    def __init__(self, hosts: Mapping[str, str], ports: Iterable[int] = PORTS, connections: int = 64) -> None:
        self.hosts = dict(hosts)
        self.ports = tuple(ports)
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        verify = httpx.create_ssl_context()
        self._inner = httpx.AsyncHTTPTransport(verify, limits=limits)
        self._public = httpx.AsyncHTTPTransport(verify, limits=limits)
        _guard_pool(self._public, _AsyncBackend())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the `Host` header keeps the name asked for. Raises `Refused` for what is guarded."""
        inside = _prepare(request, self.hosts, self.ports)
        return await (self._inner if inside else self._public).handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()
        await self._public.aclose()


def _guard_pool(transport: httpx.HTTPTransport | httpx.AsyncHTTPTransport, backend: Any) -> None:
    """Make a transport connect through `backend`; httpx has no argument for it.

    Raises:
        RuntimeError: this version of httpx or httpcore keeps its backend elsewhere: better no transport than one
            without a guard.
    """
    pool = getattr(transport, "_pool", None)
    if not hasattr(pool, "_network_backend"):
        raise RuntimeError("got an httpx whose pool has no network backend, wanted httpx 0.28 with httpcore 1")
    pool._network_backend = backend
