"""Written: the files of one partition, opened for those who count what is in them.

Belongs here: from a list of files to their rows, and errors of reading in words. Does not belong here: the counting
(balance, recount).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from tasks.publish.balance import balance
from tasks.publish.recount import recount
from tasks.store.faults import legible
from tasks.store.paths import file_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.records import OutputFile, PartitionEntry, RawFile, Role
    from tasks.publish.balance import ReadBack
    from tasks.store.home import Store


def read_back(store: Store, dataset: str, files: Sequence[OutputFile], inputs: Sequence[RawFile]) -> ReadBack:
    """The books of a partition, and where they don't balance, from its files; see `balance`.

    Raises:
        StoreError: a file can't be read.
    """
    with legible(f"the files of {dataset}"):
        return balance(_rows(store, dataset, files), files, inputs)


def differences(store: Store, dataset: str, entry: PartitionEntry) -> tuple[str, ...]:
    """In what the manifest's other counts differ from a partition's files; see `recount`.

    Raises:
        StoreError: a file can't be read.
    """
    with legible(f"the files of {dataset} {entry.partition}"):
        return tuple(recount(_rows(store, dataset, entry.files), entry))


def row_count(store: Store, key: str) -> int:
    """How many rows a file has, by its footer.

    Raises:
        StoreError: it can't be read.
    """
    with legible(key):
        return int(_scan([store.path(key)]).select(pl.len()).collect().item())


def _rows(store: Store, dataset: str, files: Sequence[OutputFile]) -> dict[Role, pl.LazyFrame]:
    """The rows of each role that has files."""
    paths: dict[Role, list[str]] = {}
    for file in files:
        paths.setdefault(file.role, []).append(store.path(file_key(dataset, file.path)))
    return {role: _scan(each) for role, each in paths.items()}


def _scan(paths: list[str]) -> pl.LazyFrame:
    # Names are taken as they are: a store's folder may have a bracket, and a partition's name an equals sign.
    return pl.scan_parquet(paths, glob=False, hive_partitioning=False)
