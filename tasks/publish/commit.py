"""Commit: the one moment at which a version comes to be.

Belongs here: from a change of partitions to the next manifest, whoever else commits meanwhile. Does not belong here:
what is in the change, or whether it may be published (stage).

The manifest of version n + 1 is created only if it is absent: of several runs that try, one succeeds, and the others
apply their change to what that one published. Nobody waits for a lock, and nothing that was published is touched.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import random
import time
from typing import TYPE_CHECKING

import msgspec

from schemas.errors import ErasedMeanwhileError, StoreError, VersionNotFoundError
from schemas.moments import as_text
from schemas.records import Manifest, PartitionEntry, Release
from tasks.erasure import journal
from tasks.publish.digest import version_digest
from tasks.store.documents import encoded
from tasks.store.paths import version_key
from tasks.store.retired import is_retired
from tasks.store.upkeep import wait_for_upkeep
from tasks.store.versions import read_manifest, remember, stored_head

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Mapping

    from schemas.records import OutputFile
    from tasks.store.home import Store

#: Each lost race is another run's version, so that this many in a row mean that something else is wrong.
_ATTEMPTS = 200
#: Seconds to wait after a lost race, for each race lost so far, and at most.
_PAUSE, _LONGEST_PAUSE = 0.005, 0.5

Change = dict[str, PartitionEntry]


class Committed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a commit led to."""

    manifest: Manifest
    """The version that holds the change."""
    published: bool
    """False when the newest version held it already and another run had published that."""


def commit(
    store: Store,
    dataset: str,
    *,
    change: Callable[[Change], Change],
    reason: str,
    run_id: str,
    contract: str,
    now: dt.datetime,
    erasures: Iterable[str] | None = None,
    erased: Iterable[str] = (),
    replaced: Mapping[str, str] | None = None,
    audits: tuple[OutputFile, ...] = (),
    as_is: bool = False,
    keeps_up: bool = False,
    release: Release | None = None,
) -> Committed:
    """Publishes a change as the next version, unless the newest one has the same content already.

    Partitions of which the change takes records, or to which it gives some back, change with it (see `reconcile`): they
    are held against it anew after each lost race.

    Args:
        store: where the data set lies.
        dataset: name of the data set.
        change: partitions -> changed partitions; called anew after each lost race, with a dict of its own.
        reason: nightly, run, backfill, replay, erasure or rollback.
        run_id: of this run.
        contract: fingerprint under which the newest partition of the change was cleaned.
        erasures: ids of the erasures that the change knows of; None if it brings no newly cleaned files, so that it
            is enough that none of its files was erased.
        erased: ids of erasures that this commit completes.
        replaced: sha256 of the older manifests that it replaces -> sha256 of what comes in their place.
        audits: tables of the audits of the whole version.
        as_is: whether the changed partitions are those of a whole version, each as the others left it.
        keeps_up: whether the run has the right to say which versions are kept (`upkeep`); else it waits for it where it
            writes other partitions anew.
        release: who let it be published, of a change that a gate had held.
        now: with a time zone; becomes the manifest's `created_at`, unless the newest version's is later: the clock of
            one of two machines is wrong then, and that times rise with the numbers is worth more (`version_as_of`).

    Raises:
        BooksError: what was written of another partition does not add up; a defect.
        LeaseHeldError: versions are being retired or erased for too long.
        ErasedMeanwhileError: it would bring back what was erased since the change was made.
        StoreError: the store can't be read or written, or the newest manifest is broken.
    """
    with contextlib.ExitStack() as stack:
        created_at = as_text(now)
        known = 1
        guard = functools.cache(lambda: None if keeps_up else wait_for_upkeep(stack, store, dataset, run_id))
        for attempt in range(_ATTEMPTS):
            stored = stored_head(store, dataset, since=known)
            newest = stored.manifest if stored else None
            known = newest.version if newest else 1
            held = newest.partitions if newest else {}
            partitions = change(dict(held))
            # Of files that an erasure removed, none can be read below.
            _check_erased(store, dataset, partitions, newest, erasures)
            if not as_is:
                from tasks.publish.reconcile import reconciled  # imports polars

                partitions = reconciled(store, dataset, held, partitions, guard=guard)
            partitions = dict(sorted(partitions.items()))
            digest = version_digest(dataset, partitions)
            before = newest.erasures if newest else ()
            if newest and newest.digest == digest and set(erased) <= set(before) and not replaced:
                # Its own run finds it here when it is tried again after the answer to its commit was lost.
                return Committed(newest, published=newest.run_id == run_id)
            candidate = Manifest(
                dataset=dataset,
                version=newest.version + 1 if newest else 1,
                parent=newest.version if newest else None,
                reason=reason,
                run_id=run_id,
                created_at=max(created_at, newest.created_at) if newest else created_at,
                contract=contract,
                digest=digest,
                partitions=partitions,
                erasures=tuple(sorted({*before, *erased})),
                replaced=dict(replaced or {}),
                release=release or msgspec.UNSET,
                audits=audits,
            )
            candidate = chained(candidate, stored.data if stored else None)
            if _published(store, candidate):
                return Committed(candidate, published=True)
            # Cut by chance: runs that lost the same race must not meet again in the next one.
            time.sleep(random.uniform(0, min(_PAUSE * (attempt + 1), _LONGEST_PAUSE)))  # noqa: S311  # no secret
    raise _lost_races(dataset)


