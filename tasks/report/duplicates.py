"""Duplicates: the clusters of a version, each with its records side by side.

Belongs here: reading them from the ledger, bounded, with the record that survives. Does not belong here: printing, one
record's whole story (explain), or deciding anything (tasks/dedupe).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

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
_ROW = "_row"


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
        # A cluster's records are those of all partitions, whichever partition it is asked for by.
        whole = sizes if partition is None else _sizes(store, manifest, cluster, None)
        counts = dict(whole.filter(pl.col(CLUSTER).is_in(chosen)).iter_rows())
        gathered = _gathered(store, manifest, chosen, members)
        made = (_cluster(store, manifest, name, counts[name], gathered[name], hidden) for name in chosen)
        return Clusters(tuple(made), sizes.height)


class _Gathered(NamedTuple):
    """What is read of one cluster.

    Attributes:
        rows: the first that don't survive, each with its partition and its role.
        survivors: partition and id of the records that any of them is a duplicate of.
    """

    rows: list[tuple[str, Role, dict[str, Any]]]
    survivors: set[tuple[str, str]]


def _gathered(store: Store, manifest: Manifest, chosen: Sequence[str], members: int) -> dict[str, _Gathered]:
    found = {name: _Gathered([], set()) for name in chosen}
    for partition, role, rows in _frames(store, manifest, _ROLES):
        wanted = rows.filter(pl.col(CLUSTER).is_in(chosen))
        for row in _first_of_each(wanted, members).iter_rows(named=True):
            each = found[row[CLUSTER]].rows
            if len(each) < members:
                each.append((partition, role, row))
        if role is not Role.DISPUTED:
            for name, *place in _survivors_of(wanted, partition).iter_rows():
                found[name].survivors.add((place[0], place[1]))
    return found


def _cluster(
    store: Store, manifest: Manifest, name: str, others: int, gathered: _Gathered, hidden: frozenset[str] | None
) -> Cluster:
    # Of a partition's own duplicates the survivor may itself give way to another partition's.
    kept = [each for place in sorted(gathered.survivors) for each in _survivor(store, manifest, *place, hidden)]
    members = (_member(*each, hidden) for each in gathered.rows)
    return Cluster(name, others + len(kept), (*kept, *members))


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


def _first_of_each(rows: pl.LazyFrame, members: int) -> pl.DataFrame:
    """The first rows of each cluster, whole. A cluster may have millions: of the others only the cluster is read."""
    numbered = rows.with_row_index(_ROW)
    kept = numbered.select(CLUSTER, _ROW).group_by(CLUSTER).agg(pl.col(_ROW).bottom_k(members)).explode(_ROW)
    numbers = kept.collect(engine="streaming").get_column(_ROW)
    return numbered.filter(pl.col(_ROW).is_in(numbers.implode())).sort(_ROW).drop(_ROW).collect(engine="streaming")


def _survivors_of(rows: pl.LazyFrame, partition: str) -> pl.DataFrame:
    """The records that rows are duplicates of, each once: its cluster, its partition and its id."""
    own = pl.lit(partition)
    there = pl.coalesce(OF_PARTITION, own) if OF_PARTITION in rows.collect_schema() else own
    return rows.select(CLUSTER, there.alias(OF_PARTITION), DUPLICATE_OF).unique().collect(engine="streaming")


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
