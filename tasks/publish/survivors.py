"""Survivors: whether the records that stand for others in other partitions are there.

Belongs here: from a version's files to what contradicts between its partitions. Does not belong here: what is wrong
within one (verify, recount), or deciding who survives (tasks/dedupe/across).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from schemas.errors import StoreError, shown
from schemas.records import CONFLICTS_WITH, DUPLICATE_OF, OF_PARTITION, Role
from tasks.dedupe.ledger import own_id
from tasks.publish.likenesses import unlike
from tasks.publish.written import rows_of
from tasks.store.faults import legible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from schemas.records import Manifest, PartitionEntry
    from tasks.store.home import Store

#: Where a record may stand that a row of another partition names: one that was erased since leaves its place.
_NAMED = {
    Role.SUPERSEDED: (DUPLICATE_OF, (Role.CLEAN, Role.ERASED)),
    Role.DISPUTED: (CONFLICTS_WITH, (Role.DISPUTED, Role.QUARANTINE, Role.ERASED)),
}


def lost_survivors(store: Store, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """The partitions of which rows name a record of another partition that is not there, and how many rows do."""
    for name, entry in sorted(manifest.partitions.items()):
        place = f"{manifest.dataset} {name}"
        try:
            yield from ((place, told) for told in _lost(store, manifest, entry))
        except StoreError as error:
            yield place, str(error)


def _lost(store: Store, manifest: Manifest, entry: PartitionEntry) -> Iterator[str]:
    with legible(f"the files of {manifest.dataset} {entry.partition}"):
        for role, (column, where) in _NAMED.items():
            for partition, named in _names(store, manifest.dataset, entry, role, column):
                lost = _missing(store, manifest, partition, named, where)
                if lost:
                    told = f"{lost:,} {role.value} rows name a record of {shown(partition)} that it does not have"
                    yield f"{told} as {' or '.join(each.value for each in where)}"


def misnamed(store: Store, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """What `lost_survivors` finds, and what `unlike` does."""
    yield from lost_survivors(store, manifest)
    yield from unlike(store, manifest)


def _names(
    store: Store, dataset: str, entry: PartitionEntry, role: Role, column: str
) -> Iterator[tuple[str, pl.DataFrame]]:
    rows = _role(store, dataset, entry, role)
    if rows is None:
        return
    found = rows.select(pl.col(column).alias("_id"), OF_PARTITION).collect(engine="streaming")
    for (partition,), named in found.partition_by(OF_PARTITION, as_dict=True, include_key=False).items():
        yield partition, named


def _missing(store: Store, manifest: Manifest, partition: str, named: pl.DataFrame, where: tuple[Role, ...]) -> int:
    partitions: Mapping[str, PartitionEntry] = manifest.partitions
    if partition not in partitions:
        return named.height
    wanted = named.lazy()
    for role in where:
        rows = _role(store, manifest.dataset, partitions[partition], role)
        if rows is not None:
            there = rows.select(own_id().alias("_id"))
            wanted = wanted.join(there, on="_id", how="anti")
    return int(wanted.select(pl.len()).collect(engine="streaming").item())


def _role(store: Store, dataset: str, entry: PartitionEntry, role: Role) -> pl.LazyFrame | None:
    return rows_of(store, dataset, [file for file in entry.files if file.role is role]).get(role)
