import bz2
import gzip
import hashlib
import io
import lzma
import os
import random
import threading
import zipfile
from collections.abc import Callable

import pytest
import zstandard

from schemas.errors import DumpUnreadableError
from schemas.policies import Limits
from tasks.ingest.dialects import Compression
from tasks.ingest.streams import BYTE_ORDER_MARK, TextStream

#: Hard to compress, so that it fills several pieces of every decoder.
TEXT = random.Random(1).randbytes(300_000)
#: A small one, for what is tried at every byte.
LINES = b"".join(b"%d,some words %d\n" % (number, number * 7 % 99) for number in range(100))

Compress = Callable[[bytes], bytes]


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def zipped(data: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        writer.writestr("a.csv", data)
    return archive.getvalue()


COMPRESS: dict[Compression, Compress] = {
    Compression.GZIP: lambda data: gzip.compress(data, mtime=0),
    Compression.ZSTD: zstd,
    Compression.BZIP2: bz2.compress,
    Compression.XZ: lzma.compress,
    Compression.ZIP: zipped,
}
STREAMS = [compression for compression in COMPRESS if compression is not Compression.ZIP]
every_compression = pytest.mark.parametrize("compression", COMPRESS)
every_stream = pytest.mark.parametrize("compression", STREAMS)


def text_of(stored: bytes, size: int = 50_000, **settings: object) -> tuple[bytes, TextStream]:
    stream = TextStream(io.BytesIO(stored), "a", **settings)  # type: ignore[arg-type]
    return b"".join(iter(lambda: stream.read(size), b"")), stream


def flipped(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 0x10
    return bytes(changed)


# --- sound streams ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [7_001, 50_000, 10**9])
@pytest.mark.parametrize("compression", [Compression.NONE, *COMPRESS])
def test_the_text_is_the_same_however_it_is_stored(compression: Compression, size: int) -> None:
    stored = COMPRESS.get(compression, bytes)(TEXT)
    text, stream = text_of(stored, size)
    assert text == TEXT
    assert (stream.compression, stream.size, stream.broken) == (compression, len(TEXT), None)
    assert stream.finish() == (len(stored), hashlib.sha256(stored).hexdigest())


@every_stream
def test_streams_one_behind_another_are_one_text(compression: Compression) -> None:
    compress = COMPRESS[compression]
    text, stream = text_of(compress(TEXT[:9]) + compress(b"") + compress(TEXT[9:]))
    assert (text, stream.broken) == (TEXT, None)


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.BZIP2, Compression.XZ])
@pytest.mark.parametrize("padding", [4, 500_000])
def test_zeros_behind_or_between_streams_are_padding(compression: Compression, padding: int) -> None:
    compress = COMPRESS[compression]
    text, stream = text_of(compress(TEXT[:9]) + bytes(padding) + compress(TEXT[9:]) + bytes(padding))
    assert (text, stream.broken) == (TEXT, None)


def test_a_zstd_frame_that_holds_no_data_is_passed_over() -> None:
    text, stream = text_of(b"\x50\x2a\x4d\x18\x03\0\0\0abc" + zstd(TEXT))
    assert (text, stream.compression, stream.broken) == (TEXT, Compression.ZSTD, None)


def test_a_gzip_header_may_hold_a_name_and_a_comment() -> None:
    plain = gzip.compress(TEXT, mtime=0)
    text, stream = text_of(plain[:3] + b"\x1c" + plain[4:10] + b"\x02\0xx" + b"name\0" + b"comment\0" + plain[10:])
    assert (text, stream.broken) == (TEXT, None)


@every_compression
def test_reads_are_full_until_the_end(compression: Compression) -> None:
    stream = TextStream(io.BytesIO(COMPRESS[compression](TEXT)), "a")
    assert [len(stream.read(70_000)) for _ in range(6)] == [70_000, 70_000, 70_000, 70_000, 20_000, 0]


@every_compression
def test_what_is_peeked_at_is_still_to_be_read(compression: Compression) -> None:
    stream = TextStream(io.BytesIO(COMPRESS[compression](TEXT)), "a")
    assert stream.peek(200_000) == TEXT[:200_000]
    assert stream.size == 0
    assert stream.read(400_000) == TEXT


@every_compression
def test_short_reads_of_the_file_are_not_its_end(compression: Compression) -> None:
    class Dribbling(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(7, size if size and size > 0 else 7))

    stream = TextStream(Dribbling(COMPRESS[compression](LINES)), "a")
    assert stream.read(10**6) == LINES
    assert stream.broken is None


# --- broken streams ---------------------------------------------------------------------------------------------------


@every_compression
def test_a_stream_cut_at_any_byte_gives_what_came_before(compression: Compression) -> None:
    stored = COMPRESS[compression](LINES)
    lengths = []
    for cut in range(1, len(stored)):
        text, stream = text_of(stored[:cut], named=compression)
        assert LINES.startswith(text)
        assert stream.compression is compression
        assert stream.broken is not None
        assert stream.finish() == (cut, hashlib.sha256(stored[:cut]).hexdigest())
        lengths.append(len(text))
    assert lengths == sorted(lengths)
    assert lengths[-1] == len(LINES)


