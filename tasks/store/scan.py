"""Scan: rows of objects of the store, wherever it has its home.

Belongs here: the one way in which polars and pyarrow are led to a Parquet file of the store. Does not belong here:
which files are read, or turning their errors into words (faults; the readers know what they read).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pyarrow.parquet as pq

from tasks.store.faults import legible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.store.home import Store


def scan(store: Store, keys: Sequence[str]) -> pl.LazyFrame:
    """The rows of Parquet files of one schema, one file after another.

    Names are taken as they are: a store's folder may have a bracket, and a partition's name an equals sign.
    """
    paths = [store.path(key) for key in keys]
    # What is staged may lie on this machine's disk, wherever the store is.
    options = store.storage_options if any("://" in path for path in paths) else None
    return pl.scan_parquet(paths, glob=False, hive_partitioning=False, storage_options=options)


def row_count(store: Store, key: str) -> int:
    """How many rows a Parquet file has, by its footer; nothing else of it is read.

    Raises:
        StoreError: it can't be read.
    """
    with legible(key), store.reading(key) as stream:
        return int(pq.read_metadata(stream).num_rows)


def described(store: Store, key: str) -> dict[str, str]:
    """The key-value metadata of a Parquet file.

    Raises:
        StoreError: it can't be read.
    """
    with legible(key), store.reading(key) as stream:
        found = pq.read_metadata(stream).metadata or {}
    return {name.decode(): value.decode() for name, value in found.items() if name.startswith(b"winnow.")}
