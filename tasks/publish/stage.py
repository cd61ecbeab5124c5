"""Publishing as a stage: read back, balance, ask the gates, commit.

Belongs here: the order of these, and the outcome that a run reports. Does not belong here: how any of them is done
(balance, gates, commit).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import msgspec

from schemas.errors import DeclarationError, StoreError
from schemas.moments import as_text
from schemas.records import Books, PartitionEntry, Role, RuleCount
from tasks.audit import gates
from tasks.audit.kept import Hold
from tasks.audit.stage import Kept, audit_version, stopped_by
from tasks.audit.wipeout import wiped_out
from tasks.erasure.copies import keep_copies, without_erased
from tasks.ingest.listing import open_raw
from tasks.ingest.stage import same_files
from tasks.job import Job, Outcome, Settled, Staged
from tasks.publish.balance import check_balance
from tasks.publish.commit import Committed, check_known, commit
from tasks.publish.contract import contract_fingerprint, contract_of
from tasks.publish.written import read_back, recounted
from tasks.store import archive
from tasks.store.contracts import keep_contract
from tasks.store.holds import keep_hold, read_holds
from tasks.store.lease import check_lease
from tasks.store.reviews import concerning, read_reviews
from tasks.store.versions import head

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.audits import Audit
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
    reviews = read_reviews(store, job.dataset) if dataset.reviewed else ()
    if entry.reviews != concerning(reviews, {raw.sha256 for raw in entry.inputs}):
        return None
    if _missing_copies(store, job.dataset, entry):
        return None  # cleaning again publishes nothing, but keeps the copies anew
    return _outcome(dataset, newest, entry, "unchanged since then: nothing new was published")


class Prepared(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A partition that is ready to be published, or held."""

    job: Job
    entry: PartitionEntry
    findings: tuple[gates.Finding, ...]
    """The gates that it did not pass, none of which stops it."""
    broken_tables: tuple[str, ...]
    erasures: tuple[str, ...]
    audited: Kept = Kept()
    """What the audits of the partition and of the version with it found, and the tables of the latter."""
    hold: Hold | None = None
    """What is kept for a person instead of being published."""


def publish(job: Job, store: Store, dataset: Dataset, staged: Staged, settled: Settled) -> Outcome:
    """Publishes a settled partition as part of a new version, if its books balance and its gates open.

    Raises:
        DeclarationError, ErasedMeanwhileError, BooksError, GateError: see `prepare`.
        DumpChangedError, DumpUnreadableError, LeaseLostError, StoreError: see `publish_all`.
    """
    (outcome,) = publish_all(store, dataset, [prepare(job, store, dataset, staged, settled)])
    return outcome


def prepare(
    job: Job,
    store: Store,
    dataset: Dataset,
    staged: Staged,
    settled: Settled,
    *,
    beside: Mapping[str, PartitionEntry] | None = None,
) -> Prepared:
    """Balances a settled partition's books and asks the gates; what a gate holds is written down as held.

    Args:
        job: names the partition.
        store: holds the files.
        dataset: the data set.
        staged: what was read.
        settled: what was written.
        beside: partitions that are to be published with this one, for what is usual.

    Raises:
        DeclarationError: the declaration was edited since the run began.
        DumpChangedError, DumpUnreadableError: a raw file that is to be archived is not the one any more that was read.
        ErasedMeanwhileError: a person was erased since the partition was read.
        BooksError: what was written does not add up to what was read.
        GateError: a gate stopped it.
        StoreError: the store can't be read or written.
    """
    if contract_fingerprint(job.declaration) != settled.contract:
        raise DeclarationError("it changed while the partition was cleaned", where=job.declaration, fix="Run it again.")
    check_known(store, job.dataset, settled.erasures)
    entry = entry_of(job, store, staged, settled)
    removed = wiped_out(dataset.gates, settled.removals, settled.largest, hidden=dataset.personal)
    return ask_gates(
        job,
        store,
        dataset,
        entry,
        settled.broken_tables,
        settled.erasures,
        beside=beside,
        audits=settled.audits,
        more=tuple(removed),
    )


