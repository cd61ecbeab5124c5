"""Publishing as a stage: read back, balance, ask the gates, commit.

Belongs here: the order of these, and the outcome that a run reports. Does not belong here: how any of them is done
(balance, gates, commit).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from schemas.errors import DeclarationError, StoreError
from schemas.records import PartitionEntry, Role, RuleCount
from tasks.audit import gates
from tasks.erasure.copies import keep_copies, without_erased
from tasks.ingest.listing import open_raw
from tasks.ingest.stage import same_files
from tasks.job import Job, Outcome, Settled, Staged
from tasks.publish.balance import check_balance
from tasks.publish.commit import check_known, commit
from tasks.publish.contract import contract_fingerprint, contract_of
from tasks.publish.written import read_back, recounted
from tasks.store import archive
from tasks.store.contracts import keep_contract
from tasks.store.lease import check_lease
from tasks.store.versions import head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.dataset import Dataset
    from schemas.records import Manifest
    from tasks.store.home import Store


def unchanged(job: Job, store: Store, dataset: Dataset) -> Outcome | None:
    """The outcome when the newest version holds the partition already: same raw files, same contract; else None.

    Raises:
        DumpMissingError, DumpUnreadableError: there is no raw file, or one can't be read.
        StoreError: the store can't be read.
    """
    newest = head(store, job.dataset)
    entry = newest.partitions.get(job.partition) if newest else None
    if newest is None or entry is None or entry.contract != contract_fingerprint(job.declaration):
        return None
    if not same_files(job, dataset, entry.inputs):
        return None
    if _missing_copies(store, job.dataset, entry):
        return None  # cleaning again publishes nothing, but keeps the copies anew
    return _outcome(dataset, newest, entry, "unchanged since then: nothing new was published")


def publish(job: Job, store: Store, dataset: Dataset, staged: Staged, settled: Settled) -> Outcome:
    """Publishes a settled partition as part of a new version, if its books balance and its gates open.

    Raises:
        DeclarationError: the declaration was edited since the run began.
        DumpChangedError, DumpUnreadableError: a raw file that is to be archived is not the one any more that was read.
        ErasedMeanwhileError: a person was erased since the partition was read.
        BooksError: what was written does not add up to what was read.
        GateError: a gate stopped it.
        LeaseLostError: the run slept too long, and another one may be cleaning the partition.
        StoreError: the store can't be written, or an archived copy was removed while the version was published.
    """
    if contract_fingerprint(job.declaration) != settled.contract:
        raise DeclarationError("it changed while the partition was cleaned", where=job.declaration, fix="Run it again.")
    check_known(store, job.dataset, settled.erasures)
    entry = entry_of(job, store, staged, settled)
    verdicts = [(rule, rule.id not in settled.broken_tables) for rule in dataset.rules if rule.kind == "table"]
    gates.stop(job.dataset, job.partition, gates.findings(dataset.gates, entry.total, entry.rules, verdicts))
    if job.dry_run:
        return _outcome(dataset, None, entry, "dry run: nothing was published", broken_tables=settled.broken_tables)
    keep_copies(store, job.dataset, entry, lambda raw: open_raw(f"{job.raw_root}/{raw.path}"))
    keep_contract(store, settled.contract, contract_of(dataset, job.declaration))
    check_lease(store, job.dataset, job.partition, job.run_id)
    committed = commit(
        store,
        job.dataset,
        change=lambda partitions: {**partitions, job.partition: entry},
        reason=job.reason,
        run_id=job.run_id,
        contract=settled.contract,
        now=dt.datetime.now(dt.UTC),
        erasures=settled.erasures,
    )
    # `winnow gc` may have taken them for a version's that was retired, until this one named them.
    keep_contract(store, settled.contract, contract_of(dataset, job.declaration))
    _check_copies(store, job.dataset, entry)
    note = "published" if committed.published else "unchanged since then: nothing new was published"
    return _outcome(
        dataset,
        committed.manifest,
        committed.manifest.partitions[job.partition],
        note,
        published=committed.published,
        broken_tables=settled.broken_tables,
    )


def _missing_copies(store: Store, dataset: str, entry: PartitionEntry) -> tuple[str, ...]:
    keys = [archive.key_of_copy(dataset, raw) for raw in entry.inputs if raw.archive]
    return tuple(key for key in keys if not store.exists(key))


def _check_copies(store: Store, dataset: str, entry: PartitionEntry) -> None:
    if missing := _missing_copies(store, dataset, entry):
        raise StoreError(
            "an archived copy was removed while the version that names it was published",
            where=missing[0],
            fix="The version is there and readable. Run it again: that keeps the copy anew.",
        )


def entry_of(job: Job, store: Store, staged: Staged, settled: Settled) -> PartitionEntry:
    """What a manifest says of a settled partition, if its books balance.

    Raises:
        BooksError: what was written does not add up to what was read.
        StoreError: it can't be read.
    """
    entry = PartitionEntry(
        partition=job.partition,
        contract=settled.contract,
        cleaning=settled.cleaning,
        inputs=staged.inputs,
        books=check_balance(read_back(store, job.dataset, settled.files, staged.inputs)),
        files=settled.files,
        rules=tuple(rule for rule in settled.rules if rule.rows),
        rejects=staged.rejects,
        steps=staged.steps,
        across=settled.across,
    )
    if any(file.role is Role.ERASED for file in entry.files):
        entry = recounted(store, job.dataset, entry)
        return without_erased(store, job.dataset, entry, lambda raw: open_raw(f"{job.raw_root}/{raw.path}"))
    return entry


def _outcome(
    dataset: Dataset,
    manifest: Manifest | None,
    entry: PartitionEntry,
    note: str,
    *,
    published: bool = False,
    broken_tables: Sequence[str] = (),
) -> Outcome:
    broken = {rule.id: rule.rows for rule in entry.rules}
    again = [f"{raw.path} has the same bytes as {raw.redelivery_of}" for raw in entry.inputs if raw.redelivery_of]
    # Only warnings are left: a table that breaks a graver rule was stopped by its gate.
    warned = [f"the table breaks {rule}, which only warns" for rule in broken_tables]
    return Outcome(
        dataset=dataset.name,
        partition=entry.partition,
        version=manifest.version if manifest else None,
        digest=manifest.digest if manifest else None,
        published=published,
        note="; ".join([f"version {manifest.version}, {note}" if manifest else note, *warned, *again]),
        books=entry.total,
        rules=tuple(RuleCount(rule.id, rule.severity, broken.get(rule.id, 0)) for rule in dataset.rules),
        rejects=entry.rejects,
        drift=entry.drift,
    )
