"""Duplicates: the clusters of a version, each with its records side by side.

Belongs here: reading them from the ledger, bounded, with the record that survives. Does not belong here: printing, one
record's whole story (explain), or deciding anything (tasks/dedupe).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from schemas.errors import RecordNotFoundError, UnknownNameError, shown
from schemas.records import CLUSTER, CONFLICTS_WITH, DIFFERING, DUPLICATE_OF, FILE, OF_PARTITION, RECORD, RULES, Role
from tasks.publish.balance import FATES
from tasks.publish.written import rows_of
from tasks.store.faults import legible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from schemas.records import Manifest, PartitionEntry
    from tasks.store.home import Store

_ROLES = (Role.DUPLICATES, Role.SUPERSEDED, Role.DISPUTED)


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One record of a cluster."""

    record: str
    """Its id, as `winnow explain` takes it."""
    partition: str
    fate: str
    of: str | None
    """The record that it is a duplicate of, or in conflict with; None for the one that survives."""
    of_partition: str | None
    """The partition of that record, where it is another one."""
    rules: tuple[str, ...]
    differing: tuple[str, ...]
    """Columns in which it differs from that record."""
    cells: dict[str, Any]
    """Values of the clean table; of a duplicate within its partition the raw cells. Without personal columns."""


class Cluster(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All records of one key."""

    cluster: str
    records: int
    """How many have the key, the survivor too."""
    members: tuple[Member, ...]
    """The survivor first, then the first of the others in the order of partitions, files and records."""


class Clusters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The largest clusters, and how many there are."""

    clusters: tuple[Cluster, ...]
    total: int


def clusters(
    store: Store,
    manifest: Manifest,
    *,
    cluster: str | None = None,
    partition: str | None = None,
    limit: int = 20,
    members: int = 10,
    hidden: frozenset[str] | None = frozenset(),
) -> Clusters:
    """The clusters of a version, those with most records first.

    Args:
        store: the store.
        manifest: of the version.
        cluster: only this one.
        partition: only clusters of which a record of this partition does not survive.
        limit: how many clusters.
        members: how many records of each, beside the survivor.
        hidden: columns whose values are not shown; None is all.

    Raises:
        UnknownNameError: the version has no such partition.
        RecordNotFoundError: it has no such cluster.
        StoreError: a file can't be read.
    """
    if partition is not None and partition not in manifest.partitions:
        raise UnknownNameError.of("partition", partition, manifest.partitions)
    with legible(f"the files of {manifest.dataset}"):
        sizes = _sizes(store, manifest, cluster, partition)
        if cluster is not None and not sizes.height:
            found = f"no record of {manifest.dataset}@{manifest.version} is a duplicate in cluster {shown(cluster)}"
            raise RecordNotFoundError(found, fix="`winnow duplicates DATASET` lists clusters with their names.")
        chosen = sizes.head(limit).get_column(CLUSTER).to_list()
        rows = list(_rows(store, manifest, chosen))
    by_cluster: dict[str, list[tuple[str, Role, dict[str, Any]]]] = {name: [] for name in chosen}
    for name, role, row in rows:
        by_cluster[row[CLUSTER]].append((name, role, row))
    made = (_cluster(store, manifest, name, of, members, hidden) for name, of in by_cluster.items())
    return Clusters(tuple(made), sizes.height)


def _frames(
    store: Store, manifest: Manifest, roles: Sequence[Role], partition: str | None = None
) -> Iterator[tuple[str, Role, pl.LazyFrame]]:
    for name, entry in sorted(manifest.partitions.items()):
        if partition in (None, name):
            for role, rows in rows_of(store, manifest.dataset, _of_roles(entry, roles)).items():
                # What was published before clusters had names has none.
                if role is Role.CLEAN or CLUSTER in rows.collect_schema():
                    yield name, role, rows


def _of_roles(entry: PartitionEntry, roles: Sequence[Role]) -> list[Any]:
    return [file for file in entry.files if file.role in roles]


def _sizes(store: Store, manifest: Manifest, cluster: str | None, partition: str | None) -> pl.DataFrame:
    """The clusters and how many of their records don't survive, the largest first."""
    parts = [rows.select(CLUSTER) for _, _, rows in _frames(store, manifest, _ROLES, partition)]
    named = pl.concat([pl.LazyFrame(schema={CLUSTER: pl.String}), *parts]).drop_nulls()
    if cluster is not None:
        named = named.filter(pl.col(CLUSTER) == cluster)
    return named.group_by(CLUSTER).len().sort("len", CLUSTER, descending=[True, False]).collect(engine="streaming")


def _rows(store: Store, manifest: Manifest, chosen: Sequence[str]) -> Iterator[tuple[str, Role, dict[str, Any]]]:
    for name, role, rows in _frames(store, manifest, _ROLES):
        wanted = rows.filter(pl.col(CLUSTER).is_in(list(chosen)))
        for row in wanted.collect(engine="streaming").iter_rows(named=True):
            yield name, role, row


def _cluster(
    store: Store,
    manifest: Manifest,
    name: str,
    rows: list[tuple[str, Role, dict[str, Any]]],
    members: int,
    hidden: frozenset[str] | None,
) -> Cluster:
    others = [_member(partition, role, row, hidden) for partition, role, row in rows]
    # Of a partition's own duplicates the survivor may itself give way to another partition's.
    named = {
        (row.get(OF_PARTITION) or partition, row[DUPLICATE_OF]) for partition, _, row in rows if DUPLICATE_OF in row
    }
    survivors = [each for place in sorted(named) for each in _survivor(store, manifest, *place, hidden)]
    return Cluster(name, len(others) + len(survivors), (*survivors, *others[:members]))


def _survivor(
    store: Store, manifest: Manifest, partition: str, record: str, hidden: frozenset[str] | None
) -> Iterator[Member]:
    file, _, number = record.partition(":")
    for name, role, rows in _frames(store, manifest, (Role.CLEAN,), partition):
        found = rows.filter((pl.col(FILE) == file) & (pl.col(RECORD) == int(number))).collect(engine="streaming")
        for row in found.iter_rows(named=True):
            yield _member(name, role, row, hidden)


def _member(partition: str, role: Role, row: dict[str, Any], hidden: frozenset[str] | None) -> Member:
    return Member(
        record=f"{row[FILE][:16]}:{row[RECORD]}",
        partition=partition,
        fate=FATES[role].value,
        of=row.get(DUPLICATE_OF) or row.get(CONFLICTS_WITH),
        of_partition=row.get(OF_PARTITION),
        rules=tuple(row.get(RULES) or ()),
        differing=tuple(row.get(DIFFERING) or ()),
        cells={name: row[name] for name in row if hidden is not None and name not in hidden and name[0] != "_"},
    )
