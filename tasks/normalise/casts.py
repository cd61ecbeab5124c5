"""Casts: the text of a cell to the column's type, under the declared formats only.

Belongs here: one expression for each type. Does not belong here: changing text before it is cast (expressions), or
saying what a failed cast means (tasks/validate).

A cast yields null where the text is not *exactly* a value of the type. polars is more lenient than that in places;
each is closed here, because a lenient parse is a value altered in silence:

- a number too large for a float becomes infinity (`1e400`), one too small zero (`1e-400`); within its range a float
  is the nearest number that its type has, which is what declaring a float means;
- more decimals than a Decimal column holds are rounded away;
- digits of a second that the unit does not hold are dropped, and second 60 is read as the next minute;
- an instant that nanoseconds can't tell (before 1678, after 2261) becomes another, centuries away;
- `%Y` takes `13-01-05` for the year 13;
- with several formats, the first that fits wins, even where another one reads another day.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from schemas.columns import ColumnSpec

_ISO_DATE = ("%Y-%m-%d",)
_ISO_NAIVE = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f")
_ISO_OFFSET = ("%+",)
_ISO_TIME = ("%H:%M:%S%.f", "%H:%M")

#: Directives that make polars parse an offset and return an instant.
_OFFSET_DIRECTIVES = ("%z", "%:z", "%#z", "%+")

#: Directives that read seconds, and of those the ones that read parts of one.
_SECONDS = ("%S", "%T", "%+", "%X", "%r")
_FRACTIONS = ("f", "%+")
_FRACTION_DIGITS = {"ms": 3, "us": 6, "ns": 9}

#: Years that 64 bits of nanoseconds can tell from end to end.
_NANOSECOND_YEARS = (1678, 2261)

#: `%Y` reads two digits as a year of the first century; no dump means that.
_FIRST_YEAR = 1000

#: Bytes of `1e-46`, which no 32 bits can tell from zero.
_SHORTEST_UNDERFLOW = 5


def typed(text: pl.Expr, column: ColumnSpec) -> pl.Expr:
    """A String expression cast to a column's type; null where it is null or is not exactly a value of that type.

    Args:
        text: the cell after all steps.
        column: the column's declaration: its type, formats, zone and words for true and false.

    Example:
        >>> from schemas.columns import ColumnSpec
        >>> column = ColumnSpec(name="d", dtype=pl.Date(), formats=("%d/%m/%Y",))
        >>> pl.select(typed(pl.lit("31/01/2013"), column)).item()
        datetime.date(2013, 1, 31)
    """
    dtype = column.dtype
    if isinstance(dtype, pl.String):
        return text
    if isinstance(dtype, pl.Boolean):
        return _boolean(text, column)
    if isinstance(dtype, (pl.Date, pl.Datetime, pl.Time)):
        return _temporal(text, column)
    cast = text.cast(dtype, strict=False)
    if dtype.is_float():
        return _in_range(cast, text)
    if isinstance(dtype, pl.Decimal):
        return _unrounded(cast, text, dtype)
    return cast


def _boolean(text: pl.Expr, column: ColumnSpec) -> pl.Expr:
    yes, no = text.is_in(column.true or ("true",)), text.is_in(column.false or ("false",))
    return pl.when(yes).then(pl.lit(value=True)).when(no).then(pl.lit(value=False))


def _in_range(cast: pl.Expr, text: pl.Expr) -> pl.Expr:
    """Null where a number too large became infinity, or one too small zero: those have a digit before the exponent."""
    # A column that is null nearly everywhere is all that the pattern is tried on: only doubtful cells cost anything.
    maybe_lost = cast.is_infinite() | ((cast == 0) & (text.str.len_bytes() >= _SHORTEST_UNDERFLOW))
    lost = pl.when(maybe_lost).then(text).str.contains("^[^eE]*[1-9]")
    return pl.when(~lost.fill_null(value=False)).then(cast)


def _unrounded(cast: pl.Expr, text: pl.Expr, dtype: pl.Decimal) -> pl.Expr:
    fits = text.str.contains(rf"^[+-]?\d*(\.\d{{0,{dtype.scale}}}0*)?$")
    return pl.when(fits).then(cast)


def _temporal(text: pl.Expr, column: ColumnSpec) -> pl.Expr:
    readings = [_reading(text, each, column) for each in formats_of(column)]
    if len(readings) == 1:
        return readings[0]
    # Formats that agree are no trouble; formats that read different days can't both be right.
    earliest, latest = pl.min_horizontal(readings), pl.max_horizontal(readings)
    return pl.when(earliest == latest).then(earliest)


def formats_of(column: ColumnSpec) -> tuple[str, ...]:
    """The formats under which a temporal column is read: the declared ones, or ISO 8601 where none is declared."""
    if column.formats:
        return column.formats
    if isinstance(column.dtype, pl.Date):
        return _ISO_DATE
    if isinstance(column.dtype, pl.Time):
        return _ISO_TIME
    zoned = isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is not None
    return (*(_ISO_OFFSET if zoned else ()), *(() if zoned and not column.zone else _ISO_NAIVE))


def _reading(text: pl.Expr, text_format: str, column: ColumnSpec) -> pl.Expr:
    dtype = column.dtype
    if isinstance(dtype, pl.Time):
        parsed = text.str.to_time(text_format, strict=False)
    elif isinstance(dtype, pl.Date):
        parsed = _with_plain_year(text.str.to_date(text_format, strict=False), text_format, dtype)
    else:
        assert isinstance(dtype, pl.Datetime)  # noqa: S101  # for the type checker: the caller sends no other type
        parsed = _instant(text, text_format, dtype, column.zone)
    inexact = _inexact(text, text_format, dtype)
    # What was parsed is emptied, and not the text before: to move numbers is cheaper than to move texts.
    return pl.when(~pl.any_horizontal(inexact)).then(parsed) if inexact else parsed


def _inexact(text: pl.Expr, text_format: str, dtype: pl.DataType) -> list[pl.Expr]:
    """Whether a text tells more of a second than the type can hold, or a second that there is not."""
    wrong = []
    if any(directive in text_format for directive in _FRACTIONS):
        digits = _FRACTION_DIGITS[dtype.time_unit] if isinstance(dtype, pl.Datetime) else 9
        wrong.append(_matches(text, rf"[.,]\d{{{digits}}}\d*[1-9]", literals=(".", ",")))
    if any(directive in text_format for directive in _SECONDS):
        wrong.append(_matches(text, r":60(?:\D|$)", literals=(":60",)))
    return wrong


def _matches(text: pl.Expr, pattern: str, literals: tuple[str, ...]) -> pl.Expr:
    """Whether a text matches a pattern, of which one of the literals is a part: they are found much sooner."""
    maybe = pl.any_horizontal(text.str.contains(literal, literal=True) for literal in literals)
    return pl.when(maybe).then(text).str.contains(pattern).fill_null(value=False)


def _instant(text: pl.Expr, text_format: str, dtype: pl.Datetime, zone: str | None) -> pl.Expr:
    if dtype.time_unit == "ns":
        # In microseconds every year that can be written is itself.
        coarse = _instant(text, text_format, pl.Datetime("us", dtype.time_zone), zone)
        text = pl.when(coarse.dt.year().is_between(*_NANOSECOND_YEARS)).then(text)
    unit = dtype.time_unit
    if any(directive in text_format for directive in _OFFSET_DIRECTIVES):
        parsed = text.str.to_datetime(text_format, strict=False, time_unit=unit, time_zone="UTC", cache=False)
        parsed = parsed.dt.convert_time_zone(dtype.time_zone) if dtype.time_zone else parsed.dt.replace_time_zone(None)
        return _with_plain_year(parsed, text_format, dtype)
    # Instants seldom repeat, as days do: remembering what was parsed costs more than it saves.
    naive = text.str.to_datetime(text_format, strict=False, time_unit=unit, cache=False)
    parsed = _with_plain_year(naive, text_format, pl.Datetime(unit))
    if dtype.time_zone is None:
        return parsed
    # An hour that the clock shows twice, or never, is no instant: null, so that the row is set aside with its reason.
    local = parsed.dt.replace_time_zone(zone or dtype.time_zone, ambiguous="null", non_existent="null")
    return local.dt.convert_time_zone(dtype.time_zone)


def _with_plain_year(parsed: pl.Expr, text_format: str, dtype: pl.DataType) -> pl.Expr:
    if "%Y" not in text_format and "%F" not in text_format and text_format != "%+":
        return parsed
    if isinstance(dtype, pl.Datetime) and (dtype.time_zone or dtype.time_unit == "ns"):
        return pl.when(parsed.dt.year() >= _FIRST_YEAR).then(parsed)
    # One comparison of numbers, where asking each value for its year would be a division of each.
    return pl.when(parsed >= pl.lit(dt.datetime(_FIRST_YEAR, 1, 1), dtype)).then(parsed)  # noqa: DTZ001  # without a zone, as it is
