"""Reconcile: the proof that records and rejects together are the file.

Belongs here: counting what was yielded, from the frames themselves, and comparing it with what was read. Does not
belong here: fates after ingest (tasks/publish balances those).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from schemas.errors import BooksError, shown
from schemas.records import LENGTH, OFFSET, RAW, RECORD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.ingest.blocks import Block

_FIX = "This is a defect of Winnow: nothing was published; please report it with the file."


class Tally:
    """The books of one file, kept while its blocks are yielded.

    Attributes:
        parsed: records so far.
        rejected: rejected records so far.
        path: the file's, for messages.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.parsed = 0
        self.rejected = 0
        self._size = 0
        self._end: int | None = None

    @property
    def records(self) -> int:
        """Parsed and rejected together."""
        return self.parsed + self.rejected

    def add(self, block: Block) -> None:
        """Enters a block.

        Raises:
            BooksError: its records are not the next ones, leave a gap between their bytes, or lost some of them.
        """
        numbers, *places = (_column(block.records, name) for name in (RECORD, OFFSET, LENGTH, RAW))
        if block.rejects.height:
            rejected, *theirs = (_column(block.rejects, name) for name in (RECORD, OFFSET, LENGTH, RAW))
            # Both are in order, or the numbers will not be: putting few among many is cheaper than sorting all.
            among = np.searchsorted(numbers, rejected)
            numbers = np.insert(numbers, among, rejected)
            places = [np.insert(ours, among, each) for ours, each in zip(places, theirs, strict=True)]
        self._check_numbers(numbers)
        if block.has_places:
            self._check_bytes(*places)
        self.parsed += block.records.height
        self.rejected += block.rejects.height

    def close(self, *, text_size: int | None, header_size: int | None, footer_records: int | None) -> None:
        """Compares the books with the file.

        Args:
            text_size: decompressed bytes read; None for columnar formats.
            header_size: those of them that belong to no record.
            footer_records: records that the file itself claims to have; None when it claims nothing.

        Raises:
            BooksError: they don't agree.
        """
        if text_size is not None and (header_size or 0) + self._size != text_size:
            raise self._error(f"header and records take {(header_size or 0) + self._size:,} bytes", f"{text_size:,}")
        if self._end not in (None, text_size):
            raise self._error(f"the last record ends at byte {self._end:,}", f"{text_size:,}")
        if footer_records is not None and footer_records != self.records:
            raise self._error(f"{self.records:,} records", f"the footer's {footer_records:,}")

    def _check_numbers(self, numbers: NDArray[np.int64]) -> None:
        expected = np.arange(self.records + 1, self.records + 1 + len(numbers))
        if not np.array_equal(numbers, expected):
            raise self._error(
                "record numbers with a gap or a repetition", f"{len(numbers):,} from {self.records + 1:,}"
            )

    def _check_bytes(self, offsets: NDArray[np.int64], lengths: NDArray[np.int64], held: NDArray[np.int64]) -> None:
        ends = offsets + lengths
        begins = self._end if self._end is not None else int(offsets[0])
        if offsets[0] != begins or not np.array_equal(offsets[1:], ends[:-1]):
            raise self._error("records that are not one behind the other", f"no gap from byte {begins:,}")
        if not np.array_equal(held, lengths):
            raise self._error("records that don't hold as many bytes as they are long", "their own bytes")
        self._size += int(lengths.sum())
        self._end = int(ends[-1])

    def _error(self, found: str, expected: str) -> BooksError:
        return BooksError(found, expected=expected, where=shown(self.path), fix=_FIX)


def _column(frame: pl.DataFrame, name: str) -> NDArray[np.int64]:
    """A column as numbers; of the raw bytes, how many there are, and 0 for a null."""
    column = frame.get_column(name)
    numbers = column.bin.size() if column.dtype == pl.Binary else column
    # Series.fill_null makes a plan of its own, which takes longer than to see that there is nothing to fill.
    return (numbers.fill_null(0) if numbers.null_count() else numbers).to_numpy().astype(np.int64)
