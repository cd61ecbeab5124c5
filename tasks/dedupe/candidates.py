"""Candidates: the rows that passed on their own, block by block in the order of files and records.

Belongs here: blocks with their row numbers, and what was found of rows looked up again in that order. Does not belong
here: reading a block (stage), or finding anything (repeated, verdicts).

Everything that is said of a candidate in the light of others names its row: its number among all candidates.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from tasks.dedupe.repeated import ROW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from tasks.dedupe.repeated import Parts


class Block(NamedTuple):
    """Some candidates.

    Attributes:
        number: of the block.
        start: number of its first row.
        frame: its rows.
        gone: which of them are out, counted from the block's first.
    """

    number: int
    start: int
    frame: pl.DataFrame
    gone: NDArray[np.uint64] = np.empty(0, np.uint64)

    @property
    def stop(self) -> int:
        """One more than the number of its last row."""
        return self.start + self.frame.height

    def without(self, *named: pl.DataFrame | None) -> Block:
        """The same block, of which the rows that these name by `_row` are out too."""
        rows = [rows.get_column(ROW).to_numpy() - np.uint64(self.start) for rows in named if rows is not None]
        return self._replace(gone=np.concatenate([self.gone, *rows])) if rows else self

    def stays(self) -> pl.Series:
        """For each row whether it is not out."""
        stays = np.ones(self.frame.height, np.bool_)
        stays[self.gone] = False
        return pl.Series(stays)

    def kept(self) -> pl.DataFrame:
        """The rows that are not out."""
        return self.frame.filter(self.stays()) if self.gone.size else self.frame


class Candidates:
    """All candidates of a partition."""

    def __init__(self, blocks: Sequence[Callable[[], pl.DataFrame]]) -> None:
        """Looks at the size of each block.

        Args:
            blocks: each gives a block, each time anew; at least one.
        """
        self._blocks = blocks
        first = blocks[0]()
        self.schema = first.schema
        self._heights = [first.height, *(block().height for block in blocks[1:])]
        self.rows = sum(self._heights)
        self._making, self._closed = threading.Lock(), False

    def blocks(self) -> Iterator[Block]:
        """Every block that has rows."""
        start = 0
        for number, (block, height) in enumerate(zip(self._blocks, self._heights, strict=True)):
            if height:
                yield Block(number, start, block())
            start += height

    def lazily(self, frames: Callable[[], Iterator[pl.DataFrame]], schema: pl.Schema) -> pl.LazyFrame:
        """A lazy frame over frames that are made one after another, each time that it is collected.

        Args:
            frames: makes them.
            schema: of each of them.
        """

        def source(
            columns: list[str] | None, predicate: pl.Expr | None, most: int | None, _batch: int | None
        ) -> Iterator[pl.DataFrame]:
            made = frames()
            while most is None or most > 0:
                with self._making:
                    frame = None if self._closed else next(made, None)
                if frame is None:
                    return
                rows = frame if predicate is None else frame.filter(predicate)
                rows = (rows if columns is None else rows.select(columns)).head(most or rows.height)
                most = None if most is None else most - rows.height
                yield rows

        return register_io_source(source, schema=schema)

    def close(self) -> None:
        """Lets no more frames be made, and waits for one that is being made.

        When a query fails, polars leaves threads behind that would go on asking for frames, and Python ends badly
        while they do.
        """
        with self._making:
            self._closed = True


class InOrder:
    """Rows of a spill by `_row`, in rising order, taken stretch by stretch."""

    def __init__(self, spilled: Parts) -> None:
        """Begins at the first row."""
        self._parts = spilled.parts()
        self._held: pl.DataFrame | None = None
        self._until = 0

    def before(self, stop: int) -> pl.DataFrame | None:
        """The rows with a lower number that were not taken yet; None where there are none."""
        while self._until < stop and (part := next(self._parts, None)):
            more = part.whole().sort(ROW)
            self._held = more if self._held is None else pl.concat([self._held, more])
            self._until = part.stop
        if self._held is None or not (count := self._held.get_column(ROW).search_sorted(stop)):
            return None
        taken, self._held = self._held[:count], self._held[count:]
        return taken
