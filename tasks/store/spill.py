"""Spill: frames that are too large for memory, as Arrow files among the staged objects.

Belongs here: staged rows mapped into memory instead of read, and rows put aside in parts by a number that they carry.
Does not belong here: what the number means (tasks/dedupe), or published files (sinks).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import polars as pl
import pyarrow as pa

from tasks.store.faults import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tasks.store.home import Store

#: Parts of a spill: files that are open at once while it is written.
PARTS = 64
#: Rows that are parted at once: that takes several times their own room.
_PARTED_AT_ONCE = 1 << 20


def mapped(path: str) -> pl.DataFrame:
    """A frame over an uncompressed Arrow file, whose pages are read when they are touched and belong to no heap.

    polars itself copies a column before it looks at it. The file must not change while the frame is there.

    Raises:
        StoreError: the file can't be read.
    """
    with translated("read", path):
        return _frame(pa.ipc.open_file(pa.memory_map(path)).read_all())


@dataclass(frozen=True)
class Part:
    """Rows of a spill whose numbers are near each other.

    Attributes:
        stop: all of its numbers are less, and those of later parts are not.
        rows: how many there are.
        portions: yields them, each time anew, in frames of a bounded size, in the order in which they were added.
    """

    stop: int
    rows: int
    portions: Callable[[], Iterator[pl.DataFrame]]

    def whole(self) -> pl.DataFrame:
        """All rows at once."""
        return pl.concat(self.portions())


class Spill:
    """Rows that are kept in memory while they are few, and in parts on the disk when they are many.

    A row's part follows from one of its columns, an unsigned number, so that rows of one number are in one part, and
    part after part the numbers rise. Add first, then read.
    """

    def __init__(self, store: Store, key: str, *, by: str, numbers: int, at_once: int) -> None:
        """Prepares to take rows; nothing is written before there are too many.

        Args:
            store: receives the parts.
            key: what the names of the parts begin with; staged, and of no other spill.
            by: the column that tells the part.
            numbers: all numbers are less than this.
            at_once: rows that may be in memory.
        """
        self.rows = 0
        self._store, self._key, self._by, self._at_once = store, key, by, at_once
        self._width = max(1, -(-numbers // PARTS))
        self._held: list[pl.DataFrame] = []
        self._holds = 0
        self._sizes: dict[int, int] = {}
        self._writers: dict[int, pa.RecordBatchStreamWriter] = {}
        self._stack = contextlib.ExitStack()

    def add(self, frame: pl.DataFrame) -> None:
        """Puts rows aside; always the same columns.

        Raises:
            StoreError: they can't be written.
        """
        if frame.is_empty():
            return
        self._held.append(frame)
        self._holds += frame.height
        self.rows += frame.height
        # What has begun to go to the disk need not wait in memory any more.
        if self._holds > (min(self._at_once, _PARTED_AT_ONCE) if self._sizes else self._at_once):
            self._flush()

    def done(self) -> None:
        """Ends the adding; only then several readers may read at once.

        Raises:
            StoreError: the rows can't be written.
        """
        if self._sizes:
            self._flush()
            self._writers.clear()
            self._stack.close()

    def parts(self) -> Iterator[Part]:
        """The rows, part after part; nothing can be added any more.

        Raises:
            StoreError: they can't be written or read.
        """
        self.done()
        if self._held:
            held = pl.concat(self._held)
            yield Part(self._width * PARTS, held.height, lambda: iter([held]))
        for number, rows in sorted(self._sizes.items()):
            yield Part((number + 1) * self._width, rows, lambda number=number: self._read(number))  # type: ignore[misc]  # mypy can't infer a lambda with a default

    def _flush(self) -> None:
        number = (pl.col(self._by) // pl.lit(self._width, pl.UInt64)).alias("_part")
        self._held.reverse()
        while self._held:
            few = [self._held.pop()]
            while self._held and sum(frame.height for frame in few) < _PARTED_AT_ONCE:
                few.append(self._held.pop())
            parted = (
                pl.concat(few)
                .with_columns(number)
                .partition_by("_part", maintain_order=True, include_key=False, as_dict=True)
            )
            for (part,), rows in parted.items():
                self._write(int(part), rows)
        self._holds = 0

    def _write(self, part: int, rows: pl.DataFrame) -> None:
        table = rows.to_arrow()
        with translated("write", self._name(part)):
            if part not in self._writers:
                path = self._stack.enter_context(self._store.writing(self._name(part)))
                self._writers[part] = self._stack.enter_context(pa.ipc.new_stream(path, table.schema))
            self._writers[part].write_table(table)
        self._sizes[part] = self._sizes.get(part, 0) + rows.height

    def _read(self, part: int) -> Iterator[pl.DataFrame]:
        path = self._store.path(self._name(part))
        with translated("read", path), pa.memory_map(path) as source, pa.ipc.open_stream(source) as stream:
            held: list[pa.RecordBatch] = []
            holds = 0
            for batch in stream:
                held.append(batch)
                holds += batch.num_rows
                if holds >= self._at_once:
                    yield _frame(pa.Table.from_batches(held))
                    held, holds = [], 0
            if held:
                yield _frame(pa.Table.from_batches(held))

    def _name(self, part: int) -> str:
        return f"{self._key}-{part:02d}.arrow"


def _frame(table: pa.Table) -> pl.DataFrame:
    return cast("pl.DataFrame", pl.from_arrow(table, rechunk=False))
