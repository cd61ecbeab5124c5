"""Delta: a version and those before it as the versions of a Delta table.

Belongs here: which files each version of the table has, and its log. Does not belong here: types (types), or the plain
form (stage).

The table's version 0 has the columns and no rows; then each version of ours is one of the table's. As long as none was
retired and all are exported, both have the same numbers; each entry of the table's history names ours beside its own.
Files are shared between the versions, as in the store.
"""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

import polars as pl

from schemas.errors import MissingExtraError, UsageError
from schemas.records import LINEAGE, Role
from tasks.export.report import Counts, ExportReport
from tasks.export.stage import PARTITION, check_column, folder_name, record_of
from tasks.export.types import delta_columns
from tasks.store.exports import under_way
from tasks.store.faults import legible, translated
from tasks.store.outside import appearing, check_free, place
from tasks.store.paths import file_key
from tasks.store.scan import scan
from tasks.store.sinks import ROW_GROUP
from tasks.store.versions import Snapshot, moment_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from schemas.records import Manifest, OutputFile
    from tasks.export.types import DeltaType
    from tasks.store.home import Store

#: So that no reader's housekeeping takes a version away that was exported on purpose.
_KEEPS = {
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}


def export_delta(
    store: Store,
    manifests: Sequence[Manifest],
    folder: str,
    *,
    now: dt.datetime,
    column: str = PARTITION,
    link: bool = False,
    dry_run: bool = False,
) -> ExportReport:
    """Makes a Delta table of the clean tables of some versions, in a new folder that appears whole or not at all.

    Args:
        store: where the versions lie.
        manifests: the versions, rising.
        folder: where to; nothing may be there, or an empty folder.
        now: with a time zone.
        column: name of the column that tells the partition.
        link: give files a second name instead of copying them, where that is possible.
        dry_run: say what would be made, and write nothing.

    Raises:
        MissingExtraError: deltalake is not installed.
        UsageError: there is something in the folder, a column has a type that Delta has not, or two types.
        StoreError: a file is not what the manifest says, or the folder can't be written.
    """
    _deltalake()
    target = check_free(folder)
    newest = manifests[-1]
    schemas = _schemas(store, manifests)
    columns = delta_columns(schemas, newest.dataset)
    for manifest in manifests:
        check_column(store, manifest, column)
    table = _Table(store, newest.dataset, columns, column, link=link)
    files = {file.path: file for manifest in manifests for _, file in _clean(manifest)}
    record = record_of(manifests, target, Role.CLEAN.value, "delta", now)
    if not dry_run:
        with under_way(store, record), appearing(target) as filling:
            table.make(filling, manifests)
    counts = table.counts
    return ExportReport(
        dataset=newest.dataset,
        versions=record.versions,
        folder=str(target),
        format="delta",
        roles=(Role.CLEAN.value,),
        dry_run=dry_run,
        export="" if dry_run else record.export,
        files=len(files),
        size=sum(file.size for file in files.values()),
        linked=counts.linked,
        copied=counts.copied,
        rewritten=counts.rewritten,
        left_out=tuple(name for name in LINEAGE if name not in columns),
    )


