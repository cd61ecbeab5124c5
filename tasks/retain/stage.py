"""Retain as a stage: retires versions beyond the policy, and removes files that nothing needs.

Belongs here: the order in which things go, and the leases that are held meanwhile. Does not belong here: which versions
are kept (policy).

What goes, goes in an order in which it may be broken off anywhere: first the record of what is retired, then the
manifests, the oldest first, and only then the files that no manifest names any more. Whatever is left of it, the next
run finds, because it looks at what is there and not at what an earlier run did.

A file that no manifest names may be one that a run has written and is about to publish. It is removed only while its
partition's lease is held here, after a second look at the versions; and if no retired version named it, only when it is
old enough. Archived copies of raw files and records of contracts are shared by partitions, so no lease covers them:
a run sees once more that they are there after it has published (tasks/publish/stage).

What tells what happened stays: records of retirements and of exports, tags, and all of erasures.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from schemas.errors import LeaseHeldError, StoreError, shown
from schemas.moments import as_text
from schemas.records import Role
from tasks.retain.policy import kept_versions, policy_in_words
from tasks.retain.report import RetainReport
from tasks.store import exports
from tasks.store.documents import encoded
from tasks.store.failures import failure_keys, read_failures
from tasks.store.holds import all_holds, decision_on, forget_hold
from tasks.store.lease import lease
from tasks.store.paths import (
    archive_prefix,
    contract_path,
    contract_prefix,
    data_prefix,
    partition_of,
    path_in,
    quote,
    report_prefix,
    report_version,
    retired_key,
    retired_prefix,
    staging_prefix,
    staging_root,
    version_key,
)
from tasks.store.retired import RetiredVersion, Retirement, read_retirements
from tasks.store.tags import read_tags
from tasks.store.upkeep import upkeep
from tasks.store.versions import head, list_versions, moment_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from schemas.policies import Retention
    from tasks.audit.kept import Hold
    from tasks.store.home import Store


#: Longer than any file takes to be written.
_UNFINISHED_AGE = dt.timedelta(days=1)


class _Named(msgspec.Struct):
    path: str


class _Raw(msgspec.Struct):
    archive: str | None = None


class _Listing(msgspec.Struct):
    files: list[_Named]
    inputs: list[_Raw]
    contract: str


class _Outline(msgspec.Struct):
    """As much of a manifest as retention needs."""

    version: int
    created_at: str
    digest: str
    contract: str
    partitions: dict[str, _Listing]
    replaced: dict[str, str] = {}
    audits: list[_Named] = []

    @property
    def paths(self) -> Iterator[str]:
        """Of what it names: files, archived copies and contracts."""
        yield contract_path(self.contract)
        yield from (file.path for file in self.audits)
        for listing in self.partitions.values():
            yield contract_path(listing.contract)
            yield from (file.path for file in listing.files)
            yield from (raw.archive for raw in listing.inputs if raw.archive)


def retain(
    store: Store,
    dataset: str,
    retention: Retention,
    *,
    run_id: str,
    now: dt.datetime,
    older_than: dt.timedelta = dt.timedelta(days=1),
    dry_run: bool = False,
) -> RetainReport:
    """Retires the versions that the policy does not keep, and removes files that nothing needs.

    A reader of a kept version notices nothing. A version that is being exported is kept until the export is done.

    Args:
        store: where the data set lies.
        dataset: its name.
        retention: which versions are kept.
        run_id: of this run.
        now: with a time zone.
        older_than: how old a file has to be that no version ever named, to be removed; an unfinished one has to be a
            day old, at least.
        dry_run: say what would go, and remove nothing; which partitions are busy is not known then.

    Raises:
        LeaseHeldError: another run is doing the same, or is rolling back or tagging.
        StoreError: a manifest can't be read, so that nothing can be said of any file; or the store can't be written.
    """
    retaining = _Retaining(store, dataset, retention, run_id=run_id, now=now, older_than=older_than, dry_run=dry_run)
    with contextlib.nullcontext() if dry_run else upkeep(store, dataset, run_id):
        return retaining.done()


@dataclass
class _Swept:
    """What was removed so far."""

    files: int = 0
    size: int = 0
    young: int = 0
    busy: list[str] = field(default_factory=list)


def _paths(hold: Hold) -> Iterator[str]:
    """Of what a hold names, as versions name it."""
    yield contract_path(hold.entry.contract)
    yield from (file.path for file in hold.entry.files)
    yield from (raw.archive for raw in hold.entry.inputs if raw.archive)


class _Retaining:
    """One run over one data set."""

    def __init__(
        self,
        store: Store,
        dataset: str,
        retention: Retention,
        *,
        run_id: str,
        now: dt.datetime,
        older_than: dt.timedelta,
        dry_run: bool,
    ) -> None:
        self.store, self.dataset, self.retention = store, dataset, retention
        self.run_id, self.now, self.older_than, self.dry_run = run_id, now, older_than, dry_run
        self.swept = _Swept()

    def done(self) -> RetainReport:
        """Does it all, in order."""
        outlines = {number: self._outline(number) for number in list_versions(self.store, self.dataset)}
        kept = self._kept(outlines)
        retired = tuple(
            RetiredVersion(number, outline.created_at, outline.digest)
            for number, outline in sorted(outlines.items())
            if number not in kept
        )
        needed = {path for number in kept for path in outlines[number].paths} | self._held()
        released = {path for each in retired for path in outlines[each.version].paths} - needed
        self._retire(retired, released, [outlines[each.version].replaced for each in retired])
        for record in read_retirements(self.store, self.dataset):  # also of runs that were killed
            released.update(record.files)
        released |= self._forget()
        staging = self._sweep(needed, released - needed, last=max(outlines, default=0))
        return RetainReport(
            dataset=self.dataset,
            dry_run=self.dry_run,
            policy=policy_in_words(self.retention),
            kept=tuple(sorted(kept)),
            retired=tuple(each.version for each in retired),
            files=self.swept.files,
            size=self.swept.size,
            staging=tuple(staging),
            uploads=0 if self.dry_run else self._clear_unfinished(),
            young=self.swept.young,
            busy=tuple(self.swept.busy),
        )

    # --- versions -----------------------------------------------------------------------------------------------------

    def _outline(self, version: int) -> _Outline:
        key = version_key(self.dataset, version)
        try:
            outline = msgspec.json.decode(self.store.read(key), type=_Outline)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise StoreError(
                f"the manifest can't be decoded: {shown(error)}; nothing was removed, since any file may be its",
                where=key,
                fix="Restore this file from a backup.",
            ) from error
        return outline

    def _kept(self, outlines: dict[int, _Outline]) -> frozenset[int]:
        created = {
            number: moment_of(each.created_at, version_key(self.dataset, number)) for number, each in outlines.items()
        }
        tagged = {tag.version for tag in read_tags(self.store, self.dataset)}
        pinned = exports.versions_under_way(self.store, self.dataset, self.run_id, dry_run=self.dry_run)
        kept = kept_versions(created, self.retention, now=self.now, tagged=tagged)
        return kept | (pinned & outlines.keys())

    # --- what waits, and what is remembered ---------------------------------------------------------------------------

    def _held(self) -> set[str]:
        """Paths that holds name which a person may still release."""
        return {path for hold in all_holds(self.store, self.dataset) if self._is_open(hold) for path in _paths(hold)}

    def _is_open(self, hold: Hold) -> bool:
        """Whether a hold waits, or was released by somebody whose command was killed before it published."""
        decision = decision_on(self.store, hold)
        if decision is None:
            return not hold.is_over(self.now)
        newest = head(self.store, self.dataset) if decision.act == "release" else None
        entry = newest.partitions.get(hold.partition) if newest else None
        now = entry.alone if entry else None
        return decision.act == "release" and now == hold.before and now != hold.entry.alone

    def _forget(self) -> set[str]:
        """Removes holds that have ended, whose files are given, and failures that say nothing any more."""
        ended = [hold for hold in all_holds(self.store, self.dataset) if not self._is_open(hold)]
        if not self.dry_run:
            for hold in ended:
                forget_hold(self.store, hold)
            self._forget_failures()
        return {path for hold in ended for path in _paths(hold)}

    def _forget_failures(self) -> None:
        newest = head(self.store, self.dataset)
        cleanings = {name: entry.alone for name, entry in newest.partitions.items()} if newest else {}
        last = read_failures(self.store, self.dataset)
        for partition, keys in failure_keys(self.store, self.dataset).items():
            stands = partition in last and last[partition].before == cleanings.get(partition)
            for key in keys[:-1] if stands else keys:
                self.store.delete(key)

    def _retire(
        self, retired: Collection[RetiredVersion], released: Collection[str], replaced: Iterable[dict[str, str]]
    ) -> None:
        """Writes down what is retired; then the reports and the manifests go."""
        if not retired or self.dry_run:
            return
        record = Retirement(
            run_id=self.run_id,
            retired_at=as_text(self.now),
            policy=policy_in_words(self.retention),
            versions=tuple(retired),
            files=tuple(sorted(released)),
            replaced={old: new for each in replaced for old, new in each.items()},
        )
        newest = max(each.version for each in retired)
        data = encoded(record)
        if not self.store.create(retired_key(self.dataset, newest, self.run_id), data):
            raise StoreError("another run has the same id", where=self.dataset, fix="Run it again.")
        for each in retired:
            self.store.delete(version_key(self.dataset, each.version))

    # --- files --------------------------------------------------------------------------------------------------------

    def _sweep(self, needed: Collection[str], released: Collection[str], *, last: int) -> list[str]:
        """Removes what no kept version needs, partition after partition; gives those that had staged objects."""
        self._sweep_reports(last)
        unnamed: dict[str, list[str]] = {}
        for role in Role:
            for key in self.store.list(data_prefix(self.dataset, role)):
                if path_in(self.dataset, key) not in needed:
                    unnamed.setdefault(partition_of(key), []).append(key)
        staged = {partition_of(key) for key in self.store.list(staging_root(self.dataset))}
        cleared: list[str] = []
        for partition in sorted(unnamed.keys() | staged):
            with contextlib.ExitStack() as stack:
                if not self.dry_run:
                    try:
                        stack.enter_context(lease(self.store, self.dataset, partition, self.run_id))
                    except LeaseHeldError:
                        self.swept.busy.append(partition)
                        continue
                self._remove(unnamed.get(partition, ()), released, self._named_since(last))
                cleared += self._cleared(partition, has_staged=partition in staged)
        self._sweep_shared(needed, released, last)
        return cleared

    def _sweep_shared(self, needed: Collection[str], released: Collection[str], last: int) -> None:
        """Removes archived copies and contracts that no kept version names."""
        for prefix in (archive_prefix(self.dataset), contract_prefix(self.dataset)):
            for key in self.store.list(prefix):
                if path_in(self.dataset, key) not in needed:
                    age = max(self.older_than, _UNFINISHED_AGE)
                    self._remove([key], released, self._named_since(last), older_than=age)

    def _named_since(self, last: int) -> set[str]:
        """Paths that versions name which were published since this run looked at them."""
        since = (number for number in list_versions(self.store, self.dataset) if number > last)
        return {path for number in since for path in self._outline(number).paths} | self._held()

    def _remove(
        self,
        keys: Iterable[str],
        released: Collection[str],
        named: Collection[str],
        *,
        older_than: dt.timedelta | None = None,
    ) -> None:
        older_than = self.older_than if older_than is None else older_than
        for key in keys:
            path = path_in(self.dataset, key)
            if path in named:
                continue
            if path not in released and self.store.age(key) < older_than:
                self.swept.young += 1
                continue
            self.swept.files += 1
            self.swept.size += self.store.size(key)
            if not self.dry_run:
                self.store.delete(key)

    def _cleared(self, partition: str, *, has_staged: bool) -> Iterator[str]:
        if not self.dry_run:
            self.store.clear(staging_prefix(self.dataset, partition))
            for role in Role:
                self.store.clear_unfinished(f"{data_prefix(self.dataset, role)}{quote(partition)}/")
        if has_staged:
            yield partition

    def _sweep_reports(self, last: int) -> None:
        """Removes the reports of versions that are no more."""
        there = set(list_versions(self.store, self.dataset))
        for key in self.store.list(report_prefix(self.dataset)):
            version = report_version(key)
            if version is not None and version <= last and version not in there and not self.dry_run:
                self.store.delete(key)

    def _clear_unfinished(self) -> int:
        """Removes what killed writers left anywhere, if it is so old that nobody writes it; says how many uploads."""
        # No lease tells who is writing these, so that nobody's haste may shorten the wait; so with what is shared.
        age = max(self.older_than, _UNFINISHED_AGE)
        self.store.clear_unfinished(f"{self.dataset}/", older_than=age)
        # Only one run at a time retires versions, and this one has.
        self.store.clear_unfinished(retired_prefix(self.dataset))
        return self.store.abort_stale_uploads(age)
