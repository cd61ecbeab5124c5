"""Whatever the unit in which a column holds a time, its floats are seconds."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import polars as pl
import pytest

from tasks.audit.floats import floats, has_floats

MOMENT = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
MIDNIGHT = MOMENT.replace(hour=0)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_the_unit_of_a_time_changes_nothing(unit: str) -> None:
    moments = pl.Series([MOMENT, None], dtype=pl.Datetime(unit, "UTC"))  # type: ignore[arg-type]  # a unit as text
    expected = MOMENT.timestamp()
    assert floats(moments.dt.replace_time_zone(None)).to_list() == [expected, None]
    assert floats(moments.dt.convert_time_zone("Asia/Tokyo"))[0] == expected
    lasted = pl.Series([dt.timedelta(minutes=1, milliseconds=500), None], dtype=pl.Duration(unit))  # type: ignore[arg-type]  # as above
    assert floats(lasted).to_list() == [60.5, None]


def test_dates_and_times_of_day_are_seconds_too() -> None:
    assert floats(pl.Series([MOMENT.date()])).to_list() == [MIDNIGHT.timestamp()]
    assert floats(pl.Series([MOMENT.time(), None])).to_list() == [43_200.0, None]


def test_what_is_no_finite_number_is_missing() -> None:
    assert floats(pl.Series([1, None], dtype=pl.Int8)).to_list() == [1.0, None]
    assert floats(pl.Series([Decimal("0.25")])).to_list() == [0.25]
    assert floats(pl.Series([float("-inf"), float("nan"), 2.0])).to_list() == [None, None, 2.0]
    assert floats(pl.Series([], dtype=pl.Float32)).dtype == pl.Float64
    assert [has_floats(kind) for kind in (pl.Boolean(), pl.Date(), pl.String(), pl.Enum(["a"]))] == [
        True,
        True,
        False,
        False,
    ]
