"""Which of Delta's types a column has, and which columns stay behind."""

from __future__ import annotations

import polars as pl
import pytest

from schemas.errors import UsageError
from tasks.export.types import DeltaType, delta_columns, delta_type


@pytest.mark.parametrize(
    ("dtype", "name", "cast"),
    [
        (pl.Int8(), "byte", None),
        (pl.UInt16(), "integer", None),
        (pl.UInt64(), "decimal(20,0)", pl.Decimal(20, 0)),
        (pl.Float32(), "float", None),
        (pl.Decimal(18, 2), "decimal(18,2)", None),
        (pl.Datetime("ms"), "timestamp_ntz", None),
        (pl.Datetime("us", "Europe/Berlin"), "timestamp", None),
        (pl.Time(), "string", pl.String()),
        (pl.Enum(["a"]), "string", pl.String()),
        (pl.Categorical(), "string", None),
    ],
)
def test_types(dtype: pl.DataType, name: str, cast: pl.DataType | None) -> None:
    assert delta_type(dtype) == DeltaType(name, cast)


def test_a_type_that_delta_has_not() -> None:
    with pytest.raises(UsageError, match="can't hold a column of List"):
        delta_type(pl.List(pl.String()))


def test_lineage_that_would_cost_a_rewrite_is_left_out() -> None:
    schema = {"_file": pl.String(), "_record": pl.UInt64(), "_length": pl.UInt32(), "big": pl.UInt64()}
    assert list(delta_columns({"version 1": schema}, "trips")) == ["_file", "_length", "big"]


def test_a_column_with_two_types_is_told_with_its_versions() -> None:
    schemas = {"version 1": {"a": pl.Int32()}, "version 2": {"b": pl.Date()}, "version 3": {"a": pl.Float64()}}
    with pytest.raises(UsageError, match=r"a is integer in version 1 and double in version 3; .* --since N"):
        delta_columns(schemas, "trips")
