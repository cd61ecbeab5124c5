"""Again: the cells of records that were read before, from their raw bytes.

Belongs here: parsing a few chosen records a second time, so that the cells of all the others need not be kept. Does not
belong here: choosing them (tasks/dedupe).
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import polars as pl

from schemas.errors import BooksError, shown
from schemas.records import RAW
from tasks.ingest.reader import RecordReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.policies import Source


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
