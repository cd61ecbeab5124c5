"""Reporting as a stage: the facts of a run, read from the version that it published, as a report.

Belongs here: gathering, and keeping the markdown beside the data. Does not belong here: wording (summary), or Prefect
(task).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.errors import VersionNotFoundError
from tasks.audit.stage import read_audits
from tasks.normalise.plan import NormalisePlan
from tasks.report.quarantine import set_aside
from tasks.report.summary import Example, RunReport, summary
from tasks.store.paths import report_key
from tasks.store.versions import read_manifest
from tasks.validate.screening import compiled

if TYPE_CHECKING:
    from schemas.dataset import Dataset
    from schemas.records import Manifest, PartitionEntry
    from tasks.job import Job, Outcome
    from tasks.report.quarantine import SetAside
    from tasks.store.home import Store

#: Examples in a report.
_EXAMPLES = 5


def run_report(
    job: Job,
    store: Store,
    dataset: Dataset,
    outcome: Outcome,
    versions: tuple[Manifest, Manifest | None] | None = None,
) -> RunReport:
    """The report of a run that published a version; its markdown is kept in the store, too.

    Args:
        job: names the partition.
        store: holds the version.
        dataset: the data set.
        outcome: what the run did.
        versions: the version and its parent, where they were read already.

    Raises:
        StoreError: the version can't be read.
    """
    manifest, parent = versions or version_and_parent(store, job.dataset, outcome.version or 0)
    entry = manifest.partitions[job.partition]
    before = parent.partitions.get(job.partition) if parent else None
    found = set_aside(store, manifest, partition=job.partition, limit=_EXAMPLES)
    report = RunReport(
        dataset=job.dataset,
        partition=job.partition,
        version=manifest.version,
        digest=manifest.digest,
        entry=entry,
        rules=outcome.rules,
        reasons={rule.id: rule.reason for rule in dataset.rules},
        examples=tuple(_example(each, _shown_cells(dataset)) for each in found.records),
        folder=store.path(job.dataset),
        before=before.total if before else None,
        kept_before=_kept(parent) if parent else None,
        kept_now=_kept(manifest),
        audits=read_audits(store, job.dataset, (*entry.files, *manifest.audits)),
        partition_before=_before(manifest, job.partition),
    )
    store.create(report_key(job.dataset, job.partition, manifest.version), summary(report).encode())
    return report


def report_owed(job: Job, store: Store, outcome: Outcome) -> bool:
    """Whether the newest version brought the partition and has no report: its run was killed in between.

    Raises:
        StoreError: the store can't be read.
    """
    version = outcome.version or 0
    if store.exists(report_key(job.dataset, job.partition, version)):
        return False
    manifest = read_manifest(store, job.dataset, version)
    parent = _parent(store, manifest)
    return parent is None or parent.partitions.get(job.partition) != manifest.partitions.get(job.partition)


def version_and_parent(store: Store, dataset: str, version: int) -> tuple[Manifest, Manifest | None]:
    """A version, and the one before it, unless there is none or it is gone.

    Raises:
        VersionNotFoundError: there is no such version.
        StoreError: it can't be read.
    """
    manifest = read_manifest(store, dataset, version)
    return manifest, _parent(store, manifest)


def _parent(store: Store, manifest: Manifest) -> Manifest | None:
    if manifest.parent is None:
        return None
    try:
        return read_manifest(store, manifest.dataset, manifest.parent)
    except VersionNotFoundError:  # an old version may have been removed
        return None


def _before(manifest: Manifest, partition: str) -> PartitionEntry | None:
    earlier = max((name for name in manifest.partitions if name < partition), default=None)
    return None if earlier is None else manifest.partitions[earlier]


def _kept(manifest: Manifest) -> int:
    return sum(books.kept for entry in manifest.partitions.values() for books in entry.books)


def _shown_cells(dataset: Dataset) -> dict[str, frozenset[str]]:
    """For each rule the columns that it rests on, less the personal ones, which nobody is shown."""
    parts = compiled(dataset, NormalisePlan(dataset)).parts
    return {
        part.rule.id: frozenset([*part.reads, *([part.rule.column] if part.rule.column else [])]) - dataset.personal
        for part in parts
    }


def _example(record: SetAside, shown_cells: dict[str, frozenset[str]]) -> Example:
    named = frozenset[str]().union(*(shown_cells.get(rule, frozenset()) for rule in record.rules))
    cells = tuple((name, value) for name, value in record.cells.items() if name in named)
    reasons = tuple(f"{rule}: {reason}" for rule, reason in zip(record.rules, record.reasons, strict=True))
    return Example(record.record, reasons, cells)
