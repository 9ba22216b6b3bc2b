"""Put on PYTHONPATH by the notebook tests: Python then opens connections to this machine only.

With WEBDANCER_NO_TORCH set, importing torch or transformers is an error as well (01-04 must do without them). It works
through an audit hook, which no code can take off again, in the runner and in every kernel that it starts.
"""

import ipaddress
import os
import sys
from typing import Any

FORBIDDEN = ("torch", "transformers") if os.environ.get("WEBDANCER_NO_TORCH") else ()


def local(host: Any) -> bool:
    """Whether a host is this machine; names other than localhost are not looked up, so they are not."""
    host = host.decode() if isinstance(host, bytes) else host
    if host in (None, "", "localhost", "0.0.0.0", "::"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def hook(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse what leaves the machine, and the imports named in FORBIDDEN."""
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        if isinstance(address, tuple) and not local(address[0]):
            raise PermissionError(f"a test tried to connect to {address[0]}: only loopback is open")
    elif event == "socket.getaddrinfo" and not local(arguments[0]):
        raise PermissionError(f"a test tried to look up {arguments[0]}: only loopback is open")
    elif event == "import" and arguments[0] in FORBIDDEN:
        raise RuntimeError(f"01-04 imported {arguments[0]}: import it inside the function that needs it")


sys.addaudithook(hook)
