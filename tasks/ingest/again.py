"""Again: records that were read before, from the places where they stand.

Belongs here: reading and parsing a few chosen records a second time, so that neither the bytes nor the cells of all the
others need be kept. Does not belong here: choosing them (tasks/dedupe), or opening what they stand in.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import polars as pl

from schemas.errors import BooksError, DumpChangedError, DumpUnreadableError, shown
from schemas.records import LENGTH, OFFSET, RAW
from tasks.ingest.blocks import raw_column
from tasks.ingest.listing import read_at
from tasks.ingest.reader import RecordReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.policies import Source

#: Records that are nearer to each other than that are read at once, with what lies between them.
_NEAR = 4 << 10


def with_raw(records: pl.DataFrame, text: BinaryIO, *, path: str) -> pl.DataFrame:
    r"""Records with their bytes.

    Args:
        records: some of a file, in its order: `_offset` UInt64 and `_length` UInt32, in bytes of its text.
        text: the file's text, readable at any place.
        path: of the file, for messages.

    Returns:
        The same rows, and `_raw` Binary.

    Raises:
        DumpChangedError: the text ends too early.
        DumpUnreadableError: it can't be read.

    Example:
        >>> places = pl.DataFrame({"_offset": [0, 8], "_length": [4, 3]})
        >>> with_raw(places, io.BytesIO(b"a,b\nc,d\ne,f"), path="a.csv")["_raw"].to_list()
        [b'a,b\n', b'e,f']
    """
    starts = records.get_column(OFFSET).to_numpy().astype(np.int64)
    ends = starts + records.get_column(LENGTH).to_numpy()
    far = np.flatnonzero(starts[1:] - ends[:-1] > _NEAR) + 1
    firsts, lasts = starts[np.append(0, far)], ends[np.append(far, len(ends)) - 1]
    data = b"".join(_read(text, int(first), int(last), path) for first, last in zip(firsts, lasts, strict=True))
    # Where each record is in `data`: as far from the start of its stretch as it is in the text.
    before = np.append(0, np.cumsum(lasts - firsts))[:-1] - firsts
    moved = np.repeat(before, np.diff(np.append(np.append(0, far), len(starts))))
    bounds = np.stack([starts + moved, ends + moved], axis=1).ravel()
    # Every other slice is what lies between two records.
    raw = raw_column(data, bounds).gather_every(2)
    return records.with_columns(raw.alias(RAW))


def _read(text: BinaryIO, first: int, last: int, path: str) -> bytes:
    try:
        data = read_at(text, first, last - first)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DumpUnreadableError(f"reading failed: {reason}", where=shown(path), fix="Run it again.") from error
    if len(data) < last - first:
        raise DumpChangedError("it is shorter than it was", where=shown(path), fix="Run it again.")
    return data


def with_cells(
    records: pl.DataFrame, *, path: str, header: bytes, source: Source, columns: Sequence[str]
) -> pl.DataFrame:
    """Records of a text file with their cells.

    Args:
        records: some that were parsed, in the order of the file, with their bytes in `_raw`.
        path: of their file.
        header: the file's bytes before its first record.
        source: how the file is written.
        columns: the declared columns.

    Returns:
        The same rows, and a String column for each of `columns`.

    Raises:
        BooksError: the bytes are not these records any more; a defect.
    """
    text = header + b"".join(records.get_column(RAW))
    reader = RecordReader(io.BytesIO(text), path=path, source=source, columns=columns)
    cells = pl.concat([block.records.select(columns) for block in reader])
    if cells.height != records.height:
        raise BooksError(
            f"{cells.height:,} records when parsed again", expected=f"{records.height:,}", where=shown(path)
        )
    return records.hstack(cells)
