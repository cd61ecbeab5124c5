"""Floats: a column of numbers, truth values or times as floating point numbers.

Belongs here: the one way in which cells become floats, for audits, models and exports alike. Does not belong here: what
stands for a missing one (each has its own use for it), or columns of text and categories.

Times are in seconds, so that two columns of different units or of dates and moments can be compared.
"""

from __future__ import annotations

import polars as pl

_MICROS = 1_000_000
_NANOS = 1_000_000_000


def has_floats(dtype: pl.DataType) -> bool:
    """Whether a column of this type can be written as floats."""
    return dtype.is_numeric() or dtype.is_temporal() or dtype == pl.Boolean


def floats(column: pl.Series) -> pl.Series:
    """The column as Float64; what is no finite number is missing.

    Args:
        column: of numbers, truth values (0 and 1), dates and moments (seconds since 1970), times of day or durations
            (seconds).

    Example:
        >>> floats(pl.Series([1.5, float("nan"), float("inf"), None])).to_list()
        [1.5, None, None, None]
        >>> floats(pl.Series([True, False])).to_list()
        [1.0, 0.0]
    """
    match column.dtype:
        case pl.Date():
            return column.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / _MICROS
        case pl.Datetime():
            return column.dt.epoch("us").cast(pl.Float64) / _MICROS
        case pl.Duration():
            return column.dt.total_microseconds().cast(pl.Float64) / _MICROS
        case pl.Time():
            return column.to_physical().cast(pl.Float64) / _NANOS
    found = column.cast(pl.Float64)
    return found.set(~found.is_finite().fill_null(value=True), None)
