"""Columns: what the model says of each column, beside its rules.

Belongs here: the supported types, and what a field's metadata may say (`formats`, `zone`, `personal`,
`subject`, `true`, `false`). Does not belong here: casting by it (tasks/normalise), or rules (rules).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from schemas.errors import DeclarationError, UnknownNameError, shown
from schemas.pandera_model import DeclaredColumn, PanderaModel, read_model

if TYPE_CHECKING:
    from collections.abc import Callable

#: What a field's metadata may say.
METADATA = ("formats", "zone", "personal", "subject", "true", "false")

_INTEGERS = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
_TEMPORAL = (pl.Date, pl.Datetime, pl.Time)
_SUPPORTED = (
    *(pl.String, pl.Boolean, pl.Float32, pl.Float64, pl.Decimal, pl.Categorical, pl.Enum),
    *_INTEGERS,
    *_TEMPORAL,
)


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """One column of a data set.

    Attributes:
        name: its name, in the dump and in the clean table.
        dtype: its polars type in the clean table.
        nullable: whether a cell may be missing.
        formats: how its dates and times are written, tried in this order; empty means ISO 8601.
        zone: the time zone of its texts that name none; None if that is not said.
        personal: whether its values are shown to nobody in logs, artifacts and reports.
        subject: whether its values tell whose record a row is, so that a person's records can be found by them.
        true: the words that mean true in it, as they are after its steps; empty means `true`.
        false: the words that mean false in it; empty means `false`.
        description: what it holds, in words, or None.
    """

    name: str
    dtype: pl.DataType
    nullable: bool = False
    formats: tuple[str, ...] = ()
    zone: str | None = None
    personal: bool = False
    subject: bool = False
    true: tuple[str, ...] = ()
    false: tuple[str, ...] = ()
    description: str | None = None


def columns_of(model: PanderaModel) -> tuple[ColumnSpec, ...]:
    """The columns of a model, in its order.

    Raises:
        DeclarationError: a type or metadata that can't be meant, or anything that `read_model` refuses.
        UnknownNameError: a key of the metadata that does not exist.

    Example:
        >>> import pandera.polars as pa
        >>> class Trips(pa.DataFrameModel):
        ...     fare: float = pa.Field(nullable=True, description="In dollars.")
        >>> columns_of(Trips)[0].dtype, columns_of(Trips)[0].nullable
        (Float64, True)
    """
    declared = read_model(model)
    return tuple(_spec(column, f"{declared.name}.{column.name}") for column in declared.columns)


def is_key(dtype: pl.DataType) -> bool:
    """Whether values of a type can tell one thing from another: text, categories, whole numbers, dates, truth values.

    Example:
        >>> is_key(pl.Int64()), is_key(pl.Float64())
        (True, False)
    """
    return isinstance(dtype, (pl.String, pl.Categorical, pl.Enum, pl.Boolean, pl.Date, *_INTEGERS))


def _spec(column: DeclaredColumn, where: str) -> ColumnSpec:
    _check_dtype(column.dtype, where)
    for key in column.metadata:
        if key not in METADATA:
            raise UnknownNameError.of("metadata", str(key), METADATA, where=where)
    spec = ColumnSpec(
        name=column.name,
        dtype=column.dtype,
        nullable=column.nullable,
        formats=_texts(column, "formats", where, _TEMPORAL),
        zone=_zone(column, where),
        personal=_flag(column, "personal", where),
        subject=_subject(column, where),
        true=_texts(column, "true", where, (pl.Boolean,)),
        false=_texts(column, "false", where, (pl.Boolean,)),
        description=column.description,
    )
    _check_formats(spec, where)
    _check_tokens(spec, where)
    return spec


def _subject(column: DeclaredColumn, where: str) -> bool:
    told = _flag(column, "subject", where)
    if told and not isinstance(column.dtype, (pl.String, pl.Categorical, pl.Enum, *_INTEGERS)):
        raise DeclarationError(
            f"a column of {column.dtype} tells a person", expected="text or a whole number", where=where
        )
    return told


def _check_dtype(dtype: pl.DataType, where: str) -> None:
    if not isinstance(dtype, _SUPPORTED):
        raise DeclarationError(
            f"the type {dtype} is not supported",
            expected="String, Boolean, Date, Datetime, Time, Categorical, Enum, Decimal or a number of 8 to 64 bits",
            where=where,
            fix="Declare it as str and take it apart later." if dtype.is_nested() else None,
        )
    if isinstance(dtype, pl.Datetime) and dtype.time_zone and not _is_zone(dtype.time_zone):
        raise DeclarationError(f"no time zone is called {shown(dtype.time_zone)}", where=where)
    # pandera makes Decimal(28, 0) of a Decimal without arguments, which would round every price to a whole number.
    if dtype == pl.Decimal(28, 0):
        raise DeclarationError(
            "Decimal without decimals", where=where, fix="Write how many there are: pl.Decimal(precision=18, scale=2)."
        )


# --- metadata ---------------------------------------------------------------------------------------------------------


def _wrong(column: DeclaredColumn, key: str, expected: str, where: str) -> DeclarationError:
    return DeclarationError(f"{key} is {shown(column.metadata[key])}", expected=expected, where=where)


def _texts(column: DeclaredColumn, key: str, where: str, types: tuple[type[pl.DataType], ...]) -> tuple[str, ...]:
    if key not in column.metadata:
        return ()
    if not isinstance(column.dtype, types):
        names = " or ".join(dtype.__name__ for dtype in types)
        raise DeclarationError(f"{key} for a column of {column.dtype}", expected=f"a column of {names}", where=where)
    value = column.metadata[key]
    texts = tuple(value) if isinstance(value, list | tuple) else ()
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise _wrong(column, key, "a list of texts", where)
    return texts


def _flag(column: DeclaredColumn, key: str, where: str) -> bool:
    value = column.metadata.get(key, False)
    if not isinstance(value, bool):
        raise _wrong(column, key, "True or False", where)
    return value


def _zone(column: DeclaredColumn, where: str) -> str | None:
    if "zone" not in column.metadata:
        return None
    zone = column.metadata["zone"]
    if not isinstance(column.dtype, pl.Datetime):
        raise DeclarationError(f"a zone for a column of {column.dtype}", expected="a column of Datetime", where=where)
    if not isinstance(zone, str) or not _is_zone(zone):
        raise _wrong(column, "zone", "the name of a time zone, like Europe/Berlin", where)
    return zone


def _is_zone(name: str) -> bool:
    try:
        pl.Series([_SAMPLE]).dt.convert_time_zone(name)
    except pl.exceptions.PolarsError:
        return False
    return True


def _check_tokens(spec: ColumnSpec, where: str) -> None:
    both = sorted(set(spec.true) & set(spec.false))
    if both:
        raise DeclarationError(f"{shown(both[0])} means both true and false", where=where)


# --- formats ----------------------------------------------------------------------------------------------------------

_SAMPLE = dt.datetime(2024, 12, 31, 23, 58, 59, 123456, tzinfo=dt.UTC)
#: Directives that write an offset or a zone.
_OFFSETS = ("%z", "%:z", "%#z", "%+")


def _check_formats(spec: ColumnSpec, where: str) -> None:
    for text in spec.formats:
        if not _reads_back(text, spec.dtype):
            kind = "a time of day" if isinstance(spec.dtype, pl.Time) else "a date with its year"
            raise DeclarationError(
                f"the format {shown(text)} can't be read",
                expected=f"directives like %Y-%m-%d %H:%M:%S that tell {kind}",
                where=where,
            )


def _reads_back(text: str, dtype: pl.DataType) -> bool:
    """Whether a sample that was written under a format is read again, to the hour (times) or to the year (others).

    polars reads nothing under a format that it does not know, the year 1 under one without a year, and the clock of
    any zone for a zone's name (%Z): silently in all three.
    """
    if "%Z" in text:
        return False
    try:
        written = pl.Series([_SAMPLE]).dt.to_string(text.replace("%#z", "%z"))  # %#z can only be read
        read = _parser(dtype)(written, text).item()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return False
    if isinstance(dtype, pl.Time):
        return read is not None and read.hour == _SAMPLE.hour
    return read is not None and read.year == _SAMPLE.year


def _parser(dtype: pl.DataType) -> Callable[[pl.Series, str], pl.Series]:
    if isinstance(dtype, pl.Date):
        return lambda texts, text: texts.str.to_date(text, strict=False)
    if isinstance(dtype, pl.Time):
        return lambda texts, text: texts.str.to_time(text, strict=False)
    return lambda texts, text: texts.str.to_datetime(
        text, strict=False, time_zone="UTC" if any(offset in text for offset in _OFFSETS) else None
    )
