"""Checksums of chunks: the same however the bytes come, and they name the stretches that differ."""

from __future__ import annotations

import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import CHUNK_BYTES, RawFile
from tasks.ingest.chunks import ChunkSums, differences

MIB = CHUNK_BYTES
DATA = bytes(range(256)) * (3 * MIB // 256) + b"the rest"


def sums_of(data: bytes, step: int = MIB) -> ChunkSums:
    sums = ChunkSums()
    for at in range(0, len(data), step):
        sums.update(data[at : at + step])
    return sums


def raw_of(data: bytes) -> RawFile:
    return RawFile("a.csv", len(data), "", "csv", "none", len(data), 0, 0, chunks=sums_of(data).hex)


def flipped(data: bytes, *places: int) -> bytes:
    changed = bytearray(data)
    for place in places:
        changed[place] ^= 1
    return bytes(changed)


def test_each_chunk_has_its_crc_32() -> None:
    expected = [zlib.crc32(DATA[at : at + MIB]) for at in range(0, len(DATA), MIB)]
    assert raw_of(DATA).chunk_sums == tuple(expected)
    assert len(expected) == 4
    assert ChunkSums().hex == ""
    assert len(sums_of(DATA[:MIB]).hex) == 8


@given(st.lists(st.integers(0, 2 * MIB + 3), max_size=6))
def test_they_are_the_same_however_the_bytes_come(cuts: list[int]) -> None:
    sums, data, before = ChunkSums(), DATA[: 2 * MIB + 3], 0
    for cut in [*sorted(cuts), len(data)]:
        sums.update(data[before:cut])
        before = cut
    assert sums.hex == sums_of(data).hex
    assert sums.size == len(data)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (DATA, ""),
        (flipped(DATA, 0), f"other bytes between 0 and {MIB:,}"),
        (flipped(DATA, MIB), f"other bytes between {MIB:,} and {2 * MIB:,}"),
        (flipped(DATA, MIB, 2 * MIB + 1), f"other bytes between {MIB:,} and {3 * MIB:,}"),
        (flipped(DATA, 5, 2 * MIB), f"other bytes between 0 and {MIB:,} and {2 * MIB:,} and {3 * MIB:,}"),
        (flipped(DATA, len(DATA) - 1), f"other bytes between {3 * MIB:,} and {len(DATA):,}"),
        (DATA[:-1], f"{len(DATA) - 1:,} bytes, expected {len(DATA):,}"),
        (
            flipped(DATA, MIB)[:-9],
            f"{len(DATA) - 9:,} bytes, expected {len(DATA):,}; other bytes between {MIB:,} and {2 * MIB:,}",
        ),
        (DATA + b"more", f"{len(DATA) + 4:,} bytes, expected {len(DATA):,}"),
        (b"", f"0 bytes, expected {len(DATA):,}"),
    ],
)
def test_a_difference_is_named_by_its_chunk(found: bytes, told: str) -> None:
    assert differences(raw_of(DATA), sums_of(found)) == told


def test_many_stretches_are_counted() -> None:
    data = bytes(10 * MIB)
    told = differences(raw_of(data), sums_of(flipped(data, *range(0, 10 * MIB, 2 * MIB))))
    assert told.endswith(f"and {4 * MIB:,} and {5 * MIB:,} and in 2 more stretches")


@pytest.mark.parametrize("chunks", ["", "zz", "0" * 7, "g" * 8 + "00000000"])
def test_checksums_that_are_none_say_nothing_wrong(chunks: str) -> None:
    raw = msgspec.structs.replace(raw_of(b"abc"), chunks=chunks)
    assert isinstance(differences(raw, sums_of(b"abe")), str)