class _Table:
    """A table that is being made."""

    def __init__(
        self, store: Store, dataset: str, columns: Mapping[str, DeltaType], column: str, *, link: bool
    ) -> None:
        self.store, self.dataset, self.columns, self.column, self.link = store, dataset, columns, column, link
        self.casts = {name: made.cast for name, made in columns.items() if made.cast is not None}
        self.counts = Counts()

    def make(self, folder: Path, manifests: Sequence[Manifest]) -> None:
        """Writes files and log, version after version."""
        lake = _deltalake()
        fields = [lake.Field(name, lake.schema.PrimitiveType(made.name)) for name, made in self.columns.items()]
        schema = lake.Schema([*fields, lake.Field(self.column, lake.schema.PrimitiveType("string"))])
        settings = {"partition_by": [self.column]}
        with translated("write", str(folder)):
            table = lake.DeltaTable.create(str(folder), schema, name=self.dataset, configuration=_KEEPS, **settings)
        there: dict[str, tuple[OutputFile, str]] = {}
        actions: dict[str, Any] = {}
        for manifest in manifests:
            wanted = {_path(self.column, partition, file): (file, partition) for partition, file in _clean(manifest)}
            moment = int(moment_of(manifest.created_at, self.dataset).timestamp() * 1000)
            changes = [self._removed(path, there[path][1], moment) for path in sorted(there.keys() - wanted.keys())]
            for path in sorted(wanted.keys() - there.keys()):
                if path not in actions:
                    actions[path] = self._added(folder, path, *wanted[path], moment)
                changes.append(actions[path])
            about = {"winnow.version": str(manifest.version), "winnow.digest": manifest.digest}
            with translated("write", str(folder)):
                table.create_write_transaction(
                    changes,
                    "append",
                    schema,
                    commit_properties=lake.CommitProperties(custom_metadata=about),
                    **settings,
                )
            there = wanted

    def _added(self, folder: Path, path: str, file: OutputFile, partition: str, moment: int) -> Any:  # noqa: ANN401  # deltalake's
        """Puts a file in its place, and says so as the log does."""
        key, target = file_key(self.dataset, file.path), folder / path
        if self._must_be_rewritten(key):
            self._rewrite(key, target)
            self.counts.rewritten += 1
        else:
            linked = place(self.store, key, target, size=file.size, sha256=file.sha256, link=self.link)
            self.counts.linked += linked
            self.counts.copied += not linked
        with translated("read", str(target)):
            size = target.stat().st_size
        return _deltalake().transaction.AddAction(
            path=path,
            size=size,
            partition_values={self.column: partition},
            modification_time=moment,
            data_change=True,
            stats=json.dumps({"numRecords": file.rows}),
        )

    def _removed(self, path: str, partition: str, moment: int) -> Any:  # noqa: ANN401  # deltalake's
        action = _deltalake().transaction.RemoveAction
        return action(path, data_change=True, deletion_timestamp=moment, partition_values={self.column: partition})

    def _must_be_rewritten(self, key: str) -> bool:
        if not self.casts:
            return False
        with legible(key):
            return not self.casts.keys().isdisjoint(scan(self.store, [key]).collect_schema())

    def _rewrite(self, key: str, target: Path) -> None:
        with legible(key):
            rows = scan(self.store, [key])
            present = rows.collect_schema().names()
            casts = [pl.col(name).cast(dtype) for name, dtype in self.casts.items() if name in present]
            left_out = [name for name in present if name not in self.columns]
            with translated("write", str(target)):
                target.parent.mkdir(parents=True, exist_ok=True)
                rows.drop(left_out).with_columns(casts).sink_parquet(
                    target, row_group_size=ROW_GROUP, compression="zstd", maintain_order=True
                )


def _clean(manifest: Manifest) -> Iterator[tuple[str, OutputFile]]:
    """The clean files of a version with their partitions."""
    for name, entry in sorted(manifest.partitions.items()):
        for file in entry.files:
            if file.role is Role.CLEAN:
                yield name, file


def _path(column: str, partition: str, file: OutputFile) -> str:
    """Where a file lies in the table."""
    return f"{folder_name(column, partition)}/{file.path.rpartition('/')[2]}"


def _schemas(store: Store, manifests: Sequence[Manifest]) -> dict[str, Mapping[str, pl.DataType]]:
    """The columns of the clean tables, each contract's once, by the version that has it first."""
    found: dict[str, Mapping[str, pl.DataType]] = {}
    known: set[str] = set()
    for manifest in manifests:
        contracts = {entry.contract for entry in manifest.partitions.values()} - known
        if contracts:
            schemas = Snapshot(store, manifest).schemas(Role.CLEAN)
            for number, contract in enumerate(sorted(contracts & schemas.keys())):
                found[f"version {manifest.version}" + (f" ({number + 1})" if number else "")] = schemas[contract]
            known |= contracts
    if not found:
        raise UsageError("no version has a clean table", where=manifests[-1].dataset)
    return found


def _deltalake() -> Any:  # noqa: ANN401  # a module that need not be there
    try:
        lake = importlib.import_module("deltalake")
        importlib.import_module("deltalake.transaction")
        importlib.import_module("deltalake.schema")
    except ImportError:
        raise MissingExtraError.of("deltalake", "delta") from None
    return lake
