"""Sinks: several lazy frames over one scan, written as Parquet in one pass.

Belongs here: how every data file of the store is written, so that the same rows give the same bytes. Does not belong
here: which rows go where (the stages), or atomic naming (local).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import polars as pl

from schemas.records import OutputFile, Role
from tasks.store.faults import translated
from tasks.store.paths import path_in
from tasks.store.scan import row_count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tasks.store.home import Store

#: Rows in a row group of every published file; fixed, because it is part of the bytes.
ROW_GROUP = 131_072

#: Level of zstd. A million orders with their lineage take 0.51 s of CPU and 23.2 MB at level 1, and 0.57 s and 22.0 MB
#: at level 3, polars's own; higher levels cost more and gain less.
_LEVEL = 1

#: Bytes of a page. A column of lists that is cut into pages is cut where polars' own chunks end, which follows from the
#: number of threads; pages this large are not cut, so that the bytes are the same on every machine (law 4).
_PAGE = 256 << 20


def sink_all(
    store: Store,
    sinks: Mapping[str, pl.LazyFrame],
    *,
    also: Sequence[pl.LazyFrame] = (),
    metadata: Mapping[str, dict[str, str]] | None = None,
) -> list[pl.DataFrame]:
    """Writes each frame under its key, in one pass over what they share; all keys appear, or none does.

    Args:
        store: where to.
        sinks: key -> rows.
        also: frames to collect in the same pass.
        metadata: key -> key-value metadata of its Parquet file.

    Returns:
        The frames of `also`, collected.

    Raises:
        StoreError: the disk is full, or the store can't be written.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(translated("write", ", ".join(sinks)))
        plans = [
            frame.sink_parquet(
                stack.enter_context(store.writing(key)),
                row_group_size=ROW_GROUP,
                compression="zstd",
                compression_level=_LEVEL,
                data_page_size=_PAGE,
                maintain_order=True,
                metadata=(metadata or {}).get(key),
                lazy=True,
            )
            for key, frame in sinks.items()
        ]
        return pl.collect_all([*plans, *also], engine="streaming")[len(plans) :]


def output_file(store: Store, dataset: str, role: Role, key: str) -> OutputFile:
    """What a manifest says of a written file: rows by its footer, size and sha256 by its bytes."""
    return OutputFile(role, path_in(dataset, key), row_count(store, key), store.size(key), store.sha256(key))


def published_files(store: Store, dataset: str, keys: Mapping[Role, str]) -> tuple[OutputFile, ...]:
    """What a manifest says of a partition's written files; without rows only the clean table stays."""
    files = []
    for role, key in keys.items():
        file = output_file(store, dataset, role, key)
        if file.rows or role is Role.CLEAN:
            files.append(file)
        else:
            store.delete(key)
    return tuple(files)
