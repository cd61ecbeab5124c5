"""Reread: the raw files of a partition, read again by the exact reader and held against the version's rows.

Belongs here: which reader they are read with, and what is found, raw file by raw file. Does not belong here: the
comparison itself (provenance), or which raw files still are what they were (originals).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.errors import WinnowError, shown
from tasks.ingest.ahead import ahead
from tasks.ingest.reader import RecordReader
from tasks.publish.contract import reading_of
from tasks.publish.provenance import Provenance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import BinaryIO

    import polars as pl

    from schemas.records import Contract, RawFile, Role

#: What a raw file is in a manifest, as far as reading it tells.
_READ = ("size", "sha256", "format", "compression", "text_size", "header_size", "records", "dialect", "chunks")


def reread(
    stream: BinaryIO,
    raw: RawFile,
    rows: Mapping[Role, pl.LazyFrame],
    contract: Contract,
    progress: Callable[[float], None],
    *,
    replayed: bool = False,
) -> Iterator[str]:
    """Everything in which a raw file, read again, differs from a version's rows, one sentence each.

    Args:
        stream: the raw file at its first byte, readable at any place.
        raw: what the manifest says of it.
        rows: what the partition's files hold, for each role that has any.
        contract: says how the file is read.
        progress: called after each block with the share of the file's bytes that is read, from 0 to 1.
        replayed: whether some of its records were asked again under a later contract.
    """
    provenance = Provenance(rows, raw, replayed=replayed)
    try:
        reader = RecordReader(stream, path=raw.path, source=reading_of(contract), columns=contract.columns)
        for block in ahead(reader):
            provenance.enter(block)
            progress(min(1.0, stream.tell() / raw.size) if raw.size else 1.0)
    except WinnowError as error:
        yield f"it can't be read again as it was: {error}"
        return
    yield from provenance.findings()
    for name in _READ:
        found, said = getattr(reader.report, name), getattr(raw, name)
        # Of a file of which records were erased, either form may be left, and the checksums are of one of them.
        erased = raw.blanked and (found == raw.blanked or name == "chunks")
        if found != said and not erased:
            yield f"read again, its {name} is {shown(found)}; the manifest says {shown(said)}"
