"""Oddities: dumps of unusual shape, whose cleaning shall take no more memory than that of others.

Belongs here: writing the dumps that `wide` and `letters` declare. Does not belong here: orders (dumps).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from schemas import Limits
from schemas.records import Books
from tests.benchmarks.wide import COLUMNS, TYPES, name_of

if TYPE_CHECKING:
    from pathlib import Path

_SEED = 2026
#: Rows that are made at once: with 5,000 columns, some 30 MB.
_AT_ONCE = 1_000
_LONG, _TOO_LONG = 50_000_000, 100_000_000
_SHORT_BEFORE_EACH = 5_000


def write_wide(path: Path, *, rows: int) -> Books:
    """Writes rows of 5,000 columns; each hundredth row has a cell that can't be cast.

    Args:
        path: of the file.
        rows: a multiple of 1,000.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(_SEED)
    with path.open("wb") as stream:
        for start in range(0, rows, _AT_ONCE):
            frame = pl.DataFrame({name_of(column): _cells(rng, column, start) for column in range(COLUMNS)})
            bad = pl.int_range(pl.len()) % 100 == 0
            frame = frame.with_columns(pl.when(bad).then(pl.lit("n/a")).otherwise(name_of(1)).alias(name_of(1)))
            frame.write_csv(stream, include_header=not start, quote_style="never")
    return Books(records=rows, kept=rows - rows // 100, quarantined=rows // 100)


def _cells(rng: np.random.Generator, column: int, start: int) -> pl.Series:
    if not column:
        return pl.Series(np.arange(start, start + _AT_ONCE)).cast(pl.String)
    values = rng.integers(0, 1000, _AT_ONCE)
    kind = TYPES[column % len(TYPES)]
    return pl.Series(values / 10 if kind is float else values).cast(pl.String)


def write_letters(path: Path, *, long: int) -> Books:
    """Writes short letters with, among them, long ones that are kept, and as many that no record may be as long as.

    Args:
        path: of the file.
        long: how many of either.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    longest = Limits().max_record_bytes
    rejected = records = 0
    with path.open("wb") as stream:
        stream.write(b"letter_id,text\n")
        for length in [_LONG, _TOO_LONG] * long:
            for _ in range(_SHORT_BEFORE_EACH):
                records += 1
                stream.write(b"%d,short and sweet\n" % records)
            line = b"%d,%s\n" % (records + 1, b"long " * (length // 5))
            # What is too long is cut into rejected records of the greatest length.
            pieces = -(-len(line) // longest)
            records += pieces
            rejected += pieces if pieces > 1 else 0
            stream.write(line)
    return Books(records=records, kept=records - rejected, rejected=rejected)
