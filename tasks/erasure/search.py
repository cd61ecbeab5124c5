"""Search: the records of a person in the files of a data set's versions.

Belongs here: reading every distinct cleaning once, and what was found where. Does not belong here: what counts as a
match (matching, needles), or changing anything (stage).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from schemas.errors import VersionNotFoundError
from schemas.records import FILE, RAW, RECORD, Role
from tasks.dedupe.moves import TOUCHED
from tasks.erasure.matching import in_bytes, in_cells, in_typed
from tasks.erasure.withdrawal import is_one_of
from tasks.publish.written import rows_of
from tasks.store.faults import legible
from tasks.store.versions import list_versions, read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.records import Manifest, PartitionEntry
    from tasks.erasure.marks import Marks
    from tasks.erasure.needles import Needles
    from tasks.normalise.plan import NormalisePlan
    from tasks.store.home import Store

#: Partition and cleaning.
Cleaning = tuple[str, str]
_ID = [FILE, RECORD]
#: Rows whose bytes are taken apart at once.
_AT_ONCE = 10_000


class Cleanings(NamedTuple):
    """Everything that the versions of a data set hold.

    Attributes:
        manifests: of all versions, rising.
        entries: each cleaning once, however many versions share it.
        versions: in which versions each stands.
    """

    manifests: tuple[Manifest, ...]
    entries: dict[Cleaning, PartitionEntry]
    versions: dict[Cleaning, tuple[int, ...]]


def cleanings(store: Store, dataset: str) -> Cleanings:
    """Reads all manifests.

    Raises:
        StoreError: one can't be read.
    """
    manifests = []
    for version in list_versions(store, dataset):
        with contextlib.suppress(VersionNotFoundError):  # it was retired a moment ago
            manifests.append(read_manifest(store, dataset, version))
    entries: dict[Cleaning, PartitionEntry] = {}
    versions: dict[Cleaning, tuple[int, ...]] = {}
    for manifest in manifests:
        for name, entry in sorted(manifest.partitions.items()):
            key = (name, entry.cleaning)
            entries[key] = entry
            versions[key] = (*versions.get(key, ()), manifest.version)
    return Cleanings(tuple(manifests), entries, versions)


def frames_of(store: Store, dataset: str, entry: PartitionEntry) -> dict[Role, pl.LazyFrame]:
    """The rows of each role of a cleaning."""
    return rows_of(store, dataset, entry.files)


def belonging(frames: Mapping[Role, pl.LazyFrame], marks: Marks, plan: NormalisePlan) -> set[tuple[str, int]]:
    """The records that have a marked value: sha256 of the raw file and number.

    Raises:
        StoreError: a file can't be read.
    """
    found: set[tuple[str, int]] = set()
    with legible("the files of the data set"):
        for role, rows in frames.items():
            if role in TOUCHED:
                mine = rows.filter(in_typed(marks, rows.collect_schema())).select(_ID)
                found.update(mine.collect(engine="streaming").rows())
            elif role in (Role.QUARANTINE, Role.DUPLICATES):
                found.update(in_cells(marks, plan, rows, _ID).collect(engine="streaming").rows())
            if role is Role.REJECTS:
                found |= _in_unparsed(rows, marks, plan)
            elif role is Role.DUPLICATES:
                # Of a file that came twice, what could not be parsed is a duplicate without cells.
                found |= _in_unparsed(rows.filter(_without_cells(rows)), marks, plan)
    return found


def mentioning(frames: Mapping[Role, pl.LazyFrame], needles: Needles) -> set[tuple[str, int]]:
    """The records in which a needle stands, in whatever column.

    Raises:
        StoreError: a file can't be read.
    """
    found: set[tuple[str, int]] = set()
    with legible("the files of the data set"):
        for role, rows in frames.items() if needles else ():
            if role is not Role.ERASED:
                hits = rows.filter(needles.in_rows(rows.collect_schema())).select(_ID)
                found.update(hits.collect(engine="streaming").rows())
    return found


def spellings(frames: Mapping[Role, pl.LazyFrame], column: str, records: Iterable[tuple[str, int]]) -> set[str]:
    """How records write the subject's cell: as they came, and before and after each repair.

    Raises:
        StoreError: a file can't be read.
    """
    mine, found = is_one_of(records), set[str]()
    with legible("the files of the data set"):
        for role, rows in frames.items():
            names = rows.collect_schema().names()
            if role is Role.REPAIRS:
                texts = rows.filter(mine & (pl.col("column") == column)).select(pl.concat_list("before", "after"))
                found.update(texts.collect().to_series().explode().drop_nulls())
            elif column in names:
                texts = rows.filter(mine).select(pl.col(column).cast(pl.String))
                found.update(texts.collect(engine="streaming").to_series().drop_nulls().unique())
    return found


def _without_cells(rows: pl.LazyFrame) -> pl.Expr:
    cells = [name for name in rows.collect_schema().names() if not name.startswith("_")]
    return pl.all_horizontal(pl.col(name).is_null() for name in cells) & pl.col(RAW).is_not_null()


def _in_unparsed(rows: pl.LazyFrame, marks: Marks, plan: NormalisePlan) -> set[tuple[str, int]]:
    found: set[tuple[str, int]] = set()
    wanted, start, ended = rows.select(*_ID, RAW), 0, False
    while not ended:
        part = wanted.slice(start, _AT_ONCE).collect(engine="streaming")
        found.update(part.filter(in_bytes(marks, plan)).select(_ID).rows())
        start, ended = start + _AT_ONCE, part.height < _AT_ONCE
    return found
