"""The addresses of a name, within a time: the resolver of the system knows no limit that we could set.

Used by `guard`, so by everything that fetches. In: a host and a port. Out: its IP addresses, none of them judged yet.
A look-up that takes longer is left to itself in a thread that ends with the process. Not in the paper.
"""

import queue
import socket
import threading

SECONDS = 10.0  # more than two tries of a usual resolver
AT_ONCE = 64  # look-ups under way; a name that hangs must not fill the machine with threads


class TooSlow(OSError):
    """The resolver has not answered in time, or is busy with as many look-ups as we allow; another try may do."""


_free = threading.BoundedSemaphore(AT_ONCE)


def addresses(host: str, port: int, seconds: float | None = None) -> list[str]:
    """The IP addresses of a host, in the resolver's order.

    Args:
        seconds: the longest to wait, `SECONDS` if None.
    Raises:
        TooSlow: see there. What the resolver raised: OSError for a name that it does not know, UnicodeError and
            ValueError for one that cannot be asked for.
    """
    seconds = SECONDS if seconds is None else seconds
    if not _free.acquire(timeout=seconds):
        raise TooSlow(f"{AT_ONCE} names are being looked up, none of them answered within {seconds:g} seconds")
    came: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()
    threading.Thread(target=_look, args=(host, port, came), name="lookup", daemon=True).start()
    try:
        found = came.get(timeout=seconds)
    except queue.Empty:
        raise TooSlow(f"the name {host[:80]} was not resolved within {seconds:g} seconds") from None
    if isinstance(found, Exception):
        raise found
    return found


def _look(host: str, port: int, came: "queue.SimpleQueue[list[str] | Exception]") -> None:
    """Ask the resolver, and hand over what it says."""
    try:
        came.put([info[4][0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])
    except Exception as error:  # raised again by the one who asked
        came.put(error)
    finally:
        _free.release()
