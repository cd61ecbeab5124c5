import datetime as dt
from collections.abc import Callable

import pytest

from schemas import Severity, registry

#: A made-up flight from 22:50 to 00:20, both a quarter of an hour late.
GOOD: dict[str, object] = {
    "year": 2013,
    "month": 7,
    "day": 4,
    "dep_time": 2305,
    "sched_dep_time": 2250,
    "dep_delay": 15,
    "arr_time": 35,
    "sched_arr_time": 20,
    "arr_delay": 15,
    "carrier": "B6",
    "flight": 1234,
    "tailnum": "N123AB",
    "origin": "JFK",
    "dest": "BOS",
    "air_time": 40,
    "distance": 187,
    "hour": 22,
    "minute": 50,
    "time_hour": dt.datetime(2013, 7, 5, 2, tzinfo=dt.UTC),
}
CANCELLED: dict[str, object] = dict.fromkeys(("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"))
DIVERTED: dict[str, object] = dict.fromkeys(("arr_delay", "air_time"))

RULES = """
    year.castable year.not_nullable year.greater_than_or_equal_to
    month.castable month.not_nullable month.in_range
    day.castable day.not_nullable day.in_range
    dep_time.castable dep_time.clock_time
    sched_dep_time.castable sched_dep_time.not_nullable sched_dep_time.clock_time
    dep_delay.castable dep_delay.in_range
    arr_time.castable arr_time.clock_time
    sched_arr_time.castable sched_arr_time.not_nullable sched_arr_time.clock_time
    arr_delay.castable arr_delay.in_range
    carrier.not_nullable carrier.isin
    flight.castable flight.not_nullable flight.in_range
    tailnum.registration
    origin.not_nullable origin.isin
    dest.not_nullable dest.str_matches
    air_time.castable air_time.greater_than
    distance.castable distance.not_nullable distance.greater_than
    hour.castable hour.not_nullable hour.in_range
    minute.castable minute.not_nullable minute.in_range
    time_hour.castable time_hour.not_nullable
    goes_elsewhere schedule_agrees zones_agree departure_complete arrival_complete departed_before_arriving
    dep_delay_agrees arr_delay_agrees speed_plausible
    record.duplicate_key record.extra_column record.missing_column
    carrier+flight+origin+time_hour.conflict
"""


def test_rules_and_their_severities() -> None:
    rules = registry.load("flights").rules
    assert [rule.id for rule in rules] == RULES.split()
    warned = {rule.id for rule in rules if rule.severity is Severity.WARN}
    assert warned == {"dep_delay.in_range", "arr_delay.in_range", "tailnum.registration"}
    assert {rule.severity for rule in rules if rule.id not in warned} == {Severity.QUARANTINE}


def test_every_column_is_described() -> None:
    assert all(column.description for column in registry.load("flights").columns)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="flown"),
        pytest.param(CANCELLED | {"tailnum": None}, id="cancelled"),
        pytest.param(DIVERTED, id="diverted"),
        pytest.param(DIVERTED | {"arr_time": None}, id="never landed"),
        pytest.param({"dep_time": 2400, "dep_delay": 70}, id="midnight is 2400"),
        pytest.param({"dep_time": 2240, "dep_delay": -10}, id="early"),
        pytest.param({"dep_time": 2249, "dep_delay": 1439}, id="nearly a day late"),
        pytest.param({"tailnum": "N1"}, id="shortest registration"),
        pytest.param({"tailnum": "N3ALAA"}, id="fleet number"),
        pytest.param({"tailnum": "N0EGMQ"}, id="fleet number with 0"),
    ],
)
def test_good_flight_breaks_nothing(broken_by: Callable[..., set[str]], changes: dict[str, object]) -> None:
    assert broken_by("flights", GOOD | changes) == set()


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({"dep_time": 2360, "dep_delay": 70}, {"dep_time.clock_time"}),
        ({"dep_time": 0, "dep_delay": 70}, {"dep_time.clock_time"}),
        ({"dep_time": 2575}, {"dep_time.clock_time", "dep_delay_agrees"}),
        ({"dep_delay": 14}, {"dep_delay_agrees"}),
        ({"dep_delay": 15 + 2 * 1440}, {"dep_delay.in_range"}),
        ({"arr_delay": 14}, {"arr_delay_agrees"}),
        ({"dep_time": None}, {"departure_complete", "departed_before_arriving"}),
        ({"dep_time": None, "dep_delay": None}, {"departed_before_arriving"}),
        ({"dep_delay": None}, {"departure_complete"}),
        ({"air_time": None}, {"arrival_complete"}),
        ({"arr_delay": None}, {"arrival_complete"}),
        ({"arr_time": None}, {"arrival_complete"}),
        ({"air_time": 18}, {"speed_plausible"}),
        ({"air_time": 240}, {"speed_plausible"}),
        ({"air_time": 0}, {"speed_plausible", "air_time.greater_than"}),
        ({"minute": 51}, {"schedule_agrees"}),
        ({"time_hour": dt.datetime(2013, 7, 4, 22, tzinfo=dt.UTC)}, {"zones_agree"}),
        ({"time_hour": dt.datetime(2013, 7, 5, 3, tzinfo=dt.UTC)}, {"zones_agree"}),
        ({"year": 2012}, {"zones_agree"}),
        ({"dest": "JFK"}, {"goes_elsewhere"}),
        ({"dest": "B0S"}, {"dest.str_matches"}),
        ({"dest": "BOST"}, {"dest.str_matches"}),
        ({"origin": "JKF"}, {"origin.isin"}),
        ({"carrier": "XX"}, {"carrier.isin"}),
        ({"tailnum": "D942DN"}, {"tailnum.registration"}),
        ({"tailnum": "N12345A"}, {"tailnum.registration"}),
        ({"tailnum": "N123IO"}, {"tailnum.registration"}),
    ],
)
def test_bad_flight_breaks_these_rules_and_no_others(
    broken_by: Callable[..., set[str]], changes: dict[str, object], broken: set[str]
) -> None:
    assert broken_by("flights", GOOD | changes) == broken


def test_hours_of_the_night_without_summer_time(broken_by: Callable[..., set[str]]) -> None:
    # 2013-11-03 had the hour 1 twice: a flight in either is one in hour 1.
    row = GOOD | CANCELLED | {"month": 11, "day": 3, "hour": 1, "minute": 0, "sched_dep_time": 100}
    for utc in (5, 6):
        assert broken_by("flights", row | {"time_hour": dt.datetime(2013, 11, 3, utc, tzinfo=dt.UTC)}) == set()


def test_numbers_at_the_edge_of_their_type_break_rules_only(broken_by: Callable[..., set[str]]) -> None:
    extreme = 2**63 - 1
    row = GOOD | {"dep_time": extreme, "dep_delay": -extreme, "distance": extreme, "hour": extreme}
    assert {"dep_time.clock_time", "hour.in_range"} <= broken_by("flights", row)
