"""Flights that were to leave New York City's three airports, one row each, as the airlines report them every night.

Measured on the whole of 2013 (336,776 flights): clock times, delays, schedules and hours agree in every row. Four
flights are faster than their aircraft, and one tail number, on four flights, can't exist. 2,512 flights have no tail
number, 8,255 were cancelled and 1,175 were diverted: these are facts, not errors, and break no rule.
"""

from typing import Annotated

import pandera.polars as pa
import polars as pl

from schemas import Dataset, Dedupe, Gates, Schedule, Severity, Source, steps

CARRIERS = ("9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV")

#: An American registration: N and up to five digits, of which the last one or two may be letters other than I and O.
REGISTRATION = "N[1-9](?:[0-9]{0,4}|[0-9]{0,3}[A-HJ-NP-Z]|[0-9]{0,2}[A-HJ-NP-Z]{2})"
#: American (AA) and its feeder Envoy (MQ) report numbers of their own fleet for many aircraft (22,750 flights).
FLEET_NUMBER = "N[0-9][A-Z]{4}"

DAY = 24 * 60


def minutes(clock_time: str) -> pl.Expr:
    """A column of clock times written HHMM, as minutes after midnight."""
    return pl.col(clock_time) // 100 * 60 + pl.col(clock_time) % 100


def delay_agrees(actual: str, scheduled: str, delay: str) -> pl.Expr:
    """Whether a delay is what lies between two clock times, of which neither tells its day."""
    return (minutes(actual) - minutes(scheduled) - pl.col(delay)) % DAY == 0


