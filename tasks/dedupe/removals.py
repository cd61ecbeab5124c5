"""Removals: how many records a partition loses as duplicates, by the groups that a gate is about.

Belongs here: counting candidates and duplicates, block by block. Does not belong here: how many are too many
(tasks/audit/wipeout).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import polars as pl

from schemas.records import Removal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Tally:
    """Counts of a partition's candidates, and of those of them that are duplicates.

    Example:
        >>> tally = Tally("p", ["shop"])
        >>> rows = pl.DataFrame({"shop": ["north", "north", None]})
        >>> tally.enter(rows)
        >>> tally.remove(rows[1:2])
        >>> [(each.group, each.value, each.removed, each.of) for each in tally.removals()]
        [('partition', 'p', 1, 3), ('shop', 'north', 1, 2)]
    """

    def __init__(self, partition: str, columns: Sequence[str]) -> None:
        """Begins with nothing.

        Args:
            partition: its name.
            columns: whose values are the groups, beside the partition as a whole.
        """
        self._partition, self._columns = partition, columns
        self._all = [Counter[str | None]() for _ in range(len(columns) + 1)]
        self._removed = [Counter[str | None]() for _ in range(len(columns) + 1)]

    def enter(self, rows: pl.DataFrame) -> None:
        """Counts candidates."""
        self._count(self._all, rows)

    def remove(self, rows: pl.DataFrame) -> None:
        """Counts those of them that are duplicates."""
        self._count(self._removed, rows)

    def _count(self, counters: Sequence[Counter[str | None]], rows: pl.DataFrame) -> None:
        counters[0][self._partition] += rows.height
        for counter, name in zip(counters[1:], self._columns, strict=True):
            counts = rows.group_by(pl.col(name).cast(pl.String).alias("value")).len()
            counter.update(dict(counts.rows()))

    def removals(self) -> Iterator[Removal]:
        """What is removed, of each group of which anything is."""
        for group, removed, of in zip(["partition", *self._columns], self._removed, self._all, strict=True):
            for value in sorted(removed, key=str):
                if removed[value]:
                    yield Removal(group, value, removed[value], of[value])
