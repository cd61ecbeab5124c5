"""Weather at New York City's three airports, one row an airport and hour, as the airports' stations report it.

Measured on the whole of 2013 (26,115 hours): one wind speed is impossible and corrected below; in 20 hours the humidity
is not that of the temperature and dew point beside it. The local hour 1 of the night in which summer time ends is
there twice for each airport, rightly: time_hour tells the two apart, and so it is part of the key.
"""

from typing import Annotated

import pandera.polars as pa
import polars as pl

from schemas import Correction, Dataset, Dedupe, Gates, Schedule, Severity, Source, steps


def vapour_pressure(fahrenheit: str) -> pl.Expr:
    """Pressure of saturated water vapour at a temperature, by Magnus' formula, in an arbitrary unit."""
    celsius = (pl.col(fahrenheit) - 32) / 1.8
    return (17.625 * celsius / (243.04 + celsius)).exp()


class Weather(pa.DataFrameModel):
    """One hour at one airport; year to hour are local."""

    origin: str = pa.Field(isin=("EWR", "JFK", "LGA"), description="FAA code of the airport.")
    year: int = pa.Field(ge=1987, description="Year; as far back as flights go.")
    month: int = pa.Field(in_range={"min_value": 1, "max_value": 12}, description="Month.")
    day: int = pa.Field(in_range={"min_value": 1, "max_value": 31}, description="Day.")
    hour: int = pa.Field(in_range={"min_value": 0, "max_value": 23}, description="Hour.")
    temp: float = pa.Field(
        nullable=True, in_range={"min_value": -25, "max_value": 115}, description="Temperature in degrees Fahrenheit."
    )
    dewp: float = pa.Field(
        nullable=True, in_range={"min_value": -45, "max_value": 90}, description="Dew point in degrees Fahrenheit."
    )
    humid: float = pa.Field(
        nullable=True, in_range={"min_value": 0, "max_value": 100}, description="Relative humidity in percent."
    )
    wind_dir: int = pa.Field(
        nullable=True,
        in_range={"min_value": 0, "max_value": 360},
        description="Degrees from which the wind blows; 0 is no wind, north is 360, missing is from all around.",
    )
    wind_speed: float = pa.Field(
        nullable=True, in_range={"min_value": 0, "max_value": 120}, description="Wind speed in miles an hour."
    )
    wind_gust: float = pa.Field(
        nullable=True,
        in_range={"min_value": 0, "max_value": 150},
        description="Speed of gusts in miles an hour; missing if there were none, as in four hours of five.",
    )
    precip: float = pa.Field(
        in_range={"min_value": 0, "max_value": 6}, description="Rain and snow, in inches of water."
    )
    pressure: float = pa.Field(
        nullable=True, in_range={"min_value": 940, "max_value": 1060}, description="Sea level pressure in millibars."
    )
    visib: float = pa.Field(
        in_range={"min_value": 0, "max_value": 10}, description="Visibility in miles; 10 is ten and more."
    )
    time_hour: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(
        metadata={"formats": ["%Y-%m-%dT%H:%M:%SZ"], "zone": "UTC"},
        description="The hour in UTC; with origin it joins the flights.",
    )

    @pa.dataframe_check
    @classmethod
    def zones_agree(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """The hour that time_hour tells in UTC must be the one that year, month, day and hour tell in New York."""
        there = pl.col("time_hour").dt.convert_time_zone("America/New_York").dt
        parts = {"year": there.year(), "month": there.month(), "day": there.day(), "hour": there.hour()}
        return data.lazyframe.select(pl.all_horizontal(pl.col(name) == part for name, part in parts.items()))

    @pa.dataframe_check
    @classmethod
    def dew_point_below_temperature(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """The dew point can't lie above the temperature, but for a degree of rounding."""
        return data.lazyframe.select(pl.col("dewp") <= pl.col("temp") + 1)

    @pa.dataframe_check
    @classmethod
    def humidity_agrees(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """The humidity must be within 10 points of what temperature and dew point make it."""
        expected = 100 * vapour_pressure("dewp") / vapour_pressure("temp")
        return data.lazyframe.select((expected - pl.col("humid")).abs() <= 10)

    @pa.dataframe_check
    @classmethod
    def calm_has_no_direction(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """The direction must be 0 when the wind speed is, and only then."""
        return data.lazyframe.select((pl.col("wind_dir") == 0) == (pl.col("wind_speed") == 0))

    @pa.dataframe_check
    @classmethod
    def gusts_exceed_wind(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Gusts can't be slower than the wind."""
        return data.lazyframe.select(pl.col("wind_gust") >= pl.col("wind_speed"))


DATASET = Dataset(
    model=Weather,
    source=Source("weather/{partition}/*.jsonl*"),
    steps=(steps.strip("origin", "time_hour"), steps.uppercase("origin")),
    corrections=(
        Correction(
            "wind_speed",
            where={"origin": "EWR", "time_hour": "2013-02-12T08:00:00Z"},
            expect="1048.36058",
            value=None,
            reason="No wind blows at 1,048 miles an hour (911 knots); the hours beside it had 21 and 13.",
        ),
    ),
    dedupe=Dedupe(key=("origin", "time_hour"), keep="first"),
    severities={"humidity_agrees": Severity.WARN},  # the two may have been read at different minutes of a shower
    # A full day is 72 rows; the worst of 2013 had 57.
    gates=Gates(max_quarantined=0.05, max_rejected=0.05, min_records=24),
    schedule=Schedule("30 2 * * *", timezone="America/New_York"),
)
