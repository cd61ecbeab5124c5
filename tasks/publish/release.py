"""Release: what a person's decision on a hold leads to.

Belongs here: publishing exactly what was held, or giving it up. Does not belong here: holding (stage), or the records
(tasks/store/holds).

Nothing is cleaned again. The files are hashed before they are published: what a person looked at is what readers get.
The decision is written down before it is carried out, so that a release that was killed is finished by the same act,
and of two people only one decides.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from schemas.errors import HoldGoneError
from schemas.moments import as_text
from schemas.records import Release
from tasks.audit.gates import in_words
from tasks.audit.kept import Decision, Hold
from tasks.publish.commit import check_known, commit
from tasks.store.holds import already, decide, decision_on, read_hold
from tasks.store.lease import lease
from tasks.store.paths import file_key
from tasks.store.versions import head

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from schemas.records import Manifest
    from tasks.publish.commit import Change
    from tasks.store.home import Store


class Released(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What became of a hold."""

    dataset: str
    partition: str
    hold: str
    act: str
    """release or discard."""
    by: str
    reason: str
    version: int | None = None
    """The version that has what was held."""
    digest: str | None = None
    dry_run: bool = False


def release(
    store: Store, dataset: str, name: str, *, by: str, reason: str, run_id: str, now: dt.datetime, dry_run: bool = False
) -> Released:
    """Publishes exactly what was held.

    Raises:
        HoldNotFoundError: there is no such hold.
        HoldGoneError: it was discarded, it is too old, its files are gone or damaged, or another cleaning of the
            partition was published since.
        ErasedMeanwhileError: a person was erased since it was made.
        LeaseHeldError: a run is cleaning the partition.
        StoreError: the store can't be read or written.
    """
    hold = read_hold(store, dataset, name)
    decision = Decision(hold.hold, "release", by, reason, as_text(now))
    with _alone(store, hold, run_id, dry_run=dry_run):
        newest = head(store, dataset)
        if _is_published(newest, hold) and (made := decision_on(store, hold)) and made.act == "release":
            return _done(hold, made, newest)
        _check(store, hold, newest, now)
        if dry_run:
            return msgspec.structs.replace(_done(hold, decision, None), dry_run=True)
        decide(store, hold, decision)
        committed = commit(
            store,
            dataset,
            change=lambda partitions: _changed(hold, partitions),
            reason=hold.reason,
            run_id=run_id,
            contract=hold.entry.contract,
            now=now,
            erasures=hold.erasures,
            release=Release(
                hold=hold.hold,
                partition=hold.partition,
                gates=tuple(map(in_words, hold.findings)),
                by=by,
                reason=reason,
                held_at=hold.held_at,
            ),
        )
    return _done(hold, decision, committed.manifest)


def discard(
    store: Store, dataset: str, name: str, *, by: str, reason: str, run_id: str, now: dt.datetime, dry_run: bool = False
) -> Released:
    """Gives up what was held; `winnow gc` removes its files.

    Raises:
        HoldNotFoundError: there is no such hold.
        HoldGoneError: it was released.
        LeaseHeldError: a run is cleaning the partition.
        StoreError: the store can't be read or written.
    """
    hold = read_hold(store, dataset, name)
    decision = Decision(hold.hold, "discard", by, reason, as_text(now))
    with _alone(store, hold, run_id, dry_run=dry_run):
        made = decision_on(store, hold)
        if made and made.act == "release":
            raise already(hold, made)
        if not dry_run:
            decide(store, hold, decision)
    return msgspec.structs.replace(_done(hold, made or decision, None), dry_run=dry_run)


def _alone(store: Store, hold: Hold, run_id: str, *, dry_run: bool) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext() if dry_run else lease(store, hold.dataset, hold.partition, run_id)


def _is_published(newest: Manifest | None, hold: Hold) -> bool:
    return newest is not None and newest.partitions.get(hold.partition) == hold.entry


def _check(store: Store, hold: Hold, newest: Manifest | None, now: dt.datetime) -> None:
    """Sees that what was held can still be published as it was."""
    made = decision_on(store, hold)
    if made and made.act == "discard":
        raise already(hold, made)
    if hold.is_over(now):
        raise _gone(hold, f"it could be released until {hold.expires_at}")
    _changed(hold, dict(newest.partitions) if newest else {})
    check_known(store, hold.dataset, hold.erasures)
    for trouble in _damages(store, hold):
        raise _gone(hold, trouble)


def _changed(hold: Hold, partitions: Change) -> Change:
    """The partitions with the one that was held.

    Raises:
        HoldGoneError: the partition is not any more what it was when it was held.
    """
    present = partitions.get(hold.partition)
    if (present.alone if present else None) not in (hold.before, hold.entry.alone):
        raise _gone(hold, "another cleaning of the partition was published since it was held")
    return {**partitions, hold.partition: hold.entry}


def _damages(store: Store, hold: Hold) -> Iterator[str]:
    for file in hold.entry.files:
        key = file_key(hold.dataset, file.path)
        if not store.exists(key):
            yield f"{key} is missing"
        elif store.sha256(key) != file.sha256:
            yield f"{key} has other bytes"


def _gone(hold: Hold, found: str) -> HoldGoneError:
    fix = f"Give it up (winnow discard {hold.dataset} {hold.hold} --reason ...) and run the partition again."
    return HoldGoneError(f"{hold.hold} can't be released: {found}", where=f"{hold.dataset} {hold.partition}", fix=fix)


def _done(hold: Hold, decision: Decision, manifest: Manifest | None) -> Released:
    return Released(
        dataset=hold.dataset,
        partition=hold.partition,
        hold=hold.hold,
        act=decision.act,
        by=decision.by,
        reason=decision.reason,
        version=manifest.version if manifest else None,
        digest=manifest.digest if manifest else None,
    )
