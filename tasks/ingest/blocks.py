"""Blocks: the shape of what ingest hands on, parsed records beside rejected ones.

Belongs here: the two frames' columns, the flags of a record, how a column of raw bytes is made, and what the readers of
the formats are given and give back. Does not belong here: deciding which record is parsed and which is rejected.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.records import FLAGS, LENGTH, LINE, OFFSET, RAW, REASONS, RECORD, RULES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from schemas.policies import Drift, Source
    from schemas.records import DialectVerdict, DriftFinding
    from tasks.ingest.dialects import Dialect

#: Where a record stands, and what it was.
PLACE_SCHEMA: dict[str, pl.DataType] = {
    RECORD: pl.UInt64(),
    LINE: pl.UInt64(),
    OFFSET: pl.UInt64(),
    LENGTH: pl.UInt32(),
    RAW: pl.Binary(),
}
REJECT_SCHEMA: dict[str, pl.DataType] = {**PLACE_SCHEMA, RULES: pl.List(pl.String()), REASONS: pl.List(pl.String())}


class RecordFlag(enum.IntFlag):
    """What ingest found odd about a record that it could parse all the same; the bits of `_flags`."""

    DUPLICATE_KEY = 1
    """A key stands in the record more than once; the last one counts."""
    EXTRA_COLUMN = 2
    """The record has a column or a key that is not declared, and `Drift(extra="quarantine")` holds."""
    MISSING_COLUMN = 4
    """The record lacks a declared column or key, and `Drift(missing="quarantine")` holds."""


@dataclass(frozen=True)
class Block:
    """A stretch of a raw file; the blocks of a file, one after another, are all of its records.

    Attributes:
        records: the parsed ones. `_record` UInt64 (number in the file from 1, counting parsed and rejected),
            `_line` UInt64 (physical line on which it starts, from 1), `_offset` UInt64 and `_length` UInt32 (bytes of
            the decompressed file, the record's line end included), `_raw` Binary (those bytes), `_flags` UInt8 (see
            `RecordFlag`), then a String column for each declared one. `_line`, `_offset`, `_length` and `_raw` are
            null for Parquet, which has none; of them XLSX has `_line` only, the number of the sheet's row. A cell is
            null for a null or absent JSON key, a Parquet null and an empty cell of a sheet only.
        rejects: the others. `_record`, `_line`, `_offset`, `_length`, `_raw` as above, `_rules` List[String] (slugs of
            `RejectRule`) and `_reasons` List[String] (the same in words, values from data escaped).
    """

    records: pl.DataFrame
    rejects: pl.DataFrame

    @property
    def has_places(self) -> bool:
        """Whether its records have bytes at known places, and can be parsed again from them."""
        return not any(frame.get_column(OFFSET).null_count() for frame in (self.records, self.rejects))


@dataclass(frozen=True)
class ReadRequest:
    """What the reader of a format is given beside the bytes.

    Attributes:
        path: the file's, relative to the raw root.
        dialect: how it is written.
        columns: the declared ones in their order.
        block_size: bytes of text read at once.
        max_record_bytes: the longest record that is parsed, and the most bytes that a rejected one keeps.
        drift: what becomes of columns that are not the declared ones.
        dtypes: the declared types, for files that store types; a column that is not among them is not compared.
    """

    path: str
    dialect: Dialect
    columns: tuple[str, ...]
    block_size: int
    max_record_bytes: int
    drift: Drift
    source: Source
    dtypes: Mapping[str, pl.DataType] = field(default_factory=dict)


@dataclass(frozen=True)
class FileFacts:
    """What the reader of a format knows when it is done.

    Attributes:
        header_size: bytes that belong to no record; None for columnar formats.
        notes: what a person should know.
        footer_records: the file's own count of its records; None for text, which has none.
        drift: in which ways its columns are not the declared ones.
    """

    header_size: int | None
    notes: tuple[str, ...] = ()
    footer_records: int | None = None
    drift: tuple[DriftFinding, ...] = ()
    dialect: DialectVerdict | None = None


def record_schema(columns: Sequence[str]) -> dict[str, pl.DataType]:
    """Columns and dtypes of `Block.records` for these declared columns."""
    return {**PLACE_SCHEMA, FLAGS: pl.UInt8(), **dict.fromkeys(columns, pl.String())}


def raw_column(data: bytes, bounds: NDArray[np.int64]) -> pl.Series:
    r"""Slices of `data` between neighbouring bounds as a Binary column that shares its memory.

    Example:
        >>> raw_column(b"a,b\nc,d\n", np.array([0, 4, 8])).to_list()
        [b'a,b\n', b'c,d\n']
    """
    offsets = pa.py_buffer(np.ascontiguousarray(bounds, dtype=np.int64))
    array = pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(bounds) - 1, [None, offsets, pa.py_buffer(data)])
    return pl.Series(RAW, array, dtype=pl.Binary)
