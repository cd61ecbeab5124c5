"""Row widths: how much memory the rows of a Parquet file take when they are read.

Belongs here: the bound that the file itself gives before its rows are read. Does not belong here: reading them
(columnar).

Parquet stores a value once for all rows that share it, so that a few kilobytes may be a terabyte of rows. What a row
can take at most is told by the longest value of each dictionary, which reading one row shows.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Sequence


def greatest_row(stored: BinaryIO, file: pq.ParquetFile, group: int, names: Sequence[str]) -> int:
    """Bytes that one row of a row group may take of values that are stored once for many rows.

    Args:
        stored: the file.
        file: the same, opened.
        group: number of the row group.
        names: the columns to be read.

    Raises:
        What pyarrow raises at a file that can't be read.
    """
    leaves = [file.schema.column(position) for position in range(len(file.schema))]
    fixed: int = sum(leaf.length for leaf in leaves if leaf.path.split(".")[0] in names)
    texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    if not texts or not names:
        return fixed
    try:
        columns = [*_first_row(stored, group, texts, names)]
    except OSError:
        # Texts that are stored as differences have no dictionary. Only trying tells which those are: so would their
        # metadata, but looking at that of an encrypted column ends the process. What is damaged fails when it is read.
        columns = []
        for name in names:
            with contextlib.suppress(OSError):
                columns += _first_row(stored, group, texts, [name])
    return fixed + sum(map(_longest, columns))


def _first_row(stored: BinaryIO, group: int, texts: Sequence[str], names: Sequence[str]) -> Sequence[pa.Array]:
    """The columns of a row group's first row, with their dictionaries."""
    shared = pq.ParquetFile(stored, read_dictionary=list(texts), pre_buffer=False)
    first = next(shared.iter_batches(1, row_groups=[group], columns=list(names)), None)
    return first.columns if first else ()


def _longest(array: pa.Array) -> int:
    """Bytes of the longest value in the dictionaries of a column, nested ones too."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return int(pc.max(pc.binary_length(array.dictionary)).as_py() or 0) if _is_text(kind.value_type) else 0
    if pa.types.is_struct(kind):
        return sum(map(_longest, array.flatten()))
    if pa.types.is_map(kind):
        return _longest(array.keys) + _longest(array.items)
    if pa.types.is_nested(kind):
        return _longest(array.values)
    return 0


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )
