"""Commit: the one moment at which a version comes to be.

Belongs here: from a change of partitions to the next manifest, whoever else commits meanwhile. Does not belong here:
what is in the change, or whether it may be published (stage).

The manifest of version n + 1 is created only if it is absent: of several runs that try, one succeeds, and the others
apply their change to what that one published. Nobody waits for a lock, and nothing that was published is touched.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import random
import time
from typing import TYPE_CHECKING

import msgspec

from schemas.errors import StoreError, VersionNotFoundError
from schemas.records import Manifest, PartitionEntry
from tasks.publish.digest import version_digest
from tasks.store.paths import version_key
from tasks.store.retired import is_retired
from tasks.store.versions import read_manifest, stored_head

if TYPE_CHECKING:
    from collections.abc import Callable

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
) -> Committed:
    """Publishes a change as the next version, unless the newest one has the same content already.

    Args:
        store: where the data set lies.
        dataset: name of the data set.
        change: partitions -> changed partitions; called anew after each lost race, with a dict of its own.
        reason: nightly, run, backfill, replay, erasure or rollback.
        run_id: of this run.
        contract: fingerprint under which the newest partition of the change was cleaned.
        now: with a time zone; becomes the manifest's `created_at`, unless the newest version's is later: the clock of
            one of two machines is wrong then, and that times rise with the numbers is worth more (`version_as_of`).

    Raises:
        StoreError: the store can't be read or written, or the newest manifest is broken.
    """
    created_at = now.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    known = 1
    for attempt in range(_ATTEMPTS):
        stored = stored_head(store, dataset, since=known)
        newest = stored.manifest if stored else None
        known = newest.version if newest else 1
        partitions = dict(sorted(change(dict(newest.partitions) if newest else {}).items()))
        digest = version_digest(dataset, partitions)
        if newest and newest.digest == digest:
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
        )
        candidate = chained(candidate, stored.data if stored else None)
        if _published(store, candidate):
            return Committed(candidate, published=True)
        # Cut by chance: runs that lost the same race must not meet again in the next one.
        time.sleep(random.uniform(0, min(_PAUSE * (attempt + 1), _LONGEST_PAUSE)))  # noqa: S311  # no secret
    raise StoreError(
        f"lost {_ATTEMPTS} races in a row for the next version",
        where=dataset,
        fix="See who commits so often with `winnow versions`, then run again: all but the commit is done.",
    )


def chained(manifest: Manifest, parent: bytes | None) -> Manifest:
    """A manifest that names the bytes of its parent, as every one in a store does.

    So the sha256 of one manifest binds all before it: who published them, when and why, which no digest covers. Whoever
    replaces one chains all behind it anew, in their order.

    Args:
        manifest: the manifest.
        parent: as its parent's manifest is stored; None for the first version.
    """
    return msgspec.structs.replace(
        manifest, parent_sha256=None if parent is None else hashlib.sha256(parent).hexdigest()
    )


def encoded(manifest: Manifest) -> bytes:
    """A manifest as it is stored."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=1)


def _published(store: Store, candidate: Manifest) -> bool:
    """Whether the candidate is now a version, also when the answer that said so was lost on its way."""
    key = version_key(candidate.dataset, candidate.version)
    if store.create(key, encoded(candidate)):
        # A run that slept for long may find its number free again, because the version that had it was retired since.
        # What comes of it would be older than the newest, and nobody would see it.
        if not is_retired(store, candidate.dataset, candidate.version):
            return True
        store.delete(key)
        return False
    try:
        winner = read_manifest(store, candidate.dataset, candidate.version)
    except VersionNotFoundError:  # it was retired a moment ago
        return False
    return (winner.run_id, winner.digest) == (candidate.run_id, candidate.digest)
