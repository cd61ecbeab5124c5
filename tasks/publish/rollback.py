"""Rollback: an older version's partitions, published again as the newest one.

Belongs here: the change that a rollback commits, and what it says of it. Does not belong here: how a version comes to
be (commit), or how two versions differ beyond their partitions (tasks/diff).

Nothing is taken back: the versions in between stay, so that a rollback can itself be rolled back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from schemas.errors import StoreError
from tasks.diff.partitions import PartitionChange, partition_changes
from tasks.publish.commit import commit
from tasks.store.paths import data_prefix, file_key
from tasks.store.upkeep import check_upkeep, upkeep
from tasks.store.versions import head, open_version, read_manifest

if TYPE_CHECKING:
    import datetime as dt

    from schemas.records import Manifest
    from tasks.store.home import Store


class RolledBack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rollback did, or would do."""

    dataset: str
    to: int
    """The version whose partitions are wanted."""
    version: int
    """The version that holds them: a new one, or the newest, if that had them already; of a dry run the newest."""
    published: bool
    digest: str
    changes: tuple[PartitionChange, ...]
    """From the version before to this one."""


def rollback(
    store: Store, dataset: str, to: int, *, run_id: str, now: dt.datetime, dry_run: bool = False
) -> RolledBack:
    """Publishes a version's partitions as a new version, unless the newest one has the same.

    Whatever was published since is no part of the new version, also what another run publishes meanwhile.

    Args:
        store: where the data set lies.
        dataset: its name.
        to: the version whose partitions are wanted.
        run_id: of this run.
        now: with a time zone.
        dry_run: say what would change, and publish nothing.

    Raises:
        VersionNotFoundError: there is no such version.
        LeaseHeldError, LeaseLostError: versions are being retired right now.
        StoreError: a file of the version is missing, or the store can't be written.
    """
    if dry_run:
        target, newest = read_manifest(store, dataset, to), open_version(store, dataset).manifest
        _check_files(store, target)
        return _told(target, newest, newest, published=False)
    # Held against `winnow gc`, which might otherwise remove files that are named by no version but this one to be.
    with upkeep(store, dataset, run_id):
        target = read_manifest(store, dataset, to)
        _check_files(store, target)
        before = head(store, dataset)
        check_upkeep(store, dataset, run_id)
        done = commit(
            store,
            dataset,
            change=lambda _: dict(target.partitions),
            as_is=True,
            reason="rollback",
            run_id=run_id,
            contract=target.contract,
            now=now,
        )
    if done.published and done.manifest.parent:
        before = read_manifest(store, dataset, done.manifest.parent)
    return _told(target, before or target, done.manifest, published=done.published)


def _told(target: Manifest, before: Manifest, manifest: Manifest, *, published: bool) -> RolledBack:
    return RolledBack(
        dataset=target.dataset,
        to=target.version,
        version=manifest.version,
        published=published,
        digest=target.digest,
        changes=partition_changes(before.partitions, target.partitions),
    )


def _check_files(store: Store, target: Manifest) -> None:
    """Sees that the files of a version are there, so that no damage is published anew."""
    files = [file for entry in target.partitions.values() for file in entry.files]
    there = {key for role in {file.role for file in files} for key in store.list(data_prefix(target.dataset, role))}
    for file in files:
        key = file_key(target.dataset, file.path)
        if key not in there:
            fix = f"winnow verify {target.dataset}@{target.version} says what else is damaged."
            raise StoreError("the file is missing", where=key, fix=fix)
