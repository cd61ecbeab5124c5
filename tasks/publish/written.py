"""Written: the files of one partition, opened for those who count what is in them.

Belongs here: from a list of files to their rows, and errors of reading in words. Does not belong here: the counting
(balance, recount).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.records import Role
from tasks.publish import recount
from tasks.publish.balance import balance
from tasks.store.faults import legible
from tasks.store.paths import file_key
from tasks.store.scan import scan

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from schemas.records import OutputFile, PartitionEntry, RawFile
    from tasks.publish.balance import ReadBack
    from tasks.store.home import Store


def read_back(store: Store, dataset: str, files: Sequence[OutputFile], inputs: Sequence[RawFile]) -> ReadBack:
    """The books of a partition, and where they don't balance, from its files; see `balance`.

    Raises:
        StoreError: a file can't be read.
    """
    with legible(f"the files of {dataset}"):
        return balance(rows_of(store, dataset, files), files, inputs)


def differences(store: Store, dataset: str, entry: PartitionEntry) -> tuple[str, ...]:
    """In what the manifest's other counts differ from a partition's files; see `recount`.

    Raises:
        StoreError: a file can't be read.
    """
    with legible(f"the files of {dataset} {entry.partition}"):
        return tuple(recount.recount(rows_of(store, dataset, entry.files), entry))


def recounted(store: Store, dataset: str, entry: PartitionEntry) -> PartitionEntry:
    """The entry with the counts that its files tell; see `recount.recounted`.

    Raises:
        StoreError: a file can't be read.
    """
    with legible(f"the files of {dataset} {entry.partition}"):
        return recount.recounted(rows_of(store, dataset, entry.files), entry)


def rows_of(store: Store, dataset: str, files: Sequence[OutputFile]) -> dict[Role, pl.LazyFrame]:
    """The rows of each role that has files; those of audits, whose files have no columns in common, are left out."""
    keys: dict[Role, list[str]] = {}
    for file in files:
        if file.role is Role.AUDIT:
            continue
        keys.setdefault(file.role, []).append(file_key(dataset, file.path))
    return {role: scan(store, each) for role, each in keys.items()}
