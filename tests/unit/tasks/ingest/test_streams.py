import gzip
import hashlib
import io
import os
import random

import pytest
import zstandard

from schemas.errors import DumpUnreadableError
from tasks.ingest.dialects import Compression
from tasks.ingest.streams import BYTE_ORDER_MARK, TextStream

#: Hard to compress, so that it fills many slices of either decoder.
TEXT = random.Random(1).randbytes(300_000)


def zstd(data: bytes, **options: bool) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(data)


def text_of(stored: bytes, size: int = 50_000) -> tuple[bytes, TextStream]:
    stream = TextStream(io.BytesIO(stored), "a")
    parts = []
    while part := stream.read(size):
        parts.append(part)
    return b"".join(parts), stream


@pytest.mark.parametrize("size", [7_001, 50_000, 10**9])
@pytest.mark.parametrize(
    ("stored", "compression"),
    [
        pytest.param(TEXT, Compression.NONE, id="plain"),
        pytest.param(gzip.compress(TEXT), Compression.GZIP, id="gzip"),
        pytest.param(zstd(TEXT), Compression.ZSTD, id="zstd"),
        pytest.param(
            gzip.compress(TEXT[:9]) + gzip.compress(b"") + gzip.compress(TEXT[9:]), Compression.GZIP, id="members"
        ),
        pytest.param(zstd(TEXT[:9]) + zstd(b"") + zstd(TEXT[9:]), Compression.ZSTD, id="frames"),
        pytest.param(b"\x50\x2a\x4d\x18\x03\0\0\0abc" + zstd(TEXT), Compression.ZSTD, id="skippable frame"),
        pytest.param(gzip.compress(TEXT) + bytes(100_000), Compression.GZIP, id="padded with zeros"),
        pytest.param(
            gzip.compress(TEXT[:9]) + bytes(9) + gzip.compress(TEXT[9:]), Compression.GZIP, id="zeros between"
        ),
    ],
)
def test_the_text_is_the_same_however_it_is_stored(stored: bytes, compression: Compression, size: int) -> None:
    text, stream = text_of(stored, size)
    assert text == TEXT
    assert stream.compression is compression
    assert stream.size == len(TEXT)
    assert stream.broken is None
    assert stream.finish() == (len(stored), hashlib.sha256(stored).hexdigest())


def test_reads_are_full_until_the_end() -> None:
    stream = TextStream(io.BytesIO(gzip.compress(TEXT)), "a")
    assert [len(stream.read(70_000)) for _ in range(6)] == [70_000, 70_000, 70_000, 70_000, 20_000, 0]


@pytest.mark.parametrize("stored", [gzip.compress(TEXT), zstd(TEXT, write_checksum=True)], ids=["gzip", "zstd"])
def test_a_stream_cut_off_gives_what_came_before(stored: bytes) -> None:
    for cut in (5, 1_000, len(stored) // 2, len(stored) - 1):
        text, stream = text_of(stored[:cut])
        assert TEXT.startswith(text)
        assert stream.broken is not None
        assert f"{cut:,}" in stream.broken
        assert stream.finish() == (cut, hashlib.sha256(stored[:cut]).hexdigest())


def test_a_cut_gzip_loses_nothing_that_was_decodable() -> None:
    text, _ = text_of(gzip.compress(TEXT)[:-8])  # all but the trailer
    assert text == TEXT


def test_a_corrupt_gzip_gives_everything_before_the_corrupt_byte() -> None:
    stored = bytearray(gzip.compress(TEXT))
    stored[-6] ^= 1  # the checksum, behind all of the text
    text, stream = text_of(bytes(stored))
    assert text == TEXT
    assert stream.broken is not None
    assert "incorrect data check" in stream.broken
    assert stream.finish() == (len(stored), hashlib.sha256(stored).hexdigest())


def test_a_corrupt_zstd_gives_all_but_the_last_slice() -> None:
    stored = bytearray(zstd(TEXT, write_checksum=True))
    stored[-1] ^= 1
    text, stream = text_of(bytes(stored))
    assert TEXT.startswith(text)
    assert len(text) >= 128 << 10  # whole blocks before the last one
    assert stream.broken is not None


def test_what_was_decoded_does_not_depend_on_the_size_of_reads() -> None:
    stored = bytearray(gzip.compress(TEXT))
    stored[150_000] ^= 0xFF
    texts = {text_of(bytes(stored), size)[0] for size in (100, 4_096, 10**8)}
    assert len(texts) == 1


@pytest.mark.parametrize("compress", [gzip.compress, zstd])
def test_rubbish_behind_the_end_is_noticed(compress: object) -> None:
    text, stream = text_of(compress(b"abc\n") + b"rubbish")  # type: ignore[operator]
    assert text == b"abc\n"
    assert stream.broken is not None


@pytest.mark.parametrize("compress", [gzip.compress, zstd])
def test_a_bomb_is_read_in_small_pieces(compress: object) -> None:
    stream = TextStream(io.BytesIO(compress(bytes(200 << 20))), "a")  # type: ignore[operator]
    assert len(stream.read(1_000)) == 1_000
    assert len(stream._left) < 40 << 20


def test_a_mark_is_skipped_only_where_it_stands() -> None:
    marked = TextStream(io.BytesIO(BYTE_ORDER_MARK + b"ab"), "a")
    assert (marked.skip(BYTE_ORDER_MARK), marked.read(9), marked.size) == (3, b"ab", 5)
    bare = TextStream(io.BytesIO(b"abcdef"), "a")
    assert (bare.skip(BYTE_ORDER_MARK), bare.size, bare.read(9)) == (0, 0, b"abcdef")


def test_a_stream_that_can_be_read_in_any_order_is_hashed_and_handed_over() -> None:
    stored = io.BytesIO(TEXT)
    stream = TextStream(stored, "a")
    assert stream.whole() is stored
    assert stored.tell() == 0
    assert stream.finish() == (len(TEXT), hashlib.sha256(TEXT).hexdigest())


def test_compressed_streams_and_pipes_are_not_handed_over() -> None:
    assert TextStream(io.BytesIO(gzip.compress(b"a")), "a").whole() is None
    reading, writing = os.pipe()
    os.write(writing, b"abc")
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        stream = TextStream(pipe, "a")
        assert stream.whole() is None
        assert stream.read(9) == b"abc"


def test_a_failing_disk_is_the_environments_fault() -> None:
    class Failing(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(DumpUnreadableError, match=r"a\.csv.*Input/output error"):
        TextStream(Failing(), "a.csv")  # type: ignore[arg-type]
