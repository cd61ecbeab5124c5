"""Review as a stage: the queue of a version with its context, and decisions kept in the store.

Belongs here: reading audits' tables and the rows around them, and keeping what was decided. Does not belong here: files
(formats), or weighing decisions (intake, decisions).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from schemas.errors import UsageError
from schemas.records import FILE, RECORD, Role
from tasks.audit.review.decisions import holding
from tasks.audit.review.formats import TOLD
from tasks.audit.review.intake import Intake, Known, take
from tasks.dedupe.ledger import own_id
from tasks.erasure.withdrawal import is_one_of
from tasks.store.faults import legible
from tasks.store.paths import file_key
from tasks.store.reviews import keep_review, read_reviews, review_of
from tasks.store.scan import scan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from schemas.dataset import Dataset
    from schemas.records import Manifest, PartitionEntry, RecordId
    from tasks.audit.review.decisions import Place
    from tasks.store.home import Store

_ID = [FILE, RECORD]


class Imported(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What came of a file of decisions."""

    dataset: str
    review: str | None
    """Id under which the decisions are kept; None where there was nothing new."""
    partitions: tuple[str, ...]
    """Partitions that are stale now: cleaning them again applies the decisions."""
    intake: Intake
    dry_run: bool


def queue(
    store: Store, manifest: Manifest, dataset: Dataset, *, limit: int | None = None, personal: bool = False
) -> pl.DataFrame:
    """The rows of a version about which nobody decided yet, the most doubtful first.

    They are those whose label looks wrong; of votes those on an item about which the voters are not sure.

    Args:
        store: the store.
        manifest: of the version.
        dataset: the data set.
        limit: how many at most.
        personal: whether the context holds personal columns, too.

    Returns:
        `formats.TOLD`, and as context the partition and the record's other cells as text.

    Raises:
        UsageError: the data set declares no labels or votes, or the version was published without.
        StoreError: the store can't be read.
    """
    column = _column(dataset)
    decided = set(holding(read_reviews(store, dataset.name), column))
    hidden = frozenset() if personal else dataset.personal
    others = [each.name for each in dataset.columns if each.name not in {column, *hidden}]
    parts = []
    with legible(f"the files of {dataset.name}"):
        for name, entry in sorted(manifest.partitions.items()):
            scores = _scores(store, dataset, entry)
            if scores is None:
                continue
            issues = scores.filter("issue").collect().filter(~is_one_of(decided))
            parts.append(_with_context(store, dataset.name, entry, issues, others).with_columns(partition=pl.lit(name)))
    if not parts:
        fix = f"Clean it again: winnow run {dataset.name} --partition P"
        raise UsageError("the version has no audit of labels", where=f"{dataset.name}@{manifest.version}", fix=fix)
    told = pl.concat(parts).sort("score", *_ID).head(limit if limit is not None else len(decided) + _rows(parts))
    record = own_id().alias("record")
    named = told.with_columns(record, pl.lit(column).alias("column")).rename({"given": "label"})
    # A column of the table may have the name of one of the queue's.
    context = {f"_context.{name}": name if name not in (*TOLD, "partition") else f"cell {name}" for name in others}
    return named.select(*TOLD, "partition", *context).rename(context)


def _rows(parts: Sequence[pl.DataFrame]) -> int:
    return sum(part.height for part in parts)


def _column(dataset: Dataset) -> str:
    """The column about whose cells reviewers decide."""
    if dataset.reviewed is None:
        fix = 'Declare Dataset(labels=Labels("column")), or annotators=Annotators(...).'
        raise UsageError("it declares no labels", where=dataset.name, fix=fix)
    return dataset.reviewed


def _scores(store: Store, dataset: Dataset, entry: PartitionEntry) -> pl.LazyFrame | None:
    """The table of a partition's audit that says which records are to be looked at."""
    ending = "-labels-scores.parquet" if dataset.labels else "-annotators-queue.parquet"
    for file in entry.files:
        if file.role is Role.AUDIT and file.path.endswith(ending):
            return scan(store, [file_key(dataset.name, file.path)])
    return None


