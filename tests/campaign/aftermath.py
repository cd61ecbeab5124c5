"""Aftermath: what must be true of a store after any command was killed in it, and after it was run again.

Belongs here: the questions, which are the same for all commands and homes. Does not belong here: the commands
(victims), or killing (kills).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tasks.publish.verify import verify_version
from tasks.store.local import open_store
from tasks.store.s3 import S3Store
from tasks.store.versions import list_versions
from tests.campaign.victims import DATASETS, Place

#: Folders in which runs over any partition write.
_SHARED = {"_versions", "_contracts", "_keys", "_erasures", "_receipts"}


def damage(place: Place) -> Iterator[str]:
    """What is wrong with the last versions: each must be readable, proven by its files, and follow the one before."""
    store = open_store(place.store)
    for dataset in DATASETS:
        if not list_versions(store, dataset):
            continue
        report = verify_version(store, dataset, raw_root=place.raw)
        yield from (f"{dataset}@{report.version} {each.path}: {each.what}" for each in report.findings)


def leftovers(place: Place, *, idle: bool) -> Iterator[str]:
    """What is there that no version needs, once the command has come to its end."""
    store = open_store(place.store)
    scratch = Path(place.environment.get("WINNOW_SCRATCH", "/nowhere"))
    folders = [scratch] if isinstance(store, S3Store) else [Path(place.store)]
    for folder in folders:
        for path in folder.rglob("*"):
            unfinished = path.name.startswith(".tmp-") or "_staging" in path.parts or folder == scratch
            # What was not yet named there is cleared an hour later: others may be committing, or asking for an erasure.
            if path.is_file() and unfinished and not _SHARED.intersection(path.parts):
                yield f"a file of an unfinished run: {path.parent.name}/{path.name}"
    if isinstance(store, S3Store):
        yield from (f"an upload that has not ended: {each.key}" for each in store.unfinished_uploads())
    for dataset in DATASETS:
        if list_versions(store, dataset) and not idle:
            yield from (f"no version names {each.path}" for each in verify_version(store, dataset).notes)
