"""The body of a response within a limit, counted after decompression: a small gzip file can hold gigabytes of zeros.

Used by `fetch` while it reads, with the raw chunks of the connection. httpx unpacks a chunk whole before it hands it
out, and unpacks as many layers as the headers name: 64 KiB of `gzip, gzip` may become 64 GiB. Here one layer of gzip
or deflate is unpacked piece by piece, and no more than the limit ever exists.
"""

import zlib
from collections.abc import Iterable

from webdancer.web.guard import Refused

FRAME = 1024  # bytes by which a packed body may be larger than what is in it
ACCEPT = "gzip, deflate"  # what to ask for; brotli's decoder cannot be told to stop


class TooLarge(Refused):
    """A body that is larger than the limit, before or after unpacking."""


class Body:
    """Takes the chunks of a response and keeps its bytes, unpacked.

    Args:
        encoding: the Content-Encoding header; empty or "identity" for none.
        limit: most bytes unpacked; a packed body may have `FRAME` more of them.
    Raises:
        Refused: an encoding other than gzip and deflate, or more than one.

    >>> body = Body("", limit=5)
    >>> body.feed(b"tea"); body.feed(b"!"); body.data()
    b'tea!'
    """

    def __init__(self, encoding: str, limit: int) -> None:
        name = encoding.strip().lower()
        if name not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise Refused(f"got content-encoding {name[:40]!r}, wanted {ACCEPT}")
        self.limit = limit
        self._wbits = 0 if name in ("", "identity") else zlib.MAX_WBITS if name == "deflate" else zlib.MAX_WBITS | 16
        self._unpack = zlib.decompressobj(self._wbits) if self._wbits else None
        self._came = 0
        self._data = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Take one raw chunk.

        Raises:
            TooLarge: the limit is passed; nothing beyond it was unpacked.
            Refused: the chunk is not what Content-Encoding says.
        """
        self._came += len(chunk)
        if self._came > self.limit + (FRAME if self._unpack else 0):
            raise TooLarge(f"larger than {self.limit} bytes")
        if self._unpack is None:
            self._data += chunk
            return
        try:
            self._inflate(chunk)
        except zlib.error as error:
            raise Refused("the body is not what its content-encoding says") from error

    def _inflate(self, chunk: bytes) -> None:
        """Unpack a chunk, member by member (gzip files may be joined), never past the limit."""
        first = not self._data and self._came == len(chunk)
        while chunk:
            try:
                self._data += self._unpack.decompress(chunk, self.limit + 1 - len(self._data))
            except zlib.error:
                if not first or self._wbits != zlib.MAX_WBITS:
                    raise
                self._wbits, first = -zlib.MAX_WBITS, False  # some servers send deflate without its header
                self._unpack = zlib.decompressobj(self._wbits)
                continue
            if len(self._data) > self.limit:
                raise TooLarge(f"larger than {self.limit} bytes after decompression")
            chunk = self._unpack.unconsumed_tail or self._unpack.unused_data
            if self._unpack.eof and chunk:
                if self._wbits < zlib.MAX_WBITS | 16:
                    return  # deflate has one member; what follows is not part of the body
                self._unpack = zlib.decompressobj(self._wbits)

    def data(self) -> bytes:
        """What came, unpacked; a packed body that broke off gives the part that arrived."""
        return bytes(self._data)


def read(chunks: Iterable[bytes], encoding: str, limit: int) -> bytes:
    """All of a body at once; errors as those of `Body`.

    >>> read([zlib.compress(b"tea" * 9)], "deflate", limit=27) == b"tea" * 9
    True
    """
    body = Body(encoding, limit)
    for chunk in chunks:
        body.feed(chunk)
    return body.data()
