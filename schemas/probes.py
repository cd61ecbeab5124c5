"""Probes: small tables on which a declared check is tried before it meets any data.

Belongs here: a table of missing and one of awkward values, for any columns. Does not belong here: what is concluded
from them (capture). They find checks that can't work; they prove of none that it does.
"""

from __future__ import annotations

import datetime as dt
import functools
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Rows in a probe: more than the one row of a verdict.
ROWS = 3

# Years that any unit of time can hold; the nanosecond's reach from 1678 to 2262.
_INSTANTS = [dt.datetime(1700, 1, 1), dt.datetime(1970, 1, 1), dt.datetime(2200, 12, 31, 23, 59, 59)]  # noqa: DTZ001
_TIMES = [dt.time(0), dt.time(12), dt.time(23, 59, 59, 999_999)]
_TEXTS = ["", "-1e400", "\N{COMBINING ACUTE ACCENT}\x00\n\N{PILE OF POO}"]


def probes(dtypes: Mapping[str, pl.DataType]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A table of nothing but missing values, and one of values that programs stumble over.

    Example:
        >>> [table["name"].to_list() for table in probes({"name": pl.Boolean()})]
        [[None, None, None], [True, False, True]]
    """
    return _probes(tuple(dtypes.items()))


@functools.lru_cache(maxsize=8)
def _probes(dtypes: tuple[tuple[str, pl.DataType], ...]) -> tuple[pl.DataFrame, pl.DataFrame]:
    # Each check of a model is tried on the same two tables, and a model may have thousands of columns.
    missing = {name: pl.Series([None] * ROWS, dtype=dtype) for name, dtype in dtypes}
    return pl.DataFrame(missing), pl.DataFrame({name: _awkward(dtype) for name, dtype in dtypes})


@functools.lru_cache
def _awkward(dtype: pl.DataType) -> pl.Series:
    if isinstance(dtype, pl.Datetime):
        instants = pl.Series(_INSTANTS, dtype=pl.Datetime(dtype.time_unit))
        zone = dtype.time_zone
        return instants.dt.replace_time_zone("UTC").dt.convert_time_zone(zone) if zone else instants
    if dtype.is_integer():
        zero = pl.lit(0, dtype)
        return pl.select(pl.concat_list(zero.lower_bound(), zero, zero.upper_bound()).explode()).to_series()
    if isinstance(dtype, pl.Enum):
        categories = dtype.categories.to_list() or [None]
        return pl.Series([categories[row % len(categories)] for row in range(ROWS)], dtype=dtype)
    return pl.Series(_values(dtype), dtype=dtype)


def _values(dtype: pl.DataType) -> list[object]:
    if dtype.is_float():
        return [float("nan"), float("-inf"), -0.0]
    if isinstance(dtype, pl.Decimal):
        return [Decimal(0), Decimal(1).scaleb(-dtype.scale), -Decimal(1).scaleb(-dtype.scale)]
    if isinstance(dtype, pl.Date):
        return [instant.date() for instant in _INSTANTS]
    if isinstance(dtype, pl.Time):
        return [*_TIMES]
    return [True, False, True] if isinstance(dtype, pl.Boolean) else [*_TEXTS]
