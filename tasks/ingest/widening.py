"""Widening: the types that a Parquet file stores, held against the declared ones.

Belongs here: which values a stored type can have that the declared one can't. Does not belong here: casting them, which
is done cell by cell from their text (tasks/normalise), or names (header).

| declared | holds what is stored as |
| --- | --- |
| String, Categorical, Enum | anything: every value has a text |
| Boolean | boolean |
| integer | an integer within its range |
| Decimal | an integer, or a decimal, of no more digits before and behind the point |
| Float64 | any number: it is the nearest float, which is what declaring one means |
| Float32 | the same, but for a float of 64 bits |
| Date, Time | date; time |
| Datetime | a timestamp of its unit or a coarser one, with a zone if it has one |

A column that holds nothing but nulls fits all. What was said of a type holds for a dictionary of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from schemas.errors import HeaderError, shown
from schemas.records import DriftFinding, DriftKind
from tasks.ingest.header import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.policies import Drift
    from tasks.ingest.header import Columns

_UNITS = ("s", "ms", "us", "ns")
_DOUBLE_BITS = 64
#: Digits that the greatest number of a signed or unsigned integer of so many bits has.
_INTEGER_DIGITS = {8: 3, 16: 5, 32: 10, 64: 20}


def match_types(
    stored: pa.Schema, columns: Columns, dtypes: Mapping[str, pl.DataType], drift: Drift, path: str
) -> tuple[DriftFinding, ...]:
    """A finding for each declared column whose stored type can hold what the declared one can't.

    Args:
        stored: the file's schema.
        columns: where the declared columns stand in it.
        dtypes: the declared types; a column that is not among them is not compared.
        drift: what becomes of such columns.
        path: of the file.

    Raises:
        HeaderError: there is one, and such a column stops the partition.
    """
    findings = []
    for name, position in zip(columns.declared, columns.positions, strict=True):
        if position is None or name not in dtypes:
            continue
        kind = stored.field(position).type
        if holds(dtypes[name], kind):
            continue
        if drift.widened == "fail":
            raise HeaderError(
                f"column {shown(name)} is stored as {shown(kind)}",
                expected=f"what {dtypes[name]} holds",
                where=shown(path),
                fix="Declare the wider type, or declare Source(drift=Drift(widened='cast')).",
            )
        findings.append(DriftFinding(DriftKind.WIDENED, drift.widened, column=name, found=cut(str(kind))))
    return tuple(findings)


def holds(declared: pl.DataType, stored: pa.DataType) -> bool:
    """Whether each value of a stored type is a value of the declared one.

    Example:
        >>> holds(pl.Int64(), pa.int32()), holds(pl.Int32(), pa.int64())
        (True, False)
    """
    if pa.types.is_dictionary(stored):
        return holds(declared, stored.value_type)
    if pa.types.is_null(stored):
        return True
    compare = next((compare for dtypes, compare in _COMPARISONS if isinstance(declared, dtypes)), _anything)
    return compare(declared, stored)


def _anything(_declared: pl.DataType, _stored: pa.DataType) -> bool:
    return True


def _of_boolean(_declared: pl.DataType, stored: pa.DataType) -> bool:
    return bool(pa.types.is_boolean(stored))


def _of_integer(declared: pl.DataType, stored: pa.DataType) -> bool:
    if not pa.types.is_integer(stored):
        return False
    signed, bits = declared.is_signed_integer(), _bits(declared)
    if pa.types.is_signed_integer(stored):
        return signed and stored.bit_width <= bits
    return bool(stored.bit_width < bits if signed else stored.bit_width <= bits)


def _bits(integer: pl.DataType) -> int:
    return int(str(integer).removeprefix("U").removeprefix("Int"))


def _of_decimal(declared: pl.DataType, stored: pa.DataType) -> bool:
    assert isinstance(declared, pl.Decimal)  # noqa: S101  # for the type checker
    before = (declared.precision or 38) - declared.scale
    if pa.types.is_integer(stored):
        return _INTEGER_DIGITS[stored.bit_width] <= before
    return bool(
        pa.types.is_decimal(stored) and stored.scale <= declared.scale and stored.precision - stored.scale <= before
    )


def _of_float(declared: pl.DataType, stored: pa.DataType) -> bool:
    if pa.types.is_floating(stored):
        return isinstance(declared, pl.Float64) or stored.bit_width < _DOUBLE_BITS
    return bool(pa.types.is_integer(stored) or pa.types.is_decimal(stored))


def _of_date(_declared: pl.DataType, stored: pa.DataType) -> bool:
    return bool(pa.types.is_date(stored))


def _of_time(_declared: pl.DataType, stored: pa.DataType) -> bool:
    return bool(pa.types.is_time(stored))


def _of_datetime(declared: pl.DataType, stored: pa.DataType) -> bool:
    assert isinstance(declared, pl.Datetime)  # noqa: S101  # for the type checker
    if not pa.types.is_timestamp(stored) or bool(stored.tz) != bool(declared.time_zone):
        return False
    return _UNITS.index(stored.unit) <= _UNITS.index(declared.time_unit)


_COMPARISONS: tuple[tuple[tuple[type[pl.DataType], ...], Callable[[pl.DataType, pa.DataType], bool]], ...] = (
    ((pl.Boolean,), _of_boolean),
    ((pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64), _of_integer),
    ((pl.Decimal,), _of_decimal),
    ((pl.Float32, pl.Float64), _of_float),
    ((pl.Date,), _of_date),
    ((pl.Time,), _of_time),
    ((pl.Datetime,), _of_datetime),
)
