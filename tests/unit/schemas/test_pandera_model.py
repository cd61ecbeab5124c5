from __future__ import annotations

import datetime as dt
from typing import ClassVar, Optional

import pandera.polars as pa
import polars as pl
import pytest
from pandera.api.dataframe.model_components import parser
from pandera.api.parsers import Parser

from schemas.errors import DeclarationError, UnknownNameError
from schemas.pandera_model import read_model


def even(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key) % 2 == 0)


class Trips(pa.DataFrameModel):
    origin: str = pa.Field(isin=["EWR", "JFK"], description="Where it began.", metadata={"personal": True})
    began: dt.datetime = pa.Field(nullable=True)
    seats: int = pa.Field(unique=True, alias="Seats")

    _known_origins: ClassVar[int] = 2

    @pa.check("Seats", ignore_na=False)
    @classmethod
    def few(cls, data: pa.PolarsData) -> pl.LazyFrame:
        """Must be few."""
        return data.lazyframe.select(pl.col(data.key) < 9)

    @pa.dataframe_check
    @classmethod
    def complete(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.all_horizontal(pl.col("began", "Seats").is_not_null()))


def test_columns_as_plain_facts() -> None:
    model = read_model(Trips)
    assert model.name == "Trips"
    origin, began, seats = model.columns
    assert (origin.name, origin.dtype, origin.nullable, origin.unique) == ("origin", pl.String(), False, False)
    assert (origin.description, origin.metadata) == ("Where it began.", {"personal": True})
    assert (began.dtype, began.nullable) == (pl.Datetime("us"), True)
    assert (seats.name, seats.unique) == ("Seats", True)


def test_checks_as_plain_facts() -> None:
    model = read_model(Trips)
    (isin,), (few,), (complete,) = model.columns[0].checks, model.columns[2].checks, model.checks
    assert (isin.name, isin.builtin, isin.column, isin.where) == ("isin", "isin", "origin", "origin.isin")
    assert (few.name, few.builtin, few.ignore_na, few.description) == ("few", None, False, "Must be few.")
    assert (complete.column, complete.where) == (None, "complete")


def test_a_check_is_called_as_pandera_calls_it() -> None:
    few = read_model(Trips).columns[2].checks[0]
    answer = few.answer(pl.LazyFrame({"Seats": [4, 12]}))
    assert isinstance(answer, pl.LazyFrame)
    assert answer.collect().to_series().to_list() == [True, False]


@pytest.mark.parametrize("unique", ["a", ["a"], [["a"]], ("a",)], ids=str)
def test_one_set_of_columns_that_are_unique_together(unique: object) -> None:
    schema = pa.DataFrameSchema({"a": pa.Column(str)}, unique=unique)  # type: ignore[arg-type]
    assert read_model(schema).unique == (("a",),)


def test_several_sets_of_columns_that_are_unique_together() -> None:
    schema = pa.DataFrameSchema({name: pa.Column(str) for name in "abc"}, unique=[["a", "b"], ["c"]])
    assert read_model(schema).unique == (("a", "b"), ("c",))


def test_an_unknown_column_in_unique_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown column 'orig'.*Did you mean origin"):
        read_model(pa.DataFrameSchema({"origin": pa.Column(str)}, unique=["orig"]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"drop_invalid_rows": True}, "drop_invalid_rows"),
        ({"strict": "filter"}, r"extra='ignore'"),
        ({"ordered": True}, "reordered='fail'"),
        ({"add_missing_columns": True}, "invent values"),
        ({"dtype": pl.String}, "overrides"),
        ({"parsers": Parser(lambda frame: frame)}, "parsers do nothing"),
    ],
    ids=str,
)
def test_settings_of_a_schema_without_effect_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        read_model(pa.DataFrameSchema({"a": pa.Column(str)}, **settings))  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:Setting report_duplicates")
def test_report_duplicates_is_refused() -> None:
    schema = pa.DataFrameSchema({"a": pa.Column(str)}, unique=["a"], report_duplicates="exclude_first")
    with pytest.raises(DeclarationError, match="every row of a group of duplicates"):
        read_model(schema)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.Column(str, regex=True), "a pattern"),
        (pa.Column(str, required=False), r"nullable=True"),
        (pa.Column(str, default="x"), "invent values"),
        (pa.Column(str, default=pl.lit("x")), "invent values"),
        (pa.Column(str, drop_invalid_rows=True), "drop_invalid_rows"),
        (pa.Column(), "no type"),
    ],
    ids=["regex", "required", "default", "default expression", "drop_invalid_rows", "no type"],
)
def test_settings_of_a_column_without_effect_are_refused(column: pa.Column, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        read_model(pa.DataFrameSchema({"a": column}))


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (pa.Check(even, groupby="a"), r"\.over"),
        (pa.Check.isin("abc"), "its letters"),
        (pa.Check.notin("abc"), "its letters"),
    ],
    ids=["groupby", "isin", "notin"],
)
def test_settings_of_a_check_without_effect_are_refused(check: pa.Check, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        read_model(pa.DataFrameSchema({"a": pa.Column(str, check)}))


def test_an_element_wise_check_of_the_table_is_refused() -> None:
    schema = pa.DataFrameSchema({"a": pa.Column(int)}, checks=pa.Check(bool, name="true", element_wise=True))
    with pytest.raises(DeclarationError, match="Declare it for a column"):
        read_model(schema)


def test_an_optional_annotation_is_refused() -> None:
    class Model(pa.DataFrameModel):
        a: Optional[str]  # noqa: UP045  # as its user may write it

    with pytest.raises(DeclarationError, match="column may be absent"):
        read_model(Model)


def test_a_parser_is_refused() -> None:
    class Model(pa.DataFrameModel):
        a: str

        @parser("a")
        @classmethod
        def stripped(cls, data: pa.PolarsData) -> pl.LazyFrame:
            return data.lazyframe

    with pytest.raises(DeclarationError, match="parsers are not supported"):
        read_model(Model)


def test_a_name_that_pandera_forgets_is_refused() -> None:
    class Model(pa.DataFrameModel):
        a: int

        @pa.check("a", name="is_even")
        @classmethod
        def check_it(cls, data: pa.PolarsData) -> pl.LazyFrame:
            return even(data)

    with pytest.raises(DeclarationError, match="Rename the method"):
        read_model(Model)


def test_a_column_with_an_underscore_is_refused() -> None:
    class Hidden(pa.DataFrameModel):
        a: int
        _b: int

    class Aliased(pa.DataFrameModel):
        b: int = pa.Field(alias="_b")

    for model in (Hidden, Aliased):
        with pytest.raises(DeclarationError, match="'_b' begins with an underscore"):
            read_model(model)


def test_a_model_that_pandera_can_not_build_is_refused() -> None:
    class Model(pa.DataFrameModel):
        a: int

        @pa.check("b")
        @classmethod
        def about_nothing(cls, data: pa.PolarsData) -> pl.LazyFrame:
            return even(data)

    with pytest.raises(DeclarationError, match="non-existing field 'b'"):
        read_model(Model)


def test_a_model_without_columns_is_refused() -> None:
    with pytest.raises(DeclarationError, match="declares no column"):
        read_model(pa.DataFrameSchema({}))