def ask_gates(
    job: Job,
    store: Store,
    dataset: Dataset,
    entry: PartitionEntry,
    broken_tables: tuple[str, ...],
    erasures: tuple[str, ...],
    *,
    beside: Mapping[str, PartitionEntry] | None = None,
    audits: tuple[Audit, ...] = (),
    more: Sequence[gates.Finding] = (),
) -> Prepared:
    """Asks the gates about a partition whose books balance; what one of them holds is written down as held.

    Args:
        job: names the partition.
        store: holds the files.
        dataset: the data set.
        entry: what a manifest would say.
        broken_tables: ids of the rules about the whole table that are broken.
        erasures: ids of the erasures of whose records its files are free.
        beside: partitions that are to be published with this one, for what is usual.
        audits: what the audits of the partition found.
        more: what gates found that are about what a run removes.

    Raises:
        GateError: a gate stopped it.
        DumpChangedError, DumpUnreadableError: a raw file of what is held can't be archived.
        StoreError: the store can't be read or written.
    """
    verdicts = [(rule, rule.id not in broken_tables) for rule in dataset.rules if rule.kind == "table"]
    newest = head(store, job.dataset) if _asks_history(dataset) or _may_hold(dataset) else None
    published = dict(newest.partitions) if newest else {}
    found = gates.findings(
        dataset.gates,
        entry.total,
        entry.rules,
        verdicts,
        history=_history({**published, **(beside or {})}, job.partition),
        drift=entry.drift,
    )
    version = audit_version(store, dataset, entry, beside=beside)
    audits = (*audits, *version.audits)
    found = (*found, *(gates.acted(dataset.gates, each) for each in (*more, *stopped_by(audits))))
    gates.stop(job.dataset, job.partition, found)
    prepared = Prepared(job, entry, found, broken_tables, erasures, Kept(audits, version.files))
    holding = tuple(finding for finding in found if finding.action == "hold")
    if not holding or job.dry_run:
        return prepared
    _keep(store, dataset, [prepared])
    before = published.get(job.partition)
    now = dt.datetime.now(dt.UTC)
    hold = Hold(
        hold="",
        dataset=job.dataset,
        entry=entry,
        findings=holding,
        reason=job.reason,
        run_id=job.run_id,
        held_at=as_text(now),
        expires_at=as_text(now + dt.timedelta(seconds=job.hold_seconds)),
        before=before.alone if before else None,
        erasures=erasures,
    )
    return msgspec.structs.replace(prepared, hold=keep_hold(store, hold))


def _asks_history(dataset: Dataset) -> bool:
    return dataset.gates.max_quarantined_rise is not None or dataset.gates.max_records_change is not None


def _may_hold(dataset: Dataset) -> bool:
    policies = (dataset.coverage, dataset.leakage, dataset.shift)
    actions = (*dataset.gates.actions.values(), *(policy.action for policy in policies if policy))
    return "hold" in actions or any(rule.id in gates.HELD for rule in dataset.own_rules)


def _history(partitions: Mapping[str, PartitionEntry], partition: str) -> list[Books]:
    return [partitions[name].total for name in sorted(partitions) if name < partition]


def publish_all(store: Store, dataset: Dataset, prepared: Sequence[Prepared]) -> tuple[Outcome, ...]:
    """Publishes partitions of one data set, one run and one contract together as one new version.

    What is held is left out, and so is everything in a dry run.

    Raises:
        DumpChangedError, DumpUnreadableError: a raw file that is to be archived is not the one any more that was read.
        ErasedMeanwhileError: a person was erased since a partition was read.
        LeaseLostError: the run slept too long, and another one may be cleaning a partition.
        StoreError: the store can't be written, or an archived copy was removed while the version was published.
    """
    ready = [each for each in prepared if not each.hold and not each.job.dry_run]
    committed = _committed(store, dataset, ready) if ready else None
    return tuple(_done(dataset, each, committed) for each in prepared)


