import bz2
import gzip
import io
import lzma
import random
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
import zstandard

from schemas.policies import Limits
from tasks.ingest.decoders import can_begin, codec_of, frame, limited
from tasks.ingest.dialects import Compression
from tasks.ingest.limits import FREE_TEXT_BYTES
from tasks.ingest.stored import PIECE_BYTES, StoredBytes

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
every_stream = pytest.mark.parametrize("compression", COMPRESS)

ROOT = Path(__file__).parents[4]
LIMITS = Limits()
#: What a process that reads a bomb may take beside what it takes to import all this.
_ROOM_MIB = 64

_READS = """
import resource, sys
from schemas.policies import Limits
from tasks.ingest.streams import TextStream

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

with open(sys.argv[1], "rb") as stream:
    TextStream(stream, "a").read(1)
    before = peak()
    stream.seek(0)
    most = None if sys.argv[2] == "None" else int(sys.argv[2])
    text, size = TextStream(stream, "a", limits=Limits(max_text_bytes=most)), 0
    while part := text.read(1 << 20):
        size += len(part)
print(size, peak() - before, text.broken)
"""


def _zip(data: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        writer.writestr("a.csv", data)
    return archive.getvalue()


def _bomb(compression: str) -> bytes:
    """Some kilobytes that would be more text than is read of them."""
    if compression == "zip":
        return _zip(bytes(300 << 20))
    # Frames one behind another cost nothing to make.
    compress, frames = COMPRESS[compression], {"zstd": 80, "gzip": 80, "bzip2": 16, "xz": 16}
    return compress(bytes(16 << 20)) * frames[compression]


@pytest.mark.parametrize(
    ("compression", "setting", "limit"),
    [
        ("zstd", "max_ratio", FREE_TEXT_BYTES),  # so little is stored that the ratio allows no more than that
        ("gzip", "max_ratio", FREE_TEXT_BYTES),
        ("bzip2", "max_text_bytes", 200 << 20),
        ("xz", "max_text_bytes", 200 << 20),
        ("zip", "max_text_bytes", 200 << 20),
    ],
)
def test_a_bomb_takes_little_memory_and_ends_at_its_limit(
    tmp_path: Path, compression: str, setting: str, limit: int
) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(_bomb(compression))
    most = "None" if setting == "max_ratio" else str(limit)
    program = [sys.executable, "-c", _READS, str(path), most]
    run = subprocess.run(program, cwd=ROOT, check=True, capture_output=True, text=True)
    size, taken, broken = run.stdout.split(maxsplit=2)
    assert int(size) == limit
    assert int(taken) < _ROOM_MIB
    assert f"raise Source(limits=Limits({setting}=...))" in broken


def drained(texts: Generator[bytes, None, str | None]) -> tuple[list[bytes], str | None]:
    parts = []
    while True:
        try:
            parts.append(next(texts))
        except StopIteration as end:
            return parts, end.value


@every_stream
def test_a_frame_is_decoded_in_pieces_and_leaves_what_is_behind_it(compression: str) -> None:
    data = bytes(10 << 20)
    stored = StoredBytes(io.BytesIO(COMPRESS[compression](data) + b"behind"), "a")
    parts, wrong = drained(frame(stored, codec_of(Compression(compression), LIMITS)))
    assert (b"".join(parts), wrong) == (data, None)
    assert max(map(len, parts)) <= PIECE_BYTES
    assert stored.take_all(10) == b"behind"


@every_stream
@pytest.mark.parametrize("data", [random.Random(2).randbytes(300_000), bytes(16 << 20)], ids=["dense", "sparse"])
def test_saving_what_stands_before_a_corrupt_byte_takes_less_than_a_second(compression: str, data: bytes) -> None:
    stored = bytearray(COMPRESS[compression](data))
    stored[min(2 * PIECE_BYTES, len(stored)) - 2] ^= 0x10  # at the end of a piece, which is read byte by byte
    begin = time.process_time()
    parts, wrong = drained(frame(StoredBytes(io.BytesIO(stored), "a"), codec_of(Compression(compression), LIMITS)))
    assert time.process_time() - begin < 1
    assert wrong is not None
    assert sum(map(len, parts)) <= len(data)


def test_a_file_can_begin_so_if_it_gives_text_or_no_error() -> None:
    codec = codec_of(Compression.GZIP, LIMITS)
    assert can_begin(codec, gzip.compress(b"abc"))
    assert can_begin(codec, gzip.compress(b"abc")[:5])
    assert not can_begin(codec, b"\x1f\x8b,1,2")


def test_a_text_is_cut_where_the_limit_lies() -> None:
    stored = StoredBytes(io.BytesIO(b"1234"), "a")
    stored.take()

    def texts() -> Generator[bytes, None, str | None]:
        yield b"abc"
        yield b"def"
        return "broken"

    parts, wrong = drained(limited(texts(), stored, Limits(max_text_bytes=4)))
    assert b"".join(parts) == b"abcd"
    assert (
        wrong == "more than 4 bytes of text in the first 4 stored ones: raise Source(limits=Limits(max_text_bytes=...))"
    )
    assert drained(limited(texts(), stored, Limits(max_text_bytes=6))) == ([b"abc", b"def"], "broken")