def _lost_races(dataset: str) -> StoreError:
    return StoreError(
        f"lost {_ATTEMPTS} races in a row for the next version",
        where=dataset,
        fix="See who commits so often with `winnow versions`, then run again: all but the commit is done.",
    )


def _check_erased(
    store: Store, dataset: str, partitions: Change, newest: Manifest | None, known: Iterable[str] | None
) -> None:
    """Sees that no file comes back that an erasure replaced, and none comes that was made without knowing of one.

    An erasure writes its journal and then publishes a version of its own: a commit that comes before that is looked at
    by the erasure, and one that comes after it reads here of both.
    """
    if newest is None or not newest.erasures:
        return
    unknown = set(newest.erasures) - set(known) if known is not None else set()
    gone = {
        file.path
        for erasure in journal.erasures(store, dataset)
        if erasure.id in newest.erasures
        for replaced in erasure.replacements
        for file in set(replaced.before) - set(replaced.after)
    }
    changed = [entry for name, entry in partitions.items() if newest.partitions.get(name) != entry]
    if unknown or any(file.path in gone for entry in changed for file in entry.files):
        raise _erased_meanwhile(dataset)


def check_known(store: Store, dataset: str, known: Iterable[str]) -> None:
    """Sees, before files are read back that an erasure may have removed, that it was known when they were made.

    Raises:
        ErasedMeanwhileError: it was not.
        StoreError: the store can't be listed.
    """
    if set(journal.erasure_ids(store, dataset)) - set(known):
        raise _erased_meanwhile(dataset)


def _erased_meanwhile(dataset: str) -> ErasedMeanwhileError:
    found = "records were erased while this was under way"
    return ErasedMeanwhileError(found, where=dataset, fix="Nothing was published. Run it again.")


def chained(manifest: Manifest, parent: bytes | None) -> Manifest:
    """A manifest that names the bytes of its parent, as every one in a store does.

    So the sha256 of one manifest binds all before it: who published them, when and why, which no digest covers. An
    erasure, which replaces older ones, binds what it puts in their place by `replaced` of its own version.

    Args:
        manifest: the manifest.
        parent: as its parent's manifest is stored; None for the first version.
    """
    return msgspec.structs.replace(
        manifest, parent_sha256=None if parent is None else hashlib.sha256(parent).hexdigest()
    )


def _published(store: Store, candidate: Manifest) -> bool:
    """Whether the candidate is now a version, also when the answer that said so was lost on its way."""
    key = version_key(candidate.dataset, candidate.version)
    data = encoded(candidate)
    if store.create(key, data):
        # A run that slept for long may find its number free again, because the version that had it was retired since.
        # What comes of it would be older than the newest, and nobody would see it.
        if not is_retired(store, candidate.dataset, candidate.version):
            remember(data, candidate)
            return True
        store.delete(key)
        return False
    try:
        winner = read_manifest(store, candidate.dataset, candidate.version)
    except VersionNotFoundError:  # it was retired a moment ago
        return False
    return (winner.run_id, winner.digest) == (candidate.run_id, candidate.digest)
