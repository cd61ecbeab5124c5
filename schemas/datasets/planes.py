"""Aircraft that left New York City in 2013, one row each, from the register of the Federal Aviation Administration.

Measured on all 3,322: four cells are wrong for the model of the aircraft and corrected below, 518 manufacturers are
spelt in more than one way, and the register gives the 80 Embraers 190 twenty seats, of which each has a hundred.
70 have no year; only 23, nearly all old, have a cruising speed.
"""

import pandera.polars as pa
import polars as pl

from schemas import Correction, Dataset, Dedupe, Gates, Severity, Source, steps

TYPES = ("Fixed wing multi engine", "Fixed wing single engine", "Rotorcraft")
ENGINES = ("4 Cycle", "Reciprocating", "Turbo-fan", "Turbo-jet", "Turbo-prop", "Turbo-shaft")

#: As in the data set of flights, but every aircraft of the register has a registration.
REGISTRATION = "N[1-9](?:[0-9]{0,4}|[0-9]{0,3}[A-HJ-NP-Z]|[0-9]{0,2}[A-HJ-NP-Z]{2})"
#: Models of airliners that are all built with two engines.
TWIN_JETS = "^(?:7[13578]7|767|A3[0123][0-9]|EMB-1|ERJ 1|CL-600|MD-[89]|DC-9)"


class Planes(pa.DataFrameModel):
    """One aircraft."""

    tailnum: str = pa.Field(str_matches=f"^{REGISTRATION}$", description="Registration.")
    year: int = pa.Field(
        nullable=True, in_range={"min_value": 1935, "max_value": 2013}, description="Year in which it was built."
    )
    type: str = pa.Field(isin=TYPES, description="Kind of aircraft.")
    manufacturer: str = pa.Field(
        str_length={"min_value": 2, "max_value": 80},
        metadata={"personal": True},
        description="Who built it: for a home-built aircraft the name of a private person.",
    )
    model: str = pa.Field(str_length={"min_value": 2, "max_value": 40}, description="Model.")
    engines: int = pa.Field(in_range={"min_value": 1, "max_value": 4}, description="Number of engines.")
    seats: int = pa.Field(in_range={"min_value": 1, "max_value": 853}, description="Number of seats, the crew's too.")
    speed: int = pa.Field(
        nullable=True,
        in_range={"min_value": 50, "max_value": 700},
        description="Cruising speed in miles an hour; as good as never filled in.",
    )
    engine: str = pa.Field(isin=ENGINES, description="Kind of engine.")

    @pa.dataframe_check
    @classmethod
    def engines_fit_type(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """A single engine aircraft must have one engine and a multi engine one more; a rotorcraft may have any."""
        single, multi = pl.col("type").str.ends_with("single engine"), pl.col("type").str.ends_with("multi engine")
        return data.lazyframe.select((~single | (pl.col("engines") == 1)) & (~multi | (pl.col("engines") > 1)))

    @pa.dataframe_check
    @classmethod
    def twin_jet_has_two(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """An airliner of a model that is built with two engines must have two."""
        return data.lazyframe.select(~pl.col("model").str.contains(TWIN_JETS) | (pl.col("engines") == 2))

    @pa.dataframe_check
    @classmethod
    def fan_is_modern(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """An aircraft with turbo-fans that flew in 2013 must have been built after 1975."""
        return data.lazyframe.select((pl.col("engine") != "Turbo-fan") | (pl.col("year") > 1975))

    @pa.dataframe_check
    @classmethod
    def embraer_190_is_large(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """An Embraer 190 must have about a hundred seats; the register knows of twenty."""
        return data.lazyframe.select(~pl.col("model").str.starts_with("ERJ 190") | (pl.col("seats") >= 90))


DATASET = Dataset(
    model=Planes,
    source=Source("planes/{partition}/*.parquet"),
    steps=(
        steps.strip("tailnum", "type", "manufacturer", "model", "engine"),
        steps.collapse_whitespace("manufacturer", "model"),
        steps.uppercase("tailnum"),
        steps.synonyms(
            "manufacturer",
            spellings={
                "AIRBUS INDUSTRIE": "AIRBUS",
                "CANADAIR LTD": "CANADAIR",
                "MCDONNELL DOUGLAS AIRCRAFT CO": "MCDONNELL DOUGLAS",
                "MCDONNELL DOUGLAS CORPORATION": "MCDONNELL DOUGLAS",
            },
        ),
        steps.synonyms("model", spellings={"FALCON-XP": "FALCON XP"}),
    ),
    corrections=(
        Correction(
            "year",
            where={"tailnum": "N14629", "model": "737-524"},
            expect="1965",
            value=None,
            reason="The Boeing 737-500 has been built since 1989; the year may be that of an earlier N14629.",
        ),
        Correction(
            "engines",
            where={"tailnum": "N854NW", "model": "A330-223"},
            expect="3",
            value="2",
            reason="Every Airbus A330 has two engines.",
        ),
        Correction(
            "engines",
            where={"tailnum": "N856NW", "model": "A330-223"},
            expect="3",
            value="2",
            reason="Every Airbus A330 has two engines.",
        ),
        Correction(
            "engines",
            where={"tailnum": "N840MQ", "model": "CF-5D"},
            expect="4",
            value="2",
            reason="The Canadair CF-5 has two engines.",
        ),
    ),
    # Each dump is the whole register: yesterday's aircraft come again in every one of them.
    dedupe=Dedupe(key=("tailnum",), keep="first", across="partition"),
    severities={
        "embraer_190_is_large": Severity.WARN,  # the rest of the row is right
        "fan_is_modern": Severity.WARN,  # an old one that still flies is improbable, not impossible
    },
    gates=Gates(max_quarantined=0.01, max_rejected=0, min_records=1000),
)
