"""Diff as a stage: reads the partitions that differ, once, and has them counted and compared.

Belongs here: which files are read, in frames of a bounded size, and rows put aside on the disk when they are many. Does
not belong here: what is counted (columns), what is compared (rows), or what is told (report).
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from schemas.errors import UnknownNameError, UsageError
from schemas.records import FILE, LINEAGE, RECORD, Role
from tasks.diff.columns import Distributions
from tasks.diff.partitions import Change, clean_paths, partition_changes, rule_changes, totals
from tasks.diff.report import MASKED, CellDiff, DiffReport, RowDiff, column_diff, common_types, told
from tasks.diff.rows import KEY, Verdict, identities
from tasks.store.faults import legible
from tasks.store.local import LocalStore
from tasks.store.paths import file_key, staging_key
from tasks.store.scan import scan
from tasks.store.spill import Spill
from tasks.store.versions import Snapshot

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from schemas.records import Manifest, PartitionEntry
    from tasks.diff.rows import Place
    from tasks.store.home import Store

#: Rows in a frame that is read.
_FRAME = 65_536
#: Rows of which the identities are held in memory, 45 bytes each; those of more go to the disk.
_AT_ONCE = 2_000_000
_BEFORE, _AFTER = 0, 1
_READ = {_BEFORE: (Change.REMOVED, Change.RECLEANED), _AFTER: (Change.ADDED, Change.RECLEANED)}
_ROW = "\x00row"  # no column that is declared can be called so


@dataclass
class _Side:
    """One of the two versions."""

    store: Store
    manifest: Manifest
    schema: dict[str, pl.DataType] = field(default_factory=dict)
    distributions: Distributions | None = None

    def __post_init__(self) -> None:
        found = Snapshot(self.store, self.manifest).schemas(Role.CLEAN).values()
        if empty := [pl.DataFrame(schema=schema) for schema in found]:
            schema = pl.concat(empty, how="diagonal_relaxed").schema
            self.schema = {name: dtype for name, dtype in schema.items() if name not in LINEAGE}

    def rows(self, partition: str) -> pl.LazyFrame:
        """The rows of a partition's clean table."""
        return self._scan(self.manifest.partitions[partition])

    def frames(self, partition: str) -> Iterator[pl.DataFrame]:
        """They, frame after frame, with all columns of the version in its types."""
        if clean_paths(self.manifest.partitions[partition]):
            rows = self.rows(partition)
            present = rows.collect_schema()
            columns = [
                (pl.col(name) if name in present else pl.lit(None).alias(name)).cast(dtype)
                for name, dtype in self.schema.items()
            ]
            yield from rows.select(columns).collect_batches(chunk_size=_FRAME, maintain_order=True)

    def _scan(self, entry: PartitionEntry) -> pl.LazyFrame:
        return scan(self.store, [file_key(self.manifest.dataset, path) for path in clean_paths(entry)])


def diff(
    store: Store,
    before: Manifest,
    after: Manifest,
    *,
    key: Sequence[str] = (),
    personal: Collection[str] | None = (),
    rows: int = 0,
) -> DiffReport:
    """Compares two versions of a data set. Only partitions whose clean tables differ are read, each once.

    Args:
        store: where they lie.
        before: the one version.
        after: the other one.
        key: columns that tell rows apart within a partition; none compares rows as a whole.
        personal: columns whose values are shown to nobody; None are all.
        rows: of each kind, how many of the rows that differ are shown.

    Raises:
        UsageError: they are of two data sets.
        UnknownNameError: a column of the key is not in both versions.
        StoreError: a file can't be read.
    """
    if before.dataset != after.dataset:
        raise UsageError(f"{before.dataset} and {after.dataset} are two data sets", expected="versions of one data set")
    with legible(f"the files of {before.dataset}"), tempfile.TemporaryDirectory(prefix="winnow-diff-") as scratch:
        return _Comparison(store, before, after, key, personal, rows, LocalStore(Path(scratch))).report()


