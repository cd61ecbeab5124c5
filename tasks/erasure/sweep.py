"""Sweep: every object of a data set, searched for what must not be there.

Belongs here: reading whatever lies in the store, as rows, as compressed text and as bytes. Does not belong here: what
is searched for (needles, marks), or removing anything (stage).

It takes nothing on trust: not what an erasure says that it did, nor that an object is what its name says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

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
_PARQUET = b"PAR1"
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
        start = stream.read(max(map(len, _COMPRESSED)))
    if _in_stream(store, key, needles):
        return True
    if start.startswith(_PARQUET) and _in_parquet(store, key, needles):
        return True
    if start.startswith(_COMPRESSED) and _in_compressed(store, key, needles):
        return True
    role = next((role for role in Role if key.startswith(data_prefix(dataset, role))), None)
    return role is not None and bool(belonging({role: scan(store, [key])}, marks, plan))


def _in_stream(store: Store, key: str, needles: Needles) -> bool:
    """Whether the object's own bytes hold a needle: names, statistics and metadata of a file, and all of a text."""
    with store.reading(key) as stream:
        return _in_chunks(stream, needles)


def _in_compressed(store: Store, key: str, needles: Needles) -> bool:
    with store.reading(key) as stream:
        return _in_chunks(TextStream(stream, key), needles)


def _in_chunks(stream: BinaryIO | TextStream, needles: Needles) -> bool:
    before = b""
    while needles and (chunk := stream.read(_CHUNK)):
        if needles.in_bytes(before + chunk):
            return True
        before = (before + chunk)[-2 * needles.longest :]
    return False


def _in_parquet(store: Store, key: str, needles: Needles) -> bool:
    with legible(key):
        rows = scan(store, [key])
        hits = rows.filter(needles.in_everything(rows.collect_schema())).select(pl.len())
        return bool(hits.collect(engine="streaming").item())
