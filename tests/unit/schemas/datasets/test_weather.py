import datetime as dt
from collections.abc import Callable

import pytest

from schemas import Severity, registry

#: A made-up hour.
GOOD: dict[str, object] = {
    "origin": "LGA",
    "year": 2013,
    "month": 1,
    "day": 31,
    "hour": 20,
    "temp": 50.0,
    "dewp": 50.0,
    "humid": 100.0,
    "wind_dir": 360,
    "wind_speed": 20.0,
    "wind_gust": 30.0,
    "precip": 0.0,
    "pressure": 1000.0,
    "visib": 10.0,
    "time_hour": dt.datetime(2013, 2, 1, 1, tzinfo=dt.UTC),
}

RULES = """
    origin.not_nullable origin.isin
    year.castable year.not_nullable year.greater_than_or_equal_to
    month.castable month.not_nullable month.in_range
    day.castable day.not_nullable day.in_range
    hour.castable hour.not_nullable hour.in_range
    temp.castable temp.in_range
    dewp.castable dewp.in_range
    humid.castable humid.in_range
    wind_dir.castable wind_dir.in_range
    wind_speed.castable wind_speed.in_range
    wind_gust.castable wind_gust.in_range
    precip.castable precip.not_nullable precip.in_range
    pressure.castable pressure.in_range
    visib.castable visib.not_nullable visib.in_range
    time_hour.castable time_hour.not_nullable
    zones_agree dew_point_below_temperature humidity_agrees calm_has_no_direction gusts_exceed_wind
    record.duplicate_key record.extra_column record.missing_column
    wind_speed.expect
    origin+time_hour.conflict
"""


def test_rules_and_their_severities() -> None:
    rules = registry.load("weather").rules
    assert [rule.id for rule in rules] == RULES.split()
    other = {rule.id: rule.severity for rule in rules if rule.severity is not Severity.QUARANTINE}
    assert other == {"humidity_agrees": Severity.WARN, "wind_speed.expect": Severity.FAIL}


def test_every_column_is_described() -> None:
    assert all(column.description for column in registry.load("weather").columns)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="complete"),
        pytest.param(dict.fromkeys(("temp", "dewp", "humid", "pressure")), id="thermometer broken"),
        pytest.param({"wind_dir": 0, "wind_speed": 0.0, "wind_gust": None}, id="calm"),
        pytest.param({"wind_dir": None, "wind_speed": 3.4, "wind_gust": None}, id="wind from all around"),
        pytest.param({"dewp": 32.0, "humid": 50.0}, id="dry"),
        pytest.param({"wind_gust": 20.0}, id="gusts as fast as the wind"),
    ],
)
def test_good_hour_breaks_nothing(broken_by: Callable[..., set[str]], changes: dict[str, object]) -> None:
    assert broken_by("weather", GOOD | changes) == set()


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({"wind_speed": 1048.36058, "wind_gust": None}, {"wind_speed.in_range"}),
        ({"wind_speed": 31.0}, {"gusts_exceed_wind"}),
        ({"wind_dir": 0}, {"calm_has_no_direction"}),
        ({"wind_speed": 0.0}, {"calm_has_no_direction"}),
        ({"dewp": 52.0}, {"dew_point_below_temperature"}),
        ({"humid": 80.0}, {"humidity_agrees"}),
        ({"humid": 101.0}, {"humid.in_range"}),
        ({"temp": 999.9, "humid": None}, {"temp.in_range"}),
        ({"hour": 21}, {"zones_agree"}),
        ({"origin": "BOS"}, {"origin.isin"}),
        ({"precip": -0.01}, {"precip.in_range"}),
        ({"pressure": 100.0}, {"pressure.in_range"}),
        ({"visib": 10.1}, {"visib.in_range"}),
    ],
)
def test_bad_hour_breaks_these_rules_and_no_others(
    broken_by: Callable[..., set[str]], changes: dict[str, object], broken: set[str]
) -> None:
    assert broken_by("weather", GOOD | changes) == broken


@pytest.mark.parametrize("dewp", [-405.472, -1e308, 1e308, float("inf"), float("-inf"), float("nan")])
def test_humidity_is_compared_without_error_at_any_dew_point(broken_by: Callable[..., set[str]], dewp: float) -> None:
    # -405.472 is where the formula divides by nothing.
    assert "dewp.in_range" in broken_by("weather", GOOD | {"dewp": dewp})
