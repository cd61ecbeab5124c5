"""Clusters: which rows of a version have nearly the same text.

Belongs here: from rows to clusters, as the audit of leaks looks them up. Does not belong here: which texts are similar
(tasks/dedupe/near), or what is wrong with a cluster (leakage). All is held in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from schemas.records import FILE, RECORD
from tasks.dedupe.near.join import similar_pairs
from tasks.dedupe.near.sets import sets_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from schemas.policies import Near

    Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class _Part:
    stop: int
    rows: int
    frame: pl.DataFrame

    def portions(self) -> Iterator[pl.DataFrame]:
        yield self.frame

    def whole(self) -> pl.DataFrame:
        return self.frame


class _InMemory:
    """What `tasks.store.spill.Spill` is, without a disk."""

    def __init__(self, name: str, *, by: str, numbers: int, at_once: int) -> None:
        del name, by, at_once  # of a spill to the disk
        self.rows = 0
        self._numbers, self._held = numbers, list[pl.DataFrame]()

    def add(self, frame: pl.DataFrame) -> None:
        if frame.height:
            self._held.append(frame)
            self.rows += frame.height

    def done(self) -> None:
        pass

    def parts(self) -> Iterator[_Part]:
        if self._held:
            yield _Part(self._numbers, self.rows, pl.concat(self._held))


def near_clusters(rows: pl.LazyFrame, near: Near) -> pl.LazyFrame:
    """Rows with similar texts, as `_file`, `_record` and `cluster`, a number; a row that is like no other is left out.

    A cluster holds whatever a chain of similar texts connects: a model that saw one link knows something of the next.

    Example:
        >>> from schemas import Dedupe
        >>> texts = ["the same few words here", "the same few words there", "nothing of that kind"]
        >>> rows = pl.LazyFrame({"_file": "f", "_record": [1, 2, 3], "text": texts})
        >>> near_clusters(rows, Dedupe.Near("text", jaccard=0.5)).collect()["_record"].to_list()
        [1, 2]
    """
    held = rows.select(FILE, RECORD, near.column).collect(engine="streaming")
    texts, numbers = held[near.column], np.arange(held.height, dtype=np.uint32)
    pairs = similar_pairs(sets_of([(texts, numbers)], held.height, near, _InMemory), near)
    roots = connected(held.height, pairs.one, pairs.other)
    met = np.zeros(held.height, np.bool_)
    met[pairs.one] = met[pairs.other] = True
    return held.select(FILE, RECORD).with_columns(pl.Series("cluster", roots)).filter(pl.Series(met)).lazy()


def connected(count: int, one: Numbers, other: Numbers) -> Numbers:
    """For each number the least that pairs connect it with: labels spread until none changes.

    Each round also leaps to the label's own label, so that a chain takes as many rounds as its length has digits
    (Shiloach and Vishkin, Journal of Algorithms 3, 1982).
    """
    labels = np.arange(count, dtype=np.int64)
    while True:
        least = np.minimum(labels[one], labels[other])
        spread = labels.copy()
        np.minimum.at(spread, labels[one], least)
        np.minimum.at(spread, labels[other], least)
        spread = spread[spread]
        if (spread == labels).all():
            return labels
        labels = spread
