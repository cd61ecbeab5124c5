"""Audits as a stage: the declared audits run on a partition and on the candidate version, and what they found is kept.

Belongs here: which audits there are, the rows that they get, and writing and reading their tables. Does not belong
here: auditing (one module for each), or what a finding does to a run (gates).

There are two scopes. An audit of a *partition* depends on its rows and the contract alone: its tables are part of the
partition's entry and of the version's digest (law 4). An audit of a *version* looks at all partitions of the candidate
and may compare it with earlier versions: its tables are named by the manifest beside the partitions, out of the digest.
Another run that commits in between is not in the candidate; its own audit saw this one's rows or will be seen by the
next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec
import polars as pl

from schemas.audits import Audit, AuditResult, Verdict
from schemas.errors import StoreError, UnknownNameError
from schemas.records import FILE, RECORD, Role
from tasks.audit.gates import Finding
from tasks.publish.digest import version_digest
from tasks.store.faults import legible
from tasks.store.paths import audit_key, file_key
from tasks.store.scan import described, scan
from tasks.store.sinks import output_file, sink_all
from tasks.store.versions import head, open_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from schemas.dataset import Dataset
    from schemas.records import Manifest, OutputFile, PartitionEntry
    from tasks.store.home import Store

#: Column of a candidate's rows that says from which partition each is.
PARTITION = "_partition"
#: The table that every audit has: its findings. Its metadata holds the whole `Audit`.
_FINDINGS, _METADATA = "findings", "winnow.audit"
_FINDING_SCHEMA = pl.Schema(dict.fromkeys(("subject", "verdict", "found", "expected", "fix", "level"), pl.String()))


class Rows(NamedTuple):
    """The rows of one partition that will be kept, erased ones among them, so that no erasure changes a verdict.

    Attributes:
        clean: lineage and the typed columns, lazily, in the order of files and records.
        dataset: the data set.
    """

    clean: pl.LazyFrame
    dataset: Dataset


class Candidate(NamedTuple):
    """The version that is about to be published.

    Attributes:
        dataset: the data set.
        partition: the one that changes.
        rows: all rows of the clean tables, lineage too, and `_partition`; partition after partition by name.
        before: the rows of the newest version; None before the first one.
        version: the rows of a published version, by its number.
    """

    dataset: Dataset
    partition: str
    rows: pl.LazyFrame
    before: pl.LazyFrame | None
    version: Callable[[int], pl.LazyFrame]


class Kept(NamedTuple):
    """What was kept of some audits.

    Attributes:
        audits: each without its tables.
        files: their tables, for the manifest.
    """

    audits: tuple[Audit, ...] = ()
    files: tuple[OutputFile, ...] = ()


def _coverage(candidate: Candidate) -> AuditResult:
    from tasks.audit.fitness import audit_coverage

    return audit_coverage(candidate)


def _leakage(candidate: Candidate) -> AuditResult:
    from tasks.audit.fitness import audit_leakage

    return audit_leakage(candidate)


def _shift(candidate: Candidate) -> AuditResult:
    from tasks.audit.fitness import audit_shift

    return audit_shift(candidate)


def _annotators(rows: Rows) -> AuditResult:
    from tasks.audit.annotators.audit import audit

    policy = rows.dataset.annotators
    assert policy is not None  # noqa: S101  # for the type checker: called where it is declared
    wanted = list(dict.fromkeys([FILE, RECORD, *policy.columns]))
    return audit(rows.clean.select(wanted).collect(), policy, rows.dataset.personal)


#: Name of the policy in the declaration -> the audit that it asks for, which is called when the policy is declared.
#: An entry imports its module inside the function: most data sets need none of them.
PARTITION_AUDITS: Mapping[str, Callable[[Rows], AuditResult]] = {"annotators": _annotators}
VERSION_AUDITS: Mapping[str, Callable[[Candidate], AuditResult]] = {
    "coverage": _coverage,
    "leakage": _leakage,
    "shift": _shift,
}


def audit_partition(dataset: Dataset, clean: pl.LazyFrame) -> list[AuditResult]:
    """What the declared audits of a partition find.

    Args:
        dataset: the data set.
        clean: see `Rows`.
    """
    declared = [run for name, run in PARTITION_AUDITS.items() if getattr(dataset, name, None) is not None]
    return [run(Rows(clean, dataset)) for run in declared]


def audit_version(
    store: Store, dataset: Dataset, entry: PartitionEntry, *, beside: Mapping[str, PartitionEntry] | None = None
) -> Kept:
    """Runs the declared audits of the version that the newest one becomes with an entry, and keeps their tables.

    Args:
        store: where the data set lies.
        dataset: the data set.
        entry: of the partition that is to be published.
        beside: of others that are to be published with it.

    Raises:
        StoreError: the store can't be read or written.
    """
    declared = [run for name, run in VERSION_AUDITS.items() if getattr(dataset, name, None) is not None]
    if not declared:
        return Kept()
    newest = head(store, dataset.name)
    before = newest.partitions if newest else {}
    partitions = dict(sorted({**before, **(beside or {}), entry.partition: entry}.items()))
    candidate = Candidate(
        dataset=dataset,
        partition=entry.partition,
        rows=_rows(store, dataset.name, partitions),
        before=_rows(store, dataset.name, before) if before else None,
        version=lambda number: open_version(store, dataset.name, number).scan(Role.CLEAN),
    )
    with legible(f"the clean tables of {dataset.name}"):
        results = [run(candidate) for run in declared]
    # Named by what the candidate holds and what it was compared with.
    stem = version_digest(dataset.name, partitions)[:16] + (f"-{newest.digest[:8]}" if newest else "")
    return keep(store, dataset.name, entry.partition, stem, results, scope="version")


def _rows(store: Store, dataset: str, partitions: Mapping[str, PartitionEntry]) -> pl.LazyFrame:
    frames = [
        scan(store, [file_key(dataset, file.path)]).with_columns(pl.lit(name).alias(PARTITION))
        for name, entry in partitions.items()
        for file in entry.files
        if file.role is Role.CLEAN
    ]
    # Partitions that were cleaned under another contract may have other columns.
    return pl.concat(frames, how="diagonal_relaxed")


def keep(
    store: Store,
    dataset: str,
    partition: str,
    stem: str,
    results: Iterable[AuditResult],
    *,
    scope: str,
    gone: pl.Expr | None = None,
) -> Kept:
    """Writes the tables of audits.

    Args:
        store: where to.
        dataset: name of the data set.
        partition: the partition that is published.
        stem: what the names of the files begin with: names all that the results depend on.
        results: of the audits.
        scope: partition or version.
        gone: true of a row with `_file` and `_record` that is about an erased record; None where none is erased. What
            is not about single records was computed from the erased ones, too, and is left out.
    """
    audits, files = [], []
    for result in results:
        audit = result.audit(scope)
        audits.append(audit)
        frames = {_FINDINGS: _findings(audit), **result.tables}
        metadata = {_FINDINGS: {_METADATA: msgspec.json.encode(audit).decode()}}
        for table, frame in frames.items():
            key = audit_key(dataset, partition, stem, audit.name, table)
            rows = frame.lazy() if gone is None else _without(frame.lazy(), gone)
            if rows is not None:
                sink_all(store, {key: rows}, metadata={key: metadata.get(table, {})})
                files.append(output_file(store, dataset, Role.AUDIT, key))
    return Kept(tuple(audits) if gone is None else (), tuple(files))


def _without(rows: pl.LazyFrame, gone: pl.Expr) -> pl.LazyFrame | None:
    is_about_records = {FILE, RECORD} <= set(rows.collect_schema().names())
    return rows.filter(~gone) if is_about_records else None


def _findings(audit: Audit) -> pl.DataFrame:
    rows = [msgspec.to_builtins(finding) for finding in audit.findings]
    return pl.DataFrame(rows, schema=_FINDING_SCHEMA)


def kept_without(
    store: Store, dataset: str, partition: str, stem: str, files: Iterable[OutputFile], gone: pl.Expr
) -> tuple[OutputFile, ...]:
    """The tables of a partition's audits without erased records, under other names; as `keep` would write them.

    Args:
        store: holds the tables.
        dataset: name of the data set.
        partition: its partition.
        stem: what the names of the new files begin with.
        files: of the partition, audits among them.
        gone: as for `keep`.
    """
    kept = []
    for file in files:
        if file.role is not Role.AUDIT:
            continue
        rows = _without(scan(store, [file_key(dataset, file.path)]), gone)
        if rows is not None:
            _, audit, table = file.path.rpartition("/")[2].removesuffix(".parquet").rsplit("-", 2)
            key = audit_key(dataset, partition, stem, audit, table)
            sink_all(store, {key: rows}, metadata={key: {}})
            kept.append(output_file(store, dataset, Role.AUDIT, key))
    return tuple(kept)


def read_audits(store: Store, dataset: str, files: Iterable[OutputFile]) -> tuple[Audit, ...]:
    """The audits whose tables are among these files.

    Raises:
        StoreError: one can't be read.
    """
    found = []
    for file in files:
        if file.role is Role.AUDIT and file.path.endswith(f"-{_FINDINGS}.parquet"):
            key = file_key(dataset, file.path)
            try:
                found.append(msgspec.json.decode(described(store, key).get(_METADATA, ""), type=Audit))
            except msgspec.MsgspecError as error:
                raise StoreError("its metadata tell of no audit", where=key) from error
    return tuple(found)


def audits_of(store: Store, manifest: Manifest, *, partition: str | None = None) -> list[tuple[str | None, Audit]]:
    """The audits of a version, each with its partition; None is the whole version.

    Raises:
        UnknownNameError: the version has no such partition.
        StoreError: one can't be read.
    """
    found: list[tuple[str | None, Audit]] = []
    for name in _wanted(manifest, partition):
        found += [(name, audit) for audit in read_audits(store, manifest.dataset, manifest.partitions[name].files)]
    if partition is None:
        found += [(None, audit) for audit in read_audits(store, manifest.dataset, manifest.audits)]
    return found


def table_of(store: Store, manifest: Manifest, table: str, *, partition: str | None = None) -> pl.LazyFrame | None:
    """A table of an audit, called `audit.table`, of all partitions that have it; None where none has.

    Raises:
        UnknownNameError: the version has no such partition.
        StoreError: one can't be read.
    """
    audit, _, name = table.partition(".")
    ending = f"-{audit}-{name}.parquet"
    frames = []
    for each in _wanted(manifest, partition):
        files = [file for file in manifest.partitions[each].files if file.role is Role.AUDIT]
        keys = [file_key(manifest.dataset, file.path) for file in files if file.path.endswith(ending)]
        frames += [scan(store, [key]).select(pl.lit(each).alias(PARTITION), pl.all()) for key in keys]
    whole = [file_key(manifest.dataset, file.path) for file in manifest.audits if file.path.endswith(ending)]
    frames += [scan(store, [key]).select(pl.lit(None, pl.String).alias(PARTITION), pl.all()) for key in whole]
    # What one partition's labels are another's need not be.
    return pl.concat(frames, how="diagonal_relaxed") if frames else None


def _wanted(manifest: Manifest, partition: str | None) -> list[str]:
    if partition is not None and partition not in manifest.partitions:
        raise UnknownNameError.of("partition", partition, manifest.partitions)
    return sorted(manifest.partitions) if partition is None else [partition]


def _action(audit: Audit) -> Literal["fail", "hold"]:
    """What the policy says of what it finds; `Gates(actions=...)` may say otherwise."""
    return "hold" if audit.facts.get("action") == "hold" else "fail"


def stopped_by(audits: Iterable[Audit]) -> tuple[Finding, ...]:
    """What the gates must know: the findings that stop a run.

    Example:
        >>> from schemas.audits import AuditFinding
        >>> short = AuditFinding("sex=female", "short by 3", "97 rows", "at least 100", level=Verdict.STOP)
        >>> stopped_by([AuditResult("coverage", (short,)).audit("version")])[0].gate
        'coverage'
    """
    return tuple(
        Finding(audit.name, f"{each.subject}: {each.verdict} ({each.found})", each.expected, each.fix, _action(audit))
        for audit in audits
        for each in audit.findings
        if each.level is Verdict.STOP
    )
