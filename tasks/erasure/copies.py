"""Copies: the raw files that the store, or its owner, keeps, without the records that are erased.

Belongs here: what a manifest says of a raw file whose copy is blanked, making the blanked copy, and blanking the dump
itself. Does not belong here: how bytes are blanked (blanking), or whether it is wanted (the declaration says).

A file whose bytes are not its records' own, because it is compressed or columnar, can't be blanked: its copy in the
archive is given up, and its dump is left to its owner.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, BinaryIO, cast

import msgspec

from schemas.errors import DumpUnreadableError, shown
from schemas.records import LENGTH, OFFSET, SOURCE, Role
from tasks.erasure.blanking import Blanked, can_blank
from tasks.ingest.chunks import ChunkSums
from tasks.ingest.listing import is_url, open_raw, replace_raw
from tasks.store import archive
from tasks.store.faults import legible
from tasks.store.paths import archive_path, blanked_key, file_key
from tasks.store.scan import scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from schemas.records import OutputFile, PartitionEntry, RawFile
    from tasks.store.home import Store

    #: First byte and length of each erased record of a raw file, by its path.
    Spans = Mapping[str, Sequence[tuple[int, int]]]
    #: Opens a raw file at its first byte; None where nothing has its bytes any more.
    Opened = Callable[[RawFile], AbstractContextManager[BinaryIO | None]]

_PIECE = 1 << 20


def erased_spans(store: Store, dataset: str, files: Sequence[OutputFile]) -> Spans:
    """Where the erased records of a partition stand in its raw files.

    Raises:
        StoreError: a file can't be read.
    """
    found: dict[str, list[tuple[int, int]]] = {}
    for file in files:
        if file.role is Role.ERASED:
            key = file_key(dataset, file.path)
            with legible(key):
                rows = scan(store, [key]).select(SOURCE, OFFSET, LENGTH).collect().rows()
            for source, offset, length in rows:
                found.setdefault(source, []).append((offset or 0, length or 0))
    return found


def without_erased(
    store: Store, dataset: str, entry: PartitionEntry, opened: Opened, *, dumps: bool = False
) -> PartitionEntry:
    """The entry with raw files of which no erased record is archived.

    Args:
        store: holds the entry's files; receives nothing but notes of what blanked bytes were before.
        dataset: name of the data set.
        entry: of the partition.
        opened: opens a raw file.
        dumps: whether the dumps themselves are to be blanked, too.
    """
    spans = erased_spans(store, dataset, entry.files)
    inputs = []
    for raw in entry.inputs:
        if raw.path not in spans or not (raw.archive or dumps):
            inputs.append(raw)
        elif not can_blank(raw):
            inputs.append(msgspec.structs.replace(raw, archive=None))
        else:
            inputs.append(_blanked(store, dataset, raw, spans[raw.path], opened))
    return msgspec.structs.replace(entry, inputs=tuple(inputs))


def _blanked(store: Store, dataset: str, raw: RawFile, spans: Sequence[tuple[int, int]], opened: Opened) -> RawFile:
    digest, sums = hashlib.sha256(), ChunkSums()
    with opened(raw) as stream:
        if stream is None:
            # Nothing has its bytes any more, so that nothing can be kept of them.
            return msgspec.structs.replace(raw, archive=None)
        blanked = Blanked(stream, spans, raw.encoding, raw.sha256)
        while piece := blanked.read(_PIECE):
            digest.update(piece)
            sums.update(piece)
    sha256 = digest.hexdigest()
    store.create(blanked_key(dataset, sha256, raw.sha256), b"")
    copy = archive_path(sha256, packed=True) if raw.archive else None
    return msgspec.structs.replace(raw, blanked=sha256, chunks=sums.hex, archive=copy)


def keep_copies(store: Store, dataset: str, entry: PartitionEntry, opened: Opened) -> None:
    """Archives the raw files of an entry that name a copy, without the records that are erased.

    Raises:
        DumpChangedError, DumpUnreadableError: one is not the one any more that was read.
        StoreError: the store can't be written.
    """
    spans = erased_spans(store, dataset, entry.files)
    for raw in entry.inputs:
        if raw.archive and not raw.redelivery_of:
            archive.keep(store, dataset, raw, lambda raw=raw: _without(raw, spans.get(raw.path, ()), opened))  # type: ignore[misc]  # the default binds the loop's value


@contextlib.contextmanager
def _without(raw: RawFile, spans: Sequence[tuple[int, int]], opened: Opened) -> Iterator[BinaryIO]:
    with opened(raw) as stream:
        if stream is None:
            raise DumpUnreadableError("it is gone", where=shown(raw.path))
        yield cast("BinaryIO", Blanked(stream, spans, raw.encoding, raw.sha256)) if raw.blanked else stream


def blank_dump(raw_root: str, raw: RawFile, spans: Sequence[tuple[int, int]]) -> str:
    """Blanks the erased records in a dump; says why it was not done, or nothing.

    A dump that is neither what was cleaned nor that without the records is left alone: it is another one.

    Raises:
        DumpUnreadableError: it can't be read or written.
    """
    url = f"{raw_root}/{raw.path}"
    if not can_blank(raw):
        return f"it is {raw.format} compressed by {raw.compression}, which can't be blanked"
    if is_url(raw_root):
        return "it lies in a bucket"
    try:
        with open_raw(url) as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
            if found == raw.blanked:
                return ""
            if found != raw.sha256:
                return "it has changed since it was cleaned"
            stream.seek(0)
            blanked = Blanked(stream, spans, raw.encoding, raw.sha256)
            replace_raw(url, iter(lambda: blanked.read(_PIECE), b""), sha256=raw.blanked or "")
    except DumpUnreadableError as error:
        return str(error)
    return ""