@every_stream
def test_a_stream_cut_off_is_told_with_its_place(compression: Compression) -> None:
    stored = COMPRESS[compression](TEXT)
    for cut in (1_000, len(stored) // 2, len(stored) - 1):
        _, stream = text_of(stored[:cut])
        assert stream.broken == f"{compression} stream ends before its end mark, at byte {cut:,}"


@every_compression
def test_a_byte_flipped_anywhere_is_noticed_or_means_nothing(compression: Compression) -> None:
    stored = COMPRESS[compression](LINES)
    for place in range(10, len(stored)):
        try:
            text, stream = text_of(flipped(stored, place), named=compression)
        except DumpUnreadableError:
            assert compression is Compression.ZIP  # another method, or two names in the directory
        else:
            assert stream.broken is not None or text == LINES


@every_stream
def test_everything_before_the_corrupt_byte_is_decoded(compression: Compression) -> None:
    stored = COMPRESS[compression](TEXT)
    text, stream = text_of(flipped(stored, len(stored) - 3))  # behind all data
    assert TEXT.startswith(text)
    assert len(text) >= 256 << 10  # all but the last block
    assert stream.broken is not None
    assert stream.broken.startswith(f"{compression} stream corrupt at byte 30")
    assert stream.finish()[0] == len(stored)


def test_a_corrupt_gzip_gives_each_byte_before_the_corrupt_one() -> None:
    stored = gzip.compress(TEXT)
    text, stream = text_of(flipped(stored, len(stored) - 6))  # the checksum, behind all of the text
    assert text == TEXT
    assert stream.broken is not None
    assert f"corrupt at byte {len(stored) - 5:,}" in stream.broken


def test_of_a_pipe_the_last_piece_before_the_corrupt_byte_is_lost() -> None:
    stored = flipped(gzip.compress(TEXT), 290_000)
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as end:
            end.write(stored)

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(reading, "rb") as pipe:
        stream = TextStream(pipe, "a")
        text = stream.read(10**6)
    writer.join()
    assert stream.broken is not None
    assert 128 << 10 <= len(text) < len(TEXT)


@every_stream
def test_what_was_decoded_does_not_depend_on_the_size_of_reads(compression: Compression) -> None:
    stored = flipped(COMPRESS[compression](TEXT), 290_000)
    texts = {text_of(stored, size)[0] for size in (100, 4_096, 10**8)}
    assert len(texts) == 1


@every_compression
def test_rubbish_behind_the_end_is_noticed(compression: Compression) -> None:
    text, stream = text_of(COMPRESS[compression](b"abc\n") + b"rubbish", named=compression)
    assert text == b"abc\n"
    assert (stream.broken is None) is (compression is Compression.ZIP)  # an archive may have a comment at its end


# --- names ------------------------------------------------------------------------------------------------------------


@every_compression
@pytest.mark.parametrize("named", [Compression.NONE, *COMPRESS])
def test_the_bytes_tell_the_compression_and_not_the_name(compression: Compression, named: Compression) -> None:
    text, stream = text_of(COMPRESS[compression](LINES), named=named)
    assert (text, stream.compression) == (LINES, compression)


@pytest.mark.parametrize(
    "text", [b"\x1f\x8b\n1,2\n", b"BZh9,1\n", b"PK\x03\x04" + b"\xff" * 40, b"\xfd7zXZ\0 is no header"]
)
def test_text_that_only_looks_compressed_is_text(text: bytes) -> None:
    found, stream = text_of(text)
    assert (found, stream.compression, stream.broken) == (text, Compression.NONE, None)


@pytest.mark.parametrize("compression", COMPRESS)
def test_an_empty_file_is_not_compressed(compression: Compression) -> None:
    text, stream = text_of(b"", named=compression)
    assert (text, stream.compression, stream.broken) == (b"", Compression.NONE, None)


def test_an_archive_may_be_the_format_itself() -> None:
    stored = zipped(LINES)
    text, stream = text_of(stored, may_be_archive=False)
    assert (text, stream.compression) == (stored, Compression.NONE)
    packed, _ = text_of(zipped(stored), may_be_archive=False, named=Compression.ZIP)
    assert packed == stored


# --- limits -----------------------------------------------------------------------------------------------------------


@every_compression
def test_a_text_ends_at_the_limit_that_is_set_for_it(compression: Compression) -> None:
    text, stream = text_of(COMPRESS[compression](TEXT), limits=Limits(max_text_bytes=200_000))
    assert text == TEXT[:200_000]
    assert stream.broken is not None
    assert "raise Source(limits=Limits(max_text_bytes=...))" in stream.broken
    assert text_of(COMPRESS[compression](TEXT), limits=Limits(max_text_bytes=300_000))[0] == TEXT


def test_a_file_that_is_not_compressed_is_as_long_as_it_is() -> None:
    text, stream = text_of(TEXT, limits=Limits(max_text_bytes=1))
    assert (text, stream.broken) == (TEXT, None)


@pytest.mark.parametrize("compression", [Compression.XZ, Compression.ZSTD])
def test_a_stream_that_asks_for_more_memory_than_allowed_is_refused(compression: Compression) -> None:
    if compression is Compression.XZ:
        stored = lzma.compress(TEXT, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 64 << 20}])
    else:
        parameters = zstandard.ZstdCompressionParameters(window_log=26, write_content_size=False)
        writer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        stored = writer.compress(TEXT) + writer.flush()
    assert text_of(stored, limits=Limits())[0] == TEXT
    text, stream = text_of(stored, named=compression, limits=Limits(max_window_bytes=32 << 20))
    assert text == b""
    assert stream.broken is not None
    assert "raise Source(limits=Limits(max_window_bytes=...))" in stream.broken


# --- what else a stream is asked --------------------------------------------------------------------------------------


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
