"""Casts: exactly the values of a type, under exactly the declared formats."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import polars as pl
import pytest

from schemas.columns import ColumnSpec
from tasks.normalise.casts import typed

UTC = dt.UTC


def cast(text: str | None, dtype: pl.DataType, **declared: object) -> object:
    column = ColumnSpec(name="c", dtype=dtype, **declared)  # type: ignore[arg-type]
    return pl.select(typed(pl.lit(text, pl.String), column)).item()


@pytest.mark.parametrize(
    ("text", "dtype", "expected"),
    [
        ("0517", pl.Int64(), 517),
        ("-3", pl.Int8(), -3),
        ("200", pl.Int8(), None),
        ("5.0", pl.Int64(), None),
        (" 5", pl.Int64(), None),
        ("", pl.Int64(), None),
        ("1.5e3", pl.Float64(), 1500.0),
        ("1e400", pl.Float64(), None),
        ("1e-400", pl.Float64(), None),
        ("0e5", pl.Float64(), 0.0),
        ("-0.0", pl.Float64(), 0.0),
        ("inf", pl.Float64(), float("inf")),
        ("-Infinity", pl.Float64(), float("-inf")),
        ("1,5", pl.Float64(), None),
        ("1.23", pl.Decimal(10, 2), Decimal("1.23")),
        ("1.2300", pl.Decimal(10, 2), Decimal("1.23")),
        ("1.239", pl.Decimal(10, 2), None),
        ("true", pl.Boolean(), True),
        ("false", pl.Boolean(), False),
        ("yes", pl.Boolean(), None),
        ("anything\x00at all", pl.String(), "anything\x00at all"),
        (None, pl.Int64(), None),
        ("b", pl.Enum(["a", "b"]), "b"),
        ("c", pl.Enum(["a", "b"]), None),
    ],
)
def test_a_cell_is_its_value_or_nothing(text: str | None, dtype: pl.DataType, expected: object) -> None:
    assert cast(text, dtype) == expected


def test_words_for_true_and_false_are_the_declared_ones() -> None:
    assert cast("ja", pl.Boolean(), true=("ja",), false=("nein",)) is True
    assert cast("true", pl.Boolean(), true=("ja",), false=("nein",)) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2013-01-05", dt.date(2013, 1, 5)),
        ("13-01-05", None),
        ("2013-02-30", None),
        ("2013-01-05 ", None),
    ],
)
def test_iso_dates_are_the_default(text: str, expected: object) -> None:
    assert cast(text, pl.Date()) == expected


def test_several_formats_take_a_day_on_which_they_agree_only() -> None:
    formats = ("%d/%m/%Y", "%m/%d/%Y")
    assert cast("31/01/2013", pl.Date(), formats=formats) == dt.date(2013, 1, 31)
    assert cast("05/05/2013", pl.Date(), formats=formats) == dt.date(2013, 5, 5)
    assert cast("05/06/2013", pl.Date(), formats=formats) is None


@pytest.mark.parametrize("text", ["2013-01-01T10:00:00", "2013-01-01 10:00:00", "2013-01-01T10:00:00.000"])
def test_iso_times_without_an_offset(text: str) -> None:
    assert cast(text, pl.Datetime("us")) == dt.datetime(2013, 1, 1, 10)  # noqa: DTZ001


def test_an_instant_needs_an_offset_or_a_declared_zone() -> None:
    utc = pl.Datetime("us", "UTC")
    ten = dt.datetime(2013, 1, 1, 10, tzinfo=UTC)
    assert cast("2013-01-01T10:00:00Z", utc) == ten
    assert cast("2013-01-01T05:00:00-05:00", utc) == ten
    assert cast("2013-01-01T10:00:00", utc) is None
    assert cast("2013-01-01T05:00:00", utc, zone="America/New_York") == ten


def test_a_literal_z_in_the_format_is_read_in_the_declared_zone() -> None:
    column = {"formats": ("%Y-%m-%dT%H:%M:%SZ",), "zone": "UTC"}
    assert cast("2013-01-01T10:00:00Z", pl.Datetime("us", "UTC"), **column) == dt.datetime(2013, 1, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2013-11-03T01:30:00", "2013-03-10T02:30:00"])
def test_an_hour_that_the_clock_shows_twice_or_never_is_no_instant(text: str) -> None:
    assert cast(text, pl.Datetime("us", "UTC"), zone="America/New_York") is None


@pytest.mark.parametrize(
    ("text", "dtype"),
    [
        ("3000-01-01T00:00:00", pl.Datetime("ns")),
        ("1500-01-01T00:00:00", pl.Datetime("ns")),
        ("2013-01-01T00:00:00.123456789", pl.Datetime("us")),
        ("2013-01-01T00:00:00.123456", pl.Datetime("ms")),
        ("2013-01-01T00:00:00.123456+01:00", pl.Datetime("ms", "UTC")),
        ("2013-01-01T00:00:60", pl.Datetime("us")),
    ],
)
def test_what_the_unit_can_not_hold_is_no_value(text: str, dtype: pl.DataType) -> None:
    assert cast(text, dtype) is None


def test_what_the_unit_holds_is_kept() -> None:
    assert cast("2013-01-01T00:00:00.120000000", pl.Datetime("ms")) == dt.datetime(2013, 1, 1, microsecond=120_000)  # noqa: DTZ001
    assert cast("1960-06-01T06:00:59", pl.Datetime("ns")) == dt.datetime(1960, 6, 1, 6, 0, 59)  # noqa: DTZ001


def test_times_of_day() -> None:
    assert cast("23:59", pl.Time()) == dt.time(23, 59)
    assert cast("23:59:58", pl.Time()) == dt.time(23, 59, 58)
    assert cast("24:00", pl.Time()) is None
