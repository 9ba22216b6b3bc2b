"""Bodies within a limit that counts after decompression, whatever the chunks."""

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webdancer.web.body import FRAME, Body, TooLarge, read
from webdancer.web.guard import Refused


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS = {"": bytes, "identity": bytes, "gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress}


@given(st.binary(max_size=300), st.integers(1, 50), st.sampled_from(sorted(PACKERS)))
def test_any_bytes_in_any_chunks(data, size, encoding):
    packed = PACKERS[encoding](data)
    chunks = [packed[i : i + size] for i in range(0, len(packed), size)]
    assert read(chunks, encoding.upper(), limit=300) == data


@pytest.mark.parametrize("encoding", sorted(PACKERS))
def test_the_limit_is_that_of_the_unpacked_body(encoding):
    assert len(read([PACKERS[encoding](b"x" * 5000)], encoding, limit=5000)) == 5000
    with pytest.raises(TooLarge, match="larger than 4999 bytes"):
        read([PACKERS[encoding](b"x" * 5000)], encoding, limit=4999)


def test_a_bomb_is_never_unpacked():
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < 60_000
    tracemalloc.start()
    with pytest.raises(TooLarge, match="larger than 100000 bytes after decompression"):
        read([bomb], "gzip", limit=100_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_packed_bytes_that_unpack_to_nothing_are_counted_too():
    empty = gzip.compress(b"")
    with pytest.raises(TooLarge):
        read([empty] * (FRAME // len(empty) + 2), "gzip", limit=1)


def test_joined_gzip_files_and_deflate_without_a_header():
    assert read([gzip.compress(b"tea ") + gzip.compress(b"time")], "gzip", limit=8) == b"tea time"
    assert read([raw_deflate(b"tea" * 50)], "deflate", limit=150) == b"tea" * 50
    assert read([zlib.compress(b"tea") + b"rest"], "deflate", limit=9) == b"tea"


def test_a_packed_body_that_breaks_off_gives_its_part():
    packed = gzip.compress(bytes(range(256)) * 4)
    assert bytes(range(256)).startswith(read([packed[:200]], "gzip", limit=2000)[:256])


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "gzip,deflate", "compress", "\x00"])
def test_other_encodings_and_layers_are_refused(encoding):
    with pytest.raises(Refused, match="wanted gzip, deflate"):
        Body(encoding, limit=10)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_what_is_not_packed_is_refused(encoding):
    with pytest.raises(Refused, match="not what its content-encoding says"):
        read([b"<html>plain</html>" * 9], encoding, limit=1000)
