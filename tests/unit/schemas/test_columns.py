from __future__ import annotations

import decimal

import pandera.polars as pa
import polars as pl
import pytest

from schemas.columns import ColumnSpec, columns_of
from schemas.errors import DeclarationError, UnknownNameError


def spec(dtype: object, metadata: dict[str, object] | None = None, **settings: object) -> ColumnSpec:
    schema = pa.DataFrameSchema({"c": pa.Column(dtype, metadata=metadata, **settings)})  # type: ignore[arg-type]
    return columns_of(schema)[0]


SUPPORTED = [
    *(pl.String(), pl.Boolean(), pl.Float32(), pl.Float64(), pl.Decimal(18, 2), pl.Categorical(), pl.Enum(["a"])),
    *(pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64(), pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64()),
    *(pl.Date(), pl.Time(), pl.Datetime("us"), pl.Datetime("ms", "UTC"), pl.Datetime("ns", "Europe/Berlin")),
]


@pytest.mark.parametrize("dtype", SUPPORTED, ids=str)
def test_supported_types(dtype: pl.DataType) -> None:
    assert spec(dtype) == ColumnSpec("c", dtype)


UNSUPPORTED = [
    pl.List(pl.Int64),
    pl.Struct({"a": pl.Int64}),
    pl.Array(pl.Int64, 2),
    pl.Duration(),
    pl.Binary,
    pl.Object,
]


@pytest.mark.parametrize("dtype", UNSUPPORTED, ids=str)
def test_unsupported_types_are_refused(dtype: object) -> None:
    with pytest.raises(DeclarationError, match="is not supported"):
        spec(dtype)


@pytest.mark.filterwarnings("ignore:.*support is not guaranteed")
@pytest.mark.parametrize("dtype", [pl.Int128, pl.UInt128, pl.Float16], ids=str)
def test_numbers_that_other_readers_of_parquet_do_not_know_are_refused(dtype: object) -> None:
    with pytest.raises(DeclarationError, match="is not supported"):
        spec(dtype)


@pytest.mark.parametrize("dtype", [pl.Decimal, decimal.Decimal])
def test_a_decimal_that_would_round_is_refused(dtype: object) -> None:
    with pytest.raises(DeclarationError, match=r"pl\.Decimal\(precision=18, scale=2\)"):
        spec(dtype)


def test_what_a_field_says() -> None:
    column = spec(pl.Datetime("us", "UTC"), {"formats": ["%d/%m/%Y"], "zone": "America/New_York", "personal": True})
    assert (column.formats, column.zone, column.personal) == (("%d/%m/%Y",), "America/New_York", True)
    column = spec(bool, {"true": ["Y"], "false": ["N", "0"]}, nullable=True, description="Paid?")
    assert (column.true, column.false, column.nullable, column.description) == (("Y",), ("N", "0"), True, "Paid?")


def test_unknown_metadata_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown metadata 'format'.*Did you mean formats"):
        spec(pl.Date, {"format": "%Y"})


@pytest.mark.parametrize(
    ("dtype", "metadata", "message"),
    [
        (str, {"formats": ["%Y"]}, "a column of Date or Datetime or Time"),
        (str, {"true": ["Y"]}, "a column of Boolean"),
        (pl.Date, {"zone": "UTC"}, "a column of Datetime"),
        (pl.Date, {"formats": "%Y-%m-%d"}, "a list of texts"),
        (pl.Date, {"formats": []}, "a list of texts"),
        (pl.Date, {"formats": [1]}, "a list of texts"),
        (pl.Datetime, {"zone": "Europe/Berln"}, "name of a time zone"),
        (pl.Datetime, {"zone": 1}, "name of a time zone"),
        (str, {"personal": "yes"}, "True or False"),
        (bool, {"true": ["Y", "1"], "false": ["1"]}, "both true and false"),
    ],
)
def test_metadata_that_can_not_be_meant_is_refused(dtype: object, metadata: dict[str, object], message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        spec(dtype, metadata)


def test_a_type_with_an_unknown_zone_is_refused() -> None:
    with pytest.raises(DeclarationError, match="no time zone is called 'Europe/Berln'"):
        spec(pl.Datetime("us", "Europe/Berln"))


GOOD_FORMATS = [
    *((pl.Date(), text) for text in ("%Y-%m-%d", "%d/%m/%Y", "%d.%m.%y", "%Y%m%d", "%b %d, %Y", "%Y-%j", "%F")),
    *((pl.Datetime(), text) for text in ("%Y-%m-%dT%H:%M:%SZ", "%d/%m/%Y %H:%M", "%Y-%m-%d", "%s", "%F %T%.f")),
    *((pl.Datetime("ms", "UTC"), text) for text in ("%+", "%Y-%m-%d %H:%M:%S %z", "%Y-%m-%dT%H:%M%#z")),
    *((pl.Time(), text) for text in ("%H:%M", "%I:%M %p", "%T", "%H:%M:%S%.f")),
]


@pytest.mark.parametrize(("dtype", "text"), GOOD_FORMATS, ids=str)
def test_formats_that_can_be_read(dtype: pl.DataType, text: str) -> None:
    assert spec(dtype, {"formats": [text]}).formats == (text,)


BAD_FORMATS = [
    *((pl.Date(), text) for text in ("%Q", "%", "yyyy-mm-dd", "%H:%M", "%d/%m")),
    *((pl.Datetime(), text) for text in ("%Q", "%H:%M", "%Y-%m-%d %H", "%Y-%m-%d %H:%M %Z")),
    *((pl.Time(), text) for text in ("%Y-%m-%d", "%H", "noon")),
]


@pytest.mark.parametrize(("dtype", "text"), BAD_FORMATS, ids=str)
def test_formats_under_which_nothing_or_another_day_would_be_read_are_refused(dtype: pl.DataType, text: str) -> None:
    with pytest.raises(DeclarationError, match="can't be read"):
        spec(dtype, {"formats": ["%Y-%m-%d %H:%M:%S", text] if not isinstance(dtype, pl.Time) else [text]})
