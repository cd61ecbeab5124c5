"""Copies of raw files: one for each content, read back before it counts, and told when it is no copy."""

from __future__ import annotations

import functools
import hashlib
import io
import random
from pathlib import Path

import pytest

from schemas.errors import DumpChangedError, DumpUnreadableError, StoreError
from schemas.records import RawFile
from tasks.store.archive import copy_of, keep, key_of_copy, path_of_copy
from tasks.store.local import LocalStore

DATA = random.Random(7).randbytes(1 << 20) + b"id,text\n1,a\n" * 200_000


def raw_of(data: bytes = DATA, written: str = "csv", compression: str = "none") -> RawFile:
    sha256 = hashlib.sha256(data).hexdigest()
    raw = RawFile("a/1", len(data), sha256, written, compression, None, None, 1)
    return RawFile("a/1", len(data), sha256, written, compression, None, None, 1, archive=path_of_copy(raw))


def opened(data: bytes = DATA) -> functools.partial[io.BytesIO]:
    return functools.partial(io.BytesIO, data)


@pytest.mark.parametrize(
    ("written", "compression", "packed"),
    [
        ("csv", "none", True),
        ("jsonl", "none", True),
        ("csv", "gzip", False),
        ("jsonl", "zip", False),
        ("parquet", "none", False),
        ("xlsx", "none", False),
    ],
)
@pytest.mark.parametrize("data", [DATA, b""])
def test_a_copy_has_the_files_own_bytes(
    tmp_path: Path, written: str, compression: str, packed: bool, data: bytes
) -> None:
    store, raw = LocalStore(tmp_path), raw_of(data, written, compression)
    keep(store, "trips", raw, opened(data))
    key = key_of_copy("trips", raw)
    assert key.startswith(f"trips/raw/{raw.sha256[:2]}/{raw.sha256}")
    assert (store.read(key) != data) == packed
    with copy_of(store, "trips", raw) as copy:
        assert copy.read() == data
        copy.seek(min(5, len(data)))
        assert copy.read(3) == data[5:8]


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    store, raw = LocalStore(tmp_path), raw_of()
    keep(store, "trips", raw, opened())

    def gone() -> io.BytesIO:
        raise DumpUnreadableError("gone")

    keep(store, "trips", raw, gone)
    assert len(store.list("trips/raw/")) == 1


def test_a_file_that_changed_leaves_nothing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with pytest.raises(DumpChangedError, match="it changed before it could be archived"):
        keep(store, "trips", raw_of(), opened(DATA[:-1]))
    assert store.list("trips/") == ()


class Failing(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(5, "Input/output error")


def test_a_file_that_can_not_be_read_leaves_nothing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with pytest.raises(DumpUnreadableError, match="reading failed: Input/output error"):
        keep(store, "trips", raw_of(), Failing)
    assert store.list("trips/") == ()


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("place", [0, 0.1, 0.5, 0.999])
def test_a_damaged_copy_is_never_taken_for_the_file(tmp_path: Path, compression: str, place: float) -> None:
    store, raw = LocalStore(tmp_path), raw_of(compression=compression)
    keep(store, "trips", raw, opened())
    file = Path(store.path(key_of_copy("trips", raw)))
    data = bytearray(file.read_bytes())
    data[int(len(data) * place)] ^= 1
    file.write_bytes(data)
    with pytest.raises(StoreError):
        keep(store, "trips", raw, opened())


@pytest.mark.parametrize("size", [0, 1, 5, 1000])
def test_a_copy_that_was_cut_is_never_taken_for_the_file(tmp_path: Path, size: int) -> None:
    store, raw = LocalStore(tmp_path), raw_of()
    keep(store, "trips", raw, opened())
    file = Path(store.path(key_of_copy("trips", raw)))
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(StoreError):
        keep(store, "trips", raw, opened())
