from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from schemas.errors import HeaderError
from schemas.policies import Drift
from tasks.ingest.header import match_columns
from tasks.ingest.widening import holds, match_types

TEXT, NULL = pa.string(), pa.null()


@pytest.mark.parametrize(
    ("declared", "held", "not_held"),
    [
        (pl.String(), [TEXT, pa.int64(), pa.list_(pa.int8()), pa.binary()], []),
        (pl.Enum(["a"]), [TEXT, pa.dictionary(pa.int8(), TEXT)], []),
        (pl.Boolean(), [pa.bool_(), NULL], [pa.int8(), TEXT]),
        (pl.Int32(), [pa.int8(), pa.int32(), pa.uint16()], [pa.int64(), pa.uint32(), pa.float64(), TEXT]),
        (pl.UInt8(), [pa.uint8()], [pa.int8(), pa.uint16(), pa.bool_()]),
        (pl.Int64(), [pa.dictionary(pa.int8(), pa.int32())], [pa.decimal128(3, 0), pa.dictionary(pa.int8(), TEXT)]),
        (pl.Float64(), [pa.float16(), pa.float64(), pa.int64(), pa.decimal128(20, 2)], [TEXT, pa.bool_()]),
        (pl.Float32(), [pa.float32(), pa.float16(), pa.int64()], [pa.float64()]),
        (
            pl.Decimal(10, 2),
            [pa.decimal128(10, 2), pa.decimal256(5, 1), pa.int16()],
            [pa.decimal128(10, 3), pa.decimal128(11, 2), pa.int32(), pa.float64()],
        ),
        (pl.Date(), [pa.date32(), pa.date64()], [pa.timestamp("s"), TEXT]),
        (pl.Time(), [pa.time32("s"), pa.time64("ns")], [pa.timestamp("s")]),
        (
            pl.Datetime("us"),
            [pa.timestamp("s"), pa.timestamp("us")],
            [pa.timestamp("ns"), pa.timestamp("us", "UTC"), pa.date32()],
        ),
        (pl.Datetime("ms", "UTC"), [pa.timestamp("ms", "Europe/Berlin")], [pa.timestamp("ms")]),
    ],
    ids=str,
)
def test_which_stored_types_a_declared_one_holds(declared: pl.DataType, held: list[Any], not_held: list[Any]) -> None:
    assert {kind: holds(declared, kind) for kind in [*held, *not_held]} == {
        **dict.fromkeys(held, True),
        **dict.fromkeys(not_held, False),
    }


SCHEMA = pa.schema([("old", pa.int64()), ("x", pa.float64()), ("b", pa.int8())])
DTYPES = {"a": pl.Int32(), "b": pl.Int32(), "c": pl.Int32()}


def match(drift: Drift) -> list[tuple[str | None, str | None, str]]:
    columns = match_columns(SCHEMA.names, ["a", "b", "c"], drift, "p.parquet")
    findings = match_types(SCHEMA, columns, DTYPES, drift, "p.parquet")
    return [(finding.column, finding.found, finding.policy) for finding in findings]


def test_only_declared_columns_are_compared_by_the_name_they_have_in_the_file() -> None:
    drift = Drift(missing="null", extra="ignore", renamed={"old": "a"})
    assert match(drift) == [("a", "int64", "cast")]


def test_a_wider_column_stops_the_partition_where_that_is_declared() -> None:
    with pytest.raises(HeaderError, match=r"column 'a' is stored as 'int64'; expected what Int32 holds"):
        match(Drift(missing="null", extra="ignore", renamed={"old": "a"}, widened="fail"))
