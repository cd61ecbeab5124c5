"""Export as a stage: a version's Parquet in folders by partition, as Hive has them.

Belongs here: which files go where, and the record of it. Does not belong here: how they get there
(tasks/store/outside), or Delta tables (delta).

    manifest.json                                     a copy of the version's
    clean/partition=2026-10-01/part-00000.parquet     a folder for each role, so that any reader takes it as it is

Files are copied unless links are asked for: a link takes no room, but many tools write a file anew in its place, and
through a link that would be the store's. Where links are asked for and can't be made, files are copied, and it is told.
"""

from __future__ import annotations

import socket
import urllib.parse
import uuid
from typing import TYPE_CHECKING

from schemas.errors import UsageError, shown
from schemas.moments import as_text
from schemas.records import Role
from tasks.export.report import Counts, ExportReport
from tasks.store.exports import Export, under_way
from tasks.store.outside import appearing, check_free, place, write
from tasks.store.paths import file_key, version_key
from tasks.store.versions import Snapshot

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from schemas.records import Manifest, OutputFile
    from tasks.store.home import Store

#: Name of the column that readers make of the folders' names.
PARTITION = "partition"


def export_parquet(
    store: Store,
    manifest: Manifest,
    folder: str,
    *,
    now: dt.datetime,
    roles: Sequence[Role] = (Role.CLEAN,),
    column: str = PARTITION,
    link: bool = False,
    dry_run: bool = False,
) -> ExportReport:
    """Copies a version's files into a new folder, which appears whole or not at all.

    Args:
        store: where the version lies.
        manifest: the version.
        folder: where to; nothing may be there, or an empty folder.
        now: with a time zone.
        roles: which files.
        column: name of the column that readers make of the folders' names.
        link: give files a second name instead of copying them, where that is possible.
        dry_run: say what would be copied, and write nothing.

    Raises:
        UsageError: there is something in the folder, or the data set has a column of that name.
        StoreError: a file is not what the manifest says, or the folder can't be written.
    """
    target = check_free(folder)
    check_column(store, manifest, column)
    counts = Counts()
    files = [(path, file) for role in roles for path, file in _layout(manifest, role, column)]
    record = record_of([manifest], target, "+".join(role.value for role in roles), "parquet", now)
    if not dry_run:
        with under_way(store, record), appearing(target) as filling:
            for path, file in files:
                linked = place(
                    store,
                    file_key(manifest.dataset, file.path),
                    filling / path,
                    size=file.size,
                    sha256=file.sha256,
                    link=link,
                )
                counts.linked += linked
                counts.copied += not linked
            write(filling / "manifest.json", store.read(version_key(manifest.dataset, manifest.version)))
    return ExportReport(
        dataset=manifest.dataset,
        versions=(manifest.version,),
        folder=str(target),
        format="parquet",
        roles=tuple(role.value for role in roles),
        dry_run=dry_run,
        export="" if dry_run else record.export,
        files=len(files),
        size=sum(file.size for _, file in files),
        linked=counts.linked,
        copied=counts.copied,
    )


def record_of(manifests: Sequence[Manifest], folder: Path, role: str, form: str, now: dt.datetime) -> Export:
    """What the store keeps of an export."""
    return Export(
        export=uuid.uuid4().hex,
        dataset=manifests[0].dataset,
        versions=tuple(manifest.version for manifest in manifests),
        digests=tuple(manifest.digest for manifest in manifests),
        role=role,
        format=form,
        folder=str(folder),
        host=socket.gethostname(),
        begun_at=as_text(now),
    )


def check_column(store: Store, manifest: Manifest, column: str) -> None:
    """Sees that the column for the partition is no column of the data set.

    Raises:
        UsageError: it is, or it is no name for a column.
    """
    if not column.isidentifier() or column.startswith("_"):
        raise UsageError(f"{shown(column)} is no name for a column", expected="letters, digits and _")
    schemas = Snapshot(store, manifest).schemas(Role.CLEAN).values()
    if any(column in schema for schema in schemas):
        fix = "Name the partition's column otherwise: --partition-column NAME."
        raise UsageError(f"{manifest.dataset} has a column {column}", where=manifest.dataset, fix=fix)


def folder_name(column: str, partition: str) -> str:
    """The folder of a partition, as Hive names it and its readers take it apart.

    Example:
        >>> folder_name("partition", "2026-10-01"), folder_name("day", "a/b=c")
        ('partition=2026-10-01', 'day=a%2Fb%3Dc')
    """
    return f"{column}={urllib.parse.quote(partition, safe='')}"


def _layout(manifest: Manifest, role: Role, column: str) -> Iterator[tuple[str, OutputFile]]:
    """Where each file of a role goes."""
    for name, entry in sorted(manifest.partitions.items()):
        files = [file for file in entry.files if file.role is role]
        for number, file in enumerate(files):
            yield f"{role.value}/{folder_name(column, name)}/part-{number:05d}.parquet", file
