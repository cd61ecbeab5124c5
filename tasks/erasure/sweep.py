"""Sweep: every object of a data set, searched for what must not be there.

Belongs here: reading whatever lies in the store, as rows, as compressed text and as bytes. Does not belong here: what
is searched for (needles, marks), or removing anything (stage).

It takes nothing on trust: not what an erasure says that it did, nor that an object is what its name says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pyarrow.parquet as pq

from schemas.records import Role
from tasks.erasure.search import belonging
from tasks.ingest.streams import TextStream
from tasks.store.faults import legible
from tasks.store.paths import data_prefix
from tasks.store.scan import scan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from tasks.erasure.marks import Marks
    from tasks.erasure.needles import Needles
    from tasks.normalise.plan import NormalisePlan
    from tasks.store.home import Store

_CHUNK = 1 << 20
_PARQUET, _ARROW = b"PAR1", b"ARROW1"
#: Of a Parquet file's metadata, what is made of its columns' names.
_SCHEMA = b"ARROW:schema"
_COMPRESSED = (b"\x28\xb5\x2f\xfd", b"\x1f\x8b", b"BZh", b"\xfd7zXZ")


def left_over(store: Store, dataset: str, marks: Marks, needles: Needles, plan: NormalisePlan) -> Iterator[str]:
    """Keys of the objects of a data set in which something of the person is left.

    Raises:
        StoreError: the store can't be read.
    """
    for key in store.list(f"{dataset}/"):
        if needles.in_text(key) or _in_object(store, dataset, key, marks, needles, plan):
            yield key


def _in_object(store: Store, dataset: str, key: str, marks: Marks, needles: Needles, plan: NormalisePlan) -> bool:
    with store.reading(key) as stream:
        start = stream.read(max(map(len, (_PARQUET, _ARROW, *_COMPRESSED))))
    # In the bytes of a table one value borders on the next, so that it is read as one.
    if start.startswith(_PARQUET):
        found = _in_footer(store, key, needles) or _in_rows(scan(store, [key]), key, needles)
    elif start.startswith(_ARROW):
        found = _in_rows(pl.scan_ipc(store.path(key), glob=False), key, needles)
    else:
        found = _in_text(store, key, needles, compressed=start.startswith(_COMPRESSED))
    role = next((role for role in Role if key.startswith(data_prefix(dataset, role))), None)
    return found or (role is not None and bool(belonging({role: scan(store, [key])}, marks, plan)))


def _in_rows(rows: pl.LazyFrame, key: str, needles: Needles) -> bool:
    with legible(key):
        hits = rows.filter(needles.in_everything(rows.collect_schema())).select(pl.len())
        return bool(hits.collect(engine="streaming").item())


def _in_footer(store: Store, key: str, needles: Needles) -> bool:
    """Whether a file's metadata or the statistics of its columns hold a needle."""
    with legible(key), store.reading(key) as stream:
        footer = pq.read_metadata(stream)
        told = [each for pair in (footer.metadata or {}).items() for each in pair if pair[0] != _SCHEMA]
        for group in range(footer.num_row_groups):
            for column in range(footer.num_columns):
                statistics = footer.row_group(group).column(column).statistics
                if statistics is not None and statistics.has_min_max:
                    told += [statistics.min, statistics.max]
    return any(needles.in_bytes(each if isinstance(each, bytes) else str(each).encode()) for each in told)


def _in_text(store: Store, key: str, needles: Needles, *, compressed: bool) -> bool:
    with store.reading(key) as stored:
        stream: BinaryIO | TextStream = TextStream(stored, key) if compressed else stored
        before = b""
        while needles and (chunk := stream.read(_CHUNK)):
            if needles.in_bytes(before + chunk):
                return True
            before = (before + chunk)[-2 * needles.longest :]
    return False