def _committed(store: Store, dataset: Dataset, ready: Sequence[Prepared]) -> Committed:
    _keep(store, dataset, ready)
    job, entries = ready[-1].job, {each.entry.partition: each.entry for each in ready}
    for each in ready:
        check_lease(store, each.job.dataset, each.job.partition, each.job.run_id)
    # An erasure that one of them does not know of is one that the version would not be free of.
    erasures = set(ready[0].erasures).intersection(*(each.erasures for each in ready))
    committed = commit(
        store,
        job.dataset,
        change=lambda partitions: {**partitions, **entries},
        reason=job.reason,
        run_id=job.run_id,
        contract=ready[-1].entry.contract,
        now=dt.datetime.now(dt.UTC),
        erasures=sorted(erasures),
        audits=ready[-1].audited.files,
    )
    # `winnow gc` may have taken them for a version's that was retired, until this one named them.
    keep_contract(store, contract_fingerprint(job.declaration), contract_of(dataset, job.declaration))
    for each in ready:
        _check_copies(store, job.dataset, each.entry)
    return committed


def _keep(store: Store, dataset: Dataset, ready: Sequence[Prepared]) -> None:
    """Keeps what a version needs beside its files: copies of raw files, and what its contract stands for."""
    root = ready[-1].job.raw_root
    for each in ready:
        keep_copies(store, each.job.dataset, each.entry, lambda raw: open_raw(f"{root}/{raw.path}"))
    declaration = ready[-1].job.declaration
    keep_contract(store, contract_fingerprint(declaration), contract_of(dataset, declaration))


def _done(dataset: Dataset, prepared: Prepared, committed: Committed | None) -> Outcome:
    entry, broken = prepared.entry, prepared.broken_tables
    if prepared.hold:
        asked = "; ".join(map(gates.in_words, prepared.hold.findings))
        note = f"held as {prepared.hold.hold} until somebody decides: {asked}"
        outcome = _outcome(dataset, None, entry, note, broken_tables=broken, audits=prepared.audited.audits)
        return msgspec.structs.replace(outcome, hold=prepared.hold.hold)
    warned = [f"published in spite of {gates.in_words(each)}" for each in prepared.findings if each.action == "warn"]
    if committed is None:
        held = [f"would be held: {gates.in_words(each)}" for each in prepared.findings if each.action == "hold"]
        note = "; ".join(["dry run: nothing was published", *held])
        return _outcome(dataset, None, entry, note, broken_tables=broken, audits=prepared.audited.audits)
    note = "published" if committed.published else "unchanged since then: nothing new was published"
    note = "; ".join([note, *warned])
    now = committed.manifest.partitions[prepared.job.partition]
    return _outcome(
        dataset,
        committed.manifest,
        now,
        note,
        published=committed.published,
        broken_tables=broken,
        audits=prepared.audited.audits,
    )


def held(job: Job, store: Store, dataset: Dataset) -> Outcome | None:
    """The outcome when the same raw files are held already that were cleaned under the same contract; else None.

    Raises:
        DumpMissingError, DumpUnreadableError: there is no raw file, or one can't be read.
        StoreError: the store can't be read.
    """
    if not _may_hold(dataset):
        return None
    newest = head(store, job.dataset)
    entry = newest.partitions.get(job.partition) if newest else None
    for hold in read_holds(store, job.dataset, now=dt.datetime.now(dt.UTC)):
        same = hold.partition == job.partition and hold.entry.contract == contract_fingerprint(job.declaration)
        moved = hold.before != (entry.alone if entry else None)
        if same and not moved and same_files(job, dataset, hold.entry.inputs):
            return _done(dataset, Prepared(job, hold.entry, hold.findings, (), (), hold=hold), None)
    return None


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
        reviews=staged.reviews,
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
    audits: tuple[Audit, ...] = (),
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
        audits=audits,
    )