def _with_context(
    store: Store, dataset: str, entry: PartitionEntry, issues: pl.DataFrame, columns: Sequence[str]
) -> pl.DataFrame:
    """The issues with the cells of their records: of the clean table, or as they came where they are set aside."""
    found = []
    for file in entry.files:
        if file.role in (Role.CLEAN, Role.QUARANTINE, Role.SUPERSEDED, Role.DISPUTED):
            rows = scan(store, [file_key(dataset, file.path)])
            cells = [pl.col(name).cast(pl.String).alias(f"_context.{name}") for name in columns]
            # What is looked for is little, and is what the rows are held against.
            found.append(rows.select(*_ID, *cells).join(issues.lazy().select(_ID), on=_ID, how="semi").collect())
    context = pl.concat(found).unique(_ID, keep="first", maintain_order=True)
    return issues.join(context, on=_ID, how="left", maintain_order="left")


def import_decisions(
    store: Store,
    manifest: Manifest,
    dataset: Dataset,
    rows: Sequence[Mapping[str, str]],
    *,
    reviewer: str | None,
    now: str,
    supersede: bool = False,
    dry_run: bool = False,
) -> Imported:
    """Keeps the decisions of a file; the next cleaning of the partitions that they concern applies them.

    Args:
        store: the store.
        manifest: of the version that the reviewers saw, or a later one.
        dataset: the data set.
        rows: of the file.
        reviewer: see `intake.take`.
        now: the same.
        supersede: the same.
        dry_run: say what would be kept, and keep nothing.

    Raises:
        UsageError: the data set declares no labels or votes.
        StoreError: the store can't be read or written.
    """
    column = _column(dataset)
    labels = dict(_labels(store, manifest, dataset, column))
    decided = holding(read_reviews(store, dataset.name), column)
    known = Known(
        column=column,
        labels=labels,
        values=_values(dataset, column, labels),
        decided=decided,
        whole=functools.partial(_whole, manifest),
    )
    intake = take(rows, known, reviewer=reviewer, now=now, supersede=supersede)
    review = review_of(intake.taken, now) if intake.taken else None
    if review and not dry_run:
        keep_review(store, dataset.name, review)
    files = {decision.file for decision in intake.taken}
    stale = [
        name for name, entry in sorted(manifest.partitions.items()) if any(raw.sha256 in files for raw in entry.inputs)
    ]
    return Imported(dataset.name, review.id if review else None, tuple(stale), intake, dry_run)


def _labels(store: Store, manifest: Manifest, dataset: Dataset, column: str) -> Iterator[tuple[Place, str | None]]:
    """The label of each record now: of the clean table, or as it was judged."""
    with legible(f"the files of {manifest.dataset}"):
        for entry in manifest.partitions.values():
            scores = _scores(store, dataset, entry)
            if scores is not None:
                yield from _pairs(scores.select(*_ID, "given"))
            for file in entry.files:
                if file.role is Role.CLEAN:
                    rows = scan(store, [file_key(manifest.dataset, file.path)])
                    yield from _pairs(rows.select(*_ID, pl.col(column).cast(pl.String)))


def _pairs(rows: pl.LazyFrame) -> Iterator[tuple[Place, str | None]]:
    for file, record, label in rows.collect().iter_rows():
        yield (file, record), label


def _values(dataset: Dataset, column: str, labels: Mapping[Place, str | None]) -> tuple[str, ...]:
    """The labels that may be decided for: those that occur, and those that the model's `isin` allows."""
    allowed: set[Any] = set()
    for check in dataset.model.to_schema().columns[column].checks:
        allowed.update((check.statistics or {}).get("allowed_values", ()))
    return tuple(sorted({label for label in labels.values() if label is not None} | {str(each) for each in allowed}))


def _whole(manifest: Manifest, record: RecordId) -> Place | None:
    for entry in manifest.partitions.values():
        for raw in entry.inputs:
            if raw.sha256.startswith(record.file) and record.record <= raw.records:
                return raw.sha256, record.record
    return None
