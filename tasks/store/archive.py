"""Archive: the copies of raw files that a store keeps, one object for each content.

Belongs here: making a copy, seeing that it is one, and opening it. Does not belong here: which raw files are kept
(schemas/policies says), or whether a dump still is what it was (tasks/publish/originals).

A copy lies under the sha256 of the raw file, so that any number of partitions and versions share it. What is text is
compressed with zstd, with a checksum in it; what is compressed already is kept as it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from schemas.errors import DumpChangedError, DumpUnreadableError, StoreError, shown
from tasks.store.faults import translated
from tasks.store.paths import ARCHIVE_PACKED, archive_path, file_key

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from schemas.records import RawFile
    from tasks.store.home import Store

#: Bytes that are copied at once.
_PIECE = 1 << 20
#: Level 1 packs text at 350 MB/s here, level 3 at 200 into no less.
_OPTIONS: Mapping[int, int] = {
    zstd.CompressionParameter.compression_level: 1,
    zstd.CompressionParameter.checksum_flag: 1,
}
#: What formats of text are called in a manifest; the others are compressed in themselves.
_TEXT = ("csv", "jsonl")


def path_of_copy(raw: RawFile) -> str:
    """Where the copy of a raw file lies, as a manifest has it."""
    return archive_path(raw.sha256, packed=raw.compression == "none" and raw.format in _TEXT)


def keep(store: Store, dataset: str, raw: RawFile, opened: Callable[[], AbstractContextManager[BinaryIO]]) -> None:
    """Makes the copy that a raw file names, unless it is there, and reads it back.

    Args:
        store: where to.
        dataset: whose copy it is.
        raw: the file; it names a copy.
        opened: opens the file in the dump.

    Raises:
        DumpChangedError: it is not the file any more that was read.
        DumpUnreadableError: it can't be read.
        StoreError: the store can't be written, or holds something else under the copy's name.
    """
    key = key_of_copy(dataset, raw)
    if not store.exists(key):
        with opened() as original, store.writing(key) as path:
            sha256 = _copied(_pieces(original, raw), path, key)
            if sha256 != (raw.blanked or raw.sha256):
                raise DumpChangedError(
                    "it changed before it could be archived", where=shown(raw.path), fix="Run it again."
                )
    with copy_of(store, dataset, raw) as copy, translated("read", key):
        if _sha256(copy) != (raw.blanked or raw.sha256):
            fix = "Delete it and run again while the dump is there; `winnow verify` says where it is damaged."
            raise StoreError("the archived copy has other bytes than the raw file", where=key, fix=fix)


@contextlib.contextmanager
def copy_of(store: Store, dataset: str, raw: RawFile) -> Iterator[BinaryIO]:
    """Opens the copy that a raw file names: a stream of the raw file's own bytes, readable at any place.

    Reading it raises an OSError where the copy is damaged in a way that the compression notices.

    Raises:
        StoreError: it is not there.
    """
    key = key_of_copy(dataset, raw)
    with store.reading(key) as stored:
        yield cast("BinaryIO", _Unpacked(stored)) if key.endswith(ARCHIVE_PACKED) else stored


def key_of_copy(dataset: str, raw: RawFile) -> str:
    """Key of the copy that a raw file names."""
    assert raw.archive is not None  # noqa: S101  # for the type checker: callers ask for files that name one
    return file_key(dataset, raw.archive)


class _Unpacked(zstd.ZstdFile):
    """A zstd file whose damage is an OSError, as that of a disk is."""

    def read(self, size: int | None = -1) -> bytes:
        try:
            return super().read(size)
        except (zstd.ZstdError, EOFError) as error:
            raise OSError(f"the compressed copy is damaged: {error}") from error


def _pieces(original: BinaryIO, raw: RawFile) -> Iterator[bytes]:
    try:
        while piece := original.read(_PIECE):
            yield piece
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DumpUnreadableError(f"reading failed: {reason}", where=shown(raw.path), fix="Run it again.") from error


def _copied(pieces: Iterator[bytes], path: str, key: str) -> str:
    """Writes a raw file to a place, packed if the key says so; its sha256."""
    digest = hashlib.sha256()
    with translated("write", key), Path(path).open("wb") as file:
        packer = zstd.ZstdCompressor(options=_OPTIONS) if key.endswith(ARCHIVE_PACKED) else None
        for piece in pieces:
            digest.update(piece)
            file.write(packer.compress(piece) if packer else piece)
        if packer:
            file.write(packer.flush())
    return digest.hexdigest()


def _sha256(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while piece := stream.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()
