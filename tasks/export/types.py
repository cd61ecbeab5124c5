"""Types: which of Delta's types hold the values of a column.

Belongs here: from polars' types to Delta's, and the cast where Delta has none of the kind. Does not belong here: tables
(delta).

Files are taken as they are wherever their reader gives the same values under Delta's type. That is so for integers
without a sign that fit the next larger type with one, and for moments of any precision. It is not so for those of 64
bits, for enumerations and for times of day: a file with such a column is written anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from schemas.errors import UsageError
from schemas.records import LINEAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES: dict[type[pl.DataType], str] = {
    pl.Int8: "byte", pl.Int16: "short", pl.Int32: "integer", pl.Int64: "long",
    pl.UInt8: "short", pl.UInt16: "integer", pl.UInt32: "long",
    pl.Float32: "float", pl.Float64: "double", pl.Boolean: "boolean", pl.Date: "date",
    pl.String: "string", pl.Categorical: "string",
}  # fmt: skip


@dataclass(frozen=True)
class DeltaType:
    """Delta's type for a column.

    Attributes:
        name: as Delta writes it.
        cast: what the column has to be cast to in its files; None leaves them as they are.
    """

    name: str
    cast: pl.DataType | None = None


def delta_type(dtype: pl.DataType) -> DeltaType:
    """The type for a column.

    Raises:
        UsageError: there is none.

    Example:
        >>> delta_type(pl.UInt8()).name, delta_type(pl.Enum(["x"]))
        ('short', DeltaType(name='string', cast=String))
    """
    match dtype:
        case pl.Datetime():
            return DeltaType("timestamp" if dtype.time_zone else "timestamp_ntz")
        case pl.Decimal():
            return DeltaType(f"decimal({dtype.precision},{dtype.scale})")
        case pl.UInt64():
            return DeltaType("decimal(20,0)", pl.Decimal(20, 0))
        case pl.Enum() | pl.Time():
            return DeltaType("string", pl.String())
    name = _NAMES.get(type(dtype))
    if name is None:
        raise UsageError(f"a Delta table can't hold a column of {dtype}", fix="Export it as Parquet.")
    return DeltaType(name)


def delta_columns(schemas: Mapping[str, Mapping[str, pl.DataType]], dataset: str) -> dict[str, DeltaType]:
    """The columns of a table that holds files of several schemas; a column that a file has not is null there.

    Columns that lead back to the raw record are left out where their files would have to be written anew for them.

    Args:
        schemas: the columns of some files, by what the files are called.
        dataset: for the message.

    Raises:
        UsageError: a column has two types in them, which one Delta table can't hold.

    Example:
        >>> list(delta_columns({"a": {"_record": pl.UInt64(), "x": pl.Int8()}, "b": {"y": pl.Date()}}, "trips"))
        ['x', 'y']
    """
    found: dict[str, tuple[str, DeltaType]] = {}
    for where, schema in schemas.items():
        for name, dtype in schema.items():
            made = delta_type(dtype)
            if name in LINEAGE and made.cast is not None:
                continue
            there, other = found.setdefault(name, (where, made))
            if other.name != made.name:
                raise UsageError(
                    f"{name} is {other.name} in {there} and {made.name} in {where}",
                    expected="one type in all versions that one Delta table holds",
                    where=dataset,
                    fix="Begin with a later version: --since N.",
                )
    return {name: made for name, (_, made) in found.items()}