class Flights(pa.DataFrameModel):
    """One flight; clock times are local, written HHMM, and midnight is 2400."""

    year: int = pa.Field(ge=1987, description="Year of the scheduled departure; airlines have reported since 1987.")
    month: int = pa.Field(in_range={"min_value": 1, "max_value": 12}, description="Its month.")
    day: int = pa.Field(in_range={"min_value": 1, "max_value": 31}, description="Its day.")
    dep_time: int = pa.Field(nullable=True, description="Departure, HHMM; missing for a cancelled flight.")
    sched_dep_time: int = pa.Field(description="Scheduled departure, HHMM.")
    dep_delay: int = pa.Field(
        nullable=True,
        in_range={"min_value": -60, "max_value": DAY},
        description="Minutes from the scheduled departure to the real one; negative is early.",
    )
    arr_time: int = pa.Field(
        nullable=True, description="Arrival, HHMM at the destination; missing if it did not land there."
    )
    sched_arr_time: int = pa.Field(description="Scheduled arrival, HHMM at the destination.")
    arr_delay: int = pa.Field(
        nullable=True,
        in_range={"min_value": -120, "max_value": DAY},
        description="Minutes from the scheduled arrival to the real one; also missing for a diverted flight.",
    )
    carrier: str = pa.Field(isin=CARRIERS, description="IATA code of the airline.")
    flight: int = pa.Field(in_range={"min_value": 1, "max_value": 9999}, description="Flight number.")
    tailnum: str = pa.Field(nullable=True, description="Registration of the aircraft, or its number in the fleet.")
    origin: str = pa.Field(isin=("EWR", "JFK", "LGA"), description="FAA code of the airport of departure.")
    dest: str = pa.Field(str_matches="^[A-Z]{3}$", description="FAA code of the airport of destination.")
    air_time: int = pa.Field(nullable=True, gt=0, description="Minutes in the air; missing as arr_delay is.")
    distance: int = pa.Field(gt=0, description="Miles between the two airports.")
    hour: int = pa.Field(in_range={"min_value": 0, "max_value": 23}, description="Hour of the scheduled departure.")
    minute: int = pa.Field(in_range={"min_value": 0, "max_value": 59}, description="Its minute.")
    time_hour: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(
        metadata={"formats": ["%Y-%m-%dT%H:%M:%SZ"], "zone": "UTC"},
        description="The scheduled departure's full hour in UTC; with origin it joins the weather.",
    )

    @pa.check("dep_time", "sched_dep_time", "arr_time", "sched_arr_time")
    @classmethod
    def clock_time(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Must be a time of day written HHMM, between 0001 and 2400."""
        time = pl.col(data.key)
        return data.lazyframe.select(time.is_between(1, 2400) & (time % 100 < 60))

    @pa.check("tailnum")
    @classmethod
    def registration(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Must be an American registration like N14228, or a fleet number like N3ALAA."""
        return data.lazyframe.select(pl.col(data.key).str.contains(f"^(?:{REGISTRATION}|{FLEET_NUMBER})$"))

    @pa.dataframe_check
    @classmethod
    def goes_elsewhere(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """The destination must be another airport than the origin."""
        return data.lazyframe.select(pl.col("origin") != pl.col("dest"))

    @pa.dataframe_check
    @classmethod
    def schedule_agrees(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Hour and minute must be those of sched_dep_time."""
        return data.lazyframe.select(pl.col("hour") * 100 + pl.col("minute") == pl.col("sched_dep_time"))

    @pa.dataframe_check
    @classmethod
    def zones_agree(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """The hour that time_hour tells in UTC must be the one that year, month, day and hour tell in New York."""
        there = pl.col("time_hour").dt.convert_time_zone("America/New_York").dt
        parts = {"year": there.year(), "month": there.month(), "day": there.day(), "hour": there.hour()}
        return data.lazyframe.select(pl.all_horizontal(pl.col(name) == part for name, part in parts.items()))

    @pa.dataframe_check
    @classmethod
    def departure_complete(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """A flight that departed must have both dep_time and dep_delay, and a cancelled one neither."""
        return data.lazyframe.select(pl.col("dep_time").is_null() == pl.col("dep_delay").is_null())

    @pa.dataframe_check
    @classmethod
    def arrival_complete(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """A flight flown as planned must have arr_time, arr_delay and air_time; any other only arr_time, if at all."""
        as_planned = pl.col("arr_delay").is_not_null()
        timed = as_planned == pl.col("air_time").is_not_null()
        return data.lazyframe.select(timed & (pl.col("arr_time").is_not_null() | ~as_planned))

    @pa.dataframe_check
    @classmethod
    def departed_before_arriving(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """A flight that did not depart can't have arrived, or been in the air."""
        stayed = pl.col("arr_time").is_null() & pl.col("air_time").is_null()
        return data.lazyframe.select(pl.col("dep_time").is_not_null() | stayed)

    @pa.dataframe_check
    @classmethod
    def dep_delay_agrees(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """The delay must be what lies between sched_dep_time and dep_time, give or take whole days."""
        return data.lazyframe.select(delay_agrees("dep_time", "sched_dep_time", "dep_delay"))

    @pa.dataframe_check
    @classmethod
    def arr_delay_agrees(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """The delay must be what lies between sched_arr_time and arr_time, give or take whole days."""
        return data.lazyframe.select(delay_agrees("arr_time", "sched_arr_time", "arr_delay"))

    @pa.dataframe_check
    @classmethod
    def speed_plausible(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """The distance must have been flown at 50 to 600 miles an hour."""
        # Holding over Philadelphia brings real flights down to 77; a tailwind brought one up to 591.
        return data.lazyframe.select((pl.col("distance") * 60 / pl.col("air_time")).is_between(50, 600))


DATASET = Dataset(
    model=Flights,
    source=Source("flights/{partition}/*.csv*", null_tokens=("NA",)),
    steps=(
        steps.strip("carrier", "tailnum", "origin", "dest"),
        steps.uppercase("carrier", "tailnum", "origin", "dest"),
    ),
    # A flight number leaves an airport once an hour at most; it may well leave two airports on one day.
    dedupe=Dedupe(key=("carrier", "flight", "origin", "time_hour"), keep="first"),
    severities={
        # Delays beyond these have not been seen but can happen; a wrong tail number spoils no other column.
        "dep_delay.in_range": Severity.WARN,
        "arr_delay.in_range": Severity.WARN,
        "tailnum.registration": Severity.WARN,
    },
    # The quietest night of 2013, Thanksgiving, had 634 flights.
    gates=Gates(max_quarantined=0.05, max_rejected=0.01, min_records=300),
    schedule=Schedule("15 2 * * *", timezone="America/New_York"),
)