class _Comparison:
    """One comparison under way."""

    def __init__(
        self,
        store: Store,
        before: Manifest,
        after: Manifest,
        key: Sequence[str],
        personal: Collection[str] | None,
        rows: int,
        scratch: Store,
    ) -> None:
        self.sides = (_Side(store, before), _Side(store, after))
        self.changes = partition_changes(before.partitions, after.partitions)
        self.types = common_types(self.sides[_BEFORE].schema, self.sides[_AFTER].schema)
        self.columns = list(dict.fromkeys(name for side in self.sides for name in side.schema))
        self.personal = frozenset(self.columns if personal is None else personal)
        self.key, self.scratch = tuple(key), scratch
        self.verdict = Verdict(most=rows)
        if self.types:
            self._check_key()

    def report(self) -> DiffReport:
        """Reads and compares."""
        self._read()
        before, after = (side.manifest for side in self.sides)
        types = (self.sides[_BEFORE].schema, self.sides[_AFTER].schema)
        found = (self.sides[_BEFORE].distributions, self.sides[_AFTER].distributions)
        return DiffReport(
            dataset=before.dataset,
            before=before.version,
            after=after.version,
            same=before.digest == after.digest,
            books_before=totals(before.partitions.values()),
            books_after=totals(after.partitions.values()),
            partitions=self.changes,
            rules=rule_changes(before.partitions.values(), after.partitions.values()),
            columns=tuple(column_diff(name, types, found, self.personal) for name in self.columns),
            key=self.key,
            rows=self.verdict.counts,
            sample=tuple(self._sample()),
        )

    def _check_key(self) -> None:
        for name in self.key:
            if name not in self.types:
                raise UnknownNameError.of("column of both versions", name, self.types)

    def _read(self) -> None:
        """Reads what differs on each side: counts it all, and compares the rows of partitions that both have."""
        name = staging_key("diff", "rows", "identities")
        spill = Spill(self.scratch, name, by=KEY[0], numbers=1 << 64, at_once=_AT_ONCE)
        for number, side in enumerate(self.sides):
            read = [(at, each) for at, each in enumerate(self.changes) if each.change in _READ[number]]
            side.distributions = Distributions(side.schema, personal=self.personal) if self.changes else None
            for at, each in read:
                compared = each.change is Change.RECLEANED and self.types
                self._read_partition(number, at, spill if compared else None)
        for part in spill.parts():
            self.verdict.add(part.whole())
        self._add_whole_partitions()

    def _read_partition(self, number: int, at: int, spill: Spill | None) -> None:
        side, start = self.sides[number], 0
        for frame in side.frames(self.changes[at].partition):
            if side.distributions is not None:
                side.distributions.add(frame)
            if spill is not None:
                spill.add(
                    identities(
                        frame.select(pl.col(name).cast(dtype) for name, dtype in self.types.items()),
                        key=self.key,
                        columns=list(self.types),
                        side=number,
                        partition=at,
                        start=start,
                    )
                )
            start += frame.height

    def _add_whole_partitions(self) -> None:
        """Adds the rows of partitions that only one version has, or of which no column is the same."""
        for at, each in enumerate(self.changes):
            if each.change in (Change.ADDED, Change.REMOVED) or (each.change is Change.RECLEANED and not self.types):
                self.verdict.add_whole(at, before=each.rows_before or 0, after=each.rows_after or 0)

    # --- rows that are shown ------------------------------------------------------------------------------------------

    def _sample(self) -> Iterator[RowDiff]:
        for kind, places in self.verdict.places.items():
            rows = self._rows_at(places)
            for place in places:
                yield self._row_diff(kind, place, rows)

    def _rows_at(self, places: Sequence[Place]) -> dict[tuple[int, int, int], dict[str, Any]]:
        """The rows at some places, by side, partition and row."""
        found: dict[tuple[int, int, int], dict[str, Any]] = {}
        for side in (_BEFORE, _AFTER):
            for at in sorted({place.partition for place in places}):
                wanted = [place.before if side == _BEFORE else place.after for place in places if place.partition == at]
                numbers = [number for number in wanted if number is not None]
                if numbers:
                    rows = self.sides[side].rows(self.changes[at].partition).with_row_index(_ROW)
                    chosen = rows.filter(pl.col(_ROW).is_in(numbers)).collect(engine="streaming")
                    found |= {(side, at, row[_ROW]): row for row in chosen.iter_rows(named=True)}
        return found

    def _row_diff(self, kind: str, place: Place, rows: dict[tuple[int, int, int], dict[str, Any]]) -> RowDiff:
        before = None if place.before is None else rows[_BEFORE, place.partition, place.before]
        after = None if place.after is None else rows[_AFTER, place.partition, place.after]
        either = after or before or {}
        return RowDiff(
            kind=kind,
            partition=self.changes[place.partition].partition,
            record_before=_record(before),
            record_after=_record(after),
            key={name: self._told(name, either.get(name)) for name in self.key},
            cells=tuple(self._cells(before, after)),
        )

    def _cells(self, before: dict[str, Any] | None, after: dict[str, Any] | None) -> Iterator[CellDiff]:
        both = before is not None and after is not None
        for name in self.types if both else self.columns:
            one, other = (row.get(name) if row else None for row in (before, after))
            if one != other and not (one != one and other != other):  # NaN is the same as NaN
                yield CellDiff(name, self._told(name, one), self._told(name, other))

    def _told(self, name: str, value: object) -> str | None:
        return told(value) if value is None or name not in self.personal else MASKED


def _record(row: dict[str, Any] | None) -> str | None:
    return None if row is None else f"{row[FILE][:16]}:{row[RECORD]}"
