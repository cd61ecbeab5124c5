from __future__ import annotations

import polars as pl
import pytest

from schemas.probes import ROWS, probes

DTYPES = [
    *(pl.String(), pl.Boolean(), pl.Float32(), pl.Float64(), pl.Categorical(), pl.Enum(["a"]), pl.Enum([])),
    *(pl.Int8(), pl.Int64(), pl.UInt64(), pl.Decimal(38, 38), pl.Decimal(5, 0), pl.Date(), pl.Time()),
    *(pl.Datetime("ns"), pl.Datetime("us", "Europe/Berlin"), pl.Datetime("ms", "UTC")),
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_probe_has_the_declared_types_and_more_rows_than_a_verdict(dtype: pl.DataType) -> None:
    for table in probes({"c": dtype}):
        assert table.schema == {"c": dtype}
        assert table.height == ROWS > 1


def test_one_probe_is_missing_and_the_other_is_not() -> None:
    missing, awkward = probes({"c": pl.Int8(), "d": pl.String()})
    assert missing.null_count().row(0) == (ROWS, ROWS)
    assert awkward.null_count().row(0) == (0, 0)
    assert awkward["c"].to_list() == [-128, 0, 127]
